"""A line over PJSIP: supervised worker processes of four calls each."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from random import Random, SystemRandom

from sip.ipc.messages import Close, NotStarted
from sip.line import Answerer, CallRequest, Ended, Failed, Incoming, LineEvent
from sip.line_settings import TlsSettings
from sip.logs import get_logger
from sip.pjsua.limits import check_accept, check_host, check_offer, check_registration, check_request
from sip.pjsua.placing import Over, Placing, Step
from sip.pjsua.process import CALLS_PER_WORKER, Worker
from sip.pjsua.wire import StartStack
from sip.remote.calls import RemoteCalls
from sip.remote.wire import Redirect, Register, Unregister
from sip.syntax.errors import SipError
from sip.syntax.message import Headers, Request
from sip.syntax.sdp import MediaDescription
from sip.transaction.failed_hops import FailedHops
from sip.transaction.timers import Timers
from sip.transport.listening import host_towards
from sip.transport.resolver import ResolveError, Resolver
from sip.ua.admission import AdmissionPolicy, Admit, AdmitAll
from sip.ua.registration_messages import RegistrationFailed, RegistrationRequest, RegistrationState
from sip.ua.target import Target
from sip.values import Address, Credentials, Hop, Transport

_logger = get_logger(__name__)

_PAUSE = 1.0
"""Seconds before a worker that could not listen, or died at once, is started again."""


class PjsuaError(SipError):
    """The workers cannot be started; the text contains the reason."""


class PjsuaLine:
    """A ``sip.line.Line`` for UDP and TCP at HOST:PORT, IPv4; call ``start`` first, ``close`` last.

    With ``tls_listen`` it also listens for TLS. ``advertised`` are addresses that far ends see in place of
    ours; the IPv4 one is used.

    One worker listens, registers, and accepts up to ``max_incoming`` calls, at most four. If ``max_incoming``
    is not 0, outgoing calls use further workers, which are started when needed, each with its own port, up to
    ``max_calls`` in total. ``answerers`` are the names (``module:function``) of the answerers of calls.
    ``on_event`` gets each event in a separate callback on the loop, ``on_registration`` each change of a
    registration. A worker that misses six heartbeats, ``heartbeat`` seconds apart, is killed. Callers that
    ``admission`` does not admit get 403; it must not challenge. ``now`` is ignored: the workers have their
    own clock.
    """

    address: Address

    def __init__(
        self,
        on_event: Callable[[LineEvent], None],
        *,
        answerers: Collection[str],
        user_agent: str,
        host: str = "0.0.0.0",
        port: int = 5060,
        tls_listen: Address | None = None,
        tls: TlsSettings | None = None,
        advertised: Sequence[str] = (),
        max_incoming: int,
        max_calls: int,
        on_registration: Callable[[RegistrationState], None] | None = None,
        admission: AdmissionPolicy | None = None,
        random: Random | None = None,
        resolver: Resolver | None = None,
        heartbeat: float = 5.0,
    ) -> None:
        if find_spec("pjsua2") is None:
            raise PjsuaError("pjsua2 is not installed; install t38fsp[pjsua2]")
        for each in (host, tls_listen[0] if tls_listen is not None else host):
            check_host(each)
        self._on_event = on_event
        self._on_registration = on_registration
        self._answerers = answerers
        self._user_agent = user_agent
        self.address = (host, port)
        self.tls_address = tls_listen
        """Where it listens for TLS, after ``start``."""
        self._tls = _with_authorities(tls or TlsSettings())
        self._advertised = next((each for each in advertised if ":" not in each), None)
        self._admission = admission or AdmitAll()
        if self._admission.challenges and max_incoming > 0:
            raise PjsuaError(
                "pjsua2 cannot challenge callers; admit callers by address, or use the backend 'own'"
            )
        self._max_incoming = min(max_incoming, CALLS_PER_WORKER)
        self._most_workers = max(1, -(-max_calls // CALLS_PER_WORKER))
        self._resolver = resolver or Resolver(random or SystemRandom())
        self._timers = Timers()
        self._failed_hops = FailedHops(self._timers)
        self._heartbeat = heartbeat
        self._numbers = count(1)
        self._placings: dict[int, Placing] = {}
        self._attempts: dict[int, int] = {}
        """The call of each attempt, for outgoing calls only."""
        self._registrations: dict[int, RegistrationRequest] = {}
        self._registration_numbers = count(1)
        self._workers: list[Worker] = []
        self._listener: Worker | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers: set[int] = set()
        self._closing = False
        self._undo = AsyncExitStack()

    async def start(self) -> None:
        """Start the worker that listens. Raises PjsuaError; then no worker is left."""
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._end)
            started = await self._listen().started()
            if isinstance(started, NotStarted):
                raise PjsuaError(started.reason)
            self.address, self.tls_address = started.address, started.tls_address
            self._undo = undo.pop_all()

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, unregister, and end the workers; kill those that take more than ``limit``
        seconds."""
        self._closing = True
        async with self._undo:
            for call in list(self._placings):
                self.hang_up(call, self._loop.time())
            for worker in self._workers:
                for attempt in worker.calls:
                    worker.calls.hang_up(attempt, None)
                worker.write(Close())
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._ended()

    async def _end(self) -> None:
        """Kill the remaining workers, and wait until they and their tasks have ended."""
        self._closing = True
        for worker in self._workers:
            worker.kill()
        await self._ended()
        # Look-ups and pauses; those of workers have ended with them.
        for task in self._tasks:
            task.cancel()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers; that of the listening one first."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def addresses(self) -> Sequence[Hop]:
        """Where it listens, for each transport, after ``start``."""
        shared = [Hop(*self.address, transport) for transport in (Transport.UDP, Transport.TCP)]
        return shared if self.tls_address is None else [*shared, Hop(*self.tls_address, Transport.TLS)]

    def local_host(self, peer: Hop) -> str:
        """Our IP address as ``peer`` sees it; session descriptions for it should contain the same."""
        return self._advertised or self.interface(peer)

    def interface(self, peer: Hop) -> str:
        """The local IP address on the route to ``peer``; media should be bound to it."""
        return host_towards(self.address[0], peer)

    @property
    def families(self) -> Sequence[socket.AddressFamily]:
        """The address family that it listens in."""
        return (socket.AF_INET,)

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        """As Line; raises UnsupportedError for what PJSIP cannot do."""
        check_request(request)
        # Hops that failed are remembered for a time; there is no deadline of this line that would forget
        # them.
        self._timers.fire(self._loop.time())
        call = next(self._numbers)
        placing = Placing(call, request, self._failed_hops)
        self._attempt(call, placing, placing.first())
        return call

    def ring(self, call: int, now: float) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.ring(call)

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        """As Line; raises UnsupportedError for what PJSIP cannot do. ``credentials`` are not used."""
        check_accept(media)
        if (calls := self._calls_with(call)) is not None:
            calls.accept(call, media, media_address, answerer, None)

    def refuse(self, call: int, status: int, now: float) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.refuse(call, status)

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        if (calls := self._calls_with(number := self._number(call))) is not None:
            calls.answer_with(number, answerer)

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        """As Line; raises UnsupportedError for what PJSIP cannot do."""
        check_offer(media)
        if (calls := self._calls_with(number := self._number(call))) is not None:
            calls.offer(number, media)

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        placing = self._placings.get(call)
        if placing is not None and (failed := placing.hang_up()) is not None:
            self._tell(failed)
        elif (calls := self._calls_with(number := self._number(call))) is not None:
            calls.hang_up(number, reason)

    def register(self, request: RegistrationRequest, now: float) -> int:
        """Register, and keep registered until ``unregister``; returns the number of the registration.

        Raises ParseError or UnsendableError for what cannot be sent, UnsupportedError for what PJSIP cannot
        do.
        """
        check_registration(request, len(self._registrations))
        number = next(self._registration_numbers)
        self._registrations[number] = request
        self._to_listener(Register(number, request))
        return number

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """The registrar was looked up again: send the next REGISTER to these hops."""
        known = self._registrations.get(registration)
        if known is not None and hops:
            self._registrations[registration] = replace(known, destination=tuple(hops))
            self._to_listener(Redirect(registration, hops))

    def unregister(self, registration: int, now: float) -> None:
        """Remove the binding; no-op for an unknown registration."""
        if self._registrations.pop(registration, None) is not None:
            self._to_listener(Unregister(registration))

    # --- outgoing calls -------------------------------------------------------------------------------------

    def _attempt(self, call: int, placing: Placing, request: CallRequest) -> None:
        worker = self._with_room()
        if worker is None:
            most = self._most_workers * CALLS_PER_WORKER
            self._tell(
                Failed(call, 503, f"the limit of {most} calls over pjsua2 is reached", local=True, advice="")
            )
            return
        placing.attempt = worker.place(request)
        self._attempts[placing.attempt] = call
        self._placings[call] = placing

    def _go_on(self, call: int, placing: Placing, step: Step) -> None:
        match step:
            case CallRequest():
                self._attempt(call, placing, step)
            case Target():
                self._begin(self._look_up(call, placing, step))
            case Over(failed):
                self._tell(failed)

    async def _look_up(self, call: int, placing: Placing, target: Target) -> None:
        try:
            hops = await self._resolver.locate(target, self.families)
        except ResolveError as error:
            _logger.warning("%s", error)
            hops = []
        # It may have been hung up while the name was looked up.
        if self._placings.get(call) is placing:
            self._go_on(call, placing, placing.located(hops))

    def _number(self, call: int) -> int:
        """The number of the current attempt of an outgoing call; ``call`` itself for an incoming one."""
        placing = self._placings.get(call)
        return call if placing is None or placing.attempt is None else placing.attempt

    def _calls_with(self, number: int) -> RemoteCalls | None:
        return next((worker.calls for worker in self._workers if number in worker.calls), None)

    # --- events of workers ----------------------------------------------------------------------------------

    def happened(self, event: LineEvent) -> None:
        call = self._attempts.get(event.call)
        if isinstance(event, Incoming) and not self._admits(event):
            self.refuse(event.call, 403, self._loop.time())
            # Nor is its end reported: the program has never heard of this call.
            self._strangers.add(event.call)
        elif event.call in self._strangers:
            if isinstance(event, Failed | Ended):
                self._strangers.discard(event.call)
        elif call is not None and isinstance(event, Failed):
            del self._attempts[event.call]
            placing = self._placings[call]
            self._go_on(call, placing, placing.failed(event, self._loop.time()))
        else:
            self.lost(event)

    def lost(self, event: LineEvent) -> None:
        call = self._attempts.get(event.call, event.call)
        if isinstance(event, Failed | Ended):
            self._attempts.pop(event.call, None)
        self._tell(replace(event, call=call))

    def registration_is(self, state: RegistrationState) -> None:
        if self._on_registration is not None:
            self._loop.call_soon(self._on_registration, state)

    def _tell(self, event: LineEvent) -> None:
        """Deliver an event, never from within a method of the line."""
        if isinstance(event, Incoming):
            event = replace(event, stranger=self._admission.stranger(event.source))
        if isinstance(event, Failed | Ended):
            self._placings.pop(event.call, None)
        self._loop.call_soon(self._on_event, event)

    def _admits(self, call: Incoming) -> bool:
        request = Request("INVITE", call.request_uri, Headers(call.headers))
        verdict = self._admission.admit(request, call.source, self._loop.time())
        return isinstance(verdict, Admit)

    # --- workers --------------------------------------------------------------------------------------------

    def _with_room(self) -> Worker | None:
        for worker in self._workers:
            # The four calls of the listening worker are for calls that come in.
            reserved = worker is self._listener and self._max_incoming > 0
            if worker.has_room and not reserved:
                return worker
        listening_only = 1 if self._max_incoming > 0 else 0
        if self._closing or len(self._workers) >= self._most_workers + listening_only:
            return None
        return self._new_worker(0, None, max_incoming=0)

    def _listen(self) -> Worker:
        self._listener = self._new_worker(self.address[1], self.tls_address, self._max_incoming)
        for number, request in self._registrations.items():
            self._to_listener(Register(number, request))
        return self._listener

    def _to_listener(self, message: Register | Redirect | Unregister) -> None:
        if self._listener is not None:
            self._listener.write(message)

    def _new_worker(self, port: int, tls_listen: Address | None, max_incoming: int) -> Worker:
        start = StartStack(
            logging.getLogger("sip").getEffectiveLevel(),
            self._heartbeat,
            self.address[0],
            port,
            tls_listen,
            self._tls,
            self._advertised,
            self._user_agent,
            max_incoming,
        )
        worker = Worker(start, self._answerers, self._numbers, self)
        self._begin(self._serve(worker))
        self._workers.append(worker)
        return worker

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, worker: Worker) -> None:
        """Run a worker to its end; start the listening one again."""
        before = self._loop.time()
        try:
            reason = await worker.run()
        finally:
            self._workers.remove(worker)
        if worker is not self._listener or self._closing:
            return
        self._listener = None
        # One that lived for a while may begin again at once.
        wait = _PAUSE if self._loop.time() - before < _PAUSE else 0.0
        # The new worker registers again, with the same numbers.
        for number in self._registrations:
            self.registration_is(RegistrationFailed(number, 503, reason, self._loop.time() + wait))
        await asyncio.sleep(wait)
        if not self._closing:
            self._listen()

    async def _ended(self) -> None:
        while self._workers:
            await asyncio.wait(list(self._tasks), return_when=asyncio.FIRST_COMPLETED)


def _with_authorities(settings: TlsSettings) -> TlsSettings:
    """Add the system's CA file: PJSIP does not look for it."""
    system = ssl.get_default_verify_paths().cafile
    return settings if settings.authorities is not None else replace(settings, authorities=system)
