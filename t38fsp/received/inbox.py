"""Takes calls, and puts what was received into a folder: under names by a template, as TIFF, PDF or both.

    async with Inbox("faxes", InboxSettings(format=FileFormat.PDF)) as inbox, \
            FaxProvider(("0.0.0.0", 5060), accept_calls=True) as provider, asyncio.TaskGroup() as faxes:
        async for call in provider.calls():
            faxes.create_task(inbox.take(call))

No fax is lost on the way: it is in the folder ``.incoming`` (:mod:`t38fsp.received.spool`) until all its
files are there and the command has ended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from sip.frozen import dataclass
from sip.ipc.system import usable_cores
from sip.logs import SELDOM, get_logger
from t38fsp.call_settings import CallSettings
from t38fsp.choices import FileFormat
from t38fsp.events import FaxEvent
from t38fsp.inbox_settings import InboxSettings
from t38fsp.jobs import PollOffer
from t38fsp.provider import IncomingFax
from t38fsp.received import command, facts
from t38fsp.received.intake import Intake
from t38fsp.received.programs import check_programs
from t38fsp.received.spool import Entry
from t38fsp.received.wire import Deliver, Delivered
from t38fsp.received.workers import DeliveryWorkers, NotDeliveredError
from t38fsp.results import FaxResult

logger = get_logger(__name__)

_COMMANDS = 4
"""Commands that run at a time; further ones wait."""
_LEFT_PAGES = 100
"""Supposed of a fax that another program left, for the limits of time."""
_AGAIN_AFTER = 60.0
"""Seconds until what could not be delivered is tried again."""
_CLOSE_WITHIN = 10.0
"""Seconds for what is still to be done when the program ends."""

OnReceived = Callable[["ReceivedFax"], None]


@dataclass(frozen=True, slots=True)
class ReceivedFax:
    """A call that was taken, and the files that it left; None for those that do not exist.

    ``result.file`` is the first of them, and ``result.warnings`` has a sentence for whatever could not be
    done.
    """

    result: FaxResult
    tiff: str | None = None
    """Path of the TIFF."""
    pdf: str | None = None
    """Path of the PDF."""
    sidecar: str | None = None
    """Path of the JSON file with the facts: those of the result, and who called whom."""
    failed: bool = False
    """Something could not be done here: the files could not be delivered, or the command failed."""

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of those that exist."""
        return tuple(filter(None, (self.tiff, self.pdf, self.sidecar)))


