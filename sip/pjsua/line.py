"""A line over PJSIP: supervised worker processes of four calls each."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.util import find_spec
from itertools import count

from sip.admission import AdmissionPolicy, Admit, Everybody
from sip.errors import SipError, UnsupportedError
from sip.line import Address, Answerer, CallRequest, Ended, Failed, Hop, Incoming, LineEvent
from sip.listening import host_towards
from sip.message import Headers, Request
from sip.pjsua.limits import check_accept, check_offer, check_request
from sip.pjsua.wire import Close, Freed, Message, NotStarted, Start, Started, codec
from sip.registrar import RegistrationRequest
from sip.remote.calls import RemoteCalls
from sip.remote.codec import WireError
from sip.remote.pipes import Logged, how_it_ended
from sip.remote.wire import Happened, NotPlaced
from sip.sdp import MediaDescription

_logger = logging.getLogger(__name__)

CALLS_PER_WORKER = 4
"""What PJSIP was built for in the wheels of ``pjsua2-python``."""
_START_LIMIT = 30.0
"""Seconds until a worker must listen."""
_PAUSE = 1.0
"""Seconds before a worker that could not listen, or died at once, is followed by another."""
_CODEC = codec()


class PjsuaError(SipError):
    """The workers cannot be started; the text says why."""


class PjsuaLine:
    """A ``sip.line.Line`` at HOST:PORT, IPv4; ``start`` comes before all else, ``close`` last.

    One worker listens and takes up to ``max_incoming`` calls, at most four; while it does, placed calls go
    through further workers, started when needed, each with a port of its own, up to ``max_calls`` in all.
    ``answerers`` are the names (``module:function``) of the answerers that calls use. ``on_event`` gets each
    event in a callback of its own on the loop. Callers whom ``admission`` does not admit get 403. The times
    that the verbs take are not used: the workers have their own clock.
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
        max_incoming: int = CALLS_PER_WORKER,
        max_calls: int = 64,
        admission: AdmissionPolicy | None = None,
    ) -> None:
        if find_spec("pjsua2") is None:
            raise PjsuaError("pjsua2 is not installed; install t38fsp[pjsua2]")
        self._on_event = on_event
        self._answerers = answerers
        self._user_agent = user_agent
        self.address = (host, port)
        self._admission = admission or Everybody()
        self._max_incoming = min(max_incoming, CALLS_PER_WORKER)
        self._most_workers = max(1, -(-max_calls // CALLS_PER_WORKER))
        self._numbers = count(1)
        self._workers: list[_Worker] = []
        self._listener: _Worker | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers: set[int] = set()
        self._closing = False

    async def start(self) -> None:
        """Start the worker that listens; raises PjsuaError when it cannot."""
        self._loop = asyncio.get_running_loop()
        worker = self._listen()
        started = await worker.started()
        if isinstance(started, NotStarted):
            self._closing = True
            await self._ended()
            raise PjsuaError(started.reason)
        self.address = (started.host, started.port)

    async def close(self, limit: float = 5.0) -> None:
        """Hang up every call, and end the workers; kill those that take more than ``limit`` seconds."""
        self._closing = True
        for worker in self._workers:
            for call in worker.calls:
                worker.calls.hang_up(call, None)
            worker.write(Close())
        try:
            async with asyncio.timeout(limit):
                await self._ended()
        except TimeoutError:
            for worker in self._workers:
                worker.kill()
            await self._ended()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers; that of the listening one first."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def local_host(self, peer: Hop) -> str:
        """The IP address of ours that ``peer`` sees; media descriptions for it should say the same."""
        return host_towards(self.address[0], peer)

    def interface(self, peer: Hop) -> str:
        """The IP address of this machine that ``peer`` is reached from; media should be bound there."""
        return self.local_host(peer)

    @property
    def families(self) -> Sequence[socket.AddressFamily]:
        """The address family that it listens in."""
        return (socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET,)

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest, now: float) -> int:
        """As Line; raises UnsupportedError for what PJSIP cannot do."""
        check_request(request)
        worker = self._with_room()
        if worker is None:
            call = next(self._numbers)
            most = self._most_workers * CALLS_PER_WORKER
            self.happened(Failed(call, 503, f"all {most} calls of pjsua2 are taken", local=True))
            return call
        return worker.place(request)

    def ring(self, call: int, now: float) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.ring(call)

    def accept(
        self, call: int, media: Sequence[MediaDescription], media_address: str, answerer: Answerer, now: float
    ) -> None:
        """As Line; raises UnsupportedError for what PJSIP cannot do."""
        check_accept(media)
        if (calls := self._calls_with(call)) is not None:
            calls.accept(call, media, media_address, answerer)

    def refuse(self, call: int, status: int, now: float) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.refuse(call, status)

    def answer_with(self, call: int, answerer: Answerer, now: float) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.answer_with(call, answerer)

    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None:
        """As Line; raises UnsupportedError for what PJSIP cannot do."""
        check_offer(media)
        if (calls := self._calls_with(call)) is not None:
            calls.offer(call, media)

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        if (calls := self._calls_with(call)) is not None:
            calls.hang_up(call, reason)

    def register(self, request: RegistrationRequest, now: float) -> int:
        """Raises UnsupportedError."""
        raise UnsupportedError(
            "pjsua2 keeps no registrations; register with the own stack, or let the trunk know our address"
        )

    def redirect(self, registration: int, hops: Sequence[Hop]) -> None:
        """There is no registration to lead elsewhere."""

    # --- workers --------------------------------------------------------------------------------------------

    def happened(self, event: LineEvent) -> None:
        """Pass an event on, never from within a verb."""
        if isinstance(event, Incoming) and not self._admits(event):
            self.refuse(event.call, 403, self._loop.time())
            self._strangers.add(event.call)
        elif event.call not in self._strangers:
            self._loop.call_soon(self._on_event, event)
        elif isinstance(event, Failed | Ended):
            self._strangers.discard(event.call)

    def _admits(self, call: Incoming) -> bool:
        request = Request("INVITE", call.request_uri, Headers(call.headers))
        verdict = self._admission.admit(request, call.source, self._loop.time())
        return isinstance(verdict, Admit)

    def _calls_with(self, call: int) -> RemoteCalls | None:
        return next((worker.calls for worker in self._workers if call in worker.calls), None)

    def _with_room(self) -> _Worker | None:
        for worker in self._workers:
            reserved = worker is self._listener and self._max_incoming > 0
            if worker.has_room and not reserved:
                return worker
        listening_only = 1 if self._max_incoming > 0 else 0
        if self._closing or len(self._workers) >= self._most_workers + listening_only:
            return None
        return self._new_worker(0, max_incoming=0)

    def _listen(self) -> _Worker:
        self._listener = self._new_worker(self.address[1], self._max_incoming)
        return self._listener

    def _new_worker(self, port: int, max_incoming: int) -> _Worker:
        level = logging.getLogger("sip").getEffectiveLevel()
        start = Start(self.address[0], port, self._user_agent, max_incoming, level)
        worker = _Worker(start, self._answerers, self._numbers, self.happened)
        self._workers.append(worker)
        task = self._loop.create_task(self._serve(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    async def _serve(self, worker: _Worker) -> None:
        """Run a worker to its end; the listening one is followed by another."""
        before = self._loop.time()
        await worker.run()
        self._workers.remove(worker)
        if worker is not self._listener or self._closing:
            return
        if self._loop.time() - before < _PAUSE:
            await asyncio.sleep(_PAUSE)
        if not self._closing:
            self._listen()

    async def _ended(self) -> None:
        while self._workers:
            await asyncio.wait(list(self._tasks))


class _Worker:
    """One worker process, from before its start to after its end."""

    def __init__(
        self,
        start: Start,
        answerers: Collection[str],
        numbers: Iterator[int],
        on_event: Callable[[LineEvent], None],
    ) -> None:
        self.calls = RemoteCalls(numbers, self.write, answerers)
        self._answerers = answerers
        self._on_event = on_event
        self._taken: set[int] = set()
        self._process: Process | None = None
        self._alive = True
        self._waiting: list[Message] = [start]
        self._started: asyncio.Future[Started | NotStarted] = asyncio.get_running_loop().create_future()

    @property
    def has_room(self) -> bool:
        return self._alive and len(self._taken) < CALLS_PER_WORKER

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def place(self, request: CallRequest) -> int:
        call = self.calls.place(request)
        self._taken.add(call)
        return call

    def write(self, message: Message) -> None:
        """Write now, or once the process runs; one that has died is buried soon."""
        if self._process is None:
            self._waiting.append(message)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(_CODEC.encode(message))

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def started(self) -> Started | NotStarted:
        try:
            async with asyncio.timeout(_START_LIMIT):
                return await asyncio.shield(self._started)
        except TimeoutError:
            self.kill()
            return NotStarted(f"a pjsua2 worker did not answer within {_START_LIMIT:.0f} s")

    async def run(self) -> None:
        """From start to death, whoever causes it; then every call on it is over."""
        # The worker must find the packages that this program found, wherever that was; -P keeps the current
        # directory out unless it is one of those. A group of its own spares it the terminal's Ctrl-C.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "sip.pjsua.worker", *self._answerers),
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, "PYTHONPATH": path},
                process_group=0,
            )
        except OSError as error:
            self._bury(f"a pjsua2 worker cannot be started: {error}")
            return
        self._process = process
        for message in self._waiting:
            self.write(message)
        await self._read(process)
        self._bury(f"the pjsua2 worker died ({how_it_ended(await process.wait())})")

    async def _read(self, process: Process) -> None:
        """Pass on what the worker reports, until it says no more."""
        decoder = _CODEC.decoder()
        while process.stdout is not None and (data := await process.stdout.read(65536)):
            try:
                messages = decoder.feed(data)
            except WireError as error:
                _logger.error("a pjsua2 worker wrote what is no report: %s", error)
                self.kill()
                return
            for message in messages:
                self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case Happened(event):
                if isinstance(event, Incoming):
                    self._taken.add(event.call)
                self._tell(self.calls.event(event))
            case NotPlaced(call, reason):
                self._tell(self.calls.not_placed(call, reason))
            case Freed(call):
                self._taken.discard(call)
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text)
            case Started() | NotStarted():
                if not self._started.done():
                    self._started.set_result(message)

    def _tell(self, event: LineEvent | None) -> None:
        if event is not None:
            self._on_event(event)

    def _bury(self, reason: str) -> None:
        self._alive = False
        if not self._started.done():
            self._started.set_result(NotStarted(reason))
        for event in self.calls.lose(reason):
            self._on_event(event)
