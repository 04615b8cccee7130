"""Facts that an engine adds to a result: the job, its times, and the pages if the call has no result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sip.syntax.errors import ParseError
from sip.syntax.uri import parse_uri
from t38fsp.events import FaxEvent, Finished, PageDone
from t38fsp.jobs import WHOLE, OutgoingJob, PollJob, ReceiveJob, SendJob
from t38fsp.results import FaxResult, PageRecord


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


class KnownFacts:
    """Watches the events of one job, from its beginning.

    It preserves the confirmed pages when an engine dies, so that the rest of a fax can be sent later.
    ``clock`` returns the wall-clock time as ISO 8601.
    """

    def __init__(self, what: SendJob | PollJob | ReceiveJob, clock: Callable[[], str] = _now) -> None:
        self._what = what
        self._clock = clock
        self._began = clock()
        self._resume = what.resume if isinstance(what, SendJob) else WHOLE
        self._pages: dict[int, PageRecord] = {page.number: page for page in self._resume.earlier}
        # Pages of a document whose length is known from the earlier call: without a result of this one
        # they are unconfirmed.
        for number in range(self._resume.first_page, (self._resume.page_count or 0) + 1):
            self._pages[number] = PageRecord(number, False)

    def note(self, event: FaxEvent) -> FaxEvent:
        """Process an event; a result is returned with the missing facts added."""
        if isinstance(event, PageDone):
            self._pages[event.record.number] = event.record
        elif isinstance(event, Finished):
            return Finished(self.complete(event.result))
        return event

    def complete(self, result: FaxResult) -> FaxResult:
        """``result`` with the job, its times, and the known pages, where it lacks them."""
        if not result.pages:
            pages = tuple(self._pages[number] for number in sorted(self._pages))
            result = replace(result, pages=pages, first_page=self._resume.first_page)
        if isinstance(self._what, ReceiveJob):
            result = result.told_to_receiver()
        # Completed already, by the engine process itself.
        if result.ended:
            return result
        return replace(
            result,
            number=user_of(self._what.target) if isinstance(self._what, OutgoingJob) else "",
            documents=_documents(self._what, result),
            began=self._began,
            ended=self._clock(),
        )


def user_of(uri: str) -> str:
    """The number or name in a URI; the URI itself when it has none."""
    try:
        return parse_uri(uri).user or uri
    except ParseError:
        return uri


def _documents(what: SendJob | PollJob | ReceiveJob, result: FaxResult) -> tuple[str, ...]:
    if isinstance(what, SendJob):
        return what.files
    if isinstance(what, ReceiveJob) and what.offer is not None and result.polled:
        return (what.offer.document,)
    return ()
