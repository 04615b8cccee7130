"""How others make a page black and white, and how we do: each gives packed rows, 1 for black."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageChops

from t38fsp.choices import Quality
from t38fsp.documents.pdf import PdfSource
from t38fsp.image.coder import encode_pixels
from t38fsp.pages.bilevel import to_bilevel
from t38fsp.t30.vocabulary import Coding, Resolution
from tests.pages.sheets import COLUMNS, ROWS, X_DPI, Y_DPI
from tests.peers.programs import find

SIZE = (COLUMNS, ROWS)


@cache
def grey(pdf: bytes) -> Image.Image:
    """The page as pdfium draws it: what all but Ghostscript and poppler begin with, and the reference."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "page.pdf"
        path.write_bytes(pdf)
        source = PdfSource(str(path), None)
        try:
            return source.render(0, SIZE)
        finally:
            source.close()


_TIFFG4 = (
    "-q",
    "-dSAFER",
    "-dBATCH",
    "-dNOPAUSE",
    "-sDEVICE=tiffg4",
    f"-r{X_DPI}x{Y_DPI}",
    f"-g{COLUMNS}x{ROWS}",
)


def _ghostscript(pdf: bytes) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "page.tif"
        _ran([find("gs", "ghostscript"), *_TIFFG4, f"-sOutputFile={path}", "-"], pdf)
        with Image.open(path) as image:
            return _rows(image)


def _poppler(pdf: bytes) -> bytes:
    scale = ("-rx", str(X_DPI), "-ry", str(Y_DPI), "-scale-to-x", str(COLUMNS), "-scale-to-y", str(ROWS))
    return _rows(Image.open(BytesIO(_ran([find("pdftoppm", "poppler-utils"), "-mono", *scale, "-"], pdf))))


def _floyd_steinberg(pdf: bytes) -> bytes:
    return _rows(grey(pdf).convert("1"))


def _ours(quality: Quality, pdf: bytes) -> bytes:
    return to_bilevel(grey(pdf), X_DPI, Y_DPI, quality)


def _ran(command: list[str], data: bytes) -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=120).stdout


def _rows(image: Image.Image) -> bytes:
    assert image.size == SIZE, image.size
    return ImageChops.invert(image.convert("1")).tobytes()


METHODS: dict[str, Callable[[bytes], bytes]] = {
    "Ghostscript": _ghostscript,
    "pdftoppm": _poppler,
    "threshold": partial(_ours, Quality.THRESHOLD),
    "Floyd-Steinberg": _floyd_steinberg,
    "fast": partial(_ours, Quality.FAST),
    "ours": partial(_ours, Quality.BALANCED),
    "photo": partial(_ours, Quality.PHOTO),
}
OTHERS = ("Ghostscript", "pdftoppm", "threshold", "Floyd-Steinberg")


@cache
def made(method: str, pdf: bytes) -> bytes:
    """The page as ``method`` makes it."""
    return METHODS[method](pdf)


def picture(rows: bytes) -> Image.Image:
    return ImageChops.invert(Image.frombytes("1", SIZE, rows))


def octets(rows: bytes) -> int:
    """Of the page in MMR."""
    return len(encode_pixels(rows, COLUMNS, Coding.MMR, Resolution.R8_FINE))


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor time for a page, from the PDF to MMR."""

    ghostscript: float
    drawing: float
    ours: float
    """All of it, with drawing and coding."""


def cost(pdf: bytes, pages: int = 4) -> Cost:
    """The least of three, in turn. Ghostscript draws the page ``pages`` times: its start does not count."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "page.pdf"
        path.write_bytes(pdf)
        source = PdfSource(str(path), None)
        tries = [
            (
                (_seconds_of_ghostscript(path, pages) - _seconds_of_ghostscript(path, 1)) / (pages - 1),
                *_seconds_of_ours(source),
            )
            for _ in range(3)
        ]
        source.close()
    return Cost(*(1000 * min(values) for values in zip(*tries, strict=True)))


def _seconds_of_ghostscript(path: Path, pages: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = path.with_suffix(".tif")
    _ran([find("gs", "ghostscript"), *_TIFFG4, f"-sOutputFile={out}", *[str(path)] * pages], b"")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Image.open(out) as made:
        assert made.n_frames == pages
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _seconds_of_ours(source: PdfSource) -> tuple[float, float]:
    begun = time.process_time()
    image = source.render(0, SIZE)
    drawn = time.process_time()
    octets(to_bilevel(image, X_DPI, Y_DPI, Quality.BALANCED))
    return drawn - begun, time.process_time() - begun
