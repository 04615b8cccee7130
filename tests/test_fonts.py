"""The fonts of what is drawn here: which letters they have, and what stands in for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from t38fsp.fonts import Face, Typeface, installed, runs_right_to_left
from t38fsp.image.errors import DocumentError

FONTS = Path("/usr/share/fonts/truetype")
DEJAVU = str(FONTS / "dejavu" / "DejaVuSans.ttf")
DROID = str(FONTS / "droid" / "DroidSansFallbackFull.ttf")

WESTERN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŒœŠšŽžŁłı€£«»„“”‘’–—…"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without fonts."""
    monkeypatch.setattr("t38fsp.fonts.installed", lambda *, fixed: ())


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("face", Face)
def test_the_built_in_fonts_have_the_letters_of_western_europe(face: Face) -> None:
    assert Typeface(face=face).missing(WESTERN + "".join(map(chr, range(32, 127)))) == ""


@pytest.mark.usefixtures("bare")
def test_what_is_missing_is_told_once_and_in_order() -> None:
    assert Typeface().missing("株 Dvořák 式株\t\u200f\n") == "株ř式"
    assert Typeface(DEJAVU).missing("株 Dvořák, Ελλάδα, Москва, שלום, مرحبا") == "株"


@pytest.mark.usefixtures("bare")
def test_a_font_of_one_script_is_completed_by_the_built_in_one() -> None:
    letters = Typeface(DROID).sized(40)
    assert Typeface(DROID).missing("株式会社 Tel. 123") == ""
    assert letters.width("123") == Typeface().sized(40).width("123")
    assert letters.width("株123") == letters.width("株") + letters.width("123")


def test_what_neither_has_is_looked_for_on_the_machine() -> None:
    assert {path.name for path in installed(fixed=True)} >= {"DejaVuSansMono.ttf", "DejaVuSans.ttf"}
    assert Typeface().missing("Dvořák Ελλάδα") == ""
    names = [font.name for _, font in Typeface().runs("Dvořák")]
    assert names[0] == names[2] == "the built-in font"
    assert "DejaVuSans.ttf" in names[1]


@pytest.mark.usefixtures("bare")
def test_accents_go_where_they_have_to() -> None:
    assert Typeface().drawable("Dvořák, Ångström", "it") == "Dvorák, Ångström"
    assert Typeface(DEJAVU).drawable("Dvořák", "it") == "Dvořák"
    assert Typeface().drawable("A\u0308", "it") == "Ä"


@pytest.mark.usefixtures("bare")
def test_the_message_names_the_letters_and_the_setting() -> None:
    with pytest.raises(DocumentError) as told:
        Typeface().drawable("東京都千代田区丸の内", "the cover page")
    assert str(told.value).startswith("the cover page has characters that no font here has: 東 (U+6771) 京")
    assert str(told.value).endswith("and 2 more; name a font file that has them, with the setting font")


def test_a_font_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "font.ttf"
    file.write_bytes(Path(DEJAVU).read_bytes())
    before = Typeface(str(file)).sized(40).width("W")
    file.write_bytes((FONTS / "dejavu" / "DejaVuSansMono.ttf").read_bytes())
    assert Typeface(str(file)).sized(40).width("W") < before
    file.write_bytes(b"")
    with pytest.raises(DocumentError, match="cannot be used as a font"):
        Typeface(str(file))


def test_only_a_bold_face_makes_a_file_bold() -> None:
    def drawn(face: Face) -> int:
        image = Image.new("L", (300, 60))
        Typeface(DEJAVU, face).sized(40).draw(ImageDraw.Draw(image), 5, 45, "Letters", 255)
        return sum(index * count for index, count in enumerate(image.histogram()))

    assert drawn(Face.SANS_BOLD) > 1.2 * drawn(Face.SANS)


@pytest.mark.parametrize(
    ("text", "right_to_left"),
    [("abc שלום", False), ("שלום abc", True), ("12 مرحبا", True), ("12", False), ("", False)],
)
def test_where_a_line_begins(text: str, right_to_left: bool) -> None:
    assert runs_right_to_left(text) is right_to_left
