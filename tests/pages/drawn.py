"""Pages of the corpus with drawings, charts, codes and pictures."""

from __future__ import annotations

import random
from math import cos, pi, sin

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode import createBarcodeDrawing

from tests.pages.scenery import landscape, still_life, street
from tests.pages.sheets import BLACK, HEIGHT, WHITE, WIDTH, Paper

_LEFT, _RIGHT = 60.0, WIDTH - 60


def drawing(paper: Paper) -> None:
    """An engineering drawing: hairlines, hatching, circles, dashes, dimensions, a title block."""
    paper.box((30, 30, WIDTH - 30, 812), None, BLACK, 1.4)
    paper.drawings.append((32, 32, WIDTH - 32, 690))
    canvas = paper.canvas
    canvas.setStrokeColorRGB(0, 0, 0)
    for radius, width in ((130, 1.4), (110, 0.4), (62, 1.0), (40, 0.25)):
        canvas.setLineWidth(width)
        canvas.circle(230, HEIGHT - 240, radius)
    for step in range(8):
        across, down = 230 + 86 * cos(step * pi / 4), 240 + 86 * sin(step * pi / 4)
        canvas.setLineWidth(0.8)
        canvas.circle(across, HEIGHT - down, 11)
        paper.line([(across - 16, down), (across + 16, down)], 0.2)
        paper.line([(across, down - 16), (across, down + 16)], 0.2)
    canvas.setDash(8, 3)
    paper.line([(70, 240), (400, 240)], 0.3)
    paper.line([(230, 80), (230, 400)], 0.3)
    canvas.setDash()
    for part, (top, bottom) in enumerate(((460, 520), (560, 620))):
        paper.box((80, top, 480, bottom), None, BLACK, 1.2)
        gap = 4 + 3 * part
        for step in range(int(400 / gap) - 8):
            left = 80 + gap * step
            paper.line([(left, bottom), (left + (bottom - top) * 0.5, top)], 0.2)
    for left, right, down, size in ((80, 480, 650, "400"), (100, 360, 420, "260"), (80, 280, 540, "200")):
        paper.line([(left, down), (right, down)], 0.25)
        for tip, way in ((left, 1), (right, -1)):
            paper.line([(tip + 7 * way, down - 2), (tip, down), (tip + 7 * way, down + 2)], 0.25)
        paper.text((left + right) / 2 - 8, down - 3, size, 8)
    points = [(430 + step, 250 + 90 * sin(step / 14) * cos(step / 50)) for step in range(120)]
    paper.line(points, 0.5)
    for step in range(13):
        paper.line([(430 + 10 * step, 150), (430 + 10 * step, 350)], 0.15, (0.5, 0.5, 0.5))
    for step in range(11):
        paper.line([(430, 150 + 20 * step), (550, 150 + 20 * step)], 0.15, (0.5, 0.5, 0.5))
    for row, (key, value) in enumerate(
        (
            ("Drawing", "HX 20417 revision C"),
            ("Scale", "1 to 2"),
            ("Material", "Cast iron"),
            ("Drawn by", "Miller"),
        )
    ):
        top = 700 + 26 * row
        paper.box((330, top, 400, top + 26), None, BLACK, 0.5)
        paper.box((400, top, WIDTH - 30, top + 26), None, BLACK, 0.5)
        paper.text(336, top + 16, key, 7)
        paper.text(406, top + 17, value, 10)


