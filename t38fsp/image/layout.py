"""Where a sheet of a document goes on a page of a fax: paper, resolution, turn and scale.

The pixels of a fax are not square, and what is 204 by 196 per inch on metric machines is 200 by 200 on those
that count in inches; T.30 table 2 takes them for the same. So a picture whose resolution is nearly one of fax
is placed pixel for pixel, with white beside it, and everything else is scaled to the metric resolution, by
the same factor in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

from t38fsp.choices import Fit, Landscape, PageResolution, PaperSize
from t38fsp.documents.sheet import MM_PER_INCH, Sheet
from t38fsp.image.convert import fitted
from t38fsp.image.errors import DocumentError
from t38fsp.image.resolutions import Paper, inch_terms, width_of
from t38fsp.page_settings import PageSettings
from t38fsp.t4.reader import MAX_ROWS
from t38fsp.t30.vocabulary import PageFormat, PageMode, Resolution

_SIZES = {
    PaperSize.A4: (Paper.A4, 297.0),
    PaperSize.LETTER: (Paper.A4, 279.4),
    PaperSize.LEGAL: (Paper.A4, 355.6),
    PaperSize.B4: (Paper.B4, 364.0),
    PaperSize.A3: (Paper.A3, 420.0),
}
"""Width of the line, and length in millimetres."""

_OVER = 1.03
"""A sheet may be larger than the paper by this factor and still counts as its size: Letter is wider than the
line of T.4, and scans of A4 are often a little longer."""

_LEAST_SHRINK = 0.7
"""A3 to A4. A sheet that would need a smaller factor for its length alone goes in its full length, as a till
receipt or a web page: receivers cut it into sheets (as in t38fsp.t30.dcs_choice)."""

_SAME_DENSITY = 0.03
"""Relative difference up to which the pixels of a picture are taken for those of the fax: 204 for 200."""

_SMALL_TYPE = 5.0
"""Points. Letters below that have less than 7 rows for an x at 196 lines per inch, and get twice as many."""

_NAMED = {
    PageResolution.STANDARD: Resolution.R8_STANDARD,
    PageResolution.FINE: Resolution.R8_FINE,
    PageResolution.SUPERFINE: Resolution.R8_SUPERFINE,
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels on a page of ``width`` by ``rows``."""

    width: int
    rows: int
    left: int
    top: int
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A sheet on its page: the page, whether the sheet is turned by 90 degrees, and its place there."""

    format: PageFormat
    turned: bool
    box: Box
    scale: float
    """By which the sheet was made smaller to fit on the paper; 1 if it was not."""

    def in_mode(self, mode: PageMode, max_rows: int | None) -> Box:
        """The place of the sheet if the page travels in ``mode`` and has at most ``max_rows`` rows."""
        page = self.format
        across, down = fitted(page, mode.width, mode.resolution, max_rows)
        x, y = across / page.width, down / page.rows
        return Box(
            mode.width,
            down,
            (mode.width - across) // 2 + round(self.box.left * x),
            round(self.box.top * y),
            max(1, round(self.box.across * x)),
            max(1, round(self.box.down * y)),
        )


def resolution_for(sheet: Sheet, settings: PageSettings) -> Resolution:
    """The resolution that a sheet is sent at if the far end supports it."""
    if settings.page_resolution is not PageResolution.AUTO:
        return _NAMED[settings.page_resolution]
    if sheet.bilevel and (own := _own_density(sheet)) is not None:
        return own
    small = sheet.type_size is not None and sheet.type_size < _SMALL_TYPE
    return Resolution.R8_SUPERFINE if small else Resolution.R8_FINE


def layout(sheet: Sheet, number: int, settings: PageSettings, resolution: Resolution) -> Layout:
    """Place a sheet, page ``number`` of its document. Raises DocumentError if it has to keep its true size
    and is larger than the paper, or is too long for a fax."""
    x, y = resolution.value
    natural = _natural(sheet, resolution)
    turned = _is_turned(sheet, settings)
    if turned:
        # Width and height change places, and so do the pixels; a scan has the same resolution in both
        # directions nearly always.
        natural = _natural(Sheet(sheet.height, sheet.width, sheet.pixels and sheet.pixels[::-1]), resolution)
    across, down = natural
    paper, longest = _paper(across / x * MM_PER_INCH, down / y * MM_PER_INCH, sheet.sized, settings)
    width = width_of(paper, resolution)
    border_x, border_y = (round(settings.margin / MM_PER_INCH * dpi) for dpi in (x, y))
    room_x = width - 2 * border_x
    scale = min(1.0, room_x / across)
    # Without a limit a long sheet keeps its length (till receipts, see above).
    if longest is not None:
        most = longest / MM_PER_INCH * y - 2 * border_y
        if down * scale > most * (_OVER if not settings.margin else 1.0):
            scale = min(scale, most / down)
    # A size that was only assumed (plain text, pictures without a resolution) is none that could be kept.
    if settings.fit is Fit.TRUE_SIZE and sheet.sized and scale < 1 / _OVER:
        raise DocumentError(
            f"page {number} is {sheet.width:.0f} by {sheet.height:.0f} mm and does not fit on the paper at "
            "its true size; let it be made smaller (fit), or choose larger paper"
        )
    across, down = max(1, round(across * scale)), max(1, round(down * scale))
    rows = down + 2 * border_y
    if rows > MAX_ROWS:
        raise DocumentError(
            f"page {number} is {sheet.height:.0f} mm long, more than a fax page can be; cut it into pages"
        )
    box = Box(width, rows, (width - across) // 2, border_y, across, down)
    return Layout(PageFormat(width, rows, resolution), turned, box, scale)


def _own_density(sheet: Sheet) -> Resolution | None:
    """The fax resolution that a picture has already."""
    if sheet.dpi is None or not sheet.sized:
        return None
    # The metric form of a resolution comes first, which is that of all other pages: a change of resolution
    # within a fax takes seconds of training.
    return next((each for each in Resolution if _is_near(sheet.dpi, each)), None)


def _is_near(dpi: tuple[float, float], resolution: Resolution) -> bool:
    return all(
        abs(own / other - 1) <= _SAME_DENSITY for own, other in zip(dpi, resolution.value, strict=True)
    ) or all(
        abs(own / other - 1) <= _SAME_DENSITY for own, other in zip(dpi, inch_terms(resolution), strict=True)
    )


def _natural(sheet: Sheet, resolution: Resolution) -> tuple[float, float]:
    """The size of a sheet in pixels of the fax."""
    if sheet.pixels is not None and sheet.dpi is not None and sheet.sized and _is_near(sheet.dpi, resolution):
        return sheet.pixels
    return sheet.width / MM_PER_INCH * resolution.x, sheet.height / MM_PER_INCH * resolution.y


def _is_turned(sheet: Sheet, settings: PageSettings) -> bool:
    if sheet.width <= sheet.height or settings.landscape is Landscape.KEEP:
        return False
    if settings.landscape is Landscape.TURN:
        return True
    paper = Paper.A4 if settings.paper is PaperSize.AUTO else _SIZES[settings.paper][0]
    return sheet.width > (paper.value - 2 * settings.margin) * _OVER


def _paper(width: float, height: float, sized: bool, settings: PageSettings) -> tuple[Paper, float | None]:
    """The line for a sheet of this size in millimetres, and the length that its page may have; None if it
    may have any."""
    if settings.paper is not PaperSize.AUTO:
        return _SIZES[settings.paper]
    size = PaperSize.A4
    if sized:
        size = next(
            (each for each in (PaperSize.A4, PaperSize.B4) if width <= _SIZES[each][0].value * _OVER),
            PaperSize.A3,
        )
    paper, length = _SIZES[size]
    legal = _SIZES[PaperSize.LEGAL][1]
    # A sheet narrower than that is a strip of paper, not Legal.
    if paper is Paper.A4 and legal / _OVER <= height <= legal * _OVER and width > 200:
        return paper, legal
    shrunk = height * min(1.0, paper.value / width)
    return paper, length if shrunk <= length / _LEAST_SHRINK else None
