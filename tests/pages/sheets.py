"""What a page of the corpus is made of: a PDF of one page, and what is known to be on it.

Sheets are exactly as wide as a line of 1728 pixels at 204 an inch, and as long as A4, so that every program
brings them to the same pixels. Lengths are in points, from the top left corner.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

COLUMNS, ROWS = 1728, 2292
X_DPI, Y_DPI = 204, 196
WIDTH, HEIGHT = COLUMNS / X_DPI * 72, ROWS / Y_DPI * 72

_FONTS = Path("/usr/share/fonts/truetype")
_FILES = {
    "serif": "liberation/LiberationSerif-Regular.ttf",
    "serif bold": "liberation/LiberationSerif-Bold.ttf",
    "sans": "liberation/LiberationSans-Regular.ttf",
    "sans bold": "liberation/LiberationSans-Bold.ttf",
    "mono": "liberation/LiberationMono-Regular.ttf",
    "hand": "fifthhorseman/dkg.ttf",
}


class Kind(Enum):
    """What a page may cost is a matter of what is on it."""

    BLACK = "text and line art"
    TONES = "tints or pictures"


Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Colour = tuple[float, float, float]
"""Red, green, blue, from 0 to 1."""
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (1, 1, 1)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of the corpus, made when it is asked for."""

    name: str
    kind: Kind
    draw: Callable[[Paper], None]
    shown: tuple[float, float] = (60, 60)
    """Left and top of what is shown of it."""

    @property
    def paper(self) -> Paper:
        return _drawn(self.draw)


@cache
def _drawn(draw: Callable[[Paper], None]) -> Paper:
    paper = Paper()
    draw(paper)
    paper.close()
    return paper


class Paper:
    """A page that is being drawn, and notes of what a reader must find on it."""

    def __init__(self) -> None:
        for name, file in _FILES.items():
            pdfmetrics.registerFont(TTFont(name, str(_FONTS / file)))
        self._file = BytesIO()
        self.canvas = Canvas(self._file, (WIDTH, HEIGHT), invariant=1)
        self.words: list[str] = []
        self.codes: list[str] = []
        self.pictures: list[Box] = []
        """Where photographs are."""
        self.drawings: list[Box] = []
        """Where line art is."""

    def close(self) -> None:
        self.canvas.showPage()
        self.canvas.save()

    @property
    def pdf(self) -> bytes:
        return self._file.getvalue()

    def text(
        self,
        left: float,
        base: float,
        text: str,
        size: float,
        font: str = "sans",
        colour: Colour = BLACK,
        counted: bool = True,
    ) -> float:
        """Write a line; return where it ends. Its words are read back, unless not ``counted``."""
        self.canvas.setFont(font, size)
        self.canvas.setFillColorRGB(*colour)
        self.canvas.drawString(left, HEIGHT - base, text)
        if counted:
            self.words += text.split()
        return left + float(pdfmetrics.stringWidth(text, font, size))

    def prose(
        self,
        box: Box,
        size: float,
        font: str = "serif",
        seed: int = 0,
        colour: Colour = BLACK,
        lead: float = 1.25,
    ) -> None:
        """Fill ``box`` with sentences."""
        left, top, right, bottom = box
        words = iter(_words(seed))
        line: list[str] = []
        base = top + size
        while base < bottom:
            word = next(words)
            if left + pdfmetrics.stringWidth(" ".join([*line, word]), font, size) > right:
                self.text(left, base, " ".join(line), size, font, colour)
                base += lead * size
                line = []
            line.append(word)

    def box(
        self,
        box: Box,
        fill: Colour | None = None,
        stroke: Colour | None = None,
        width: float = 0.75,
        radius: float = 0,
    ) -> None:
        left, top, right, bottom = box
        if fill is not None:
            self.canvas.setFillColorRGB(*fill)
        if stroke is not None:
            self.canvas.setStrokeColorRGB(*stroke)
            self.canvas.setLineWidth(width)
        self.canvas.roundRect(
            left,
            HEIGHT - bottom,
            right - left,
            bottom - top,
            radius,
            int(stroke is not None),
            int(fill is not None),
        )

    def line(
        self, points: Sequence[tuple[float, float]], width: float = 0.75, colour: Colour = BLACK
    ) -> None:
        self.canvas.setStrokeColorRGB(*colour)
        self.canvas.setLineWidth(width)
        path = self.canvas.beginPath()
        path.moveTo(points[0][0], HEIGHT - points[0][1])
        for across, down in points[1:]:
            path.lineTo(across, HEIGHT - down)
        self.canvas.drawPath(path)

    def picture(self, box: Box, image: Image.Image, photograph: bool = True, quality: int = 88) -> None:
        """Place an image, as JPEG: it is stretched to ``box``."""
        left, top, right, bottom = box
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        file.seek(0)
        self.canvas.drawImage(ImageReader(file), left, HEIGHT - bottom, right - left, bottom - top)
        if photograph:
            self.pictures.append(box)


def _words(seed: int) -> list[str]:
    sentences = list(SENTENCES) * 6
    random.Random(seed).shuffle(sentences)
    return " ".join(sentences).split()


SENTENCES = (
    "Thank you for your order of the third of March, which reached our office on Friday morning.",
    "The goods will leave the warehouse within ten working days after we have received your payment.",
    "Please check the quantities and the prices below and return one signed copy to the number above.",
    "If the delivery address differs from the one that we have on file, write it into the field at the left.",
    "Our engineer will visit the building between nine and eleven and needs access to the cellar.",
    "The pump was replaced last autumn, but the pressure in the upper floors is still too low.",
    "All measurements were taken twice, once with the valve open and once with the valve closed.",
    "The patient reports that the pain is worse in the evening and better after a short walk.",
    "Take one tablet with water after breakfast, and do not drive until the dizziness has gone.",
    "Both parties may end this agreement with three months of notice to the end of a quarter.",
    "The tenant keeps the rooms in good order and tells the owner about any damage without delay.",
    "Neither side is liable for losses that could not be foreseen when the contract was signed.",
    "The harbour was crowded with small boats, and the ferry had to wait outside the wall.",
    "A light wind from the west brought rain in the afternoon, and the market closed early.",
    "She found the old map in a drawer, folded between two letters that nobody had opened.",
    "The train to the north leaves from platform seven and stops at every village on the coast.",
    "Visitors are asked to leave their coats and bags in the hall and to keep their tickets.",
    "The committee agreed on the budget for the coming year with two votes against it.",
    "Costs for paper and postage fell by a quarter, while those for telephone lines did not change.",
    "We regret that the part is no longer made, and suggest the model that has followed it.",
    "The invoice shows the amount before tax, the tax itself, and the total that is due.",
    "Kindly send the missing documents by fax, since the original papers may follow by post.",
    "The roof needs repair before winter, because water has come through the ceiling again.",
    "Every sample was weighed, labelled and stored in the dark at the temperature of the room.",
)
