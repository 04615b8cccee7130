"""PDF as others read it: qpdf, the tools of poppler, and pdfium."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from tests.peers.programs import run


def _poppler(name: str, *arguments: str | Path) -> str:
    result = run(name, *arguments, package="poppler-utils")
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr
    return result.stdout


def check(path: Path) -> None:
    """Raises AssertionError when qpdf finds a fault."""
    result = run("qpdf", "--check", path, package="qpdf")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "No syntax or stream encoding errors found" in result.stdout


def objects(path: Path) -> dict[str, Any]:
    """The objects of the file by their names, such as ``obj:4 0 R``, as qpdf writes them in JSON."""
    result = run("qpdf", "--json", path, package="qpdf")
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)["qpdf"][1]
    return found


def images(path: Path) -> list[dict[str, str]]:
    """What ``pdfimages -list`` tells of each picture, by the heads of its columns."""
    head, _, *rows = _poppler("pdfimages", "-list", path).splitlines()
    names = head.replace("object ID", "object generation").split()
    return [dict(zip(names, row.split(), strict=True)) for row in rows]


def text(path: Path) -> str:
    """The text that ``pdftotext`` finds."""
    return _poppler("pdftotext", path, "-")


def drawn_by_poppler(path: Path, index: int, across: int, down: int) -> Image.Image:
    """Page ``index`` (from 0) in grey, at these pixels per inch."""
    to, number = path.with_suffix(".drawn"), str(index + 1)
    resolution = ("-rx", str(across), "-ry", str(down))
    _poppler("pdftoppm", "-gray", *resolution, "-f", number, "-l", number, "-singlefile", path, to)
    with Image.open(f"{to}.pgm") as page:
        page.load()
        return page


def drawn_by_pdfium(path: Path, index: int, width: int, rows: int) -> Image.Image:
    """Page ``index`` (from 0) in grey, in so many pixels."""
    document = pypdfium2.PdfDocument(path)
    page = document[index]
    bitmap = pdfium.FPDFBitmap_Create(width, rows, 0)
    pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, rows, 0xFFFFFFFF)
    pdfium.FPDF_RenderPageBitmap(bitmap, page.raw, 0, 0, width, rows, 0, 0)
    stride = pdfium.FPDFBitmap_GetStride(bitmap)
    octets = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * rows)
    pdfium.FPDFBitmap_Destroy(bitmap)
    document.close()
    return Image.frombytes("RGBX", (width, rows), octets, "raw", "BGRX", stride, 1).convert("L")


def information(path: Path) -> dict[str, str]:
    """The entries of the document information."""
    found = objects(path)
    entries = found[f"obj:{found['trailer']['value']['/Info']}"]["value"]
    return {name.removeprefix("/"): value.removeprefix("u:") for name, value in entries.items()}
