"""PDF of fax pages, as qpdf, poppler and pdfium read it."""

from __future__ import annotations

import os
import string
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from t38fsp.image.errors import DocumentError, StoreError
from t38fsp.image.pdf import PdfPage, PdfWriter
from t38fsp.image.pdf_text import Word
from t38fsp.image.store import append_page
from t38fsp.image.tiff import TiffFile
from t38fsp.image.to_pdf import write_pdf
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import make_document, make_pixels
from tests.peers import libtiff, pdf
from tests.sweep import examples

pytestmark = pytest.mark.pdf

WIDTHS = {Resolution.R16_SUPERFINE: 3456, Resolution.INCH_300: 2592, Resolution.INCH_400: 3456}
K = {Coding.MH: 0, Coding.MR: 4, Coding.MMR: -1}
MOMENT = datetime(2026, 12, 1, 9, 30, 15, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


def picture(width: int, pixels: bytes) -> Image.Image:
    """What a viewer is to show of packed pixels of which 1 is black."""
    size = width, 8 * len(pixels) // width
    return Image.frombytes("1", size, bytes(octet ^ 255 for octet in pixels)).convert("L")


def assert_shows(path: Path, index: int, resolution: Resolution, expected: Image.Image) -> None:
    for drawn in (
        pdf.drawn_by_poppler(path, index, resolution.x, resolution.y),
        pdf.drawn_by_pdfium(path, index, *expected.size),
    ):
        assert drawn.size == expected.size
        assert drawn.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "coding", [pytest.param(each, marks=[] if each is Coding.MMR else pytest.mark.full) for each in Coding]
)
def test_every_resolution_has_its_size_and_its_pixels(tmp_path: Path, coding: Coding) -> None:
    kinds = ["text", "lines", "white", "black"]
    specs = [
        (WIDTHS.get(each, 1728), each, 300 + 7 * number, kinds[number % 4])
        for number, each in enumerate(Resolution)
    ]
    pages = make_document(tmp_path / "fax.tif", specs, coding)
    made = tmp_path / "fax.pdf"
    assert write_pdf(tmp_path / "fax.tif", made, {}) == len(specs)
    pdf.check(made)
    listed = pdf.images(made)
    document = pypdfium2.PdfDocument(made)
    for index, (width, resolution, rows, _) in enumerate(specs):
        row = listed[index]
        assert (row["enc"], row["bpc"], row["color"]) == ("ccitt", "1", "gray")
        assert (int(row["width"]), int(row["height"])) == (width, rows)
        assert (int(row["x-ppi"]), int(row["y-ppi"])) == resolution.value
        assert document[index].get_size() == pytest.approx(
            (width / resolution.x * 72, rows / resolution.y * 72), abs=0.001
        )
        assert_shows(made, index, resolution, picture(width, pages[index]))
    document.close()


@pytest.mark.parametrize("coding", Coding)
def test_the_octets_are_those_of_the_tiff(tmp_path: Path, coding: Coding) -> None:
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_FINE, 400, "text")], coding)
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    with open(tmp_path / "fax.tif", "rb") as file:
        tiff = TiffFile(file)
        (strip,) = tiff.strip_data(tiff.pages[0])
    assert strip in (tmp_path / "fax.pdf").read_bytes()
    (image,) = [
        each["stream"]["dict"]
        for each in pdf.objects(tmp_path / "fax.pdf").values()
        if each.get("stream", {}).get("dict", {}).get("/Subtype") == "/Image"
    ]
    assert image["/DecodeParms"] == {"/K": K[coding], "/Columns": 1728, "/Rows": 400}


@pytest.mark.parametrize("coding", Coding)
def test_a_page_that_was_received_in_any_coding(tmp_path: Path, coding: Coding) -> None:
    """It is stored in T.6, and so it is in the PDF."""
    from t38fsp.image.coder import encode_burst

    pixels = make_pixels(1728, 500, "text")
    mode = PageMode(coding, 1728, Resolution.R8_STANDARD, coding is Coding.MMR, 14400)
    append_page(tmp_path / "fax.tif", encode_burst(pixels, mode), mode)
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    assert b"/K -1 " in (tmp_path / "fax.pdf").read_bytes()
    assert_shows(tmp_path / "fax.pdf", 0, Resolution.R8_STANDARD, picture(1728, pixels))


@pytest.mark.parametrize(
    "layout",
    [
        {"strips": 4},
        {"fill_order": 2},
        {"photometric": 1},
        {"byte_order": ">"},
        {"photometric": 1, "strips": 3},
    ],
    ids=str,
)
def test_any_layout_of_the_tiff(tmp_path: Path, layout: dict[str, int]) -> None:
    specs = [(1728, Resolution.R8_FINE, 240, "text"), (2048, Resolution.R8_STANDARD, 100, "lines")]
    pages = make_document(tmp_path / "fax.tif", specs, **layout)  # type: ignore[arg-type]
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    for index, (width, resolution, _, _) in enumerate(specs):
        assert_shows(tmp_path / "fax.pdf", index, resolution, picture(width, pages[index]))


