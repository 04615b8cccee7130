"""Which engine gets an incoming call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.line import Incoming


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """An engine, as a rule sees it."""

    name: str
    calls: int
    """Current calls in both directions."""
    incoming: int
    max_incoming: int
    limit: int | None = None
    """Maximum of ``calls`` while the engine is overloaded."""

    @property
    def overloaded(self) -> bool:
        return self.limit is not None and self.calls >= self.limit

    @property
    def has_room(self) -> bool:
        return self.incoming < self.max_incoming and not self.overloaded


Rule = Callable[[Incoming, Sequence[EngineLoad]], str | None]
"""Returns the name of the engine for a call, chosen from those with room for it; None refuses it with 480."""


def least_busy(incoming: Incoming, engines: Sequence[EngineLoad]) -> str | None:
    """The engine with the fewest calls; among equals, the one that connected first."""
    return min(engines, key=lambda engine: engine.calls).name if engines else None
