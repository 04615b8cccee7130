"""One PJSIP worker process, from before its start to after its end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection, Iterator
from typing import Protocol

from sip.ipc.codec import WireError
from sip.ipc.pipes import Logged, how_it_ended
from sip.line import CallRequest, Incoming, LineEvent
from sip.logs import FORWARDED, contained, get_logger
from sip.pjsua.wire import Alive, Freed, Message, NotStarted, Start, Started, codec
from sip.remote.calls import RemoteCalls
from sip.remote.wire import Happened, NotPlaced, RegistrationIs
from sip.syntax.errors import told
from sip.ua.registration_messages import RegistrationState

_logger = get_logger(__name__)

CALLS_PER_WORKER = 4
"""What PJSIP was built for in the wheels of ``pjsua2-python``."""
_START_LIMIT = 30.0
"""Seconds until a worker must listen."""
_MOST_MISSED = 6
"""Heartbeats, after which a worker is taken for hung."""
_CODEC = codec()


class Hearer(Protocol):
    """Who hears what becomes of a worker's calls."""

    def happened(self, event: LineEvent) -> None: ...

    def lost(self, event: LineEvent) -> None:
        """The last event of a call whose worker died, or would not have it."""

    def registration_is(self, state: RegistrationState) -> None: ...


class Worker:
    """Starts when ``run`` does; what is written before waits."""

    def __init__(
        self,
        start: Start,
        answerers: Collection[str],
        numbers: Iterator[int],
        hearer: Hearer,
    ) -> None:
        self.calls = RemoteCalls(numbers, self.write, answerers)
        self._answerers = answerers
        self._hearer = hearer
        self._patience = _MOST_MISSED * start.heartbeat
        self._hung = False
        self._taken: set[int] = set()
        self._process: Process | None = None
        self._alive = True
        self._ending = False
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
        """At once, or as soon as the process runs."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def started(self) -> Started | NotStarted:
        try:
            async with asyncio.timeout(_START_LIMIT):
                return await asyncio.shield(self._started)
        except TimeoutError:
            self.kill()
            return NotStarted(f"a pjsua2 worker did not answer within {_START_LIMIT:.0f} s")

    async def run(self) -> str:
        """From start to death, whoever causes it; then every call on it is over. Returns how it died."""
        reason = "a pjsua2 worker was killed after an internal error; its trace is in the log"
        try:
            reason = await self._run()
        except OSError as error:
            reason = f"a pjsua2 worker cannot be started: {told(error)}"
        except Exception:
            _logger.exception("a pjsua2 worker cannot be served, on a fault of ours")
        finally:
            self.kill()
            if self._process is not None:
                await self._process.wait()
            self._bury(reason)
        return reason

    async def _run(self) -> str:
        # The worker must find the packages that this program found, wherever that was; -P keeps the current
        # directory out unless it is one of those. A group of its own spares it the terminal's Ctrl-C.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "sip.pjsua.worker", *self._answerers),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,
        )
        if self._ending:
            self.kill()
        for message in self._waiting:
            self.write(message)
        await self._read(process)
        died = how_it_ended(await process.wait())
        if self._hung:
            return f"the pjsua2 worker hung for {self._patience:g} s and was killed"
        return f"the pjsua2 worker died ({died})"

    async def _read(self, process: Process) -> None:
        """Pass on what the worker reports, until it says no more; kill it when it says nothing for long."""
        decoder = _CODEC.decoder()
        while data := await self._heard(process):
            try:
                messages = decoder.feed(data)
            except WireError as error:
                _logger.error("a pjsua2 worker wrote what is no report: %s", error)
                self.kill()
                return
            for message in messages:
                with contained(_logger, "a report of a pjsua2 worker was dropped on a fault of ours"):
                    self._take(message)

    async def _heard(self, process: Process) -> bytes:
        assert process.stdout is not None
        try:
            # Before it has started, ``started`` is who waits.
            async with asyncio.timeout(self._patience if self._started.done() else None):
                return await process.stdout.read(65536)
        except TimeoutError:
            self._hung = True
            self.kill()
            return b""

    def _take(self, message: Message) -> None:
        match message:
            case Happened(event):
                if isinstance(event, Incoming):
                    self._taken.add(event.call)
                if (ours := self.calls.event(event)) is not None:
                    self._hearer.happened(ours)
            case NotPlaced(call, reason):
                if (ours := self.calls.not_placed(call, reason)) is not None:
                    self._hearer.lost(ours)
            case RegistrationIs(state):
                self._hearer.registration_is(state)
            case Alive():
                pass  # That something came is all it says.
            case Freed(call):
                self._taken.discard(call)
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text, extra=FORWARDED)
            case Started() | NotStarted():
                if not self._started.done():
                    self._started.set_result(message)

    def _bury(self, reason: str) -> None:
        self._alive = False
        if not self._started.done():
            self._started.set_result(NotStarted(reason))
        for event in self.calls.lose(reason):
            self._hearer.lost(event)
