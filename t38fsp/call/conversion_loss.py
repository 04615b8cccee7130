"""Detail that a page loses because the far end cannot receive it as it is (DIS, T.30 table 2)."""

from __future__ import annotations

from collections.abc import Sequence

from t38fsp.t30.outputs import PageWanted, SessionWarned
from t38fsp.t30.vocabulary import PageFormat, PageMode

_SAME = 0.9
"""Ratio above which two resolutions or widths are taken as the metric and inch forms of one (204 and 200)."""


def conversion_loss(page: PageFormat, mode: PageMode) -> str:
    """How ``page`` is reduced to be sent in ``mode``, as a phrase for a person; empty if it loses nothing."""
    wanted, chosen = page.resolution, mode.resolution
    losses = []
    if min(chosen.x / wanted.x, chosen.y / wanted.y) < _SAME:
        losses.append(f"at {chosen.x} by {chosen.y} dots per inch instead of {wanted.x} by {wanted.y}")
    if mode.width / chosen.x < _SAME * page.width / wanted.x:
        losses.append("made smaller to fit narrower paper")
    elif mode.max_rows is not None:
        losses.append("made smaller to fit shorter paper")
    return " and ".join(losses)


class ConversionWarnings:
    """Warnings about the losses of a document, one for each kind of loss."""

    def __init__(self, pages: Sequence[PageFormat]) -> None:
        self._pages = tuple(pages)
        self._warned: set[str] = set()

    def of(self, wanted: PageWanted) -> SessionWarned | None:
        """A warning, if the page has a loss that was not warned about yet."""
        loss = conversion_loss(self._pages[wanted.index], wanted.mode)
        if not loss or loss in self._warned:
            return None
        self._warned.add(loss)
        return SessionWarned(
            f"page {wanted.index + 1} is sent {loss}, since the far end cannot receive more; "
            "further pages of its kind are sent in the same way"
        )
