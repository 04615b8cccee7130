"""Pages of the corpus that are mostly text."""

from __future__ import annotations

import random

from tests.pages.sheets import BLACK, WHITE, WIDTH, Box, Paper

_RED, _GREEN, _BLUE, _GREY = (0.75, 0.1, 0.1), (0.1, 0.5, 0.2), (0.1, 0.2, 0.55), (0.62, 0.62, 0.62)
_LEFT, _RIGHT = 60.0, WIDTH - 60


def letter(paper: Paper) -> None:
    """A business letter in 12, 11 and 10 points."""
    paper.text(_LEFT, 70, "Harbour Instruments Limited", 16, "serif bold")
    paper.text(_LEFT, 86, "12 Quay Road, Northport", 9, "serif")
    paper.line([(_LEFT, 94), (_RIGHT, 94)], 0.5)
    paper.text(_LEFT, 140, "Mrs Eleanor Whitfield", 11, "serif")
    paper.text(_LEFT, 154, "27 Station Street, Westbridge", 11, "serif")
    paper.text(_LEFT, 200, "Repair of the pumping station", 12, "serif bold")
    paper.prose((_LEFT, 215, _RIGHT, 400), 12, "serif", 1)
    paper.prose((_LEFT, 415, _RIGHT, 570), 11, "serif", 2)
    paper.prose((_LEFT, 585, _RIGHT, 720), 10, "sans", 3)
    paper.text(_LEFT, 770, "Yours sincerely", 11, "serif")


def columns(paper: Paper) -> None:
    """Two columns in 8 and 9 points."""
    paper.text(_LEFT, 60, "Report of the technical committee", 14, "sans bold")
    middle = WIDTH / 2
    paper.prose((_LEFT, 80, middle - 10, 780), 8, "serif", 4)
    paper.prose((middle + 10, 80, _RIGHT, 420), 9, "sans", 5)
    paper.prose((middle + 10, 435, _RIGHT, 780), 8, "sans", 6)


def small_type(paper: Paper) -> None:
    """Terms of business in 7, 6 and 5 points, and a fixed pitch."""
    for top, size, font in (
        (60, 7, "serif"),
        (240, 6, "sans"),
        (400, 5, "sans"),
        (520, 7, "mono"),
        (650, 6, "serif"),
    ):
        paper.text(_LEFT, top, f"Terms in {size} points", 9, "sans bold")
        paper.prose((_LEFT, top + 8, _RIGHT, top + 105), size, font, 10 + top)


def coloured_text(paper: Paper) -> None:
    """Text in colours, in grey, in white on dark bars, and on coloured grounds."""
    for step, colour in enumerate((BLACK, _RED, _GREEN, _BLUE, _GREY)):
        top = 50 + 74 * step
        paper.prose((_LEFT, top, _RIGHT, top + 60), 11, "sans", 20 + step, colour)
    grounds = (
        ((0.1, 0.15, 0.4), WHITE),
        ((0.7, 0.15, 0.15), WHITE),
        ((1.0, 0.9, 0.3), BLACK),
        ((0.6, 0.85, 0.6), (0.1, 0.3, 0.1)),
        ((0.45, 0.45, 0.5), BLACK),
        (BLACK, (1.0, 0.9, 0.4)),
    )
    for step, (ground, ink) in enumerate(grounds):
        top = 430 + 64 * step
        paper.box((_LEFT - 8, top, _RIGHT + 8, top + 56), ground)
        paper.prose((_LEFT, top + 3, _RIGHT, top + 50), 10.5, "sans", 30 + step, ink)


def table(paper: Paper) -> None:
    """A price list: dark head, every second row shaded, thin rules, a coloured total."""
    chance = random.Random(7)
    paper.text(_LEFT, 64, "Price list of spare parts", 15, "sans bold")
    edges = (_LEFT, _LEFT + 60, _LEFT + 290, _LEFT + 350, _LEFT + 420, _RIGHT)
    paper.box((_LEFT, 80, _RIGHT, 100), (0.16, 0.3, 0.5))
    for left, head in zip(edges, ("Number", "Description", "Pieces", "Each", "Total"), strict=False):
        paper.text(left + 5, 94, head, 9, "sans bold", WHITE)
    things = ("Valve with flange", "Gasket of copper", "Filter for the pump", "Hose of two metres", "Bearing")
    for row in range(32):
        top = 100 + 20 * row
        if row % 2 == 0:
            paper.box((_LEFT, top, _RIGHT, top + 20), (0.87, 0.9, 0.95))
        pieces, price = chance.randint(1, 40), chance.randint(100, 9999) / 100
        cells = (
            str(chance.randint(10000, 99999)),
            things[chance.randrange(len(things))],
            str(pieces),
            f"{price:.2f}",
            f"{pieces * price:.2f}",
        )
        for left, cell in zip(edges, cells, strict=False):
            paper.text(left + 5, top + 14, cell, 9)
        paper.line([(_LEFT, top + 20), (_RIGHT, top + 20)], 0.3, (0.5, 0.5, 0.5))
    for edge in edges:
        paper.line([(edge, 80), (edge, 740)], 0.4, (0.4, 0.4, 0.4))
    paper.box((_LEFT + 350, 745, _RIGHT, 770), (1.0, 0.85, 0.4), BLACK)
    paper.text(_LEFT + 358, 762, "Total 48213.77", 12, "sans bold")


