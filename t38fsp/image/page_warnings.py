"""What a sender should know about the pages of a fax: the same before a call and in its result."""

from __future__ import annotations

from collections.abc import Iterator

from t38fsp.choices import OverTime
from t38fsp.image.fax import Fax
from t38fsp.image.over_time import over_time
from t38fsp.image.values import CodedPage
from t38fsp.t30.vocabulary import PageMode

_LEAST_ROWS = 7.0
"""Rows of the letter x below which letters grow together."""
_X_HEIGHT = 0.5
"""Height of the letter x, as a share of the size of the letters; so in most typefaces."""
_POINTS_PER_INCH = 72
_MUCH_SMALLER = 0.69
"""A sheet is sent at less than that of its size: not yet one of A3 on A4, which people expect."""


class PageWarnings:
    """The warnings about the pages of one fax. One that is true of many comes with the first of them only."""

    def __init__(self, fax: Fax) -> None:
        self._fax = fax
        self._told: set[tuple[int, str]] = set()

    def of(self, index: int, mode: PageMode, coded: CodedPage) -> list[str]:
        """Sentences about page ``index`` (from 0), which was coded in ``mode``."""
        document, _ = self._fax.place(index)
        sentences = []
        for kind, sentence in page_warnings(self._fax, index, mode, coded):
            if kind and (id(document), kind) in self._told:
                continue
            self._told.add((id(document), kind))
            sentences.append(sentence)
        return sentences


def page_warnings(fax: Fax, index: int, mode: PageMode, coded: CodedPage) -> Iterator[tuple[str, str]]:
    """All warnings about page ``index`` (from 0), each with its kind if it can be true of many pages."""
    document, at = fax.place(index)
    number, settings = index + 1, document.settings
    for warning in document.warnings:
        yield warning, warning
    scale = document.scales[at] if document.scales else 1.0
    if scale < _MUCH_SMALLER:
        yield (
            "scale",
            f"page {number} is larger than the paper and is sent at {scale:.0%} of its size; check whether "
            "it can be read, or send it in parts",
        )
    letters = document.letters[at] if document.letters else 0.0
    # Points to inches, inches to rows of the resolution, of which the x-height is a part.
    rows = letters * _X_HEIGHT / _POINTS_PER_INCH * mode.resolution.y
    if 0 < rows < _LEAST_ROWS:
        yield (
            "letters",
            f"page {number} has letters of {letters:.1f} points, too small for {mode.resolution.y} lines per "
            "inch; send it in a finer resolution, or enlarge it",
        )
    simplifies = settings.over_page_seconds is OverTime.SIMPLIFY and not document.is_fax
    over = over_time(len(coded.octets), mode, settings)
    if coded.simplified:
        still = f", and still {over}" if over else f", so that it takes at most {settings.page_seconds:g} s"
        yield "", f"page {number} was simplified: {coded.simplified}{still}"
    elif over and document.is_fax:
        yield "", f"page {number} {over}; it is TIFF-F, which is sent as it is"
    elif over:
        what = "nothing on it can be simplified" if simplifies else "simplify it, or choose a quicker quality"
        yield "", f"page {number} {over}; {what}"
