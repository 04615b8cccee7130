"""How the sheets of a document become pages of a fax: the settings of one fax."""

from __future__ import annotations

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.choices import Fit, Landscape, OverTime, PageResolution, PaperSize, Quality
from t38fsp.errors import SettingError

_FONTS = (".ttf", ".otf", ".ttc", ".otc")


def _font_file(name: object) -> None:
    """Check of the setting of a font; whether the file is one is seen when it is used, before the call."""
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is not a string")
    if name and not name.lower().endswith(_FONTS):
        # Without the name: in a file it is relative, and absolute here.
        raise ValueError(f"it is not a font file; name one that ends in {', '.join(_FONTS)}")


@dataclass(frozen=True, slots=True)
class PageSettings:
    """How documents are made into pages; the defaults suit most documents.

    A TIFF Class F file needs none of it: it is sent as it is. Raises SettingError for a value out of range.
    """

    quality: Quality = setting(Quality.BALANCED, table="")
    """How grey and colour become black and white. Text and line art are always sharp; ``"photo"`` takes much
    longer to send, ``"fast"`` less; ``"threshold"`` has no greys at all."""
    page_resolution: PageResolution = setting(PageResolution.AUTO, table="")
    """Resolution of the pages: ``"standard"``, ``"fine"``, ``"superfine"``, or by their content. A far end
    that does not support it gets the nearest one that it does."""
    paper: PaperSize = setting(PaperSize.AUTO, table="")
    """Paper that the pages are made for; ``"auto"`` takes that of the document up to A3. A far end with
    smaller paper gets smaller pages."""
    fit: Fit = setting(Fit.FIT, table="")
    """``"fit"`` makes a sheet smaller that is larger than the paper; with ``"true-size"`` a document with
    such a sheet is refused."""
    landscape: Landscape = setting(Landscape.AUTO, table="")
    """Sheets wider than high: ``"turn"`` turns them by 90 degrees, ``"keep"`` sends them upright and smaller;
    ``"auto"`` turns them if they would lose detail otherwise."""
    margin: float = setting(0.0, least=0.0, most=50.0, unit="millimetres", table="")
    """White border within which the sheet is placed; some machines do not print the outermost 4 mm."""
    page_seconds: float | None = setting(None, above=0.0, most=3600.0, unit="seconds", table="")
    """Time for which a page may be on the line, at its modem rate. Default: no limit."""
    over_page_seconds: OverTime = setting(OverTime.WARN, table="")
    """What to do with a page that takes longer: ``"warn"`` sends it, ``"simplify"`` sends it with fewer greys
    and less detail, ``"refuse"`` ends the fax before it."""
    font: str = setting("", check=_font_file, table="")
    """Font file (TrueType or OpenType) of header lines, cover pages and plain text, relative to the folder of
    this file. What it lacks, or all without one, is drawn in the built-in font, which has the letters of
    western Europe, or in a widespread one that is installed. A letter that none of them has loses its accent;
    if that does not help, nothing is sent. Default: built in."""

    def __post_init__(self) -> None:
        check(self, SettingError)


USUAL = PageSettings()
"""The defaults."""
