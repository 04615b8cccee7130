"""The lines that an engine can have: which stack serves its calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from socket import AddressFamily
from typing import Protocol

from sip.admission import AdmissionPolicy
from sip.line import Address, Hop, Line, LineEvent, Transport
from sip.network import SipLine
from sip.pjsua.line import PjsuaLine
from sip.registrar import RegistrationRequest, RegistrationState
from sip.remote.line import RemoteLine
from t38fsp.jobs import Backend, EngineSettings

ANSWERERS = ("t38fsp.call.media:answer_offer", "t38fsp.call.media:HoldImage")
"""What may answer the offers of our calls in another process."""


class EngineLine(Line, Protocol):
    """A line with what an engine needs beside its calls."""

    @property
    def address(self) -> Address:
        """Where it listens, once it has started."""

    async def start(self) -> None:
        """Raises SipError when the address cannot be had."""

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, and wait at most ``limit`` seconds until the far ends know it."""

    @property
    def families(self) -> Sequence[AddressFamily]:
        """The address families that it has an address in."""

    def local_host(self, peer: Hop) -> str:
        """The IP address of ours that ``peer`` sees."""

    def interface(self, peer: Hop) -> str:
        """The IP address of this machine that ``peer`` is reached from, to bind media to."""

    def register(self, request: RegistrationRequest, now: float) -> int:
        """Begin a registration; return its number. Raises SipError."""

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """The registrar is to be found there from now on."""


def line_for(
    settings: EngineSettings,
    on_event: Callable[[LineEvent], None],
    on_registration: Callable[[RegistrationState], None],
    random: Random,
    admission: AdmissionPolicy,
) -> EngineLine:
    """The line that the settings ask for. Raises SipError when its backend is not installed.

    ``admission`` is not asked where a signalling process has the SIP address: that has a policy of its own.
    """
    host, port = settings.listen
    if settings.signalling is not None:
        return RemoteLine(
            on_event,
            path=settings.signalling,
            name=settings.name,
            max_incoming=settings.max_calls if settings.accept_calls else 0,
            on_registration=on_registration,
        )
    if settings.backend is Backend.PJSUA2:
        return PjsuaLine(
            on_event,
            answerers=ANSWERERS,
            user_agent=settings.user_agent,
            host=host,
            port=port,
            max_incoming=settings.max_calls if settings.accept_calls else 0,
            max_calls=settings.max_calls,
            admission=admission,
        )
    return SipLine(
        on_event,
        user_agent=settings.user_agent,
        listen=_listeners(settings),
        tls=settings.tls,
        advertised=settings.advertised,
        random=random,
        max_incoming=settings.max_calls,
        on_registration=on_registration,
        admission=admission,
    )


def _listeners(settings: EngineSettings) -> list[Hop]:
    """UDP and TCP at one address, and TLS where it is wanted."""
    hops = [Hop(*settings.listen, transport) for transport in (Transport.UDP, Transport.TCP)]
    if settings.tls_listen is not None:
        hops.append(Hop(*settings.tls_listen, Transport.TLS))
    return hops
