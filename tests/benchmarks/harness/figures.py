"""What a measure gives back: rows with goal, figure and anchor."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Scale(Enum):
    """How large a measure is: that of the goals, a short one by which to steer, or one for the test suite."""

    FULL = "full"
    QUICK = "quick"
    TOY = "toy"


@dataclass(frozen=True, slots=True)
class Plan:
    """``capacity`` is how many calls the machine bears with both ends of ours on it (P4a), ``minutes`` how
    long a soak lasts."""

    scale: Scale
    capacity: int = 300
    minutes: float = 60.0

    def of(self, full: T, quick: T, toy: T) -> T:
        return {Scale.FULL: full, Scale.QUICK: quick, Scale.TOY: toy}[self.scale]

    @property
    def pace(self) -> dict[str, object]:
        """Settings of calls between two of ours: the pace of modems, but where only the harness is tried."""
        usual: dict[str, object] = {}
        return self.of(usual, usual, {"internet_aware": True})


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. With an anchor the goal is of the ratio to it, else of the figure itself.

    ``more`` says that more is better; ``good`` overrules the comparison with the goal.
    """

    what: str
    measured: float
    unit: str
    goal: float | None = None
    anchor: float | None = None
    more: bool = False
    good: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.measured / self.anchor if self.anchor else None

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.good is not None or self.goal is None:
            return self.good
        figure = self.measured if self.ratio is None else self.ratio
        return figure >= self.goal if self.more else figure <= self.goal


@dataclass(frozen=True, slots=True)
class Outcome:
    """``anchor`` says what the figures are compared with; ``faxes`` are those that were compared with what
    was sent, ``wrong`` those that were not the same, or were missing though they were to arrive."""

    rows: list[Row]
    anchor: str = ""
    notes: list[str] = field(default_factory=list)
    faxes: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A measure in the list: its id, what it is in a line, how long it takes about (minutes, full scale)."""

    id: str
    what: str
    minutes: float
    run: Callable[[Plan, Path], Coroutine[object, object, Outcome]]
