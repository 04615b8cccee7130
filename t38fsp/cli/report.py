"""What the command line shows: live progress on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sip.logs import printable
from t38fsp import events
from t38fsp.cli import sentences
from t38fsp.cli.exits import Exit
from t38fsp.results import FaxResult

_REFRESHES = 4
"""A second; drawing shares the interpreter with the packets of the calls."""


def print_line(text: str, stream: TextIO | None) -> None:
    """Print what the stream can take. One that is closed, full or has lost its reader fails no fax."""
    if stream is None:
        return
    encoding = stream.encoding or "ascii"
    line = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(line, file=stream, flush=True)
    except OSError:
        # Else the interpreter would fail once more when it flushes at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_json(result: FaxResult, *, exit_status: Exit, **more: object) -> None:
    """One JSON object on one line of standard output."""
    document = sentences.to_json(result)
    assert isinstance(document, dict)
    document["completed"] = result.completed
    document["pages_confirmed"] = result.pages_confirmed
    document["exit_status"] = int(exit_status)
    document |= {name: sentences.to_json(value) for name, value in more.items()}
    print_line(json.dumps(document), sys.stdout)


class Reporter:
    """Shows the events of calls as they come. With ``as_json`` the progress goes to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._stream: TextIO | None = sys.stderr if as_json else sys.stdout
        console = Console(file=self._stream, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(20),
                TimeElapsedColumn(),
                console=console,
                refresh_per_second=_REFRESHES,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def line(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(printable(text), markup=False)
        else:
            print_line(text, self._stream)

    def call(self, label: str = "") -> CallReport:
        """Follow one more call; its lines begin with ``label``."""
        return CallReport(self, self._progress, label)


class CallReport:
    """The part of one call: a line for every event, and on a terminal a bar of its pages."""

    def __init__(self, reporter: Reporter, progress: Progress | None, label: str) -> None:
        self._reporter = reporter
        self._progress = progress
        self._label = label
        self._task = None if progress is None else progress.add_task(f"{label}starting", total=None)
        self.result: FaxResult | None = None
        """Known when the call is over, also when it was cancelled."""

    def event(self, event: events.FaxEvent) -> None:
        if isinstance(event, events.Finished):
            self.result = event.result
        text = sentences.of_event(event)
        if text:
            self.line(text)
        if self._progress is None or self._task is None:
            return
        match event:
            case events.PageStarted(number=number, total=total):
                self._progress.update(self._task, total=total or None, completed=number - 1)
            case events.PageDone(record=record):
                self._progress.update(self._task, completed=record.number if record.confirmed else None)
            case events.Finished():
                self.close()
                return
        if text:
            self._progress.update(self._task, description=printable(f"{self._label}{text}"))

    def line(self, text: str) -> None:
        self._reporter.line(f"{self._label}{text}")

    def close(self) -> None:
        """Nothing more to follow."""
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
