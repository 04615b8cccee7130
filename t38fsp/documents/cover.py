"""Cover pages: the filled template of one as a source of a single sheet.

The page is laid out in blocks from top to bottom, in millimetres, and drawn with square pixels at twice the
density of most faxes; then it is reduced to the pixels of the fax, which are not square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from t38fsp.choices import PaperSize
from t38fsp.cover import CoverPage
from t38fsp.documents.cover_lines import in_lines
from t38fsp.documents.cover_markup import Element, parse
from t38fsp.documents.cover_template import filled
from t38fsp.documents.opening import open_source
from t38fsp.documents.sheet import MM_PER_INCH, Sheet
from t38fsp.fonts import Face, Letters, Typeface, runs_right_to_left
from t38fsp.image.errors import DocumentError
from t38fsp.page_settings import PageSettings

_DPI = 400
_MM = _DPI / MM_PER_INCH
"""Dots of the drawing."""
_POINT = _DPI / 72

_SIZES = {PaperSize.LETTER: (215.9, 279.4), PaperSize.LEGAL: (215.9, 279.4)}
_A4 = (210.0, 297.0)

_SIZE = 11.0
_MARGIN = 20.0
_LINE = 1.25
"""From line to line, in sizes of the letters; they stand a part of that below the top of their line."""
_BASE = 0.93
_BETWEEN_CELLS = 4.0
_GAPS = {"text": 1.5, "row": 1.5, "rule": 3.0, "box": 4.0, "logo": 5.0}
"""Millimetres below elements that do not say otherwise."""

_FACES = {
    (False, False): Face.SANS,
    (False, True): Face.SANS_BOLD,
    (True, False): Face.SERIF,
    (True, True): Face.SERIF_BOLD,
}
_BLACK, _WHITE = 0, 255
_BLACK_OR_WHITE = [_BLACK if level < 128 else _WHITE for level in range(256)]


@dataclass(frozen=True, slots=True)
class _Block:
    """A part of the page, ``height`` dots high; ``draw`` takes where its top is, and the level of its ink."""

    height: float
    draw: Callable[[ImageDraw.ImageDraw, float, int], None]
    is_fill: bool = False


@dataclass(frozen=True, slots=True)
class _Room:
    """The columns in which blocks are put, in dots, and how letters are unless an element says otherwise."""

    left: float
    width: float
    size: float
    serif: bool


class CoverSource:
    """The cover page of one call. Raises DocumentError if its template cannot be used, or what it says does
    not fit on the page."""

    warnings: tuple[str, ...] = ()

    def __init__(self, page: CoverPage, settings: PageSettings) -> None:
        self._page = page
        self._settings = settings
        self._smallest = 144.0
        self._logos: list[tuple[Image.Image, float, float]] = []
        """Pictures, and where they were put on the page, in dots."""
        width, height = _SIZES.get(page.paper, _A4)
        root = parse(filled(page), page.cover.template)
        margin = root.number("margin", _MARGIN) * _MM
        room = _Room(margin, width * _MM - 2 * margin, root.number("size", _SIZE), root.flag("serif"))
        self._blocks = self._stack(root.children, room)
        # Laid out when the document is inspected: what does not fit is an error before the call, not a
        # page cut off at the far end.
        over = sum(block.height for block in self._blocks) - (height * _MM - 2 * margin)
        if over > 0:
            raise DocumentError(
                f"the cover page is {over / _MM:.0f} mm too long; shorten its comment, or make the letters "
                f"of the template {page.cover.template} smaller"
            )
        # All of them share what is left of the page.
        fills = sum(block.is_fill for block in self._blocks)
        self._fill = -over / fills if fills else 0.0
        self._top = margin
        self.sheets: Sequence[Sheet] = (Sheet(width, height, type_size=self._smallest),)

    def render(self, index: int, size: tuple[int, int]) -> Image.Image:
        """See :class:`t38fsp.documents.sheet.Source`."""
        (sheet,) = self.sheets
        # A page is drawn once for each resolution; each drawing places its logos again.
        self._logos.clear()
        image = Image.new("L", (round(sheet.width * _MM), round(sheet.height * _MM)), _WHITE)
        draw, y = ImageDraw.Draw(image), self._top
        for block in self._blocks:
            block.draw(draw, y, _BLACK)
            y += self._fill if block.is_fill else block.height
        # Black and white already, so that no edge of a letter or a frame is taken for a grey; but the logo.
        page = image.resize(size, Image.Resampling.BOX).point(_BLACK_OR_WHITE)
        across, down = size[0] / image.width, size[1] / image.height
        for logo, left, top in self._logos:
            sides = max(1, round(logo.width * across)), max(1, round(logo.height * down))
            page.paste(logo.resize(sides, Image.Resampling.BOX), (round(left * across), round(top * down)))
        return page

    def close(self) -> None:
        """Nothing is open."""

    # --- blocks ---------------------------------------------------------------------------------------------

    def _stack(self, elements: Sequence[Element], room: _Room) -> list[_Block]:
        blocks = []
        for element in elements:
            block = self._block(element, room)
            if block is not None:
                blocks.append(block)
                if gap := element.number("gap", _GAPS.get(element.name, 0.0)):
                    blocks.append(_empty(gap * _MM))
        return blocks

    def _block(self, element: Element, room: _Room) -> _Block | None:
        match element.name:
            case "text":
                return self._text(element, room)
            case "row":
                return self._row(element, room)
            case "rule":
                return _rule(element, room)
            case "space":
                return _empty(element.number("height", 5.0) * _MM)
            case "box":
                return self._box(element, room)
            case "logo":
                return self._logo(element, room)
        return _Block(0.0, _nothing, is_fill=True)

    def _text(self, element: Element, room: _Room) -> _Block:
        size = element.number("size", room.size)
        self._smallest = min(self._smallest, size)
        face = _FACES[element.flag("serif", room.serif), element.flag("bold")]
        typeface = Typeface(self._settings.font, face)
        words = typeface.drawable(element.words, "the cover page")
        letters = typeface.sized(size * _POINT)
        lines = in_lines(words, room.width, letters.width)
        align = element.values.get("align", "start")
        step = size * _POINT * _LINE

        def draw(on: ImageDraw.ImageDraw, y: float, ink: int) -> None:
            for number, line in enumerate(lines):
                baseline = y + number * step + size * _POINT * _BASE
                # Whole dots, so that equal letters are drawn alike and code in fewer octets.
                x = room.left + _indent(line, letters, room.width, str(align))
                letters.draw(on, round(x), round(baseline), line, ink)

        return _Block(len(lines) * step, draw)

    def _row(self, element: Element, room: _Room) -> _Block | None:
        cells = element.children
        if not cells:
            return None
        given = [cell.number("width", 0.0) * _MM for cell in cells]
        free = room.width - sum(given) - _BETWEEN_CELLS * _MM * (len(cells) - 1)
        flexible = given.count(0.0)
        if free < 0 or (flexible and free / flexible < _MM):
            raise DocumentError(
                f"the cells of a row in the cover template {self._page.cover.template} leave no room "
                f"(line {element.line} as filled); make them narrower"
            )
        left, blocks = room.left, []
        for cell, fixed in zip(cells, given, strict=True):
            width = fixed or free / flexible
            blocks.append(self._text(cell, _Room(left, width, room.size, room.serif)))
            left += width + _BETWEEN_CELLS * _MM

        def draw(on: ImageDraw.ImageDraw, y: float, ink: int) -> None:
            for block in blocks:
                block.draw(on, y, ink)

        return _Block(max(block.height for block in blocks), draw)

    def _box(self, element: Element, room: _Room) -> _Block:
        padding = element.number("padding", 4.0) * _MM
        inside = _Room(room.left + padding, room.width - 2 * padding, room.size, room.serif)
        blocks = self._stack(element.children, inside)
        if element.children and blocks and element.children[-1].number("gap", 1.0):
            blocks.pop()  # the padding is the gap below the last one
        height = sum(block.height for block in blocks) + 2 * padding
        thickness = round(element.number("thickness", 0.4) * _MM)
        inverse = element.flag("inverse")

        def draw(on: ImageDraw.ImageDraw, y: float, ink: int) -> None:
            corners = (room.left, y, room.left + room.width, y + height)
            fill = ink if inverse else None
            if thickness or inverse:
                on.rectangle(corners, fill=fill, outline=ink if thickness else None, width=thickness)
            y += padding
            for block in blocks:
                block.draw(on, y, _WHITE - ink if inverse else ink)
                y += block.height

        return _Block(height, draw)

    def _logo(self, element: Element, room: _Room) -> _Block | None:
        if not self._page.cover.logo:
            return None
        picture = open_source(self._page.cover.logo, self._settings)
        try:
            sheet = picture.sheets[0]
            height = element.number("height", 20.0) * _MM
            width = height * sheet.width / sheet.height
            if width > room.width:
                width, height = room.width, height * room.width / width
            drawn = picture.render(0, (max(1, round(width)), max(1, round(height)))).convert("L")
        finally:
            picture.close()
        beside = {"center": (room.width - width) / 2, "right": room.width - width}
        x = room.left + beside.get(str(element.values.get("align", "left")), 0.0)

        def draw(on: ImageDraw.ImageDraw, y: float, ink: int) -> None:
            self._logos.append((drawn, x, y))

        return _Block(height, draw)


def _rule(element: Element, room: _Room) -> _Block:
    thickness = element.number("thickness", 0.5) * _MM

    def draw(on: ImageDraw.ImageDraw, y: float, ink: int) -> None:
        on.rectangle((room.left, y, room.left + room.width, y + thickness - 1), fill=ink)

    return _Block(thickness, draw)


def _empty(height: float) -> _Block:
    return _Block(height, _nothing)


def _nothing(on: ImageDraw.ImageDraw, y: float, ink: int) -> None: ...


def _indent(line: str, letters: Letters, width: float, align: str) -> float:
    if align == "start":
        align = "right" if runs_right_to_left(line) else "left"
    if align == "left":
        return 0.0
    free = width - letters.width(line)
    return free / 2 if align == "center" else free
