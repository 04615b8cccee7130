"""Documents to send that are not TIFF-F: their sheets as pages, each drawn for the mode that it travels in.

A page is drawn anew for each width and resolution, never scaled from another fax page.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from sip.logs import get_logger
from t38fsp.choices import OverTime
from t38fsp.cover import CoverPage
from t38fsp.documents.opening import open_source
from t38fsp.documents.sheet import Sheet, Source
from t38fsp.image.coder import encode_burst, encode_pixels
from t38fsp.image.convert import resized
from t38fsp.image.errors import DocumentError, ImageError, changed
from t38fsp.image.header import with_header
from t38fsp.image.layout import Box, layout, resolution_for
from t38fsp.image.over_time import seconds_over
from t38fsp.image.page_store import KeptPage, KeptPages
from t38fsp.image.values import CodedPage, HeaderLine, Identity, identity_of
from t38fsp.image.wire import Inspected, PageFields
from t38fsp.page_settings import PageSettings
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page that was inspected earlier, in a file with this ``identity``; ``number`` counts from 1."""

    identity: Identity
    number: int
    resolution: Resolution
    settings: PageSettings
    password: str | None = None
    cover: CoverPage | None = None
    """A cover page in place of a document; it has no file and no identity."""


def inspect_cover(cover: CoverPage, settings: PageSettings) -> Inspected:
    """As :func:`inspect_drawn`, of a cover page, which has no identity. Raises DocumentError."""
    with _opened("", settings, None, cover) as (source, identity):
        return _inspected(source, identity, settings)


def inspect_drawn(path: str, settings: PageSettings, password: str | None) -> Inspected:
    """The pages that the sheets of a file become; none is drawn for that. Raises DocumentError."""
    with _opened(path, settings, password, inspecting=True) as (source, identity):
        return _inspected(source, identity, settings)


def _inspected(source: Source, identity: Identity, settings: PageSettings) -> Inspected:
    pages: list[PageFields] = []
    letters, scales = [], []
    for number, sheet in enumerate(source.sheets, 1):
        plan = layout(sheet, number, settings, resolution_for(sheet, settings))
        page = plan.format
        pages.append((page.width, page.rows, page.resolution, 0, ()))
        letters.append((sheet.type_size or 0.0) * plan.scale)
        scales.append(plan.scale)
    return Inspected(
        identity,
        tuple(pages),
        is_fax=False,
        letters=tuple(letters),
        scales=tuple(scales),
        warnings=tuple(source.warnings),
    )


def converted(path: str, identity: Identity, into: str) -> str:
    """The path of a PDF made of an office file, in the directory ``into``: the same for the same file.

    Raises DocumentError and DocumentChangedError.
    """
    # Only for office files.
    from t38fsp.documents.office import convert

    # The same file gives the same name, so that a conversion is not repeated; a file that was changed
    # gives another one.
    name = hashlib.sha256(repr((path, identity)).encode()).hexdigest()
    made = os.path.join(into, f"{name}.pdf")
    if os.path.exists(made):
        return made
    try:
        # In the same directory, for a rename within one file system.
        with TemporaryDirectory(prefix=name, dir=into) as folder:
            os.replace(convert(Path(path), Path(folder)), made)
        # Changed while it was converted: the PDF may be of either version.
        if identity_of(os.stat(path)) != identity:
            os.unlink(made)
            raise changed(path)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise DocumentError(f"the document {path} cannot be converted: {reason}") from error
    return made


