"""What a page of a PDF is made of, as far as it matters for a fax: the size of its letters, and whether it is
a scan at the resolution of a fax."""

from __future__ import annotations

import ctypes
import math

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_POINTS_PER_INCH = 72
_MOST_OBJECTS = 5000
_NO_LETTERS = 1.0
"""Points. What is smaller is not for reading: hidden text of scans, or marks of programs."""
_FAX_DPI = ((200.0, 204.0), (98.0, 100.0, 196.0, 200.0, 391.0, 400.0))
"""Pixels an inch, across and down, of what machines and their gateways scan and receive."""
_SAME_DPI = 0.015
_OFF = 0.004
"""By which an image may miss the edges of its page, as a share of its size: less than half a millimetre."""


def smallest_type(page: pdfium.PdfPage) -> float | None:
    """The size in points that one letter in twenty is smaller than, of text that is not in a form."""
    sizes = []
    for number in range(min(pdfium_c.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        each = pdfium_c.FPDFPage_GetObject(page, number)
        if pdfium_c.FPDFPageObj_GetType(each) != pdfium_c.FPDF_PAGEOBJ_TEXT:
            continue
        size, matrix = ctypes.c_float(), pdfium_c.FS_MATRIX()
        if not pdfium_c.FPDFTextObj_GetFontSize(each, size):
            continue
        if not pdfium_c.FPDFPageObj_GetMatrix(each, matrix):
            continue
        sizes.append(abs(size.value) * math.hypot(matrix.c, matrix.d))
    sizes = sorted(size for size in sizes if size > _NO_LETTERS)
    return sizes[len(sizes) // 20] if sizes else None


def fax_pixels(page: pdfium.PdfPage) -> tuple[int, int] | None:
    """Width and height in pixels of a page that is one black and white image at the resolution of a fax, as
    received faxes and scans for faxing are; None for others. Its text, if it has any, is hidden."""
    count = pdfium_c.FPDFPage_CountObjects(page)
    if not 0 < count <= _MOST_OBJECTS:
        return None
    # Turned pages, and what was stamped on them, are drawn.
    if pdfium_c.FPDFPage_GetRotation(page) or pdfium_c.FPDFPage_GetAnnotCount(page):
        return None
    image = None
    for number in range(count):
        each = pdfium_c.FPDFPage_GetObject(page, number)
        kind = pdfium_c.FPDFPageObj_GetType(each)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE and image is None:
            image = each
        elif not (kind == pdfium_c.FPDF_PAGEOBJ_TEXT and _is_hidden(each)):
            return None
    return None if image is None else _of_fax(image, page)


def _is_hidden(text: pdfium_c.FPDF_PAGEOBJECT) -> bool:
    return bool(pdfium_c.FPDFTextObj_GetTextRenderMode(text) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)


def _of_fax(image: pdfium_c.FPDF_PAGEOBJECT, page: pdfium.PdfPage) -> tuple[int, int] | None:
    about, matrix, box = pdfium_c.FPDF_IMAGEOBJ_METADATA(), pdfium_c.FS_MATRIX(), pdfium_c.FS_RECTF()
    if not (
        pdfium_c.FPDFImageObj_GetImageMetadata(image, page, about)
        and pdfium_c.FPDFPageObj_GetMatrix(image, matrix)
        and pdfium_c.FPDF_GetPageBoundingBox(page, box)
    ):
        return None
    # Upright, and from edge to edge.
    width, height = box.right - box.left, box.top - box.bottom
    off = (matrix.a - width, matrix.d - height, matrix.e - box.left, matrix.f - box.bottom)
    allowed = (width, height, width, height)
    if matrix.b or matrix.c or any(abs(by) > _OFF * size for by, size in zip(off, allowed, strict=True)):
        return None
    if about.bits_per_pixel != 1 or width <= 0 or height <= 0:
        return None
    dpi = (about.width * _POINTS_PER_INCH / width, about.height * _POINTS_PER_INCH / height)
    for own, usual in zip(dpi, _FAX_DPI, strict=True):
        if all(abs(own / other - 1) > _SAME_DPI for other in usual):
            return None
    return about.width, about.height