class Inbox:
    """A folder for received faxes, while it is entered (``async with``); enter it before the provider.

    The files of a fax get their names when they are complete; until then it is in ``.incoming`` in the
    folder. Entering delivers what a program left there that was killed. Leaving waits up to 10 s for what is
    still to be done, without the text of pages, and leaves the rest to the next program.

    ``async with`` raises SettingError when a program that the settings need is not installed, and OSError
    when ``folder`` cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: InboxSettings | None = None) -> None:
        self.folder = os.fspath(folder)
        self.settings = settings or InboxSettings()
        self._intake = Intake(folder)
        # Recognising text takes a core for each process; half of them are left for calls.
        self._workers = DeliveryWorkers(max(1, usable_cores() // 2) if self.settings.ocr else 1)
        self._commands = asyncio.Semaphore(_COMMANDS)

    async def __aenter__(self) -> Self:
        await check_programs(self.settings)
        for entry in await self._intake.left():
            self._intake.go_on(self._deliver_late(entry))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is to be done with faxes that were received, up to 10 s; then leave it to the next
        program that has an inbox in this folder. Text is not waited for."""
        self._workers.hurry()
        await self._intake.wait(_CLOSE_WITHIN)
        await self._workers.close()
        # Last, as it gives up the lock: now no process of ours touches the files.
        await self._intake.close()

    async def take(
        self,
        call: IncomingFax,
        *,
        settings: CallSettings | None = None,
        offer: PollOffer | None = None,
        on_event: Callable[[FaxEvent], None] | None = None,
        on_received: OnReceived | None = None,
    ) -> ReceivedFax:
        """Take the call, and return when its fax is delivered and the command has ended.

        ``settings``, ``offer`` and ``on_event`` are those of :meth:`IncomingFax.receive`. Cancelling the task
        ends the call; pages that were confirmed are delivered nevertheless, and ``on_received``, which is
        called in any case, tells the files. What fails here is logged and in the warnings of the result.
        """

        async def arrived(entry: Entry, known: dict[str, Any], result: FaxResult) -> ReceivedFax:
            return await self._deliver(entry, known, result, on_received)

        number = next(self._intake.numbers)
        return await self._intake.take(
            call, number, {}, arrived, settings=settings, offer=offer, on_event=on_event
        )

    async def _deliver(
        self, entry: Entry, known: dict[str, Any], result: FaxResult, on_received: OnReceived | None
    ) -> ReceivedFax:
        received = ReceivedFax(replace(result, file=None))
        if result.file is None:
            await self._intake.forget(entry)
        else:
            about = facts.of_result(result) | known
            received = await self._deliver_pages(entry, about, result)
        if on_received is not None:
            on_received(received)
        return received

    async def _deliver_pages(self, entry: Entry, about: dict[str, Any], result: FaxResult) -> ReceivedFax:
        try:
            # The record first: after a crash the next program delivers the fax with what its call ended with.
            await asyncio.to_thread(entry.write, {"facts": about})
            delivered = await self._files(entry, len(result.pages))
        except (OSError, NotDeliveredError) as error:
            text = f"{error}; its pages are in {result.file} until it can be delivered"
            logger.error("%s", text)
            self._try_again(entry)
            return ReceivedFax(replace(result, warnings=(*result.warnings, text)), result.file, failed=True)
        warnings = [*delivered.warnings]
        for text in warnings:
            logger.warning("%s: %s", os.path.basename(delivered.tiff or delivered.pdf), text)
        failure = await self._run(about, delivered)
        warnings += [failure] if failure else []
        await self._intake.forget(entry)
        file = delivered.tiff or delivered.pdf
        told = replace(result, file=file, warnings=(*result.warnings, *warnings))
        return ReceivedFax(
            told, delivered.tiff or None, delivered.pdf or None, delivered.sidecar or None, bool(failure)
        )

    async def _deliver_late(self, entry: Entry) -> None:
        """A fax that another program left, or that could not be delivered before."""
        try:
            delivered = await self._files(entry, _LEFT_PAGES)
            if delivered.files:
                record = await asyncio.to_thread(entry.read)
                logger.warning("delivered late: %s", delivered.files[0])
                about = record.get("facts")
                await self._run(about if isinstance(about, dict) else {}, delivered)
            await self._intake.forget(entry)
        except (OSError, NotDeliveredError) as error:
            logger.error("%s; its pages are still beside %s", error, entry.record, extra=SELDOM)
            self._try_again(entry)

    def _try_again(self, entry: Entry) -> None:
        self._intake.later(_AGAIN_AFTER, lambda: self._deliver_late(entry))

    async def _files(self, entry: Entry, pages: int) -> Delivered:
        """Have the files made. Raises NotDeliveredError."""
        chosen = self.settings
        order = Deliver(
            entry.record,
            self.folder,
            chosen.name,
            chosen.format,
            chosen.sidecar,
            chosen.ocr_languages if chosen.ocr and chosen.format is not FileFormat.TIFF else "",
            chosen.ocr_seconds,
        )
        return await self._workers.deliver_what_can_be(order, pages)

    async def _run(self, about: dict[str, Any], delivered: Delivered) -> str:
        """Run the command of the inbox; returns a sentence if it failed."""
        if not (words := self.settings.command):
            return ""
        variables = facts.environment(about) | command.file_variables(delivered)
        try:
            # A hundred faxes that arrive together must not start a hundred programs.
            async with self._commands:
                await command.run(words, variables, self.settings.exec_seconds)
        except command.FailedCommandError as error:
            text = f"the command {words[0]} {error}; the fax is in {variables['FAX_FILE']}"
            logger.error("%s", text)
            return text
        return ""
