"""The fonts of what is drawn here: which letters they have, and what stands in for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from t38fsp.errors import SettingError
from t38fsp.fonts import Face, Typeface, runs_right_to_left

FONTS = Path("/usr/share/fonts/truetype")
DEJAVU = str(FONTS / "dejavu" / "DejaVuSans.ttf")
DROID = str(FONTS / "droid" / "DroidSansFallbackFull.ttf")

WESTERN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŒœŠšŽžŁłı€£«»„“”‘’–—…"


@pytest.mark.parametrize("face", Face)
def test_the_built_in_fonts_have_the_letters_of_western_europe(face: Face) -> None:
    assert Typeface(face=face).missing(WESTERN + "".join(map(chr, range(32, 127)))) == ""


def test_what_is_missing_is_told_once_and_in_order() -> None:
    assert Typeface().missing("株 Dvořák 式株\t\u200f\n") == "株ř式"
    assert Typeface(DEJAVU).missing("株 Dvořák, Ελλάδα, Москва, שלום, مرحبا") == "株"


def test_a_font_of_one_script_is_completed_by_the_built_in_one() -> None:
    digits = Typeface(DROID).sized(40)
    assert Typeface(DROID).missing("株式会社 Tel. 123") == ""
    assert digits.width("123") == Typeface().sized(40).width("123")
    assert digits.width("株123") == digits.width("株") + digits.width("123")


def test_accents_go_where_they_have_to() -> None:
    assert Typeface().drawable("Dvořák, Ångström", "it", "font") == "Dvorák, Ångström"
    assert Typeface(DEJAVU).drawable("Dvořák", "it", "font") == "Dvořák"
    assert Typeface().drawable("A\u0308", "it", "font") == "Ä"


def test_the_message_names_the_letters_and_the_setting() -> None:
    with pytest.raises(SettingError) as told:
        Typeface().drawable("東京都千代田区丸の内", "the cover page", "--font")
    assert str(told.value) == (
        "the cover page cannot be drawn: the built-in font has no 東 京 都 千 代 田 区 丸 and 2 more; "
        "name a font file that has with --font"
    )


def test_a_font_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "font.ttf"
    file.write_bytes(Path(DEJAVU).read_bytes())
    assert Typeface(str(file)).missing("株") == "株"
    file.write_bytes(Path(DROID).read_bytes())
    assert Typeface(str(file)).missing("株") == ""
    file.write_bytes(b"")
    with pytest.raises(SettingError, match="not a font"):
        Typeface(str(file)).missing("株")


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
