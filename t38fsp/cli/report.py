"""What the command line shows: live progress on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Self, TextIO

from sip.logs import get_logger, printable
from t38fsp import events
from t38fsp.cli import sentences
from t38fsp.cli.exits import Exit
from t38fsp.cli.output import follow, is_terminal, print_line
from t38fsp.cli.progress import PageProgress, progress_line
from t38fsp.received import facts
from t38fsp.results import FaxResult

_logger = get_logger(__name__)


def print_json(result: FaxResult, *, exit_status: Exit, **more: object) -> None:
    """One JSON object on one line of standard output."""
    document = facts.of_result(result) | {"exit_status": int(exit_status)}
    document |= {name: facts.to_json(value) for name, value in more.items()}
    print_line(json.dumps(document), sys.stdout)


class Reporter:
    """Shows the events of calls as they come. With ``as_json`` the progress goes to standard error.

    Nothing here waits for the output, or raises because of it.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._stream: TextIO | None = sys.stderr if as_json else sys.stdout
        self._live = is_terminal(self._stream)
        self._calls: tuple[CallReport, ...] = ()
        """The calls in progress; a new tuple with each change, as another thread reads it."""

    def __enter__(self) -> Self:
        if self._live:
            follow(self._stream, self._draw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            follow(self._stream, None)

    def line(self, text: str) -> None:
        """Progress, with the time of day unless results are JSON; dropped while the output is not read."""
        print_line(self._timed(text), self._stream, droppable=True)

    def result(self, text: str, *, timed: bool = False) -> None:
        """How a call ended, which is kept until it is read; ``timed`` for one of several calls."""
        print_line(self._timed(text) if timed else text, self._stream)

    def _timed(self, text: str) -> str:
        return text if self._as_json else f"{time.strftime('%H:%M:%S')} {text}"

    def call(self, label: str = "") -> CallReport:
        """Follow one more call; its lines begin with ``label``."""
        call = CallReport(self, label)
        self._calls = (*self._calls, call)
        return call

    def over(self, over: CallReport) -> None:
        self._calls = tuple(call for call in self._calls if call is not over)

    def _draw(self, columns: int, room: int) -> list[str]:
        now, calls = time.monotonic(), self._calls
        shown = calls if len(calls) <= room else calls[: room - 1]
        more = len(calls) - len(shown)
        lines = [call.drawn(columns, now) for call in shown]
        return [*lines, f"and {more} more"[: columns - 1]] if more else lines


class CallReport:
    """The part of one call: a line for every event, and on a terminal a bar of its pages."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter = reporter
        self._label = label
        self._state = "starting"
        self._began = time.monotonic()
        self._pages = PageProgress()
        self.result: FaxResult | None = None
        """Known when the call is over, also when it was cancelled."""

    def event(self, event: events.FaxEvent) -> None:
        """Never raises: a callback that does ends its call."""
        if isinstance(event, events.Finished):
            self.result = event.result
        try:
            self._show(event)
        except Exception:
            _logger.exception("an event of a call cannot be shown")

    def _show(self, event: events.FaxEvent) -> None:
        if isinstance(event, events.Finished):
            self.close()
        self._pages = self._pages.after(event, time.monotonic())
        text = sentences.of_event(event)
        if text:
            # The bar leaves no room for the figures of a page that is over.
            self._state = text.partition(":")[0] if isinstance(event, events.PageDone) else text
            self.line(text)

    def line(self, text: str) -> None:
        """Progress; dropped while the output is not read."""
        self._reporter.line(f"{self._label}{text}")

    def tell(self, text: str) -> None:
        """How the call ended, which is kept until it is read."""
        self._reporter.result(f"{self._label}{text}", timed=True)

    def close(self) -> None:
        """Nothing more to follow."""
        self._reporter.over(self)

    def drawn(self, columns: int, now: float) -> str:
        """The call at this moment, in one line of a terminal."""
        return progress_line(
            printable(f"{self._label}{self._state}"), self._pages.share(now), now - self._began, columns
        )
