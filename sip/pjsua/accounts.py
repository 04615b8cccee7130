"""Accounts of PJSIP: the identity and hop of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pjsua2 as pj

from sip.line import CallRequest
from sip.line_settings import SessionTimers
from sip.logs import get_logger
from sip.pjsua.boundary import describe
from sip.syntax.errors import ParseError
from sip.ua.identity import ANONYMOUS, hides
from sip.values import Credentials, Hop

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What PJSIP keeps in an account: the caller, the hop, and how to reach it."""

    caller: str
    hop: Hop
    routes: tuple[str, ...]
    credentials: Credentials | None
    timers: SessionTimers | None

    @classmethod
    def of(cls, request: CallRequest) -> AccountKey:
        """The identity of a call to the first hop of ``request``."""
        caller = ANONYMOUS if hides(request.identity) else request.caller
        hop = request.destination[0]
        return cls(caller, hop, request.routes, request.credentials, request.session_timers)


class PjsuaAccount(pj.Account):
    """``on_call`` gets the incoming calls that PJSIP assigns to this account."""

    def __init__(self, on_call: Callable[[pj.Account, pj.OnIncomingCallParam], None]) -> None:
        super().__init__()
        self._on_call = on_call

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        try:
            self._on_call(self, prm)
        except (pj.Error, ParseError) as error:
            _logger.warning("an incoming call was dropped: %s", describe(error))


def account_config(identity: str) -> pj.AccountConfig:
    """An account without any automatic action."""
    config = pj.AccountConfig()
    config.idUri = identity
    # PJSIP would send a re-INVITE of its own to reduce an answer with several codecs to one.
    config.mediaConfig.lockCodecEnabled = False
    config.mediaConfig.transportConfig.port = 0
    config.natConfig.iceEnabled = False
    # Contact and Via are ours: PJSIP would change them to the address that a response shows, and register
    # again.
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sipOutboundUse = 0
    config.natConfig.udpKaIntervalSec = 0
    return config


def calling_config(identity: AccountKey) -> pj.AccountConfig:
    """An account for outgoing calls."""
    config = account_config(identity.caller)
    for each in (hidden_route(identity.hop), *identity.routes):
        config.sipConfig.proxies.append(each)
    add_credentials(config, identity.credentials)
    timers = identity.timers
    if timers is not None:
        config.callConfig.timerMinSESec = timers.least
        if timers.session_expires is not None:
            config.callConfig.timerSessExpiresSec = timers.session_expires
    return config


def add_credentials(config: pj.AccountConfig, known: Credentials | None) -> None:
    if known is not None:
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", known.username, 0, known.password))


def hidden_route(hop: Hop) -> str:
    """A route that selects where to send; ``hide`` keeps it out of the message."""
    return f"<sip:{hop.host}:{hop.port};transport={hop.transport.value.lower()};lr;hide>"
