"""What is known of the pages when an engine has to make up a result without the call's own."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.events import FaxEvent, Finished, PageDone
from t38fsp.jobs import WHOLE, Resume
from t38fsp.results import FaxResult, PageRecord


class KnownPages:
    """Watches the events of one job. Without it a fax that is sent in parts would lose its place."""

    def __init__(self, resume: Resume = WHOLE) -> None:
        self._resume = resume
        self._pages: dict[int, PageRecord] = {page.number: page for page in resume.earlier}
        for number in range(resume.first_page, (resume.page_count or 0) + 1):
            self._pages[number] = PageRecord(number, False)

    def note(self, event: FaxEvent) -> FaxEvent:
        """Take an event; a result without pages comes back with those that are known."""
        if isinstance(event, PageDone):
            self._pages[event.record.number] = event.record
        elif isinstance(event, Finished):
            return Finished(self.complete(event.result))
        return event

    def complete(self, result: FaxResult) -> FaxResult:
        """``result`` with what is known of the pages, unless it knows of pages itself."""
        if result.pages:
            return result
        pages = tuple(self._pages[number] for number in sorted(self._pages))
        return replace(result, pages=pages, first_page=self._resume.first_page)
