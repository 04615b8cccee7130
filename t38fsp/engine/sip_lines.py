"""The lines of an engine: the SIP backends of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from socket import AddressFamily
from typing import TYPE_CHECKING, Protocol

from sip.ipc.system import usable_cores
from sip.line import Incoming, LineEvent, SipLine
from sip.syntax.errors import SipError, UnsupportedError
from sip.transport.agent_on_network import AgentLine
from sip.ua.admission import Admission
from sip.ua.registration_messages import RegistrationRequest, RegistrationState
from sip.values import Address, Hop, Transport
from t38fsp.choices import Backend
from t38fsp.jobs import EngineError, EngineSettings

if TYPE_CHECKING:
    # Rarely used lines are imported when needed.
    from sip.remote.signalling import Signalling

_MOST_CALLS = 100000
"""The upper bound of ``Limits.calls``."""
ANSWERERS = tuple(f"t38fsp.call.media:{name}" for name in ("AnswerOffers", "HoldImage", "HoldAudio"))
"""The functions that answer offers of our calls, allowed in other processes."""


class EngineLine(SipLine, Protocol):
    """A line with what an engine needs besides calls."""

    @property
    def address(self) -> Address:
        """Where it listens, after ``start``."""

    @property
    def addresses(self) -> Sequence[Hop]:
        """The same for each transport; the first one is ``address``."""

    async def start(self) -> None:
        """Raises SipError when the address is not available."""

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, and wait at most ``limit`` seconds for confirmation."""

    @property
    def families(self) -> Sequence[AddressFamily]:
        """The address families that it has an address in."""

    def local_host(self, peer: Hop) -> str:
        """Our IP address as ``peer`` sees it."""

    def interface(self, peer: Hop) -> str:
        """The local IP address on the route to ``peer``, to bind media to."""

    def register(self, request: RegistrationRequest, now: float) -> int:
        """Begin a registration; return its number. Raises SipError."""

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """Send further REGISTER requests to these hops."""


