"""Rows of state tables, and how they are looked up; used by the tables of T.30 and by that of the call.

A row means: in this state, on this input, if this guard holds, do this, then enter that state. Rows of one
state and input are tried from top to bottom, and the first whose guard holds is taken. *What is in no row is
ignored*: it is an echo, late, or noise. A row without a next state leaves the machine in the state where it
is.

Guards and actions are methods of the parts of a machine, by name: ``phase_b.rate_left``. Guards are joined by
``and`` and turned by ``not``; actions are done in the order written. Neither can see or set the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import product
from typing import Any, Generic, TypeVar

from sip.frozen import dataclass

E = TypeVar("E", bound=Enum)
State = TypeVar("State", bound=Enum)
Input = TypeVar("Input", bound=Enum)
Next = TypeVar("Next")
R = TypeVar("R", bound="Row[Any, Any, Any]")


@dataclass(frozen=True, slots=True)
class Row(Generic[State, Input, Next]):
    """One line of a table; several states or inputs where they share it."""

    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    guard: str
    action: str
    next: Next
    clause: str
    """Clause of a standard, or the reason for the row."""

    @property
    def guards(self) -> list[tuple[str, bool]]:
        """The names of the guards, each with its required result."""
        names = self.guard.split(" and ") if self.guard else []
        return [(name.removeprefix("not "), not name.startswith("not ")) for name in names]

    @property
    def actions(self) -> list[str]:
        return self.action.split(", ") if self.action else []


def several(one_or_more: E | Iterable[E]) -> tuple[E, ...]:
    """The states or inputs of a row, given as one or several."""
    return (one_or_more,) if isinstance(one_or_more, Enum) else tuple(one_or_more)


def indexed(rows: Iterable[R]) -> Mapping[tuple[Enum, Enum], tuple[R, ...]]:
    """The rows of each state and input, in the order in which they are tried."""
    index: dict[tuple[Enum, Enum], tuple[R, ...]] = {}
    for row in rows:
        for key in product(row.states, row.inputs):
            index[key] = (*index.get(key, ()), row)
    return index
