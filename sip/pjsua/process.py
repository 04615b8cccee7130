"""One PJSIP worker process, driven from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Protocol

from sip.ipc.async_child import AsyncChild
from sip.ipc.child import END_LIMIT, Program, bare_environment
from sip.ipc.messages import NotStarted, Started
from sip.line import CallRequest, Incoming, LineEvent
from sip.logs import contained, get_logger
from sip.pjsua.wire import Freed, Message, StartStack, codec
from sip.remote.calls import RemoteCalls
from sip.remote.wire import CallHappened, NotPlaced, RegistrationIs
from sip.syntax.errors import told
from sip.ua.registration_messages import RegistrationState

_logger = get_logger(__name__)

CALLS_PER_WORKER = 4
"""PJSUA_MAX_CALLS in the wheels of ``pjsua2-python``."""
_START_LIMIT = 30.0
"""Seconds for a worker to listen."""
_CODEC = codec()


class Hearer(Protocol):
    """Receiver of a worker's events."""

    def happened(self, event: LineEvent) -> None: ...

    def lost(self, event: LineEvent) -> None:
        """The last event of a call whose worker died, or refused it."""

    def registration_is(self, state: RegistrationState) -> None: ...


class Worker:
    """Starts with ``run``; messages written before are queued."""

    def __init__(
        self,
        start: StartStack,
        answerers: Collection[str],
        numbers: Iterator[int],
        hearer: Hearer,
    ) -> None:
        self.calls = RemoteCalls(numbers, self.write, answerers)
        self._hearer = hearer
        self._taken: set[int] = set()
        self._alive = True
        self._started: asyncio.Future[Started | NotStarted] = asyncio.get_running_loop().create_future()
        self._child: AsyncChild[Message] = AsyncChild(
            Program("pjsua2 worker", "sip.pjsua.worker", tuple(answerers), bare_environment()),
            _CODEC,
            heartbeat=start.heartbeat,
            start_limit=_START_LIMIT,
        )
        # Queued until the process runs.
        self._child.write(start)

    @property
    def has_room(self) -> bool:
        return self._alive and len(self._taken) < CALLS_PER_WORKER

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def place(self, request: CallRequest) -> int:
        call = self.calls.place(request)
        self._taken.add(call)
        return call

    def write(self, message: Message) -> None:
        """Write now, or once the process runs; no-op if it has died."""
        self._child.write(message)

    def kill(self) -> None:
        """Kill the process now, or as soon as it runs."""
        self._child.kill()

    async def started(self) -> Started | NotStarted:
        return await asyncio.shield(self._started)

    async def run(self) -> str:
        """Run the process from start to end; afterwards all its calls are over. Returns how it died."""
        reason = "a pjsua2 worker was killed after an internal error; its trace is in the log"
        try:
            reason = await self._run()
        except OSError as error:
            reason = f"a pjsua2 worker cannot be started: {told(error)}"
        except Exception:
            _logger.exception("a pjsua2 worker was killed after an internal error")
        finally:
            try:
                await self._child.end()
            finally:
                self._clean_up(reason)
        return reason

    async def _run(self) -> str:
        await self._child.start()
        while (message := await self._child.receive()) is not None:
            if isinstance(message, Started | NotStarted):
                # ``started`` waits without a limit: an exception here must end the worker.
                self._answer(message)
            else:
                with contained(_logger, "a message of a pjsua2 worker was dropped after an internal error"):
                    self._take(message)
        # Its output has ended, so it exits by itself, or is killed after this time.
        await self._child.end(END_LIMIT)
        return self._child.death

    def _answer(self, answer: Started | NotStarted) -> None:
        if not self._started.done():
            self._started.set_result(answer)

    def _take(self, message: Message) -> None:
        match message:
            case CallHappened(event):
                if isinstance(event, Incoming):
                    self._taken.add(event.call)
                if (ours := self.calls.event(event)) is not None:
                    self._hearer.happened(ours)
            case NotPlaced(call, reason):
                if (ours := self.calls.not_placed(call, reason)) is not None:
                    self._hearer.lost(ours)
            case RegistrationIs(state):
                self._hearer.registration_is(state)
            case Freed(call):
                self._taken.discard(call)

    def _clean_up(self, reason: str) -> None:
        self._alive = False
        self._answer(NotStarted(reason))
        for event in self.calls.lose(reason):
            self._hearer.lost(event)
