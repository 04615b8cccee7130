"""Plain text: how it is decoded, broken into lines and pages, and drawn."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from t38fsp.documents import text as text_module
from t38fsp.documents.sheet import MAX_SHEETS
from t38fsp.documents.text import MAX_TEXT_OCTETS, TextSource
from t38fsp.image.errors import DocumentError

FINE = (1728, 2291)


@pytest.fixture(params=["installed", "built-in"])
def fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On this machine, and on one without any font."""
    if request.param == "built-in":
        monkeypatch.setattr("t38fsp.fonts.installed", lambda *, fixed: ())
    return str(request.param)


def opened(folder: Path, content: str | bytes, **options: object) -> TextSource:
    path = folder / "letter.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextSource(path, **options)  # type: ignore[arg-type]


def first_lines(folder: Path, content: str | bytes) -> tuple[str, ...]:
    return opened(folder, content).lines(0)


@pytest.mark.parametrize(
    "data",
    [
        "Grüße, 5 €".encode(),
        codecs.BOM_UTF8 + "Grüße, 5 €".encode(),
        codecs.BOM_UTF16_LE + "Grüße, 5 €".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Grüße, 5 €".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "Grüße, 5 €".encode("utf-32-le"),
    ],
    ids=["plain", "utf-8", "utf-16-le", "utf-16-be", "utf-32-le"],
)
def test_encodings_that_the_file_declares(tmp_path: Path, data: bytes) -> None:
    source = opened(tmp_path, data)
    assert source.lines(0) == ("Grüße, 5 €",)
    assert source.warnings == ()


def test_an_encoding_that_is_guessed_is_a_warning(tmp_path: Path) -> None:
    source = opened(tmp_path, "Grüße, 5 €".encode("cp1252"))
    assert source.lines(0) == ("Grüße, 5 €",)
    assert len(source.warnings) == 1


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\r\ntwo\rthree\n", ("one", "two", "three")),
        (b"a\tb\n1234567\t8\n", ("a       b", "1234567 8")),
        (b"N\x08NA\x08AM\x08ME\x08E _\x08x", ("NAME x",)),
        (b"\n\nafter two empty ones\n", ("", "", "after two empty ones")),
        (b"", ()),
    ],
    ids=["newlines", "tabs", "overstruck", "empty lines", "nothing"],
)
def test_what_printers_take(tmp_path: Path, data: bytes, lines: tuple[str, ...]) -> None:
    assert first_lines(tmp_path, data) == lines


def test_80_columns_fit_and_81_do_not(tmp_path: Path) -> None:
    assert first_lines(tmp_path, "0" * 80 + "\n" + "0" * 81) == ("0" * 80, "0" * 80, "0")


def test_backspaces_do_not_take_the_square_of_their_number(tmp_path: Path) -> None:
    assert len(first_lines(tmp_path, "x" * 300_000 + "\b" * 2500)) > 1


def test_lines_are_broken_at_spaces(tmp_path: Path) -> None:
    lines = first_lines(tmp_path, "word " * 40)
    assert len(lines) == 3
    assert " ".join(lines) == ("word " * 40).strip()
    assert not any(line.startswith(" ") or line.endswith(" ") for line in lines)


@pytest.mark.parametrize("content", ["x" * 5000, "e" + "\u0301" * 5000, "\u200b" * 5000])
def test_a_line_without_an_end_is_broken(tmp_path: Path, content: str) -> None:
    lines = first_lines(tmp_path, content)
    assert "".join(lines) == unicodedata.normalize("NFC", content)
    assert all(0 < len(line) <= 1000 for line in lines)


def test_form_feeds_are_page_breaks(tmp_path: Path) -> None:
    source = opened(tmp_path, "one\fthree\n\f\flast\n\f")
    assert [source.lines(page) for page in range(len(source.sheets))] == [("one",), ("three",), (), ("last",)]


@pytest.mark.parametrize("paper", [(210.0, 297.0), (215.9, 279.4)], ids=["a4", "letter"])
def test_pages_of_a_line_printer_stay_pages(tmp_path: Path, paper: tuple[float, float]) -> None:
    page = "line\n" * 66
    source = opened(tmp_path, page + "\f" + page, paper=paper)
    assert [len(source.lines(index)) for index in range(len(source.sheets))] == [66, 66]


