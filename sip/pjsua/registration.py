"""Registrations over PJSIP, which sends REGISTER and handles challenges and 423; the rest is done here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

import pjsua2 as pj

from sip.logs import get_logger
from sip.pjsua.accounts import PjsuaAccount, account_config, add_credentials, hidden_route
from sip.pjsua.boundary import describe, response_in
from sip.pjsua.transports import Transports
from sip.syntax.errors import ParseError, UnsupportedError
from sip.syntax.headers import quote_string
from sip.syntax.message import NameAddress, Response
from sip.syntax.uri import parse_uri
from sip.transaction.client import PATIENCE
from sip.ua.registration_messages import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
    Unregistered,
    retry_after,
    seen_from,
)
from sip.values import Hop

_logger = get_logger(__name__)

_KEEP_ALIVE = 25
"""Seconds between keep-alives over UDP: many NATs forget a mapping that is idle for 30 s (RFC 5626 4.4.2)."""
_REFRESH = (0.8, 0.9)
"""Fraction of a binding's lifetime after which it is refreshed, at random to spread the load of the
registrar."""


class RegistrationOwner(Protocol):
    """What a registration needs of the stack."""

    random: Random
    transports: Transports

    def make_room(self) -> None:
        """Remove an idle account if none can be added. Raises UnsupportedError."""

    def registration_is(self, state: RegistrationState) -> None: ...

    def now(self) -> float: ...


class _Registrant(PjsuaAccount):
    def __init__(
        self,
        on_call: Callable[[pj.Account, pj.OnIncomingCallParam], None],
        on_answer: Callable[[pj.Account, int, int, Response | None], None],
    ) -> None:
        super().__init__(on_call)
        self._on_answer = on_answer

    def onRegState(self, prm: pj.OnRegStateParam) -> None:  # noqa: N802
        try:
            response = response_in(prm.rdata.wholeMsg) if prm.rdata.wholeMsg else None
            self._on_answer(self, prm.code, prm.expiration, response)
        except (pj.Error, ParseError) as error:
            _logger.warning("a response to REGISTER was dropped: %s", describe(error))


class PjsuaRegistration:
    """One address of record at one registrar, until it is ``over``.

    Hops are tried in turn; all but the last one are given up after PATIENCE seconds without a response.
    """

    def __init__(
        self,
        owner: RegistrationOwner,
        number: int,
        request: RegistrationRequest,
        on_call: Callable[[pj.Account, pj.OnIncomingCallParam], None],
    ) -> None:
        self.over = False
        self._owner = owner
        self._number = number
        self._request = request
        self._on_call = on_call
        self._hops = list(request.destination)
        self._tried = 0
        """Hops that failed in this round."""
        self._failures = 0
        self._due: float | None = owner.now()
        """When to send REGISTER again."""
        self._give_up: float | None = None
        """When to try the next hop."""
        self._ending = False
        self._contact = ""
        self._account: _Registrant | None = None
        self._made_for: Hop | None = None
        """The hop that the account sends to."""
        self._state: RegistrationState = Unregistered(number)

    @property
    def has_account(self) -> bool:
        return self._account is not None

    def redirect(self, hops: Sequence[Hop]) -> None:
        """Send the next REGISTER to these hops."""
        if hops and list(hops) != self._hops:
            self._hops, self._tried = list(hops), 0

    def end(self) -> None:
        """Remove the binding; ``over`` is set when the registrar has confirmed, or the attempt has failed."""
        if self._ending:
            return
        self._ending = True
        self._due = self._give_up = None
        # A registration that never succeeded has no binding to remove.
        try:
            if self._account is not None and isinstance(self._state, Registered):
                self._account.setRegistration(False)
                return
        except pj.Error as error:
            _logger.warning("the registration cannot be removed: %s", describe(error))
        self._finish()

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._give_up is not None and now >= self._give_up:
            self._tried += 1
            self._send(now)
        elif self._due is not None and now >= self._due:
            self._send(now)

    def close(self) -> None:
        """Delete the account of PJSIP without unregistering."""
        if self._account is not None:
            self._account.shutdown()
            self._account = None

    # --- requests -------------------------------------------------------------------------------------------

    def _send(self, now: float) -> None:
        self._due = None
        if not isinstance(self._state, Registering | Registered):
            self._tell(Registering(self._number))
        hop = self._hops[self._tried % len(self._hops)]
        more = self._tried + 1 < len(self._hops)
        self._give_up = now + PATIENCE if more else None
        try:
            if self._account is not None and hop == self._made_for:
                self._account.setRegistration(True)
            else:
                self._owner.transports.prepare(hop)
                self.close()
                self._owner.make_room()
                self._account, self._made_for = _Registrant(self._on_call, self._answered), hop
                # create() sends REGISTER.
                self._account.create(self._config(hop))
        except (pj.Error, UnsupportedError) as error:
            self._made_for = None
            self._failed(None, f"PJSIP cannot register: {describe(error)}")

    def _config(self, hop: Hop) -> pj.AccountConfig:
        request = self._request
        config = account_config(request.settings.identity)
        config.sipConfig.proxies.append(hidden_route(hop))
        add_credentials(config, request.settings.credentials)
        user = parse_uri(NameAddress.parse(request.settings.identity).uri).user
        self._contact = self._owner.transports.contact(user, hop)
        features = "".join(f";{name}={quote_string(value)}" for name, value in request.features)
        if request.settings.follow_rport:
            # 2 takes over the address that the registrar sees also where that is a private one.
            config.natConfig.contactRewriteUse = 2
            config.regConfig.contactParams = features
        else:
            config.sipConfig.contactForced = f"<{self._contact}>{features}"
        config.natConfig.udpKaIntervalSec = _KEEP_ALIVE
        config.regConfig.registrarUri = request.settings.registrar
        config.regConfig.timeoutSec = request.settings.expires
        # Disable PJSIP's own refreshes and retries: ``tick`` does them.
        config.regConfig.delayBeforeRefreshSec = config.regConfig.retryIntervalSec = 0
        for name, value in request.headers:
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            config.regConfig.headers.append(header)
        return config

    # --- responses ------------------------------------------------------------------------------------------

    def _answered(self, account: pj.Account, status: int, seconds: int, response: Response | None) -> None:
        # An answer to an account that another hop has replaced.
        if account is not self._account:
            return
        self._give_up = None
        if self._ending:
            self._finish()
        elif 200 <= status < 300 and response is not None and seconds > 0:
            self._keep(response, seconds)
        elif 200 <= status < 300:
            self._failed(response, "the registrar accepted the registration with an expiry of 0 s")
        elif (response is None or status == 503) and self._tried + 1 < len(self._hops):
            # Later, in ``tick``: this callback belongs to the account that will be deleted.
            self._give_up = self._owner.now()
        elif response is None:
            self._failed(None, "the registrar did not respond")
        else:
            self._failed(response, f"the registrar responded {status} {response.reason}".rstrip())

    def _keep(self, response: Response, seconds: int) -> None:
        now = self._owner.now()
        self._failures = 0
        self._due = now + seconds * self._owner.random.uniform(*_REFRESH)
        seen = seen_from(response)
        if self._request.settings.follow_rport and seen is not None:
            host, port = seen
            self._contact = str(replace(parse_uri(self._contact), host=host, port=port))
        self._tell(
            Registered(
                self._number,
                now + seconds,
                self._contact,
                tuple(response.headers.get_all("Service-Route")),
                tuple(response.headers.get_all("Path")),
                seen,
            )
        )

    def _failed(self, response: Response | None, reason: str) -> None:
        wait = retry_after(response, self._failures, self._owner.random)
        self._failures += 1
        self._tried = 0
        self._give_up = None
        self._due = self._owner.now() + wait
        status = 408 if response is None else response.status
        self._tell(RegistrationFailed(self._number, status, reason, self._due))

    def _finish(self) -> None:
        self.over = True
        self._tell(Unregistered(self._number))

    def _tell(self, state: RegistrationState) -> None:
        self._state = state
        self._owner.registration_is(state)
