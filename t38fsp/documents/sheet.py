"""What the kinds of documents have in common: sheets of paper, and a picture of each.

A *source* is an open document of one kind. It runs in an image worker, which limits its memory and its time;
it knows nothing about fax. ``t38fsp.documents.opening`` finds the kind of a file by its content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, overload

from PIL import Image

from sip.frozen import dataclass

MM_PER_INCH = 25.4

MAX_SHEETS = 2000
"""Sheets of one document, as many as pages of a TIFF-F file."""

MAX_FILE_OCTETS = 512 * 1024 * 1024
"""Octets of a document."""

MAX_PIXELS = 160_000_000
"""Pixels of a picture: somewhat more than A0 at 300 dpi."""

LEAST_MM, MOST_MM = 1.0, 6000.0
"""Width and length of a sheet: beyond them a size is a mistake. A PDF page has at most 5080 mm."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a document as it is shown: turned and cropped as the file says."""

    width: float
    """Millimetres."""
    height: float
    """Millimetres."""
    pixels: tuple[int, int] | None = None
    """Width and height in pixels of a sheet that is a picture; None for drawn ones, which have no resolution
    of their own."""
    bilevel: bool = False
    """The picture is black and white already."""
    sized: bool = True
    """The file tells the size of the sheet; otherwise ``width`` and ``height`` are a guess, and only their
    ratio is known."""
    type_size: float | None = None
    """The smallest size of its letters in points, of which it has more than a few; None if unknown."""

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Pixels per inch of a picture (x, y)."""
        if self.pixels is None:
            return None
        return self.pixels[0] * MM_PER_INCH / self.width, self.pixels[1] * MM_PER_INCH / self.height


class Sheets(Sequence[Sheet]):
    """``count`` sheets, each found by ``read(index)`` when it is asked for."""

    def __init__(self, count: int, read: Callable[[int], Sheet]) -> None:
        self._count = count
        self._read = read

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Sheet: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sheet]: ...

    def __getitem__(self, index: int | slice) -> Sheet | Sequence[Sheet]:
        if isinstance(index, slice):
            return [self._read(each) for each in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._read(index)


class Source(Protocol):
    """An open document. Close it after use."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about how it was read."""

    @property
    def sheets(self) -> Sequence[Sheet]:
        """All of its sheets, known without drawing any: at least one, at most MAX_SHEETS."""

    def render(self, index: int, size: tuple[int, int]) -> Image.Image:
        """A picture of the whole sheet ``index`` (from 0) of exactly ``size`` pixels, on white, in mode L or
        RGB; of a bilevel sheet its own pixels, in mode 1, whatever the size.

        The two directions are scaled independently: a fax has other resolutions across than down. Raises
        DocumentError for a sheet that cannot be drawn.
        """

    def close(self) -> None: ...
