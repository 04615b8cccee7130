"""What a page loses because the far end takes no page of its kind."""

from __future__ import annotations

from collections.abc import Sequence

from t38fsp.t30.outputs import PageWanted, Warned
from t38fsp.t30.vocabulary import PageFormat, PageMode

_SAME = 0.9
"""Two resolutions or widths closer than this are the metric and the inch-based one of the same name."""


def lessened(page: PageFormat, mode: PageMode) -> str:
    """How ``page`` is changed to travel in ``mode``, for a person; empty when it loses nothing."""
    wanted, chosen = page.resolution, mode.resolution
    losses = []
    if min(chosen.x / wanted.x, chosen.y / wanted.y) < _SAME:
        losses.append(f"at {chosen.x} by {chosen.y} dots per inch instead of {wanted.x} by {wanted.y}")
    if mode.width / chosen.x < _SAME * page.width / wanted.x:
        losses.append("made smaller to fit narrower paper")
    elif mode.max_rows is not None:
        losses.append("made smaller to fit shorter paper")
    return " and ".join(losses)


class Losses:
    """Those of a document: the application is told once of each kind."""

    def __init__(self, pages: Sequence[PageFormat]) -> None:
        self._pages = tuple(pages)
        self._told: set[str] = set()

    def of(self, wanted: PageWanted) -> Warned | None:
        """A warning, if the page loses something of which none was warned yet."""
        loss = lessened(self._pages[wanted.index], wanted.mode)
        if not loss or loss in self._told:
            return None
        self._told.add(loss)
        return Warned(
            f"page {wanted.index + 1} is sent {loss}, as the far end takes no more; others of its kind, too"
        )
