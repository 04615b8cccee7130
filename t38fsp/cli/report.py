"""What the command line shows: live progress on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from sip.line import DialogId
from t38fsp import events
from t38fsp.results import FaxResult, PageRecord


def sentence(event: events.FaxEvent) -> str:
    """One line for a person; empty for events that need none."""
    match event:
        case events.Dialing(target=target):
            return f"calling {target}"
        case events.Ringing(status=status, reason=reason):
            return f"ringing ({status} {reason})"
        case events.Connected(dialog=dialog):
            return f"connected, dialog {dialog}"
        case events.SwitchedToT38(ours=ours):
            return f"switched to T.38 ({'we' if ours else 'the far end'} asked for it)"
        case events.Identified(station_id=station_id):
            return f"the far end is {station_id}" if station_id else ""
        case events.Trained(bit_rate=rate, coding=coding, ecm=ecm):
            correction = "error correction" if ecm else "no error correction"
            return f"trained at {rate} bit/s, {coding.value}, {correction}"
        case events.PageStarted(number=number, total=total):
            return f"page {number}{f' of {total}' if total else ''}"
        case events.PageDone(record=record):
            return page_sentence(record)
        case _:
            return ""


def page_sentence(page: PageRecord) -> str:
    verdict = (
        f"confirmed ({page.response})"
        if page.confirmed
        else f"not confirmed ({page.response or 'never sent'})"
    )
    repeats = f", {page.repeats} repeated" if page.repeats else ""
    return f"page {page.number} {verdict}: {page.octets} octets in {page.seconds:.1f} s{repeats}"


def result_sentence(result: FaxResult) -> str:
    retry = (
        ""
        if result.completed
        else f"; sending again {'can' if result.retry else 'cannot'} help: {result.retry_reason}"
    )
    return f"{result.status.name}: {result.reason}{retry}"


def to_json(value: object) -> object:
    """Plain JSON types of results and what is in them."""
    if isinstance(value, DialogId):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value


def print_json(result: FaxResult, **more: object) -> None:
    """One JSON object on one line of standard output."""
    document = to_json(result)
    assert isinstance(document, dict)
    document |= {"completed": result.completed, "pages_confirmed": result.pages_confirmed} | more
    print(json.dumps(document), flush=True)


class Reporter:
    """Shows events as they come. With ``as_json`` the progress goes to standard error."""

    def __init__(self, *, as_json: bool = False, prefix: str = "") -> None:
        self._console = Console(stderr=as_json, highlight=False, soft_wrap=True)
        self._prefix = prefix
        self._live = self._console.is_terminal
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._progress = Progress(
                SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=self._console
            )
            self._progress.start()
            self._task = self._progress.add_task(f"{self._prefix}starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def event(self, event: events.FaxEvent) -> None:
        text = sentence(event)
        if text:
            self.line(f"{self._prefix}{text}")
            if self._progress is not None and self._task is not None:
                self._progress.update(self._task, description=f"{self._prefix}{text}")

    def line(self, text: str) -> None:
        self._console.print(text, markup=False)


def fail(message: str, status: int) -> SystemExit:
    """Say what is wrong on standard error; raise what this returns."""
    print(f"t38fsp: {message}", file=sys.stderr)
    return SystemExit(status)