def codes(paper: Paper) -> None:
    """Bar codes and QR codes of several sizes, as on labels and tickets."""
    paper.text(_LEFT, 60, "Delivery note with labels", 14, "sans bold")
    kinds: tuple[tuple[str, str, float, float, dict[str, object]], ...] = (
        ("QR", "https://example.com/track/8842017", 60, 90, {"barWidth": 110, "barHeight": 110}),
        ("QR", "INVOICE 2026-12-01 TOTAL 482.13", 230, 90, {"barWidth": 62, "barHeight": 62}),
        ("QR", "SERIAL 77120045 HX20417", 350, 90, {"barWidth": 40, "barHeight": 40}),
        ("QR", "LOT 5521", 450, 90, {"barWidth": 28, "barHeight": 28}),
        ("Code128", "JD014600003821", 60, 250, {"barWidth": 1.4, "barHeight": 46}),
        ("Code128", "RX44719021GB", 60, 330, {"barWidth": 1.0, "barHeight": 40}),
        ("Code128", "PALLET0099", 330, 330, {"barWidth": 0.72, "barHeight": 30}),
        ("Standard39", "HX20417", 60, 410, {"barWidth": 0.9, "barHeight": 36}),
        ("EAN13", "4006381333931", 330, 410, {"barWidth": 1.1, "barHeight": 50}),
        ("I2of5", "00123457", 60, 490, {"barWidth": 0.9, "barHeight": 40}),
    )
    for name, value, left, top, sizes in kinds:
        text = {} if name == "EAN13" or name == "QR" else {"humanReadable": True, "checksum": 0}
        code = createBarcodeDrawing(name, value=value, **sizes, **text)
        renderPDF.draw(code, paper.canvas, left, HEIGHT - top - code.height)
        paper.codes.append(value)
    paper.box((60, 580, 260, 720), (0.98, 0.93, 0.65))
    paper.box((300, 580, 540, 720), (0.86, 0.86, 0.86))
    for value, left, name in (("TINTED GROUND 31", 100, "QR"), ("GREY7781", 320, "Code128")):
        sizes = {"barWidth": 90, "barHeight": 90} if name == "QR" else {"barWidth": 1.1, "barHeight": 60}
        code = createBarcodeDrawing(name, value=value, **sizes)
        renderPDF.draw(code, paper.canvas, left, HEIGHT - 600 - code.height)
        paper.codes.append(value)
    paper.prose((_LEFT, 735, _RIGHT, 790), 10, "sans", 61)


def slide(paper: Paper) -> None:
    """A coloured slide on its side of the page: shaded ground, white text, boxes, a pie."""
    for step in range(100):
        share = step / 100
        paper.box(
            (0, 8.5 * step, WIDTH, 8.5 * step + 9),
            (0.05 + 0.1 * share, 0.1 + 0.25 * share, 0.3 + 0.3 * share),
        )
    paper.text(50, 90, "Growth of the regional network", 30, "sans bold", WHITE)
    for row, text in enumerate(
        (
            "Seven new offices since the spring",
            "Costs per line down by a fifth",
            "Customers stay for nine years",
        )
    ):
        paper.box((50, 128 + 40 * row, 60, 138 + 40 * row), (1.0, 0.8, 0.2))
        paper.text(72, 139 + 40 * row, text, 18, "sans", WHITE)
    paper.box((50, 280, 290, 420), (1.0, 0.85, 0.3), None, radius=10)
    paper.text(66, 310, "Next quarter", 16, "sans bold", BLACK)
    paper.prose((66, 320, 275, 405), 10, "sans", 71)
    paper.box((320, 280, 560, 420), (0.85, 0.92, 0.97), None, radius=10)
    paper.text(336, 310, "What we need", 16, "sans bold", (0.1, 0.2, 0.4))
    paper.prose((336, 320, 545, 405), 10, "sans", 72, (0.1, 0.2, 0.4))
    angle = 90.0
    for share, colour in (
        (150, (0.95, 0.6, 0.2)),
        (90, (0.4, 0.7, 0.4)),
        (70, (0.75, 0.3, 0.35)),
        (50, (0.85, 0.85, 0.9)),
    ):
        paper.canvas.setFillColorRGB(*colour)
        paper.canvas.wedge(60, HEIGHT - 760, 330, HEIGHT - 490, angle, share, 0, 1)
        angle += share
    for row, (label, colour) in enumerate(
        (
            ("North", (0.95, 0.6, 0.2)),
            ("East", (0.4, 0.7, 0.4)),
            ("South", (0.75, 0.3, 0.35)),
            ("West", (0.85, 0.85, 0.9)),
        )
    ):
        paper.box((370, 540 + 36 * row, 392, 562 + 36 * row), colour)
        paper.text(404, 557 + 36 * row, label, 16, "sans", WHITE)


