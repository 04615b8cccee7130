"""A TIFF Class F file as a PDF, page by page."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from t38fsp.image.document import encode_page
from t38fsp.image.errors import StoreError
from t38fsp.image.orientation import Orientation
from t38fsp.image.pdf import PdfPage, PdfWriter
from t38fsp.image.pdf_text import Word
from t38fsp.image.tiff import TiffFile, TiffPage
from t38fsp.t30.vocabulary import Coding, PageMode

StrPath = str | os.PathLike[str]


def _no_words(number: int) -> Sequence[Word]:
    return ()


def write_pdf(
    tiff: StrPath,
    pdf: StrPath,
    info: Mapping[str, str],
    created: datetime | None = None,
    words_of: Callable[[int], Sequence[Word]] = _no_words,
) -> int:
    """Make the PDF ``pdf``, a new file, of the pages of ``tiff``; returns how many there are.

    A page that is stored as one strip, upright, is not coded anew. ``info`` and ``created`` are for the
    document information (:class:`t38fsp.image.pdf.PdfWriter`); ``words_of`` returns the text of a page by its
    number, from 1. On return the file is on disk, with mode 0600, since received documents are private.

    Raises DocumentError for a file that is not TIFF Class F, and StoreError when the PDF cannot be written;
    then there is none.
    """
    try:
        with open(tiff, "rb") as source:
            file = TiffFile(source)
            handle = os.open(pdf, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(handle, "wb") as target:
                    writer = PdfWriter(target, info, created)
                    for page in file.pages:
                        writer.page(_pdf_page(tiff, file, page, words_of(page.number)))
                    writer.close()
                    target.flush()
                    os.fsync(target.fileno())
            # Also for a cancelled task: half a PDF must not be taken for a fax.
            except BaseException:
                os.unlink(pdf)
                raise
            return len(file.pages)
    except OSError as error:
        where = os.fspath(tiff if error.filename == os.fspath(tiff) else pdf)
        raise StoreError(f"no PDF could be made in {where}: {error.strerror or error}") from error


def _pdf_page(path: StrPath, file: TiffFile, page: TiffPage, words: Sequence[Word]) -> PdfPage:
    form = page.format
    if len(page.strips) == 1 and page.orientation is Orientation.TOP_LEFT:
        (data,) = file.strip_data(page)
        return PdfPage(page.coding, form.width, form.rows, form.resolution, data, page.inverted, words)
    # The rate matters for fill only, which MMR has not.
    mode = PageMode(Coding.MMR, form.width, form.resolution, ecm=True, bit_rate=0)
    data = encode_page(path, page.number - 1, mode)
    return PdfPage(Coding.MMR, form.width, form.rows, form.resolution, data, words=words)
