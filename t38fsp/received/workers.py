"""The processes that deliver faxes, driven from the event loop: started on use, killed on overrun."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace

from sip.ipc.async_child import AsyncChild
from sip.ipc.child import Program
from sip.logs import get_logger
from t38fsp.choices import FileFormat
from t38fsp.received.programs import text_environment
from t38fsp.received.wire import CODEC, Deliver, Delivered, Message, NotDelivered

logger = get_logger(__name__)

_PATIENCE = 1.0
"""Seconds for a process to end by itself once its input is closed."""
_DELIVER_WITHIN = 60.0
"""Seconds for the files of a fax, its text excepted."""
_A_PAGE_WITHIN = 1.0
"""Seconds for each page more."""


class NotDeliveredError(Exception):
    """The files of a fax could not be made or named; its pages are where they were."""


class WorkerDiedError(NotDeliveredError):
    """The process that was to deliver it took too long, or died."""


class DeliveryWorkers:
    """At most ``most`` processes; an order waits until one has nothing to do."""

    def __init__(self, most: int) -> None:
        # The processes get what tesseract needs, to hand it on.
        self._program = Program("delivering process", "t38fsp.received.worker", (), text_environment())
        self._free = asyncio.Semaphore(most)
        self._idle: list[AsyncChild[Message]] = []
        self._busy: dict[AsyncChild[Message], Deliver] = {}
        self._hurried = False

    async def deliver(self, order: Deliver, limit: float) -> Delivered:
        """Have a fax delivered within ``limit`` seconds, not counting the time in the queue.

        Raises NotDeliveredError; WorkerDiedError where another attempt that asks for less may succeed.
        """
        async with self._free:
            if self._hurried and order.languages:
                # As if its process had died: the caller then has it delivered without text.
                raise WorkerDiedError("the program is about to end")
            child = await self._ready()
            self._busy[child] = order
            try:
                async with asyncio.timeout(limit):
                    reply = await _exchange(child, order)
            except TimeoutError:
                await _kill(child)
                raise WorkerDiedError(f"it took more than {limit:.0f} s") from None
            except (OSError, EOFError) as error:
                await _kill(child)
                raise WorkerDiedError(f"a process ended ({child.last_line or error or 'killed'})") from error
            # Cancelled in the middle: its reply would be taken for that of the next order.
            except BaseException:
                await _kill(child)
                raise
            finally:
                del self._busy[child]
            self._idle.append(child)
        if isinstance(reply, NotDelivered):
            raise NotDeliveredError(reply.message)
        assert isinstance(reply, Delivered)
        return reply

    async def deliver_what_can_be(self, order: Deliver, pages: int) -> Delivered:
        """Have a fax of so many ``pages`` delivered: without text, or without a PDF, where the process dies
        of it. Raises NotDeliveredError."""
        limit = _DELIVER_WITHIN + pages * _A_PAGE_WITHIN
        missing = ""
        if order.languages:
            try:
                return await self.deliver(order, limit + pages * order.seconds)
            except WorkerDiedError as error:
                order, missing = replace(order, languages=""), f"the text of the pages is missing: {error}"
        try:
            delivered = await self.deliver(order, limit)
        except WorkerDiedError as error:
            # There is nothing less to ask for.
            if order.format is FileFormat.TIFF:
                raise
            order = replace(order, format=FileFormat.TIFF)
            missing = f"no PDF could be made: {error}; the fax is in a TIFF file instead"
            delivered = await self.deliver(order, limit)
        return replace(delivered, warnings=(*delivered.warnings, missing)) if missing else delivered

    async def _ready(self) -> AsyncChild[Message]:
        """One that has nothing to do and has not died meanwhile, or a new one, which is not started."""
        while self._idle:
            child = self._idle.pop()
            if child.running:
                return child
            await child.end()
        return AsyncChild(self._program, CODEC, log=logger)

    def hurry(self) -> None:
        """No text is recognised any more: what is being done ends, and further orders for it are refused, in
        WorkerDiedError."""
        self._hurried = True
        for child, order in self._busy.items():
            if order.languages:
                _kill_group(child)

    async def close(self) -> None:
        """End the processes that have nothing to do."""
        while self._idle:
            await self._idle.pop().end(_PATIENCE)


async def _exchange(child: AsyncChild[Message], order: Deliver) -> Message:
    if not child.running:
        await child.start()
    child.write(order)
    await child.drain()
    reply = await child.receive()
    if reply is None:
        raise EOFError
    return reply


async def _kill(child: AsyncChild[Message]) -> None:
    _kill_group(child)
    await child.end()


def _kill_group(child: AsyncChild[Message]) -> None:
    """Also the programs that it runs, which may have outlived it; it leads a session of its own."""
    if child.pid is not None and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
