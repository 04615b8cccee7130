"""The record of the page on the line, which becomes a PageOutcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.outputs import PageOutcome, T30Failure
from t38fsp.t30.vocabulary import PageMode


@dataclass(slots=True)
class PageAttempt:
    """One attempt at a page. ``began`` is the time of its carrier in seconds."""

    index: int
    mode: PageMode
    began: float
    octets: int = 0
    repeats: int = 0

    def outcome(self, *, confirmed: bool, response: str, now: float) -> PageOutcome:
        """The outcome of the attempt."""
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
    """Reports the outcome of each attempt at a page exactly once, and counts confirmed pages."""

    def __init__(self, line: HalfDuplexLine) -> None:
        self._line = line
        self.record: PageAttempt | None = None
        """The record of the page on the line."""
        self.confirmed = 0
        self.shortfall: T30Failure | None = None
        """The failure to report although every remaining page is confirmed."""
        self.given: Enum = FCF.DCN
        """The input that the machine is processing."""

    @property
    def response(self) -> str:
        """The T.30 name of that input."""
        return str(self.given) if isinstance(self.given, FCF) else str(self.given.value)

    def report(self, *, confirmed: bool, response: str) -> None:
        if self.record is not None:
            now = self._line.now
            self._line.emit(self.record.outcome(confirmed=confirmed, response=response, now=now))
            self.record = None
