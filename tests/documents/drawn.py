"""Documents with marks by which a page is known, drawn in this process as an image worker draws them.

The marks are in no way symmetric: a page that was turned, mirrored, stretched or cut differs from
:func:`marks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageChops, ImageDraw, ImageStat

from t38fsp.choices import Quality
from t38fsp.image.exact import decode_strip
from t38fsp.image.wire import Draw, Encode, Encoded, Inspect, Inspected, Request
from t38fsp.image.worker import perform
from t38fsp.page_settings import PageSettings
from t38fsp.t30.dcs_choice import likely_mode
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality
from tests.call.harness import CALLEE, SIP_PORT, Scene

ReplyT = TypeVar("ReplyT", Inspected, Encoded)

PLAIN = PageSettings(quality=Quality.THRESHOLD)
"""A tenth of the time of the usual quality, which has its own tests."""
BARS = (
    (0.10, 0.06, 0.62, 0.10),
    (0.10, 0.16, 0.90, 0.18),
    (0.10, 0.24, 0.14, 0.70),
    (0.66, 0.74, 0.90, 0.92),
)
"""Left, top, right and bottom of black rectangles, in parts of the page."""
_GRID = (24, 34)
_ALIKE = 9.0
"""Mean difference of the cells of the grid, of 255 levels; a page upside down has 60."""


def marks(size: tuple[int, int], mode: str = "L") -> Image.Image:
    """The page with the marks, black on white."""
    image = Image.new(mode, size, "white")
    draw = ImageDraw.Draw(image)
    width, height = size
    for left, top, right, bottom in BARS:
        draw.rectangle((left * width, top * height, right * width, bottom * height), fill="black")
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """How much two pages differ where a person would see it: mean of the levels of a coarse grid."""
    cells = [image.convert("L").resize(_GRID, Image.Resampling.BOX) for image in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*cells)).mean[0]


def assert_marks(page: Image.Image) -> None:
    found = difference(page, marks((600, 849)))
    assert found < _ALIKE, f"the page differs from its marks by {found:.1f}"


class Drawn:
    """A document as the workers see it. Raises DocumentError, also from ``burst``."""

    def __init__(self, path: Path, settings: PageSettings = PLAIN, password: str | None = None) -> None:
        self.path = path
        self._settings = settings
        self._password = password
        self._inspected = _done(Inspect(str(path), settings, password), Inspected)
        self.is_fax = self._inspected.is_fax
        self.letters = self._inspected.letters
        self.scales = self._inspected.scales
        self.warnings = self._inspected.warnings
        self.formats = [PageFormat(*fields[:3]) for fields in self._inspected.pages]
        self.asked: list[int] = []

    def mode(self, index: int = 0) -> PageMode:
        return likely_mode(self.formats[index], TransmitOptions())

    def burst(self, index: int, mode: PageMode, store: str = "") -> bytes:
        where = str(self.path), self._inspected.identity, index + 1
        if self.is_fax:
            _, _, _, place, lengths = self._inspected.pages[index]
            return _done(Encode(*where, place, lengths, 0, mode, None), Encoded).page
        resolution = self.formats[index].resolution
        request = Draw(*where, resolution, mode, None, self._settings, self._password, store)
        return _done(request, Encoded).page

    def page(self, index: int = 0) -> Image.Image:
        """A page as it is sent, in mode L and with square pixels."""
        page, resolution = self.pixels(index), self.mode(index).resolution
        return page.resize((page.width, round(page.height * resolution.x / resolution.y)))

    def pixels(self, index: int = 0) -> Image.Image:
        """The same with its own pixels."""
        mode = self.mode(index)
        burst, rows = self.burst(index, mode), self.formats[index].rows
        if mode.max_rows is not None:
            rows = min(rows, mode.max_rows)
        pixels = decode_strip(burst, mode.coding, mode.width, rows)
        assert pixels is not None
        white_on_black = Image.frombytes("1", (mode.width, rows), pixels).convert("L")
        return white_on_black.point([255 - level for level in range(256)])

    # --- as the application of a calling end ----------------------------------------------------------------

    def encode(self, index: int, mode: PageMode) -> bytes:
        self.asked.append(index)
        return self.burst(index, mode)

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        raise AssertionError("a sender stores no pages")


def send(scene: Scene, document: Drawn) -> None:
    """Place a call of ``scene`` that sends the document."""
    call = scene.caller.send(f"sip:+15550100@{CALLEE}", (CALLEE, SIP_PORT), document.formats, document)
    scene.placed.append(call)


def received(scene: Scene) -> list[Image.Image]:
    """The pages that arrived, with square pixels."""
    pages = []
    with Image.open(scene.output) as file:
        for index in range(file.n_frames):
            file.seek(index)
            x, y = file.info["dpi"]
            pages.append(file.convert("L").resize((file.width, round(file.height * x / y))))
    return pages


def _done(request: Request, kind: type[ReplyT]) -> ReplyT:
    reply = perform(request, lambda grows: None)
    assert isinstance(reply, kind)
    return reply
