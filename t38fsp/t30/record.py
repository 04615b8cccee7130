"""What is known of the page on the line; it becomes a PageOutcome."""

from __future__ import annotations

from dataclasses import dataclass

from t38fsp.t30.outputs import PageOutcome
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
