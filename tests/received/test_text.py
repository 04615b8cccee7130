"""Text of pages, recognised by tesseract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from t38fsp.choices import FileFormat
from t38fsp.image.coder import encode_burst
from t38fsp.image.store import append_page
from t38fsp.received import text
from t38fsp.received.delivery import deliver
from t38fsp.received.spool import Spool
from t38fsp.received.text import NoTextError, recognised
from t38fsp.received.wire import Deliver
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution
from tests.peers import pdf

RESOLUTIONS = [Resolution.R8_STANDARD, Resolution.R8_FINE, Resolution.R8_SUPERFINE]
LEFT, TOP = 2.0, 1.0
"""Inches, of the word at the left."""


def letter(resolution: Resolution) -> tuple[PageFormat, bytes]:
    """A line of large letters, 204 pixels an inch across and as high as it should be."""
    inch = 204
    picture = Image.new("1", (1728, 3 * inch), 0)
    font = ImageFont.load_default(60)
    ImageDraw.Draw(picture).text((LEFT * inch, TOP * inch), "Invoice number 4711", fill=1, font=font)
    rows = 3 * resolution.y
    picture = picture.resize((1728, rows), Image.Resampling.NEAREST)
    return PageFormat(1728, rows, resolution), picture.tobytes()


@pytest.mark.tesseract
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_words_and_their_places(resolution: Resolution) -> None:
    words = recognised(*letter(resolution), "eng", 60.0)
    assert [word.text for word in words] == ["Invoice", "number", "4711"]
    assert words[0].left / resolution.x == pytest.approx(LEFT, abs=0.1)
    for word in words:
        assert word.top / resolution.y == pytest.approx(TOP, abs=0.15)
        assert word.height / resolution.y == pytest.approx(0.23, abs=0.1)


@pytest.mark.tesseract
@pytest.mark.pdf
def test_the_text_is_found_in_the_pdf(tmp_path: Path) -> None:
    entry = Spool(tmp_path).begin(1, {"facts": {"completed": True, "pages_confirmed": 2}})
    page, pixels = letter(Resolution.R8_STANDARD)
    mode = PageMode(Coding.MMR, page.width, page.resolution, ecm=True, bit_rate=14400)
    for rows in (pixels, bytes(len(pixels))):
        append_page(entry.tiff, encode_burst(rows, mode), mode)
    delivered = deliver(Deliver(entry.record, str(tmp_path), "fax", FileFormat.PDF, False, "eng", 60.0))
    assert delivered.warnings == ()
    pdf.check(Path(delivered.pdf))
    assert "Invoice number 4711" in pdf.text(Path(delivered.pdf))


def program(folder: Path, script: str) -> str:
    path = folder / "tesseract"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"


@pytest.mark.parametrize(
    "script",
    ["sleep 60", "cat >/dev/null; echo why >&2; exit 1", "exec cat /dev/zero >&2", "kill -9 $$", "exit 4"],
)
def test_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(text, "TESSERACT", program(tmp_path, script))
    with pytest.raises(NoTextError):
        recognised(*letter(Resolution.R8_STANDARD), "eng", 0.5)


def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "TESSERACT", str(tmp_path / "none"))
    with pytest.raises(NoTextError):
        recognised(*letter(Resolution.R8_STANDARD), "eng", 9.0)


def test_any_table_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table"
    rows = [
        HEAD,
        "5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t96.5\tgood",
        "5\t1\t1\t1\t1\t1\tx\t20\t30\t40\t96.5\tno number",
        "5\t1\t1\t1\t1\t1\t10\t20\t0\t40\t96.5\tno width",
        "5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t96.5\t ",
        "5\t1",
        "4\t1\t1\t1\t1\t1\t10\t20\t30\t40\t-1\t",
        "5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t96.5\t" + "w" * 1000,
    ]
    table.write_bytes("\n".join(rows).encode() + b"\n\xff\xfe\n")
    monkeypatch.setattr(text, "TESSERACT", program(tmp_path, f"cat >/dev/null; cat {table}"))
    words = recognised(*letter(Resolution.R8_STANDARD), "eng", 60.0)
    assert [(word.text, word.left, word.top, word.width, word.height) for word in words] == [
        ("good", 10, 10, 30, 20),
        ("w" * 200, 10, 10, 30, 20),
    ]


def test_a_page_without_its_text_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "TESSERACT", program(tmp_path, "exit 1"))
    entry = Spool(tmp_path).begin(1, {"facts": {"completed": True, "pages_confirmed": 1}})
    page, pixels = letter(Resolution.R8_STANDARD)
    mode = PageMode(Coding.MMR, page.width, page.resolution, ecm=True, bit_rate=14400)
    append_page(entry.tiff, encode_burst(pixels, mode), mode)
    order = Deliver(entry.record, str(tmp_path), "fax", FileFormat.PDF, False, "eng", 60.0)
    delivered = deliver(order)
    assert os.path.exists(delivered.pdf)
    assert len(delivered.warnings) == 1
