"""What is known of the page on the line; it becomes a PageOutcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from t38fsp.t30.frames import FCF
from t38fsp.t30.line import HalfDuplexLine
from t38fsp.t30.outputs import PageOutcome, T30Failure
from t38fsp.t30.vocabulary import PageMode


@dataclass(slots=True)
class PageRecord:
    """One attempt at a page. ``began`` is when its carrier came up (seconds)."""

    index: int
    mode: PageMode
    began: float
    octets: int = 0
    repeats: int = 0

    def outcome(self, *, confirmed: bool, response: str, now: float) -> PageOutcome:
        """How it ended."""
        return PageOutcome(
            index=self.index,
            confirmed=confirmed,
            response=response,
            bit_rate=self.mode.bit_rate,
            coding=self.mode.coding,
            ecm=self.mode.ecm,
            octets=self.octets,
            repeats=self.repeats,
            seconds=now - self.began,
        )


class PageReports:
    """Tells the outcome of each attempt at a page once, and counts what was confirmed."""

    def __init__(self, line: HalfDuplexLine) -> None:
        self._line = line
        self.record: PageRecord | None = None
        """Of the page on the line."""
        self.confirmed = 0
        self.shortfall: T30Failure | None = None
        """What is missing although nothing is left to be confirmed."""
        self.given: Enum = FCF.DCN
        """The input that the machine follows its table for."""

    @property
    def response(self) -> str:
        """That input, by its name in T.30."""
        return str(self.given) if isinstance(self.given, FCF) else str(self.given.value)

    def report(self, *, confirmed: bool, response: str) -> None:
        if self.record is not None:
            now = self._line.now
            self._line.emit(self.record.outcome(confirmed=confirmed, response=response, now=now))
            self.record = None