class SipLines:
    """The ``main`` line, which has the SIP address and accepts calls, and one for each other backend that a
    fax uses, created at its first use and listening at any port.

    ``on_event`` also gets the line, because each line numbers its calls separately.
    """

    def __init__(
        self,
        settings: EngineSettings,
        on_event: Callable[[EngineLine, LineEvent], None],
        on_registration: Callable[[RegistrationState], None],
        random: Random,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._on_registration = on_registration
        self._random = random
        self._admission = admission
        self._others: dict[Backend, asyncio.Task[EngineLine]] = {}
        self._backend = Backend.OWN if settings.signalling is not None else settings.backend
        self.main = self._make(settings)

    async def of(self, backend: Backend | None) -> EngineLine:
        """The line of ``backend``; None means the main one.

        Raises UnsupportedError when the stack is not installed, EngineError when its line cannot start.
        """
        if backend is None or backend is self._backend:
            return self.main
        starting = self._others.get(backend)
        # A start that failed is tried again by the next fax: the cause may be gone.
        if starting is None or (starting.done() and starting.exception() is not None):
            self._others[backend] = starting = asyncio.ensure_future(self._start(backend))
        # Other calls may wait for the same start: shield it from cancellation.
        return await asyncio.shield(starting)

    def admit(self, addresses: frozenset[str]) -> None:
        """Admit calls from these IP addresses of routes."""
        self._admission.peers = addresses
        if self._settings.signalling is not None:
            from sip.remote.line import RemoteLine

            assert isinstance(self.main, RemoteLine)
            self.main.admit(addresses)

    def take_at_most(self, calls: int | None) -> None:
        """Have the signalling process send calls above this number to other engines."""
        if self._settings.signalling is not None:
            from sip.remote.line import RemoteLine

            assert isinstance(self.main, RemoteLine)
            self.main.take_at_most(calls)

    async def close(self, limit: float) -> None:
        """Hang up every call, and wait at most ``limit`` seconds for confirmation."""
        lines = [self.main]
        if self._others:
            started, late = await asyncio.wait(self._others.values(), timeout=limit)
            lines += [task.result() for task in started if task.exception() is None]
            for task in late:
                task.cancel()
        await asyncio.gather(*(line.close(limit) for line in lines))

    async def _start(self, backend: Backend) -> EngineLine:
        host, _ = self._settings.listen
        settings = replace(
            self._settings,
            backend=backend,
            # The main line has the port.
            listen=(host, 0),
            tls_listen=None,
            signalling=None,
            accept_calls=False,
        )
        try:
            line = self._make(settings)
        except SipError as error:
            raise UnsupportedError(str(error)) from error
        try:
            await line.start()
        except SipError as error:
            raise EngineError(str(error)) from error
        return line

    def _make(self, settings: EngineSettings) -> EngineLine:
        def on_event(event: LineEvent) -> None:
            # Only the main line has the address that callers are given.
            if isinstance(event, Incoming) and line is not self.main:
                line.refuse(event.call, 480, asyncio.get_running_loop().time())
            else:
                self._on_event(line, event)

        line = line_for(settings, on_event, self._on_registration, self._random, self._admission)
        return line


def admission_for(settings: EngineSettings, random: Random) -> Admission:
    """The admission policy of the settings, yet without the addresses of routes."""
    return Admission(
        random,
        settings.callers,
        realm=settings.user_agent,
        advice="; add it to Callers.allow, or to allow of [incoming] in the configuration file",
    )


def line_for(
    settings: EngineSettings,
    on_event: Callable[[LineEvent], None],
    on_registration: Callable[[RegistrationState], None],
    random: Random,
    admission: Admission,
) -> EngineLine:
    """The line for the settings. Raises SipError when its backend is not installed.

    ``admission`` is not used where a signalling process has the SIP address: that has its own policy.
    """
    host, port = settings.listen
    if settings.signalling is not None:
        from sip.remote.line import RemoteLine

        return RemoteLine(
            on_event,
            path=settings.signalling,
            name=settings.name,
            max_incoming=settings.limits.calls if settings.accept_calls else 0,
            on_registration=on_registration,
        )
    if settings.backend is Backend.PJSUA2:
        from sip.pjsua.line import PjsuaLine

        return PjsuaLine(
            on_event,
            answerers=ANSWERERS,
            user_agent=settings.user_agent,
            host=host,
            port=port,
            tls_listen=settings.tls_listen,
            tls=settings.tls,
            advertised=settings.advertised,
            max_incoming=settings.limits.calls if settings.accept_calls else 0,
            max_calls=settings.limits.calls,
            on_registration=on_registration,
            admission=admission,
            random=random,
        )
    return AgentLine(
        on_event,
        user_agent=settings.user_agent,
        listen=_listeners(settings),
        tls=settings.tls,
        advertised=settings.advertised,
        random=random,
        limits=settings.limits,
        on_registration=on_registration,
        admission=admission,
    )


def signalling_for(settings: EngineSettings, socket: str) -> Signalling:
    """The settings of a signalling process that serves these settings' line at a Unix socket."""
    from sip.remote.signalling import Signalling

    # The limit applies to each engine; the sum bounds the calls of all.
    calls = settings.limits.calls * (settings.workers or usable_cores())
    return Signalling(
        socket,
        ANSWERERS,
        _listeners(settings),
        tls=settings.tls,
        advertised=settings.advertised,
        user_agent=settings.user_agent,
        callers=settings.callers,
        limits=replace(settings.limits, calls=min(calls, _MOST_CALLS)),
    )


def _listeners(settings: EngineSettings) -> list[Hop]:
    """UDP and TCP at one address, and TLS if configured."""
    hops = [Hop(*settings.listen, transport) for transport in (Transport.UDP, Transport.TCP)]
    if settings.tls_listen is not None:
        hops.append(Hop(*settings.tls_listen, Transport.TLS))
    return hops
