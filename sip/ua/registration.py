"""Registration (RFC 3261 10.2): binding our Contact at a registrar, refreshing the binding, and removing it.

.. code-block:: text

    Idle ── begin ──> Asking ── 2xx ──> Bound ── time to refresh ──> Asking
                        │                 └── end ──> Leaving ── any answer, or none ──> Gone
                        ├── 423 ──> Asking, for longer
                        ├── any other failure ──> Waiting ── time to retry ──> Asking
                        └── end ──> Parting ── 2xx ──> Leaving

Only one REGISTER is pending at a time (RFC 3261 10.2), so the end waits for the response to it. The response
to a removal does not matter. **Anything not in the table is ignored.** :class:`Registrations` keeps all
registrations of a user agent, by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from itertools import count

from sip.syntax.headers import quote_string
from sip.syntax.message import CSeq, Headers, NameAddress, Request, Response
from sip.syntax.uri import Uri, parse_uri
from sip.transaction.client import Failure
from sip.transaction.timers import Timer
from sip.ua.authentication import Authenticator, why_unanswered
from sip.ua.core import REASONS, UaCore
from sip.ua.failover import Failover
from sip.ua.registration_messages import (
    LONGEST_EXPIRY,
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
    Unregistered,
    check_request,
    delta_seconds,
    granted,
    retry_after,
    same_place,
    seen_from,
)
from sip.values import Address, Credentials, Hop

RECONNECT = (1.0, 5.0)
"""Seconds, chosen at random, until a registration whose connection broke is renewed."""


# --- the machine --------------------------------------------------------------------------------------------


class Phase(Enum):
    IDLE = auto()
    ASKING = auto()
    BOUND = auto()
    WAITING = auto()
    PARTING = auto()
    """To be removed when the pending REGISTER has its response."""
    LEAVING = auto()
    GONE = auto()


class Input(Enum):
    BEGIN = auto()
    ACCEPTED = auto()
    TOO_BRIEF = auto()
    """423 with a Min-Expires that we can ask for."""
    REFUSED = auto()
    """Any other failure, including no response."""
    DUE = auto()
    """Time to refresh or to retry."""
    END = auto()
    DROP = auto()
    """End, and the registrar knows of no binding."""


class Action(Enum):
    ASK = auto()
    """Send a REGISTER for our Contact."""
    REMOVE = auto()
    """Send a REGISTER that removes it."""
    KEEP = auto()
    """Note the binding, and when to refresh it."""
    RETRY_LATER = auto()
    FINISH = auto()


_TABLE: Mapping[tuple[Phase, Input], tuple[Phase, Action | None]] = {
    (Phase.IDLE, Input.BEGIN): (Phase.ASKING, Action.ASK),
    (Phase.ASKING, Input.ACCEPTED): (Phase.BOUND, Action.KEEP),  # RFC 3261 10.2.4
    (Phase.ASKING, Input.TOO_BRIEF): (Phase.ASKING, Action.ASK),  # RFC 3261 10.2.8
    (Phase.ASKING, Input.REFUSED): (Phase.WAITING, Action.RETRY_LATER),  # RFC 5626 4.5
    (Phase.ASKING, Input.END): (Phase.PARTING, None),  # RFC 3261 10.2
    # No binding is known yet, but the pending REGISTER may make one.
    (Phase.ASKING, Input.DROP): (Phase.PARTING, None),
    (Phase.BOUND, Input.DUE): (Phase.ASKING, Action.ASK),  # RFC 3261 10.2.4
    (Phase.BOUND, Input.END): (Phase.LEAVING, Action.REMOVE),  # RFC 3261 10.2.2
    (Phase.WAITING, Input.DUE): (Phase.ASKING, Action.ASK),
    (Phase.WAITING, Input.END): (Phase.LEAVING, Action.REMOVE),
    (Phase.WAITING, Input.DROP): (Phase.GONE, Action.FINISH),
    (Phase.PARTING, Input.ACCEPTED): (Phase.LEAVING, Action.REMOVE),
    (Phase.PARTING, Input.TOO_BRIEF): (Phase.GONE, Action.FINISH),
    (Phase.PARTING, Input.REFUSED): (Phase.GONE, Action.FINISH),
    (Phase.LEAVING, Input.ACCEPTED): (Phase.GONE, Action.FINISH),
    (Phase.LEAVING, Input.TOO_BRIEF): (Phase.GONE, Action.FINISH),
    (Phase.LEAVING, Input.REFUSED): (Phase.GONE, Action.FINISH),
}


class Registration:
    """One address of record at one registrar.

    ``emit`` gets each new state, ``on_gone`` is called when it has ended. Raises ParseError or
    UnsendableError for a request that cannot be sent.
    """

    def __init__(
        self,
        core: UaCore,
        number: int,
        request: RegistrationRequest,
        emit: Callable[[RegistrationState], None],
        on_gone: Callable[[], None],
    ) -> None:
        check_request(request)
        self.state: RegistrationState = Unregistered(number)
        self._core = core
        self._number = number
        self._request = request
        self._hops = request.destination
        self._emit = emit
        self._on_gone = on_gone
        self._authenticator = Authenticator(request.settings.credentials, core.random)
        self._registrar = str(parse_uri(request.settings.registrar))
        identity = NameAddress.parse(request.settings.identity)
        self._user = parse_uri(identity.uri).user
        self._to = str(identity)
        self._from = str(NameAddress(identity.display_name, identity.uri, {"tag": core.token()}))
        # The same for all registrations until we end (RFC 3261 10.2).
        # A registrar compares CSeq numbers of one Call-ID only; another Call-ID would let a late REGISTER
        # undo a newer one.
        self._call_id = f"{core.token()}@{core.local_host(request.destination[0])}"
        self._sequence = 0
        self._phase = Phase.IDLE
        self._expires = request.settings.expires
        self._until = 0.0
        self._failures = 0
        self._timer: Timer | None = None
        self._seen_from: Address | None = None
        self._contact = self._own_contact(request.destination[0])
        self._followed = False
        self.flow: Hop | None = None
        """The source of the last response; calls may come from there."""
        self._leftover: Uri | None = None

    def credentials_for(self, source: Hop) -> Credentials | None:
        """Credentials of the account, for calls from where it is registered; None elsewhere."""
        registered_at = {hop.host for hop in (*self._hops, self.flow) if hop is not None}
        return self._request.settings.credentials if source.host in registered_at else None

    def begin(self, now: float) -> None:
        self._feed(Input.BEGIN, now)

    def redirect(self, hops: Sequence[Hop]) -> None:
        """The next REGISTER takes these hops."""
        if hops:
            self._hops = hops

    def disconnected(self, hop: Hop, now: float) -> None:
        """A connection is gone: if calls would have come by it, register again by another (RFC 5626 4.4)."""
        if hop == self.flow and self._phase is Phase.BOUND:
            self.flow = None
            if self._timer is not None:
                self._timer.cancel()
            # RFC 5626 4.5 spreads reconnections: after a registrar's restart all of its clients
            # come back at once.
            self._arm(now + self._core.random.uniform(*RECONNECT))

    def end(self, now: float) -> None:
        """Remove the binding; Unregistered follows when the registrar has responded, or has not in time."""
        self._feed(Input.END if self._until > now else Input.DROP, now)

    # --- the machine ----------------------------------------------------------------------------------------

    def _feed(self, what: Input, now: float, response: Response | None = None, reason: str = "") -> None:
        step = _TABLE.get((self._phase, what))
        if step is None:
            return
        self._phase, action = step
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if action is Action.ASK:
            self._ask(now)
        elif action is Action.REMOVE:
            self._exchange(0, now)
        elif action is Action.KEEP and response is not None:
            self._keep(response, granted(response, self._contact, self._expires), now)
        elif action is Action.RETRY_LATER:
            self._retry_later(response, reason, now)
        elif action is Action.FINISH:
            self._change(Unregistered(self._number))
            self._on_gone()

    def _change(self, state: RegistrationState) -> None:
        self.state = state
        self._emit(state)

    def _ask(self, now: float) -> None:
        self._exchange(self._expires, now)
        # A refresh is not a new state: the binding of before still holds while the registrar is asked.
        if not isinstance(self.state, Registering | Registered):
            self._change(Registering(self._number))

    def _keep(self, response: Response, seconds: int, now: float) -> None:
        just_moved = self._leftover is not None
        self._failures = 0
        self._leftover = None
        self._until = now + seconds
        self._change(
            Registered(
                self._number,
                self._until,
                str(self._contact),
                tuple(response.headers.get_all("Service-Route")),
                tuple(response.headers.get_all("Path")),
                self._seen_from,
            )
        )
        if self._request.settings.follow_rport and self._moved() and not just_moved:
            # Once in a while only: some NATs give another port for each request.
            self._due(now)
        else:
            # Not all at once, where many share a registrar.
            self._arm(now + seconds * self._core.random.uniform(0.8, 0.9))

    def _retry_later(self, response: Response | None, reason: str, now: float) -> None:
        status = 408 if response is None else response.status
        if response is not None and not reason:
            reason = f"the registrar responded {status} {response.reason or REASONS.get(status, '')}".rstrip()
            if (why := why_unanswered(status, response.headers)) is not None:
                reason = f"{reason}: {why}"
        wait = retry_after(response, self._failures, self._core.random)
        self._failures += 1
        self._arm(now + wait)
        self._change(RegistrationFailed(self._number, status, reason, now + wait))

    def _arm(self, when: float) -> None:
        self._timer = self._core.timers.at(when, self._due)

    def _due(self, now: float) -> None:
        self._feed(Input.DUE, now)

    # --- requests and their answers -------------------------------------------------------------------------

    def _exchange(self, expires: int, now: float) -> None:
        Failover(
            self._core,
            self._authenticator,
            lambda hop: self._build(expires, hop),
            self._hops,
            self._respond,
            self._lost,
            _ignore_late,
            now,
        )

    def _build(self, expires: int, hop: Hop) -> Request:
        # RFC 3261 10.2: one more for each REGISTER of a Call-ID, also for one that repeats a refused one.
        self._sequence += 1
        if not self._followed:
            self._contact = self._own_contact(hop)
        features = "".join(f";{name}={quote_string(value)}" for name, value in self._request.features)
        contacts = [f"<{self._contact}>{features};expires={expires}"]
        if self._leftover is not None:
            # The previous address: calls would otherwise be forked to it, which is no longer ours.
            contacts.append(f"<{self._leftover}>;expires=0")
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", self._from),
                ("To", self._to),
                ("Call-ID", self._call_id),
                ("CSeq", str(CSeq(self._sequence, "REGISTER"))),
                ("Contact", ", ".join(contacts)),
                ("Expires", str(expires)),
                # RFC 3327: without it an edge proxy may refuse the registration.
                ("Supported", "path"),
                *self._request.headers,
            ]
        )
        return self._core.add_headers(Request("REGISTER", self._registrar, headers), None, None)

    def _respond(self, response: Response, source: Hop, now: float) -> None:
        if response.status < 200:
            return
        self._seen_from = seen_from(response) or self._seen_from
        self.flow = source
        # RFC 3261 10.3 step 8: the 2xx lists all bindings; ours counts only if it is among them.
        if response.status < 300 and granted(response, self._contact, self._expires):
            self._feed(Input.ACCEPTED, now, response)
        elif response.status < 300:
            why = "the registrar accepted the registration with an expiry of 0 s"
            self._feed(Input.REFUSED, now, response, why)
        elif response.status == 423 and self._lengthen(response):
            self._feed(Input.TOO_BRIEF, now)
        else:
            self._feed(Input.REFUSED, now, response)

    def _lost(self, failure: Failure, now: float) -> None:
        self._feed(Input.REFUSED, now, reason="the registrar did not respond")

    def _lengthen(self, response: Response) -> bool:
        """Request the interval of Min-Expires (RFC 3261 10.2.8); False when it is not longer than before."""
        least = delta_seconds(response.headers.get("Min-Expires"))
        longer = self._expires < least <= LONGEST_EXPIRY
        if longer:
            self._expires = least
        return longer

    # --- our Contact ----------------------------------------------------------------------------------------

    def _own_contact(self, hop: Hop) -> Uri:
        return parse_uri(NameAddress.parse(self._core.contact(hop, self._user)).uri)

    def _moved(self) -> bool:
        """Use the address that the far end sees as our Contact; returns whether it has changed."""
        if self._seen_from is None:
            return False
        seen = Uri("sip", self._user, *self._seen_from, params=self._contact.params)
        if same_place(seen, self._contact):
            return False
        self._leftover, self._contact = self._contact, seen
        self._followed = True
        return True


def _ignore_late(request: Request, response: Response, source: Hop, now: float) -> None:
    """No-op: a registrar that was given up has a binding of ours as well, until that expires."""


class Registrations:
    """They are known by number."""

    def __init__(self, core: UaCore) -> None:
        self._core = core
        self._numbers = count(1)
        self._known: dict[int, Registration] = {}
        self._events: list[RegistrationState] = []

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, request: RegistrationRequest, now: float) -> int:
        """Register, and keep registered until :meth:`end`; returns the number of the registration.

        Raises ParseError for a URI and UnsendableError for anything else that cannot be sent.
        """
        number = next(self._numbers)
        registration = Registration(
            self._core, number, request, self._emit, lambda: self._known.__delitem__(number)
        )
        # Before it is listed: one that cannot be sent raises here, and is then not known.
        registration.begin(now)
        self._known[number] = registration
        return number

    def _emit(self, state: RegistrationState) -> None:
        self._events.append(state)

    def redirect(self, number: int, hops: Sequence[Hop]) -> None:
        """The registrar was resolved again: the next REGISTER uses these hops."""
        known = self._known.get(number)
        if known is not None:
            known.redirect(hops)

    def end(self, number: int, now: float) -> None:
        """Remove the binding; one that is unknown or over is left alone."""
        known = self._known.get(number)
        if known is not None:
            known.end(now)

    def disconnected(self, hop: Hop, now: float) -> None:
        """A connection is gone."""
        for registration in self._known.values():
            registration.disconnected(hop, now)

    def flows(self) -> set[Hop]:
        """Hops that calls to us may come by."""
        return {each.flow for each in self._known.values() if each.flow is not None}

    def credentials_for(self, source: Hop) -> Credentials | None:
        """Those of the first account that is registered there; other sources get no response computed from a
        password."""
        found = (each.credentials_for(source) for each in self._known.values())
        return next((each for each in found if each is not None), None)

    def end_all(self, now: float) -> None:
        for number in list(self._known):
            self.end(number, now)

    def state(self, number: int) -> RegistrationState:
        known = self._known.get(number)
        return Unregistered(number) if known is None else known.state

    def take_events(self) -> list[RegistrationState]:
        """The changes of state since the last call."""
        taken, self._events = self._events, []
        return taken
