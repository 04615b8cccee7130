"""The elements of the state tables of T.30 (``t38fsp.t30.rows`` defines how a row is read).

A *step* is a state that is left at once, like the decision boxes of figure 5-2. Its rows have the input
``-``, and the last of them has no guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from t38fsp.t30 import rows
from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import Timer
from t38fsp.t30.outputs import T30Failure


class Event(Enum):
    """Inputs of a machine besides frames and timers."""

    AT_ONCE = "-"
    START = "the line is up, or the call is answered"
    PROCEED = "the application permits sending"
    SENT = "the last bit of the last requested burst was sent"
    V21_BEGINS = "a V.21 carrier begins"
    UNREADABLE = "a V.21 carrier without a good frame, when the last command may be repeated"
    IMAGE_BEGINS = "the carrier of an image modem begins"
    IMAGE_FRAME = "a good frame on it"
    IMAGE_OCTETS = "octets without frames on it"
    IMAGE_OVER = "it ends"
    PAGE_READY = "the coded page is available"
    PAGE_FAILED = "the page cannot be coded"
    STORED = "the page is stored, or was refused for its quality"
    NOT_STORED = "the page cannot be stored"
    ABORT = "the application ends the session"
    LINE_DROPPED = "the call is over"

    # Enum's own is slow, and each input is looked up in the table.
    __hash__ = object.__hash__


Input = FCF | Timer | Event


class Manner(Enum):
    """How a session ends."""

    DCN = "DCN"
    SILENT = "no DCN"
    AFTER_BURST = "no DCN, but what is being sent is sent"


HEARD = "the input"
"""As ``response``: the name of the frame that is the input of the row."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Used in place of a next state: the session ends."""

    failure: T30Failure | None
    """None is success, unless a shortfall was recorded before."""
    detail: str = ""
    """A phrase for the reason."""
    detail_from: str = ""
    """The method of a part that returns that phrase."""
    response: str = ""
    """Reported for an unconfirmed page in place of a response; by default the name of the failure."""
    manner: Manner = Manner.DCN


def dcn(failure: T30Failure | None, detail: str = "", *, detail_from: str = "", response: str = "") -> Ending:
    """Send DCN and end (5.3.6.1.8)."""
    return Ending(failure, detail, detail_from, response)


def silent(
    failure: T30Failure | None, detail: str = "", *, detail_from: str = "", response: str = ""
) -> Ending:
    """End without DCN: the far end has sent it, or there is no far end."""
    return Ending(failure, detail, detail_from, response, Manner.SILENT)


def after_burst(failure: T30Failure | None) -> Ending:
    """End after the current burst was sent."""
    return Ending(failure, manner=Manner.AFTER_BURST)


Row = rows.Row[Enum, Input, Enum | Ending | None]


def row(
    states: Enum | Iterable[Enum],
    inputs: Input | Iterable[Input],
    guard: str,
    action: str,
    next_state: Enum | Ending | None,
    clause: str,
) -> Row:
    """A row for one state and input, or for several."""
    return rows.Row(rows.several(states), rows.several(inputs), guard, action, next_state, clause)


@dataclass(frozen=True)
class Table:
    """All rows of a machine. ``disconnect`` is its state while DCN is sent, ``end`` its final state."""

    rows: tuple[Row, ...]
    start: Enum
    disconnect: Enum
    end: Enum
    reported_as: Mapping[Enum, Enum] = field(default_factory=dict)
    """Steps that are replaced by another state in the reason of a session that ends there."""

    @cached_property
    def steps(self) -> frozenset[Enum]:
        """The states that are left at once."""
        return frozenset(state for row in self.rows if Event.AT_ONCE in row.inputs for state in row.states)

    @cached_property
    def index(self) -> Mapping[tuple[Enum, Enum], tuple[Row, ...]]:
        """The rows of each state and input, in the order in which they are tried."""
        return rows.indexed(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)
