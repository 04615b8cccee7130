"""An engine under test, with what it told; and what tests of engines on the loopback interface share."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sip.values import Address
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend
from t38fsp.engine.engine import FaxEngine
from t38fsp.events import FaxEvent, Finished
from t38fsp.header import Header
from t38fsp.jobs import EngineSettings, PollOffer, ReceiveJob, SendJob, WaitingCall
from t38fsp.results import FaxResult

HOST = "127.0.0.1"
LIMIT = 240.0
"""Seconds of the event loop, which may be hasty, after which a test is stuck."""

Event = TypeVar("Event")


class Party:
    """An engine and what it told."""

    def __init__(self, **settings: object) -> None:
        self.calls: asyncio.Queue[WaitingCall] = asyncio.Queue()
        self.gone: asyncio.Queue[int] = asyncio.Queue()
        self.events: dict[int, list[FaxEvent]] = {}
        self.engine = FaxEngine(
            EngineSettings(listen=(HOST, 0), **settings), self.calls.put_nowait, self.gone.put_nowait
        )
        self.address: Address = (HOST, 0)
        self._happened = asyncio.Condition()
        self._jobs = itertools.count(1)
        self._open = True

    async def close(self, drain: float = 0.0) -> None:
        if self._open:
            self._open = False
            await self.engine.close(drain)

    def send(
        self,
        document: Path,
        to: Address,
        backend: Backend | None = None,
        header: Header | None = None,
        **settings: object,
    ) -> int:
        job = next(self._jobs)
        target = f"sip:+15550199@{to[0]}:{to[1]}"
        what = SendJob(
            (str(document),), target, settings=CallSettings(**settings), backend=backend, header=header
        )
        self.engine.send(job, what, self._observer(job))
        return job

    async def take(self, file: Path, **settings: object) -> int:
        """Receive the next call, as the answering machine +15550199."""
        async with asyncio.timeout(LIMIT):
            return self.receive((await self.calls.get()).call, file, **settings)

    def receive(
        self, call: int, file: Path, offer: PollOffer | None = None, append: bool = False, **settings: object
    ) -> int:
        job = next(self._jobs)
        what = ReceiveJob(call, str(file), CallSettings(station_id="+15550199", **settings), offer, append)
        self.engine.receive(job, what, self._observer(job))
        return job

    async def expect(self, job: int, kind: type[Event]) -> Event:
        """The first event of this kind, when it comes."""
        return (await self.expect_some(job, kind, 1))[0]

    async def expect_some(self, job: int, kind: type[Event], count: int) -> list[Event]:
        """The first ``count`` events of this kind, when they have come."""
        async with asyncio.timeout(LIMIT), self._happened:
            while True:
                seen = [event for event in self.events[job] if isinstance(event, kind)]
                if len(seen) >= count:
                    return seen[:count]
                await self._happened.wait()

    async def result(self, job: int) -> FaxResult:
        return (await self.expect(job, Finished)).result

    def _observer(self, job: int) -> Callable[[FaxEvent], None]:
        seen = self.events[job] = []

        def observe(event: FaxEvent) -> None:
            assert not any(isinstance(earlier, Finished) for earlier in seen), "there is life after Finished"
            seen.append(event)
            waking.add(task := asyncio.ensure_future(self._wake()))
            task.add_done_callback(waking.discard)

        waking: set[asyncio.Future[None]] = set()
        return observe

    async def _wake(self) -> None:
        async with self._happened:
            self._happened.notify_all()


Start = Callable[..., "asyncio.Future[Party]"]
"""The fixture ``start``."""


async def hear(sock: socket.socket) -> str:
    async with asyncio.timeout(LIMIT):
        return (await asyncio.get_running_loop().sock_recv(sock, 4096)).decode()


def bound(port: int) -> bool:
    """Somebody has this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((HOST, port))
        except OSError:
            return True
        return False