@pytest.mark.libtiff
@pytest.mark.parametrize("options", ["g3:1d", "g3:2d", "g3:1d:fill", "g3:2d:fill", "g4"])
def test_documents_of_libtiff(tmp_path: Path, options: str) -> None:
    specs = [(1728, Resolution.R8_FINE, 300, "text")]
    (pixels,) = make_document(tmp_path / "ours.tif", specs)
    theirs = libtiff.tiffcp(tmp_path / "ours.tif", tmp_path / "theirs.tif", "-c", options)
    write_pdf(theirs, tmp_path / "fax.pdf", {})
    assert_shows(tmp_path / "fax.pdf", 0, Resolution.R8_FINE, picture(1728, pixels))


def test_a_page_longer_than_viewers_take(tmp_path: Path) -> None:
    rows = 25_000  # 255 inches
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_STANDARD, rows, "white")])
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    pdf.check(tmp_path / "fax.pdf")
    document = pypdfium2.PdfDocument(tmp_path / "fax.pdf")
    width, height = document[0].get_size()
    document.close()
    assert height <= 14_400
    assert height / width == pytest.approx((rows / 98) / (1728 / 204), rel=1e-5)


def test_the_facts_of_the_fax(tmp_path: Path) -> None:
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_FINE, 50, "white")])
    info = {"Title": "Fax (from) \\ +49", "Author": "Jürgen", "Caller": "漢字 💥", "Called": ""}
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", info, MOMENT)
    del info["Called"]
    assert pdf.information(tmp_path / "fax.pdf") == info | {"CreationDate": "D:20261201093015-03'30'"}


anything = st.text(max_size=80) | st.text(st.characters(codec=None), max_size=80)  # lone surrogates, too
hostile = anything | st.text("()\\\r\n<>%\0\ufeff \u202e endobj", max_size=80)


@examples(push=25, full=200)
@given(title=hostile, words=st.lists(hostile, max_size=5))
def test_no_text_breaks_the_file(title: str, words: list[str]) -> None:
    file = BytesIO()
    writer = PdfWriter(file, {"Title": title}, MOMENT.astimezone(UTC))
    placed = [Word(each, 8, 9 * number, 50, 8) for number, each in enumerate(words)]
    coded = b"\x00\x10\x01\x00\x10\x01"
    writer.page(PdfPage(Coding.MMR, 1728, 1, Resolution.R8_FINE, coded, words=placed))
    writer.close()
    document = pypdfium2.PdfDocument(file.getvalue())
    shown = "".join(char if char.isprintable() else " " for char in title)
    assert document.get_metadata_value("Title") == shown
    document[0].get_textpage().get_text_bounded()
    document.close()


def test_words_are_found_where_they_are(tmp_path: Path) -> None:
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_STANDARD, 1000, "white")] * 2)
    words = {
        1: [Word("Übergröße", 204, 98, 408, 20), Word("漢字💥", 700, 98, 100, 20)],
        2: [Word("two", 9, 9, 9, 9)],
    }
    write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {}, words_of=words.__getitem__)
    pdf.check(tmp_path / "fax.pdf")
    assert pdf.text(tmp_path / "fax.pdf").split() == ["Übergröße", "漢字💥", "two"]
    document = pypdfium2.PdfDocument(tmp_path / "fax.pdf")
    page = document[0].get_textpage()
    boxes = [page.get_charbox(index, loose=True) for index in range(len("Übergröße"))]
    document.close()
    # In points from the bottom left; one inch from the left and from the top, two inches wide.
    height = 1000 / 98 * 72
    assert min(box[0] for box in boxes) == pytest.approx(72, abs=1)
    assert max(box[2] for box in boxes) == pytest.approx(3 * 72, abs=1)
    assert min(box[1] for box in boxes) == pytest.approx(height - 72 - 20 / 98 * 72, abs=1)
    # The picture is as white as before.
    assert_shows(tmp_path / "fax.pdf", 0, Resolution.R8_STANDARD, picture(1728, bytes(216 * 1000)))


def test_more_characters_than_a_section_of_the_table(tmp_path: Path) -> None:
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_FINE, 50, "white")])
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 250))) + string.ascii_letters
    write_pdf(
        tmp_path / "fax.tif", tmp_path / "fax.pdf", {}, words_of=lambda _: [Word(letters, 9, 9, 900, 9)]
    )
    assert pdf.text(tmp_path / "fax.pdf").strip() == letters


def test_a_file_that_is_no_fax_makes_no_pdf(tmp_path: Path) -> None:
    (tmp_path / "fax.tif").write_bytes(b"II*\0")
    with pytest.raises(DocumentError):
        write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    assert os.listdir(tmp_path) == ["fax.tif"]


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    make_document(tmp_path / "fax.tif", [(1728, Resolution.R8_FINE, 50, "white")])
    (tmp_path / "fax.pdf").write_bytes(b"mine")
    with pytest.raises(StoreError):
        write_pdf(tmp_path / "fax.tif", tmp_path / "fax.pdf", {})
    assert (tmp_path / "fax.pdf").read_bytes() == b"mine"
