"""Which engine gets an incoming call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.line import Incoming


@dataclass(frozen=True, slots=True)
class Engine:
    """A process that has calls."""

    name: str
    calls: int
    """In both directions, at this moment."""
    incoming: int
    max_incoming: int
    limit: int | None = None
    """Of ``calls``, while it has more to do than usual."""

    @property
    def overloaded(self) -> bool:
        return self.limit is not None and self.calls >= self.limit

    @property
    def has_room(self) -> bool:
        return self.incoming < self.max_incoming and not self.overloaded


Rule = Callable[[Incoming, Sequence[Engine]], str | None]
"""The name of the engine for a call, among those that have room for it; None refuses the call with 480."""


def least_busy(incoming: Incoming, engines: Sequence[Engine]) -> str | None:
    """The engine with the fewest calls; of several, the one that came first."""
    return min(engines, key=lambda engine: engine.calls).name if engines else None
