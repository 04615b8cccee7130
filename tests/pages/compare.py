"""The pages of the corpus by each method, measured; and what is asked of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.pages.measures import likeness, read_codes, tone_error, unread_words
from tests.pages.others import OTHERS, grey, made, octets, picture
from tests.pages.sheets import Kind, Sheet

OURS = "ours"
MOST_OCTETS = {Kind.BLACK: 1.05, Kind.TONES: 0.5}
"""Of those of Ghostscript."""
MORE_UNREAD = 1
LESS_LIKE = 0.01


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one page by one method; None where the page has nothing of the kind."""

    octets: int
    unread: int | None = None
    """Words that tesseract does not read."""
    codes: frozenset[str] | None = None
    """Codes that zbar reads."""
    tone: float | None = None
    """The greatest tone error of its photographs."""
    likeness: float | None = None
    """The least SSIM of its drawings."""


@cache
def figures(sheet: Sheet, method: str, words: bool = True) -> Figures:
    """``words`` takes some seconds of processor time for each page and method."""
    paper = sheet.paper
    rows, reference = made(method, paper.pdf), grey(paper.pdf)
    page = picture(rows)
    return Figures(
        octets(rows),
        unread_words(page, paper.words) if words and paper.words else None,
        frozenset(read_codes(page) & set(paper.codes)) if paper.codes else None,
        max((tone_error(page, reference, box) for box in paper.pictures), default=None),
        min((likeness(page, reference, box) for box in paper.drawings), default=None),
    )


def missed(sheet: Sheet, ours: Figures, others: dict[str, Figures]) -> Iterator[str]:
    """In what our page does not reach what is asked of it, each as a phrase. ``others`` has Ghostscript."""
    ghostscript = others["Ghostscript"]
    share = ours.octets / ghostscript.octets
    if share > MOST_OCTETS[sheet.kind]:
        yield f"{share:.2f} times the octets of Ghostscript"
    unread = [theirs.unread for theirs in others.values() if theirs.unread is not None]
    if ours.unread is not None and unread and ours.unread > min(unread) + MORE_UNREAD:
        yield f"{ours.unread} words unread, {min(unread)} by the best"
    if ours.codes is not None:
        lost = frozenset().union(*(theirs.codes or () for theirs in others.values())) - ours.codes
        if lost:
            yield f"codes unread: {', '.join(sorted(lost))}"
    if ours.tone is not None and ghostscript.tone is not None and ours.tone > ghostscript.tone:
        yield f"tone error {ours.tone:.1f}, Ghostscript {ghostscript.tone:.1f}"
    best = max((theirs.likeness for theirs in others.values() if theirs.likeness is not None), default=None)
    if ours.likeness is not None and best is not None and ours.likeness < best - LESS_LIKE:
        yield f"SSIM {ours.likeness:.3f}, {best:.3f} by the best"


def all_figures(sheet: Sheet, methods: tuple[str, ...] = (*OTHERS, OURS)) -> dict[str, Figures]:
    return {method: figures(sheet, method) for method in methods}