def charts(paper: Paper) -> None:
    """Thin coloured lines and flat bars on a pale ground, with small labels."""
    chance = random.Random(9)
    paper.text(_LEFT, 60, "Temperature and load of the exchange", 14, "sans bold")
    paper.box((80, 80, 540, 380), (0.94, 0.94, 0.96), (0.3, 0.3, 0.3), 0.5)
    for row in range(7):
        paper.line([(80, 80 + 50 * row), (540, 80 + 50 * row)], 0.3, (0.7, 0.7, 0.7))
        paper.text(56, 384 - 50 * row, str(20 * row), 8)
    for colour, start in (
        ((0.1, 0.3, 0.7), 300.0),
        ((0.9, 0.5, 0.1), 240.0),
        ((0.3, 0.65, 0.3), 180.0),
        ((0.85, 0.75, 0.1), 130.0),
    ):
        points, level = [], start
        for step in range(93):
            level = min(370.0, max(90.0, level + chance.uniform(-11, 10)))
            points.append((80 + 5 * step, level))
        paper.line(points, 1.0, colour)
    paper.box((80, 440, 540, 740), WHITE, (0.3, 0.3, 0.3), 0.5)
    for group in range(6):
        for bar, colour in enumerate(
            ((0.2, 0.35, 0.6), (0.6, 0.7, 0.85), (0.95, 0.75, 0.5), (0.8, 0.85, 0.75))
        ):
            left = 95 + 75 * group + 14 * bar
            paper.box((left, 740 - chance.uniform(40, 280), left + 13, 740), colour)
        paper.text(
            105 + 75 * group, 754, ("Monday", "Tuesday", "Wednes", "Thursday", "Friday", "Saturday")[group], 8
        )
    paper.prose((_LEFT, 770, _RIGHT, 810), 9, "serif", 81)


def photograph(paper: Paper) -> None:
    """Nothing but a photograph, with white margins."""
    paper.picture((30, 30, WIDTH - 30, 812), landscape(1500, 2100))


def photographs(paper: Paper) -> None:
    """Three photographs, one of them dark, with captions."""
    for top, bottom, image, caption in (
        (40, 290, still_life(1100, 550), "Fruit on the table of the restaurant"),
        (310, 560, street(1100, 550), "The street at noon before the repair"),
        (580, 790, landscape(1100, 460, 5), "View from the tower to the north"),
    ):
        paper.picture((50, top, WIDTH - 50, bottom), image)
        paper.text(50, bottom + 13, caption, 10)


def magazine(paper: Paper) -> None:
    """A page of a magazine: a head over a picture, columns, a coloured box, a cut-in picture."""
    paper.picture((0, 0, WIDTH, 250), landscape(1500, 620, 8))
    paper.text(40, 200, "The quiet coast", 46, "serif bold", WHITE, counted=False)
    paper.text(
        40,
        275,
        "A walk of three days between the harbour and the old lighthouse",
        14,
        "sans bold",
        (0.4, 0.1, 0.1),
    )
    width = (WIDTH - 80 - 30) / 3
    lefts = [40 + (width + 15) * column for column in range(3)]
    paper.prose((lefts[0], 290, lefts[0] + width, 800), 9.5, "serif", 91)
    paper.prose((lefts[1], 290, lefts[1] + width, 470), 9.5, "serif", 92)
    paper.picture((lefts[1], 480, lefts[1] + width, 620), still_life(480, 400))
    paper.text(lefts[1], 631, "Lunch by the sea", 8, "sans")
    paper.prose((lefts[1], 640, lefts[1] + width, 800), 9.5, "serif", 93)
    paper.box((lefts[2], 290, lefts[2] + width, 520), (0.75, 0.87, 0.87))
    paper.text(lefts[2] + 8, 310, "How to get there", 12, "sans bold")
    paper.prose((lefts[2] + 8, 318, lefts[2] + width - 8, 512), 9, "sans", 94)
    paper.prose((lefts[2], 530, lefts[2] + width, 800), 9.5, "serif", 95)