def test_a_long_text_goes_on_over_pages(tmp_path: Path) -> None:
    source = opened(tmp_path, "".join(f"{number}\n" for number in range(200)))
    lines = [line for index in range(len(source.sheets)) for line in source.lines(index)]
    assert lines == [str(number) for number in range(200)]
    assert len(source.sheets) == 4


@pytest.mark.parametrize(
    "size", [FINE, (1728, 1146), (1728, 4572), (3456, 4572)], ids=["fine", "standard", "superfine", "400"]
)
def test_a_page_is_drawn_within_its_margins(tmp_path: Path, fonts: str, size: tuple[int, int]) -> None:
    source = opened(tmp_path, ("0" * 80 + "\n") * 63 + "second page\n")
    assert len(source.sheets) == 2
    image = source.render(0, size)
    assert (image.mode, image.size) == ("L", size)
    left, top, right, bottom = ImageChops.invert(image).getbbox() or (0, 0, 0, 0)
    across, down = size[0] / 210, size[1] / 297
    assert 14.5 < left / across < 16
    # Letters are moved on by whole pixels, so that a line may be a few percent longer.
    assert 194 < right / across < 201
    assert 15 <= top / down < 18
    assert 278 < bottom / down <= 283


def test_letters_keep_their_shape_in_every_resolution(tmp_path: Path) -> None:
    """The same page in another resolution is the same picture, made longer."""
    source = opened(tmp_path, "HHHHH\n" * 20)
    fine, superfine = (source.render(0, (1728, rows)) for rows in (2291, 4582))
    again = superfine.resize(fine.size, Image.Resampling.BOX)
    difference = ImageChops.difference(fine, again).crop((120, 120, 260, 700))
    assert ImageStat.Stat(difference).mean[0] < 30


def test_scripts_take_the_fonts_that_have_them(tmp_path: Path) -> None:
    source = opened(tmp_path, "Latin Ελληνικά Кириллица\n")
    latin = opened(tmp_path, "Latin\n")
    wide = ImageChops.invert(source.render(0, FINE)).getbbox()
    narrow = ImageChops.invert(latin.render(0, FINE)).getbbox()
    assert wide is not None
    assert narrow is not None
    assert wide[2] > 3 * narrow[2] - 2 * narrow[0]


def test_a_script_without_a_font_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"U\+E123"):
        opened(tmp_path, "private: \ue123")


@pytest.mark.parametrize("name", ["letter.txt", "absent.ttf"])
def test_a_named_font_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError, match=name):
        opened(tmp_path, "x", font=tmp_path / name)


@pytest.mark.parametrize(
    "data",
    [b"\x00\x01\x02" * 400, b"\x1b[31m" * 400, codecs.BOM_UTF16_LE + b"\x01\x00" * 400],
    ids=["binary", "escapes", "utf-16"],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DocumentError):
        opened(tmp_path, data)


def test_a_mark_that_lies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="utf-8"):
        opened(tmp_path, codecs.BOM_UTF8 + b"\xff\xfe")


@pytest.mark.parametrize(
    "content",
    [b"\f" * 3000, b"\n" * 200_000, b"x" * 4_000_000, b"word\n" * 200_000],
    ids=["form feeds", "newlines", "one line", "lines"],
)
def test_more_pages_than_a_fax_has_are_refused(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And before anything is laid out, if the length of the text says so."""

    def laid_out(*_: object) -> None:
        raise AssertionError("it was laid out")

    monkeypatch.setattr(text_module, "laid_out", laid_out)
    if content[:1] == b"x":
        content *= 20
    with pytest.raises(DocumentError, match=str(MAX_SHEETS)):
        opened(tmp_path, content)


def test_a_text_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_OCTETS + 1)
    with pytest.raises(DocumentError, match=str(MAX_SHEETS)):
        TextSource(path)


def test_margins_that_leave_no_room_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="100 mm"):
        opened(tmp_path, "x", margin=100.0)