def _field(paper: Paper, box: Box, label: str, answer: str, hand: bool = True) -> None:
    paper.box(box, WHITE, (0.3, 0.3, 0.3), 0.6)
    paper.text(box[0] + 3, box[1] + 8, label, 6.5)
    paper.text(
        box[0] + 10,
        box[3] - 6,
        answer,
        19 if hand else 11,
        "hand" if hand else "mono",
        (0.1, 0.15, 0.5),
        not hand,
    )


def form(paper: Paper) -> None:
    """An application form: a tinted ground, boxes, combs, ticks, handwriting."""
    paper.text(_LEFT, 60, "Application for a connection", 16, "sans bold")
    paper.box((_LEFT - 10, 75, _RIGHT + 10, 560), (0.93, 0.96, 0.9))
    middle = WIDTH / 2
    rows = (
        ("Surname", "Whitfield", "First name", "Eleanor"),
        ("Street", "Station Street 27", "Town", "Westbridge"),
        ("Telephone", "0555 734 219", "Fax", "0555 734 220"),
        ("Account", "GB29 1234 0042", "Since", "14 May 2019"),
    )
    for row, (label, answer, other, reply) in enumerate(rows):
        top = 90 + 52 * row
        _field(paper, (_LEFT, top, middle - 6, top + 40), label, answer, row < 3)
        _field(paper, (middle + 6, top, _RIGHT, top + 40), other, reply, row < 3)
    for cell in range(16):
        left = _LEFT + 20 * cell
        paper.box((left, 310, left + 18, 332), WHITE, (0.2, 0.5, 0.3), 0.8)
        paper.text(left + 4, 327, "AB4471CD90213EX7"[cell], 15, "hand", (0.1, 0.1, 0.4), counted=False)
    for row, option in enumerate(
        ("Single line", "Several lines", "Line with a telephone", "Line without equipment")
    ):
        top = 350 + 26 * row
        paper.box((_LEFT, top, _LEFT + 12, top + 12), WHITE, BLACK, 0.8)
        paper.text(_LEFT + 20, top + 10, option, 10)
        if row in (0, 3):
            paper.line(
                [(_LEFT + 1, top + 4), (_LEFT + 5, top + 11), (_LEFT + 15, top - 5)], 1.4, (0.1, 0.1, 0.6)
            )
    paper.prose((_LEFT, 465, _RIGHT, 550), 8, "sans", 41)
    paper.text(_LEFT + 20, 640, "Eleanor Whitfield", 34, "hand", (0.05, 0.1, 0.45), counted=False)
    paper.line([(_LEFT, 650), (_LEFT + 230, 650)], 0.6)
    paper.text(_LEFT, 660, "Signature of the applicant", 7)
    paper.text(
        _LEFT, 700, "Please call before you come, the bell is broken!", 17, "hand", (0.3, 0.3, 0.35), False
    )


def watermark(paper: Paper) -> None:
    """A letter on tinted paper, with a pale word across it and a shaded head."""
    paper.box((0, 0, WIDTH, 900), (0.97, 0.95, 0.88))
    for step in range(60):
        paper.box(
            (0, step, WIDTH, step + 1.3), (0.35 + 0.01 * step, 0.5 + 0.0075 * step, 0.75 + 0.002 * step)
        )
    paper.text(_LEFT, 40, "Northport Water Supply", 20, "sans bold", WHITE)
    paper.canvas.saveState()
    paper.canvas.translate(130, 200)
    paper.canvas.rotate(50)
    paper.canvas.setFillColorRGB(0.86, 0.85, 0.82)
    paper.canvas.setFont("sans bold", 130)
    paper.canvas.drawString(0, 0, "COPY")
    paper.canvas.restoreState()
    paper.prose((_LEFT, 100, _RIGHT, 760), 11, "serif", 50, (0.1, 0.1, 0.1))
