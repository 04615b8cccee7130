"""Documents that other programs make are prepared, sent over the simulated line, and arrive as they are seen.

Each has the marks of ``tests.documents.drawn``, on A4 unless its name says otherwise.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from t38fsp.page_settings import USUAL
from t38fsp.status import FaxStatus
from tests.call.harness import Scene
from tests.documents.drawn import BARS, Drawn, assert_marks, difference, marks, received, send
from tests.documents.pdfs import A4, marked

pytestmark = pytest.mark.full

PIXELS = (827, 1169)
"""A4 at 100 dpi."""
FINE = (1654, 2339)
Make = Callable[[Path, Path], object]
"""Make the document, with room for other files beside it."""


def ran(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.decode(errors='replace')[-400:]}"


def picture(folder: Path, size: tuple[int, int] = PIXELS, dpi: int = 100, mode: str = "L") -> Path:
    path = folder / "marks.png"
    marks(size, mode).save(path, dpi=(dpi, dpi))
    return path


def postscript(folder: Path, colour: str = "0 setgray") -> Path:
    bars = "".join(
        f"{left * A4[0]} {(1 - bottom) * A4[1]} {(right - left) * A4[0]} {(bottom - top) * A4[1]} rectfill "
        for left, top, right, bottom in BARS
    )
    path = folder / "marks.ps"
    path.write_text(f"%!PS\n<</PageSize [{A4[0]} {A4[1]}]>> setpagedevice {colour} {bars} showpage\n")
    return path


def handwritten(folder: Path) -> Path:
    path = folder / "marks.pdf"
    path.write_bytes(marked(A4))
    return path


def ghostscript(device: str, *options: str, colour: str = "0 setgray") -> Make:
    return lambda path, folder: ran(
        "gs", "-q", "-o", path, f"-sDEVICE={device}", *options, postscript(folder, colour)
    )


def imagemagick(*options: str) -> Make:
    return lambda path, folder: ran(
        "convert-im6.q16", picture(folder), *options, "-units", "PixelsPerInch", "-density", "100", path
    )


def img2pdf(kind: str, mode: str = "L", **options: object) -> Make:
    def made(path: Path, folder: Path) -> None:
        stored = folder / f"stored.{kind}"
        marks(PIXELS, mode if mode != "1" else "L").convert(mode).save(stored, dpi=(100, 100), **options)
        ran("img2pdf", "-o", path, stored)

    return made


def tiff(mode: str, compression: str | None = None, size: tuple[int, int] = PIXELS, dpi: int = 100) -> Make:
    return lambda path, folder: marks(size).convert(mode).save(path, compression=compression, dpi=(dpi, dpi))


def tiffcp(*options: str, mode: str = "RGB") -> Make:
    def made(path: Path, folder: Path) -> None:
        plain = folder / "plain.tif"
        marks(PIXELS).convert(mode).save(plain, dpi=(100, 100))
        ran("tiffcp", *options, plain, path)

    return made


def poppler(*options: str) -> Make:
    return lambda path, folder: ran(
        "pdftoppm", "-singlefile", *options, handwritten(folder), path.with_suffix("")
    )


def cairo(kind: str) -> Make:
    return lambda path, folder: ran("pdftocairo", f"-{kind}", handwritten(folder), path)


def qpdf(*options: str) -> Make:
    return lambda path, folder: ran("qpdf", *options, handwritten(folder), path)


def cups(name: str, source: Callable[[Path], Path]) -> Make:
    def made(path: Path, folder: Path) -> None:
        command = [f"/usr/lib/cups/filter/{name}", "1", "user", "title", "1", "media=a4", str(source(folder))]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120, env={"PPD": ""})
        assert done.stdout, done.stderr.decode(errors="replace")[-400:]
        path.write_bytes(done.stdout)

    return made


def scanned(angle: float, noise: float, mode: str) -> Make:
    """A scan of the page: on grey paper, with noise, and not straight."""

    def made(path: Path, folder: Path) -> None:
        page = marks(FINE).rotate(angle, fillcolor=255).filter(ImageFilter.GaussianBlur(1.0))
        tones = np.asarray(page).astype(float) * 0.85 + np.random.default_rng(1).normal(10, noise, FINE[::-1])
        Image.fromarray(tones.clip(0, 255).astype("uint8")).convert(mode).save(path, dpi=(200, 200))

    return made


MADE: dict[str, Make] = {
    # Ghostscript
    "gs.pdf": ghostscript("pdfwrite"),
    "gs-old.pdf": ghostscript("pdfwrite", "-dCompatibilityLevel=1.3"),
    "gs-blue.pdf": ghostscript("pdfwrite", colour="0 0 0.6 setrgbcolor"),
    "gs-cmyk.pdf": ghostscript("pdfwrite", "-sColorConversionStrategy=CMYK"),
    "gs-image.pdf": ghostscript("pdfimage8", "-r100"),
    "gs-image24.pdf": ghostscript("pdfimage24", "-r100"),
    "gs-mono.png": ghostscript("pngmono", "-r200"),
    "gs-grey.png": ghostscript("pnggray", "-r150"),
    "gs-16m.png": ghostscript("png16m", "-r100"),
    "gs-48.png": ghostscript("png48", "-r100"),
    "gs-alpha.png": ghostscript("pngalpha", "-r100"),
    "gs.jpg": ghostscript("jpeg", "-r150"),
    "gs-grey.jpg": ghostscript("jpeggray", "-r150"),
    "gs-cmyk.jpg": ghostscript("jpegcmyk", "-r100"),
    "gs-g3.tif": ghostscript("tiffg3"),
    "gs-g32d.tif": ghostscript("tiffg32d"),
    "gs-g4.tif": ghostscript("tiffg4"),
    "gs-g4-200.tif": ghostscript("tiffg4", "-r200", "-dAdjustWidth=0"),
    "gs-g4-300.tif": ghostscript("tiffg4", "-r300", "-dAdjustWidth=0"),
    "gs-lzw.tif": ghostscript("tifflzw", "-r200"),
    "gs-pack.tif": ghostscript("tiffpack", "-r100"),
    "gs-grey.tif": ghostscript("tiffgray", "-r100"),
    "gs-24.tif": ghostscript("tiff24nc", "-r100"),
    "gs-32.tif": ghostscript("tiff32nc", "-r100"),
    "gs-48.tif": ghostscript("tiff48nc", "-r100"),
    "gs.bmp": ghostscript("bmp16m", "-r100"),
    "gs-mono.bmp": ghostscript("bmpmono", "-r100"),
    "gs.pgm": ghostscript("pgmraw", "-r96"),
    "gs.pbm": ghostscript("pbmraw", "-r96"),
    # ImageMagick
    "im.png": imagemagick(),
    "im-palette.png": imagemagick("-type", "palette"),
    "im-interlaced.png": imagemagick("-interlace", "PNG"),
    "im.jpg": imagemagick("-quality", "60"),
    "im-progressive.jpg": imagemagick("-interlace", "JPEG"),
    "im-cmyk.jpg": imagemagick("-colorspace", "CMYK"),
    "im.webp": imagemagick(),
    "im.gif": imagemagick(),
    "im.bmp": imagemagick(),
    "im-zip.tif": imagemagick("-compress", "zip"),
    "im-jpeg.tif": imagemagick("-compress", "jpeg"),
    "im-lsb.tif": imagemagick("-compress", "group4", "-monochrome", "-define", "tiff:fill-order=lsb"),
    "im-rle.tif": imagemagick("-compress", "rle"),
    "im.pcx": imagemagick(),
    # img2pdf
    "img2pdf.pdf": img2pdf("png"),
    "img2pdf-colour.pdf": img2pdf("jpg", "RGB"),
    "img2pdf-g4.pdf": img2pdf("tif", "1", compression="group4"),
    # libtiff
    "tiles.tif": tiffcp("-t", "-w", "256", "-l", "256"),
    "big.tif": tiffcp("-8"),
    "big-endian.tif": tiffcp("-B"),
    "planes.tif": tiffcp("-p", "separate"),
    "one-row-strips.tif": tiffcp("-r", "1"),
    "g3.tif": tiffcp("-c", "g3:1d", mode="1"),
    "g3-fill.tif": tiffcp("-c", "g3:2d:fill", mode="1"),
    "tiles-g4.tif": tiffcp("-t", "-w", "256", "-l", "256", "-c", "g4", mode="1"),
    # poppler
    "poppler.png": poppler("-png", "-r", "150"),
    "poppler-mono.png": poppler("-png", "-mono", "-r", "200"),
    "poppler.jpg": poppler("-jpeg", "-r", "100"),
    "poppler.tif": poppler("-tiff", "-r", "100"),
    "poppler-g4.tif": poppler("-tiff", "-tiffcompression", "none", "-mono", "-r", "204"),
    "cairo.pdf": cairo("pdf"),
    # qpdf
    "qpdf-objects.pdf": qpdf("--object-streams=generate"),
    "qpdf-linear.pdf": qpdf("--linearize"),
    "qpdf-no-password.pdf": qpdf("--encrypt", "", "owner", "256", "--"),
    # cups-filters
    "cups-image.pdf": cups("imagetopdf", picture),
    "cups-pdf.pdf": cups("pdftopdf", handwritten),
    # Pillow, and scans
    "pillow.pdf": lambda path, folder: marks(PIXELS, "RGB").save(path, resolution=100),
    "pillow-mono.pdf": lambda path, folder: marks(FINE).convert("1").save(path, resolution=200),
    "scan.jpg": scanned(0.8, 12.0, "L"),
    "scan-colour.jpg": scanned(-0.5, 6.0, "RGB"),
    "scan.tif": scanned(0.3, 4.0, "L"),
    "fax.tif": tiff("1", "group4", (1728, 2292), 204),
}


@pytest.mark.parametrize("name", MADE)
def test_a_document_of_another_program_arrives_as_it_is_seen(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    beside = tmp_path / "beside"
    beside.mkdir()
    MADE[name](path, beside)
    document = Drawn(path, USUAL)
    scene = Scene(tmp_path)
    scene.answer()
    send(scene, document)
    scene.run()
    assert scene.sent.status is FaxStatus.COMPLETED, scene.sent.reason
    (page,) = received(scene)
    if name.startswith("cups"):  # made smaller, within the margins of a printer
        ran("pdftoppm", "-r", "50", "-gray", "-singlefile", path, beside / "seen")
        assert difference(page, Image.open(beside / "seen.pgm")) < 9
    else:
        assert_marks(page)


def test_there_are_as_many_as_promised() -> None:
    assert len(MADE) >= 60
