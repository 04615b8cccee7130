"""The paper of the machine behind a virtual gateway: TIFF Class F files."""

from __future__ import annotations

from pathlib import Path

from t38fsp.image import document, store
from t38fsp.image.errors import ImageError, StoreError
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality


class Document:
    """A file to send. Raises DocumentError when it cannot be faxed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.formats: list[PageFormat] = document.inspect(path)

    def encode(self, index: int, mode: PageMode) -> bytes:
        return document.encode_page(self.path, index, mode)


class Tray:
    """A file that grows by each page received; it is made with the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages = 0
        """How many it has."""

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        try:
            quality = store.append_page(self.path, data, mode)
        except StoreError as error:
            raise OSError(str(error)) from error
        self.pages += 1
        return quality

    def finish(self) -> None:
        """Write the number of pages into the file. Raises OSError."""
        if not self.pages:
            return
        try:
            store.finish(self.path, self.pages)
        except ImageError as error:
            raise OSError(str(error)) from error
