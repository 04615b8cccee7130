"""PDF, by pdfium.

Scripts are never run: pdfium is built without them, and forms are drawn as they were saved. What a file
refers to outside itself is not read.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from t38fsp.documents.pdf_objects import fax_pixels, smallest_type
from t38fsp.documents.sheet import LEAST_MM, MAX_SHEETS, MM_PER_INCH, MOST_MM, Sheet, Sheets
from t38fsp.image.errors import DocumentError, EncryptedError

_POINTS_PER_INCH = 72

MOST_SECONDS = 8.0
"""Seconds of processor time for the drawing of one page, after which pdfium is stopped between two objects of
the page. One object that takes longer is ended with its process."""

_LOOK_SECONDS = 0.5
"""Seconds of processor time for the sizes of letters, on as many pages as that is enough for."""

_DRAWN = pdfium_c.FPDF_ANNOT | pdfium_c.FPDF_PRINTING
"""As on paper: with annotations that are to be printed."""


class PdfSource:
    """An open PDF file. Raises DocumentError."""

    warnings: tuple[str, ...] = ()

    def __init__(self, path: str, password: str | None, *, type_sizes: bool = False) -> None:
        self._looking = _LOOK_SECONDS if type_sizes else 0.0
        """Seconds of processor time that are left for a look at what is on pages, before the call."""
        self._inspecting = type_sizes
        self._page: tuple[int, pdfium.PdfPage] | None = None
        """The page that was looked at last, by its index: the one that is drawn next."""
        try:
            self._pdf = pdfium.PdfDocument(path, password=password)
        except pdfium.PdfiumError as error:
            raise _cannot_open(path, error.err_code, password) from error
        try:
            self.sheets = self._sheets(path)
        except BaseException:
            self._pdf.close()
            raise

    def close(self) -> None:
        self._close_page()
        self._pdf.close()

    def _close_page(self) -> None:
        if self._page is not None:
            self._page[1].close()
        self._page = None

    def _loaded(self, index: int) -> pdfium.PdfPage:
        """Raises PdfiumError."""
        if self._page is None or self._page[0] != index:
            self._close_page()
            self._page = index, self._pdf[index]
        return self._page[1]

    def _sheets(self, path: str) -> Sheets:
        count = len(self._pdf)
        if count > MAX_SHEETS:
            raise DocumentError(
                f"the document {path} has {count} pages; send it in parts of at most {MAX_SHEETS}"
            )
        return Sheets(count, self._sheet)

    def _sheet(self, index: int) -> Sheet:
        size = pdfium_c.FS_SIZEF()
        if not pdfium_c.FPDF_GetPageSizeByIndexF(self._pdf, index, size):
            raise DocumentError(f"page {index + 1} cannot be read: the file is damaged; save it again")
        width, height = (points * MM_PER_INCH / _POINTS_PER_INCH for points in (size.width, size.height))
        if not (LEAST_MM <= width <= MOST_MM and LEAST_MM <= height <= MOST_MM):
            raise DocumentError(
                f"page {index + 1} is {width:.0f} by {height:.0f} mm; give pages of a printable size"
            )
        if self._inspecting and self._looking <= 0:
            return Sheet(width, height)
        begun = time.process_time()
        try:
            page = self._loaded(index)
        except pdfium.PdfiumError:
            return Sheet(width, height)  # drawing it will tell
        try:
            if (pixels := fax_pixels(page)) is not None:
                return Sheet(width, height, pixels, bilevel=True)
            return Sheet(width, height, type_size=smallest_type(page) if self._inspecting else None)
        finally:
            self._looking -= time.process_time() - begun

    def render(self, index: int, size: tuple[int, int]) -> Image.Image:
        """See :class:`t38fsp.documents.sheet.Source`."""
        try:
            page = self._loaded(index)
        except pdfium.PdfiumError as error:
            raise DocumentError(f"page {index + 1} is damaged; save the document again") from error
        try:
            # At its own size an image is drawn pixel for pixel.
            return _drawn(page, index + 1, fax_pixels(page) or size)
        finally:
            self._close_page()


def _drawn(page: pdfium.PdfPage, number: int, size: tuple[int, int]) -> Image.Image:
    width, height = size
    # Rows of whole 32-bit words, as pdfium has them itself.
    row = (width + 3) // 4 * 4
    # Ours, so that Pillow can use the pixels without a copy.
    pixels = bytearray(row * height)
    buffer = (ctypes.c_char * len(pixels)).from_buffer(pixels)
    bitmap = pdfium_c.FPDFBitmap_CreateEx(width, height, pdfium_c.FPDFBitmap_Gray, buffer, row)
    if not bitmap:
        raise MemoryError
    try:
        # A PDF draws on paper, which it does not draw itself.
        pdfium_c.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        pause, stopped = _time_limit()
        arguments = (bitmap, page, 0, 0, width, height, 0, _DRAWN)
        status = pdfium_c.FPDF_RenderPageBitmap_Start(*arguments, pause)
        pdfium_c.FPDF_RenderPage_Close(page)
    finally:
        pdfium_c.FPDFBitmap_Destroy(bitmap)
    if stopped():
        raise DocumentError(
            f"page {number} takes more than {MOST_SECONDS:.0f} s to draw, longer than a far end waits; "
            "save it with less detail"
        )
    if status != pdfium_c.FPDF_RENDER_DONE:
        raise DocumentError(f"page {number} cannot be drawn: it is damaged; save the document again")
    return Image.frombuffer("L", size, pixels, "raw", "L", row, 1)


def _time_limit() -> tuple[ctypes.Structure, Callable[[], bool]]:
    """What pdfium asks between the objects of a page, and whether it was stopped."""
    begun = time.process_time()
    over = False

    def enough(_: object) -> bool:
        nonlocal over
        # Processor time: a loaded machine must not make a document too slow.
        over = over or time.process_time() - begun > MOST_SECONDS
        return over

    pause = pdfium_c.IFSDK_PAUSE(version=1)
    pdfium.internal.set_callback(pause, "NeedToPauseNow", enough)
    return pause, lambda: over


def _cannot_open(path: str, code: int | None, password: str | None) -> DocumentError:
    match code:
        case pdfium_c.FPDF_ERR_PASSWORD if password is None:
            return EncryptedError(f"the document {path} is encrypted; give its password")
        case pdfium_c.FPDF_ERR_PASSWORD:
            return EncryptedError(f"the document {path} is encrypted with another password; give that one")
        case pdfium_c.FPDF_ERR_SECURITY:
            what = "is encrypted in a way that cannot be read; save it without encryption"
        case _:
            what = "is a PDF that cannot be read: it is damaged or has no pages; save it again"
    return DocumentError(f"the document {path} {what}")
