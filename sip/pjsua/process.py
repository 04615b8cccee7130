"""One PJSIP worker process, from before its start to after its end."""

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
from sip.remote.wire import Happened, NotPlaced, RegistrationIs
from sip.syntax.errors import told
from sip.ua.registration_messages import RegistrationState

_logger = get_logger(__name__)

CALLS_PER_WORKER = 4
"""What PJSIP was built for in the wheels of ``pjsua2-python``."""
_START_LIMIT = 30.0
"""Seconds until a worker must listen."""
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
        """Write now, or once the process runs; one that has died is buried soon."""
        self._child.write(message)

    def kill(self) -> None:
        """At once, or as soon as the process runs."""
        self._child.kill()

    async def started(self) -> Started | NotStarted:
        return await asyncio.shield(self._started)

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
            try:
                await self._child.end()
            finally:
                self._bury(reason)
        return reason

    async def _run(self) -> str:
        await self._child.start()
        while (message := await self._child.receive()) is not None:
            if isinstance(message, Started | NotStarted):
                # Whoever waits for it waits without a limit: a fault here must end the worker.
                self._answer(message)
            else:
                with contained(_logger, "a report of a pjsua2 worker was dropped on a fault of ours"):
                    self._take(message)
        await self._child.end(END_LIMIT)
        return self._child.death

    def _answer(self, answer: Started | NotStarted) -> None:
        if not self._started.done():
            self._started.set_result(answer)

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
            case Freed(call):
                self._taken.discard(call)

    def _bury(self, reason: str) -> None:
        self._alive = False
        self._answer(NotStarted(reason))
        for event in self.calls.lose(reason):
            self._hearer.lost(event)
