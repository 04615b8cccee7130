"""The sample document: three pages drawn by this module, so that a fax can be tried without a document.

A letter, a table with fine lines, and a page with shades, all at 204x196. Together they take about half a
minute on the line at 14400 bit/s, so a trial takes a minute.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from t38fsp.image.coder import encode_pixels
from t38fsp.image.store import append_page, finish
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

WIDTH = 1728
ROWS = 2287
"""A4 at 7.7 lines per millimetre."""

MARGIN = 150
_BLACK, _WHITE = 0, 255
_FAR_RIGHT = WIDTH - MARGIN

_LETTER = """\
This letter is the first page of the sample document. It was drawn by a program, coded line by \
line, cut into frames, carried over the network in small packets and put together again at the far \
end. If you can read it, all of that worked.

A facsimile page is a grid of black and white dots: 1728 of them across the width of the paper, and \
in fine resolution nearly eight lines to each millimetre of its length. White space costs next to \
nothing, because a run of equal dots is sent as one short code word. Text costs more, and a picture \
costs the most.

With error correction the page travels in numbered frames. At the end of each block the receiver \
asks for those that were damaged, and gets them once more. So what arrives is what was sent, dot by \
dot, or the sender is told that it is not."""

_TABLE = [
    ("Modulation", "Rate", "Symbols a second", "64 KiB take"),
    ("V.27ter", "2400 bit/s", "1200", "3 min 38 s"),
    ("V.27ter", "4800 bit/s", "1600", "1 min 49 s"),
    ("V.29", "7200 bit/s", "2400", "1 min 13 s"),
    ("V.29", "9600 bit/s", "2400", "55 s"),
    ("V.17", "12000 bit/s", "2400", "44 s"),
    ("V.17", "14400 bit/s", "2400", "36 s"),
]

# Clustered dots, which grow from the middle of the cell, code better than scattered pixels.
_CELL = [
    [62, 57, 48, 36, 37, 49, 58, 63],
    [56, 47, 35, 21, 22, 38, 50, 59],
    [46, 34, 20, 10, 11, 23, 39, 51],
    [33, 19, 9, 3, 0, 4, 12, 24],
    [32, 18, 8, 2, 1, 5, 13, 25],
    [45, 31, 17, 7, 6, 14, 26, 40],
    [55, 44, 30, 16, 15, 27, 41, 52],
    [61, 54, 43, 29, 28, 42, 53, 60],
]


def write_sample(path: str | os.PathLike[str], count: int = 3) -> None:
    """Write the sample document, a TIFF Class F file of up to three pages, to ``path``, replacing what is
    there.

    Raises :class:`~t38fsp.image.errors.StoreError`.
    """
    Path(path).unlink(missing_ok=True)
    pages = [draw() for draw in (_letter, _table, _shades)[:count]]
    mode = PageMode(Coding.MMR, WIDTH, Resolution.R8_FINE, ecm=True, bit_rate=14400)
    for page in pages:
        append_page(path, encode_pixels(_pixels(page), WIDTH, mode.coding, mode.resolution), mode)
    finish(path, len(pages))


def _pixels(page: Image.Image) -> bytes:
    """Packed pixels, 1 is black."""
    black = ImageChops.invert(page).point([0] * 128 + [255] * 128)
    return black.convert("1", dither=Image.Dither.NONE).tobytes()


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("L", (WIDTH, ROWS), _WHITE)
    return page, ImageDraw.Draw(page)


def _text(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, anchor: str = "la") -> None:
    draw.text(at, text, fill=_BLACK, font=ImageFont.load_default(size), anchor=anchor)


def _paragraphs(draw: ImageDraw.ImageDraw, top: int, text: str, size: int) -> int:
    """Set ``text`` between the margins; return where it ends."""
    font = ImageFont.load_default(size)
    for paragraph in text.split("\n\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if draw.textlength(longer, font=font) > _FAR_RIGHT - MARGIN:
                draw.text((MARGIN, top), line, fill=_BLACK, font=font)
                top += size * 3 // 2
                longer = word
            line = longer
        draw.text((MARGIN, top), line, fill=_BLACK, font=font)
        top += size * 5 // 2
    return top


def _heading(draw: ImageDraw.ImageDraw, title: str, number: int) -> None:
    _text(draw, (MARGIN, 120), title, 64)
    _text(draw, (_FAR_RIGHT, 150), f"{number} / 3", 32, "ra")
    draw.rectangle((MARGIN, 215, _FAR_RIGHT, 219), fill=_BLACK)


def _letter() -> Image.Image:
    page, draw = _canvas()
    _heading(draw, "A page by telephone", 1)
    for row, line in enumerate(("To:  the receiving end", "From:  the sending end", "Pages:  3")):
        _text(draw, (MARGIN, 290 + 54 * row), line, 36)
    _text(draw, (MARGIN, 530), "Good day,", 36)
    end = _paragraphs(draw, 630, _LETTER, 34)
    _text(draw, (MARGIN, end + 20), "With kind regards,", 36)
    # A signature: one stroke of a pen.
    x, y = MARGIN + 20, end + 190
    bends = [(0, 40), (60, -60), (90, 50), (150, -30), (200, 40), (260, 0), (330, 30), (440, -50), (380, 10)]
    draw.line(
        [(x + dx, y + dy) for dx, dy in bends] + [(x + 620, y - 10)], fill=_BLACK, width=6, joint="curve"
    )
    _text(draw, (MARGIN, ROWS - 130), "Sample document of t38fsp", 26)
    return page


def _table() -> Image.Image:
    page, draw = _canvas()
    _heading(draw, "Tables and lines", 2)
    height, columns = 80, [MARGIN, 500, 850, 1210, _FAR_RIGHT]
    top = 300
    for row, cells in enumerate(_TABLE):
        y = top + row * height
        if row == 0:
            draw.rectangle((MARGIN, y, _FAR_RIGHT, y + height), fill=_BLACK)
        for column, cell in zip(columns, cells, strict=False):
            at = (column + 24, y + height // 2)
            draw.text(
                at, cell, fill=_WHITE if row == 0 else _BLACK, font=ImageFont.load_default(34), anchor="lm"
            )
        draw.line((MARGIN, y + height, _FAR_RIGHT, y + height), fill=_BLACK, width=2)
    for x in columns:
        draw.line((x, top, x, top + len(_TABLE) * height), fill=_BLACK, width=2)

    _text(draw, (MARGIN, 940), "Lines one, two, three and four pixels wide", 30)
    x = MARGIN
    for thickness in (1, 2, 3, 4):
        for number in range(12):
            left = x + number * 2 * thickness
            draw.rectangle((left, 1000, left + thickness - 1, 1100), fill=_BLACK)
            upper = 1000 + number * 2 * thickness
            draw.rectangle((x + 150, upper, x + 320, upper + thickness - 1), fill=_BLACK)
        x += 362

    _text(draw, (MARGIN, 1170), "A fan and circles", 30)
    for end in range(0, 401, 40):
        draw.line((MARGIN, 1640, MARGIN + 680, 1240 + end), fill=_BLACK)
    for radius in range(20, 201, 20):
        draw.circle((_FAR_RIGHT - 340, 1440), radius, outline=_BLACK, width=1 + radius // 100)
    _text(draw, (MARGIN, 1720), "The quick brown fox jumps over the lazy dog. 0123456789", 20)
    _text(draw, (MARGIN, 1755), "The quick brown fox jumps over the lazy dog. 0123456789", 16)
    return page


def _shades() -> Image.Image:
    page, draw = _canvas()
    _heading(draw, "Shades of grey", 3)
    _text(draw, (MARGIN, 260), "Steps", 30)
    for step in range(12):
        left = MARGIN + step * 119
        page.paste(_screened(Image.new("L", (112, 72), 255 - step * 255 // 11)), (left, 310))
        draw.rectangle((left, 310, left + 111, 381), outline=_BLACK)
    _text(draw, (MARGIN, 440), "Sphere", 30)
    _text(draw, (MARGIN + 480, 440), "Hills", 30)
    page.paste(_screened(_sphere(320)), (MARGIN, 490))
    page.paste(_screened(_hills(688, 680).resize((480, 320))), (MARGIN + 480, 490))
    _paragraphs(
        draw,
        900,
        "A machine that knows only black and white shows grey by dots of different size. Such a picture "
        "has many short runs and is the hardest thing to code: it takes several times as long on the "
        "line as the same area of text.",
        34,
    )
    return page


def _sphere(size: int) -> Image.Image:
    """A ball lit from the upper left, on white."""
    ball = size * 9 // 10
    light = Image.radial_gradient("L").resize((ball * 2, ball * 2))
    corner = ball * 13 // 20
    shaded = ImageChops.invert(light.crop((corner, corner, corner + ball, corner + ball)))
    disc = Image.new("L", (ball, ball), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, ball - 1, ball - 1), fill=255)
    ground = Image.new("L", (size, size), _WHITE)
    ground.paste(shaded, ((size - ball) // 2,) * 2, disc)
    return ground


def _hills(width: int, height: int) -> Image.Image:
    """Three ranges of hills before an evening sky; the nearer, the darker."""
    picture = ImageChops.invert(Image.linear_gradient("L").resize((width, height))).point(
        [150 + level * 105 // 255 for level in range(256)]
    )
    draw = ImageDraw.Draw(picture)
    for shade, base, peaks in (
        (150, 330, [(0, 60), (140, -60), (260, 20), (420, -110), (560, 30), (688, -40)]),
        (95, 450, [(0, -40), (120, 40), (300, -70), (470, 50), (600, -50), (688, 20)]),
        (40, 570, [(0, 30), (200, -40), (390, 40), (540, -20), (688, 50)]),
    ):
        ridge = [(x, base + dy) for x, dy in peaks]
        draw.polygon([*ridge, (width, height), (0, height)], fill=shade)
    draw.ellipse((90, 70, 190, 170), fill=250)
    return picture


def _screened(grey: Image.Image) -> Image.Image:
    """Convert grey to dots: black where the picture is darker than the screen."""
    cells = -(-grey.width // len(_CELL))
    rows = [(bytes(255 - (4 * level + 2) for level in row) * cells)[: grey.width] for row in _CELL]
    screen = Image.frombytes("L", grey.size, b"".join(rows[y % len(_CELL)] for y in range(grey.height)))
    # The subtraction leaves something only where the picture is brighter than the screen: white.
    return ImageChops.subtract(grey, screen).point([0] + [255] * 255)
