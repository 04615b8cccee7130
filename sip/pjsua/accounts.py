"""Accounts of PJSIP: under which identity, and through which hop, calls are placed and taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pjsua2 as pj

from sip.line import CallRequest
from sip.line_settings import SessionTimers
from sip.logs import get_logger
from sip.pjsua.values import describe
from sip.syntax.errors import ParseError
from sip.ua.identity import ANONYMOUS, hides
from sip.values import Credentials, Hop

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What PJSIP keeps in an account: who calls through which hop, and how."""

    caller: str
    hop: Hop
    routes: tuple[str, ...]
    credentials: Credentials | None
    timers: SessionTimers | None

    @classmethod
    def of(cls, request: CallRequest) -> Identity:
        """Of a call to the first hop of ``request``."""
        caller = ANONYMOUS if hides(request.identity) else request.caller
        hop = request.destination[0]
        return cls(caller, hop, request.routes, request.credentials, request.session_timers)


class Account(pj.Account):
    """``on_call`` hears of the calls that PJSIP finds to be for it."""

    def __init__(self, on_call: Callable[[pj.Account, pj.OnIncomingCallParam], None]) -> None:
        super().__init__()
        self._on_call = on_call

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        try:
            self._on_call(self, prm)
        except (pj.Error, ParseError) as error:
            _logger.warning("a call that came in was dropped: %s", describe(error))


def account_config(identity: str) -> pj.AccountConfig:
    """An account that does nothing by itself."""
    config = pj.AccountConfig()
    config.idUri = identity
    config.mediaConfig.lockCodecEnabled = False
    config.mediaConfig.transportConfig.port = 0
    config.natConfig.iceEnabled = False
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sipOutboundUse = 0
    config.natConfig.udpKaIntervalSec = 0
    return config


def calling_config(identity: Identity) -> pj.AccountConfig:
    """For calls that are placed."""
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
    """``hide`` keeps the route out of the message: it is where to send, and nobody's business further on."""
    return f"<sip:{hop.host}:{hop.port};transport={hop.transport.value.lower()};lr;hide>"
