"""Pages of the corpus whose grounds go evenly from one tone to another."""

from __future__ import annotations

from reportlab.lib.colors import Color

from tests.pages.sheets import BLACK, HEIGHT, WHITE, WIDTH, Box, Colour, Paper

_LEFT, _RIGHT = 60.0, WIDTH - 60
_NAVY: Colour = (0.05, 0.1, 0.3)
_BLUE: Colour = (0.12, 0.3, 0.62)
_SKY: Colour = (0.85, 0.92, 0.98)


def _graded(paper: Paper, box: Box, one: Colour, other: Colour, down: bool) -> None:
    left, top, right, bottom = box
    canvas = paper.canvas
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(left, HEIGHT - bottom, right - left, bottom - top)
    canvas.clipPath(path, stroke=0)
    end = (left, HEIGHT - bottom) if down else (right, HEIGHT - top)
    canvas.linearGradient(left, HEIGHT - top, *end, (Color(*one), Color(*other)))
    canvas.restoreState()


def graded_slide(paper: Paper) -> None:
    """A slide from dark to light: its title is white, the points below are black, and so is a box of text."""
    _graded(paper, (0, 0, WIDTH, HEIGHT), _NAVY, _SKY, True)
    paper.text(60, 90, "A plan for the harbour", 34, "sans bold", WHITE)
    for row, text in enumerate(
        (
            "Two new cranes on the north quay",
            "A deeper channel for larger ships",
            "Rails up to the warehouses",
        )
    ):
        paper.text(80, 160 + 44 * row, text, 20, "sans", WHITE)
    for row, text in enumerate(
        (
            "Work begins in the second quarter",
            "The old pier stays open until then",
            "Costs are shared with the town",
            "The last ship of the season leaves in October",
        )
    ):
        paper.text(80, 510 + 44 * row, text, 18, "sans", BLACK)
    paper.box((60, 700, WIDTH - 60, 790), WHITE, BLACK, 0.8)
    paper.prose((72, 704, WIDTH - 72, 786), 10, "serif", 131)
    paper.pictures.append((60, 320, WIDTH - 60, 470))


def graded_table(paper: Paper) -> None:
    """Tables with heads and sums on bands that fade out, and a bar that shows a scale of temperatures."""
    paper.text(_LEFT, 64, "Readings of the month", 15, "sans bold")
    edges = tuple(_LEFT + (_RIGHT - _LEFT) * column / 5 for column in range(5))
    for number in range(3):
        top = 80.0 + 200 * number
        across = number != 1
        _graded(paper, (_LEFT, top, _RIGHT, top + 26), _BLUE, WHITE if across else _SKY, not across)
        dark = number == 2
        for left, head in zip(edges, ("Place", "Morning", "Noon", "Evening", "Mean"), strict=True):
            white = left < (_LEFT + _RIGHT) / 2 if across and not dark else not across
            paper.text(left + 6, top + 17, head, 10, "sans bold", WHITE if white else BLACK)
        for row, place in enumerate(("Harbour", "Station", "Market", "Hospital", "Castle", "Bridge")):
            base = top + 44 + 20 * row
            figures = [7 + (row * 5 + column * 3 + number) % 19 for column in range(3)]
            cells = (place, *(f"{figure}.{row}" for figure in figures), f"{sum(figures) / 3:.1f}")
            for left, cell in zip(edges, cells, strict=True):
                paper.text(left + 6, base, cell, 10)
            paper.line([(_LEFT, base + 6), (_RIGHT, base + 6)], 0.3, (0.5, 0.5, 0.5))
    paper.text(_LEFT, 700, "From cold to warm", 11, "sans bold")
    _graded(paper, (_LEFT, 710, _RIGHT, 750), (0.1, 0.15, 0.3), (1.0, 0.98, 0.9), False)
    paper.box((_LEFT, 710, _RIGHT, 750), None, BLACK, 0.8)
    paper.pictures.append((_LEFT + 4, 714, _RIGHT - 4, 746))
