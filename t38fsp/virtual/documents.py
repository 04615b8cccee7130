"""Documents of the fax machine behind a virtual gateway: TIFF Class F files."""

from __future__ import annotations

from pathlib import Path

from t38fsp.image import document, growing, store
from t38fsp.image.errors import ImageError, StoreError
from t38fsp.image.values import Growing
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality


class DocumentFile:
    """A file to send. Raises DocumentError if it cannot be faxed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.formats: list[PageFormat] = document.inspect(path)

    def encode(self, index: int, mode: PageMode) -> bytes:
        return document.encode_page(self.path, index, mode)


class GrowingFile:
    """A file that each received page is appended to; created with the first page.

    It is written in place, or with ``beside`` under another name until :meth:`finish`
    (:mod:`t38fsp.image.growing`).
    """

    def __init__(self, path: Path, *, beside: bool = False) -> None:
        self.path = path
        self.pages = 0
        """How many were received."""
        self._beside = beside
        self._growing: Growing | None = None

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        try:
            if self._growing is None:
                self._growing = growing.create(self.path, append=not self._beside)
            quality = store.append_page(self._growing.path, data, mode, self._growing.file_id)
        except StoreError as error:
            raise OSError(str(error)) from error
        self.pages += 1
        return quality

    def finish(self) -> None:
        """Write the number of pages into the file, and give it its name; ``path`` is the final one.

        A file without a page is removed. Raises OSError.
        """
        if self._growing is None:
            return
        try:
            if self.pages:
                total = self._growing.pages + self.pages
                store.finish(self._growing.path, total, self._growing.file_id)
                self.path = Path(growing.complete(self._growing, self.path))
            else:
                growing.discard(self._growing, self.path)
        except ImageError as error:
            raise OSError(str(error)) from error