def encode_drawn(
    path: str, page: DrawnPage, mode: PageMode, header: HeaderLine | None = None, store: str = ""
) -> CodedPage:
    """The exact octets of the burst that carries a sheet in ``mode``, as those of
    :func:`t38fsp.image.document.encode_page`.

    With ``store``, a directory, the drawn page is kept there, and taken from there if it has been drawn
    before. Raises DocumentError and DocumentChangedError.
    """
    # A cover page is another one in each call.
    pages = KeptPages(store) if store and page.cover is None else None
    if header is None and mode.coding is Coding.MMR:
        kept, _ = _kept(path, page, mode, mode.max_rows, pages)
        return CodedPage(kept.coded, kept.text, kept.rows)
    simplified = ""

    def render(max_rows: int | None) -> bytes:
        nonlocal simplified
        if pages is None:
            pixels, simplified = _pixels(path, page, mode, max_rows)
            return pixels
        kept, drawn = _kept(path, page, mode, max_rows, pages)
        simplified = kept.text
        return drawn or kept.pixels(mode.width) or _pixels(path, page, mode, max_rows)[0]

    if header is None:
        pixels = render(mode.max_rows)
    else:
        pixels = with_header(header, mode.width, mode.resolution, mode.max_rows, render)
    return CodedPage(encode_burst(pixels, mode), simplified, len(pixels) // (mode.width // 8))


def _kept(
    path: str, page: DrawnPage, mode: PageMode, max_rows: int | None, pages: KeptPages | None
) -> tuple[KeptPage, bytes | None]:
    """The drawn page in MMR, as a call without a header line sends it: what was simplified is its text. And
    its pixels, if it was not in the store."""
    # Only a page that is simplified until it fits depends on rate and coding; others are shared.
    limited = mode if page.settings.over_page_seconds is OverTime.SIMPLIFY else None
    where, drawn = (path, page.identity, page.number), (mode.width, mode.resolution, max_rows)
    key = (where, page.settings, drawn, limited)
    if pages is not None and (found := pages.find(key)) is not None:
        return found, None
    pixels, simplified = _pixels(path, page, mode, max_rows)
    coded = encode_pixels(pixels, mode.width, Coding.MMR, mode.resolution)
    made = KeptPage(coded, len(pixels) // (mode.width // 8), simplified)
    if pages is not None:
        pages.keep(key, made)
    return made, pixels


def _pixels(path: str, page: DrawnPage, mode: PageMode, max_rows: int | None) -> tuple[bytes, str]:
    """The drawn page, packed, 1 for black; and as in CodedPage what was simplified."""
    with _opened(path, page.settings, page.password, page.cover) as (source, identity):
        if identity != page.identity:
            raise changed(path)
        sheet = source.sheets[page.number - 1]
        plan = layout(sheet, page.number, page.settings, page.resolution)
        box = plan.in_mode(mode, max_rows)
        image = _drawn(source, page.number - 1, box, plan.turned)
    return _bilevel(image, sheet, box, page, mode)


def _drawn(source: Source, index: int, box: Box, turned: bool) -> Image.Image:
    """The sheet, as large as its place on the page."""
    if not turned:
        return source.render(index, (box.across, box.down))
    return source.render(index, (box.down, box.across)).transpose(Image.Transpose.ROTATE_90)


def _bilevel(
    image: Image.Image, sheet: Sheet, box: Box, page: DrawnPage, mode: PageMode
) -> tuple[bytes, str]:
    """As :func:`_pixels`."""
    place = (box.left, box.top)
    if sheet.bilevel:
        # Black and white already: placed as it is, without any screen.
        black = Image.new("1", (box.width, box.rows), 0)
        black.paste(_as_black(image, (box.across, box.down)), place)
        return black.tobytes(), ""
    # numpy is imported with it, and not for faxes that need none of it.
    from t38fsp.pages.bilevel import simplified, to_bilevel

    canvas = Image.new(image.mode, (box.width, box.rows), "white")
    canvas.paste(image, place)
    settings = page.settings
    if settings.page_seconds is None or settings.over_page_seconds is not OverTime.SIMPLIFY:
        return to_bilevel(canvas, *mode.resolution.value, settings.quality), ""

    def over(pixels: bytes) -> float:
        return seconds_over(len(encode_burst(pixels, mode)), mode, settings)

    return simplified(canvas, *mode.resolution.value, settings.quality, over)


def _as_black(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A black and white picture in mode 1 at this size, with 1 for black."""
    # Mode L has 0 for black, the pages of a fax 1.
    grey = image.convert("L").point([255 - level for level in range(256)])
    if grey.size != size:
        grey = resized(grey, size)
    return grey.convert("1", dither=Image.Dither.NONE)


@contextmanager
def _opened(
    path: str,
    settings: PageSettings,
    password: str | None,
    cover: CoverPage | None = None,
    *,
    inspecting: bool = False,
) -> Iterator[tuple[Source, Identity]]:
    """The open document, and the identity that it had before and has after."""
    if cover is not None:
        # Jinja is imported with it.
        from t38fsp.documents.cover import CoverSource

        yield CoverSource(cover, settings), ()
        return
    try:
        before = identity_of(os.stat(path))
    except OSError:
        before = ()  # opening it tells why
    source: Source | None = None
    try:
        source = open_source(path, settings, password, inspecting=inspecting)
        yield source, before
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # The libraries that read other people's formats raise anything on damaged files.
        _logger.debug("%s cannot be read", path, exc_info=True)
        what = str(error) or type(error).__name__
        raise DocumentError(f"the document {path} is damaged ({what}); save it again") from error
    finally:
        if source is not None:
            source.close()
