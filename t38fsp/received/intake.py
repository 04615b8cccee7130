"""Takes calls into a spool, for what then delivers or stores their faxes: no page is lost in between.

What is to be done with a fax goes on when the task that took the call is cancelled, and what a program leaves
that is killed is found by the next one (spool.py).
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sip.logs import SELDOM, get_logger
from t38fsp.call_settings import CallSettings
from t38fsp.events import FaxEvent, Finished
from t38fsp.jobs import PollOffer
from t38fsp.provider import IncomingFax
from t38fsp.received.spool import FOLDER, Entry, Spool
from t38fsp.results import FaxResult

logger = get_logger(__name__)

T = TypeVar("T")

Arrived = Callable[[Entry, dict[str, Any], FaxResult], Coroutine[Any, Any, T]]
"""What is done with a call that is over; it also has to forget the entry."""


class Intake:
    """The calls that are taken into one folder, and what is still to be done with their faxes."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self.numbers = itertools.count(1)
        self._spool = Spool(folder)
        # The event loop has only weak references to tasks.
        self._tasks: set[asyncio.Task[Any]] = set()
        # Apart from _tasks, so that leaving need not wait for their pauses.
        self._later: set[asyncio.Task[None]] = set()
        """One for each fax that is tried again."""

    async def left(self) -> list[Entry]:
        """What programs left that are gone; the folder is made if there is none. Raises OSError."""
        return await asyncio.to_thread(self._prepare)

    async def take(
        self,
        call: IncomingFax,
        number: int,
        known: Mapping[str, Any],
        arrived: Arrived[T],
        *,
        settings: CallSettings | None = None,
        offer: PollOffer | None = None,
        on_event: Callable[[FaxEvent], None] | None = None,
    ) -> T:
        """Take the call; ``number`` is one of ``numbers``, and ``known`` is added to what is known of a call.

        Returns what ``arrived`` returns, which is run when the call is over; also if this is cancelled, which
        ends the call.
        """
        facts = {
            "job": number,
            "caller": call.caller,
            "caller_name": call.caller_name,
            "called": call.called,
            "route": call.route,
            **known,
        }
        began = datetime.now().astimezone().isoformat(timespec="seconds")
        unfinished = {"began": began, "completed": False, "reason": "the program ended before the fax did"}
        # Before the call is taken: from its first page on the fax can be delivered by another program.
        entry = await self._begun(number, {"facts": facts | unfinished})
        results: list[FaxResult] = []

        def observe(event: FaxEvent) -> None:
            if isinstance(event, Finished):
                results.append(event.result)
            if on_event is not None:
                on_event(event)

        try:
            await call.receive(entry.tiff, settings=settings, offer=offer, on_event=observe)
        finally:
            # Also when this task is cancelled, or on_event has raised.
            # Without a result the call ended before it was received.
            if results:
                work = self.go_on(arrived(entry, facts, results[0]))
            else:
                self.go_on(self.forget(entry))
        # Shielded: cancelling the task ends the call, not what is done with its pages.
        return await asyncio.shield(work)

    def go_on(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do what does not end with the task that takes the call."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do it after some time, unless the program ends before."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            self.go_on(work())

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def forget(self, entry: Entry) -> None:
        """All of the fax is where it belongs, or it has no page."""
        try:
            await asyncio.to_thread(self._spool.forget, entry)
        except OSError as error:
            logger.warning("%s could not be removed: %s", entry.record, error.strerror or error)

    async def wait(self, seconds: float) -> None:
        """Wait so long at most for what is still to be done; then leave it to the next program."""
        # What waits for a later attempt is found by the next program.
        for task in self._later:
            task.cancel()
        tasks = self._tasks | self._later
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for each in late:
                each.cancel()
            if late:
                await asyncio.wait(late)
                logger.warning(
                    "%d faxes in %s are not delivered yet; they will be when faxes are received there again",
                    *(len(late), self.folder),
                )

    async def close(self) -> None:
        await asyncio.to_thread(self._spool.close)

    async def _begun(self, number: int, content: dict[str, Any]) -> Entry:
        beginning = self.go_on(asyncio.to_thread(self._begin, number, content))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:

            async def forget() -> None:
                await self.forget(await beginning)

            # The record is being written in a thread, which cannot be cancelled: it is removed once it is
            # there.
            self.go_on(forget())
            raise

    # --- in threads -----------------------------------------------------------------------------------------

    def _prepare(self) -> list[Entry]:
        os.makedirs(self.folder, exist_ok=True)
        try:
            return self._spool.left()
        except OSError as error:
            logger.error(
                "faxes that were left in %s cannot be read: %s", self.folder, error.strerror or error
            )
            return []

    def _begin(self, number: int, content: dict[str, Any]) -> Entry:
        try:
            return self._spool.begin(number, content)
        except OSError as error:
            # The engine refuses the call, as nothing can be stored there.
            logger.error("cannot create a file in %s: %s", self.folder, error.strerror or error, extra=SELDOM)
            return Entry(os.path.join(self.folder, FOLDER, "missing", f"{number}.json"))
