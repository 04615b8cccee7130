"""Responding to 401 and 407 (RFC 3261 22): each challenge once, and known nonces in advance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from sip.syntax.digest import Challenge, authorization, cannot_answer, choose
from sip.syntax.errors import UnsendableError
from sip.syntax.message import Headers, Request, Response
from sip.transaction.client import ClientTransaction, FailureUser, ResponseUser
from sip.ua.core import UaCore
from sip.ua.dialog import Dialog
from sip.values import Credentials, Hop

_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
_MAX_REALMS = 8
_MAX_ANSWERS = 8
"""Challenges answered for one request; more suggest an authentication loop."""

Answers = list[tuple[tuple[str, str], Challenge]]
"""Challenges that were answered for one request, each with the header of the answer and the realm."""


def why_unanswered(status: int, headers: Headers) -> str | None:
    """A sentence for a response with challenges that cannot be answered here; None for any other."""
    if status not in _HEADERS:
        return None
    whys = map(cannot_answer, _by_realm(headers, _HEADERS[status][0]).values())
    return next((why for why in whys if why is not None), None)


def _by_realm(headers: Headers, name: str) -> dict[str, list[Challenge]]:
    """The challenges in the fields of this name. Each realm is answered separately (RFC 3261 22.3)."""
    by_realm: dict[str, list[Challenge]] = {}
    for value in headers.get_all(name):
        for challenge in Challenge.parse_all(value):
            by_realm.setdefault(challenge.realm, []).append(challenge)
    return by_realm


class Authenticator:
    """The credentials of one call, and the nonces of the servers that challenged it.

    Raises UnsendableError for a name or password that cannot be sent.
    """

    def __init__(self, credentials: Credentials | None, random: Random) -> None:
        if credentials is not None:
            for text in (credentials.username, credentials.password):
                if not text.isprintable():
                    raise UnsendableError("user name and password must not have control characters")
        self._credentials = credentials
        self._random = random
        self._known: dict[tuple[str, str], tuple[Challenge, int]] = {}

    def sign(self, request: Request) -> None:
        """Add an answer for each known challenge, with the next nonce count."""
        if self._credentials is None:
            return
        for (header, realm), (challenge, used) in self._known.items():
            # The nonce count must grow with each use of a nonce, or the request is taken for a replay (RFC
            # 7616 3.4.5).
            self._known[header, realm] = challenge, used + 1
            value = authorization(
                challenge,
                username=self._credentials.username,
                password=self._credentials.password,
                method=request.method,
                uri=request.uri,
                body=request.body,
                nonce_count=used + 1,
                cnonce=f"{self._random.getrandbits(64):016x}",
            )
            request.headers.add(header, value)

    def learn(self, response: Response, answered: Answers) -> bool:
        """Whether sending the request again, with new credentials, can succeed.

        ``answered`` holds what was answered for this request already. A second challenge of a realm means
        wrong credentials, unless it marks only the nonce as stale; and it must not be a weaker one.
        """
        if response.status not in _HEADERS or self._credentials is None or len(answered) >= _MAX_ANSWERS:
            return False
        asked, header = _HEADERS[response.status]
        fresh = False
        for realm, challenges in list(_by_realm(response.headers, asked).items())[:_MAX_REALMS]:
            chosen = choose(challenges)
            # RFC 3261 22.3: all realms of a response have to be answered; with one missing the
            # request fails again.
            if chosen is None:
                return False
            earlier = [known for where, known in answered if where == (header, realm)]
            # A man in the middle could ask for MD5 after SHA-256 was answered, to have the weaker hash to try
            # passwords on.
            if any(known.nonce == chosen.nonce or known.strength > chosen.strength for known in earlier):
                return False
            if earlier and not chosen.stale:
                return False
            # Far ends choose the realms: without a bound they would make every later request longer.
            if len(self._known) >= _MAX_REALMS and (header, realm) not in self._known:
                return False
            answered.append(((header, realm), chosen))
            self._known[header, realm] = chosen, 0
            fresh = True
        return fresh


class AuthenticatedRequest:
    """A request of ours and, when it is challenged, the same once more with credentials.

    ``build`` makes the request each time, with a new CSeq; ``hops`` are its destinations, best first.
    ``revise`` looks at each response and returns whether ``build`` will now make a request that can succeed.
    """

    def __init__(
        self,
        core: UaCore,
        authenticator: Authenticator,
        build: Callable[[], Request],
        hops: Callable[[], Sequence[Hop]],
        on_response: ResponseUser,
        on_failure: FailureUser,
        now: float,
        revise: Callable[[Response], bool] = lambda response: False,
    ) -> None:
        self._core = core
        self._authenticator = authenticator
        self._build = build
        self._hops = hops
        self._on_response = on_response
        self._on_failure = on_failure
        self._revise = revise
        self._answered: Answers = []
        self.stopped = False
        self.transaction: ClientTransaction = self._send(now)

    @classmethod
    def within(
        cls,
        dialog: Dialog,
        core: UaCore,
        authenticator: Authenticator,
        build: Callable[[], Request],
        on_response: ResponseUser,
        on_failure: FailureUser,
        now: float,
        revise: Callable[[Response], bool] = lambda response: False,
    ) -> AuthenticatedRequest:
        """A request within ``dialog``, which goes where its far end is reached."""

        target = ""

        def hops() -> Sequence[Hop]:
            nonlocal target
            target = dialog.target
            return core.hops(dialog)

        def respond(response: Response, source: Hop, now: float) -> None:
            # An answer from an earlier target does not show that the current one is reachable.
            if dialog.target == target:
                dialog.reached = sent.transaction.destination
            on_response(response, source, now)

        sent = cls(
            core,
            authenticator,
            build,
            hops,
            respond,
            on_failure,
            now,
            revise,
        )
        return sent

    @property
    def request(self) -> Request:
        """The request that was sent last."""
        return self.transaction.request

    def stop(self) -> None:
        """Answer no further challenge, and take no further way."""
        self.stopped = True
        self.transaction.stay()

    def _send(self, now: float) -> ClientTransaction:
        request = self._build()
        self._authenticator.sign(request)
        return self._core.transactions.request(request, self._hops(), self._receive, self._on_failure, now)

    def _receive(self, response: Response, source: Hop, now: float) -> None:
        if not self.stopped and (
            self._authenticator.learn(response, self._answered) or self._revise(response)
        ):
            self.transaction = self._send(now)
        else:
            self._on_response(response, source, now)
