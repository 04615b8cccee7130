"""Cover pages: what templates may do, what is on the page, and what is refused before the call."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from t38fsp.choices import PaperSize
from t38fsp.cover import Cover, CoverPage
from t38fsp.documents.cover import CoverSource
from t38fsp.documents.cover_lines import in_lines
from t38fsp.documents.cover_markup import CoverMarkupError, parse
from t38fsp.documents.cover_template import filled, shipped
from t38fsp.errors import SettingError
from t38fsp.image.errors import DocumentError
from t38fsp.page_settings import PageSettings

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SIZE = (1690, 2292)
DROID = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"


def page(paper: PaperSize = PaperSize.A4, **cover: Any) -> CoverPage:
    return Cover(**cover).of_call(NOON, "Accounts", "+1 555 0199", "+12125550100", 7, paper)


def template(folder: Path, text: str, **cover: Any) -> CoverPage:
    file = folder / "own.xml"
    file.write_text(text, encoding="utf-8")
    return page(template=str(file), **cover)


def drawn(
    of: CoverPage, settings: PageSettings = PageSettings(), size: tuple[int, int] = SIZE
) -> Image.Image:
    return CoverSource(of, settings).render(0, size)


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    """The rectangle with all that is dark."""
    dark = image.point([255 if level < 128 else 0 for level in range(256)])
    return dark.getbbox() or (0, 0, 0, 0)


# --- those that come with the package -----------------------------------------------------------------------


def test_three_come_with_the_package() -> None:
    assert shipped() == ["bold", "business", "classic"]


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("paper", [PaperSize.A4, PaperSize.LETTER])
def test_each_says_what_it_is_given(name: str, paper: PaperSize) -> None:
    """A line that is left out is missing on the page, and a longer one is longer."""
    whole = {
        "to_name": "Ms Anna Dvořák",
        "from_name": "Müller & Söhne <GmbH>",
        "subject": "Drawings",
        "comment": "Dear Ms Dvořák,\n\nplease find enclosed the drawings.\n",
        "fields": (("Reference", "A-17"),),
    }
    markup = filled(page(template=name, **whole))
    for text in ("Ms Anna Dvořák", "Müller &amp; Söhne &lt;GmbH&gt;", "Drawings", "A-17", "2026", "7"):
        assert text in markup
    source = CoverSource(page(paper, template=name, **whole), PageSettings())
    (sheet,) = source.sheets
    assert (sheet.width, sheet.height) == {PaperSize.A4: (210, 297)}.get(paper, (215.9, 279.4))
    image = source.render(0, SIZE)
    assert (image.size, image.mode) == (SIZE, "L")
    left, top, right, bottom = ink(image)
    assert 100 < left < right < SIZE[0] - 100
    assert 100 < top < bottom < SIZE[1] - 100
    for key in whole:
        assert (
            drawn(page(paper, template=name, **{**whole, key: type(whole[key])()})).tobytes()
            != image.tobytes()
        )


@pytest.mark.parametrize("name", shipped())
def test_each_can_do_with_nothing(name: str) -> None:
    left, _, right, _ = ink(drawn(page(template=name)))
    assert left < right


def test_any_script_of_which_there_is_a_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.fonts.installed", lambda *, fixed: ())
    words = {"to_name": "山田太郎 様", "comment": "図面をお送りいたします。" * 20}
    drawn(page(**words), PageSettings(font=DROID))
    with pytest.raises(DocumentError, match="the cover page has characters that no font here has: 山"):
        CoverSource(page(**words), PageSettings())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"the cover page is \d+ mm too long; shorten"):
        CoverSource(page(comment="A line.\n" * 60), PageSettings())


# --- the markup ---------------------------------------------------------------------------------------------


def test_elements_are_where_they_should_be(tmp_path: Path) -> None:
    markup = """
    <cover margin="30" size="12">
      <box inverse="yes" thickness="0" padding="5" gap="10"><text size="20">Fax</text></box>
      <row><cell width="40">To</cell><cell align="right">{{ to_number }}</cell></row>
      <fill/>
      <rule thickness="1" gap="0"/>
    </cover>"""
    image = drawn(template(tmp_path, markup), size=(2100, 2970))  # ten pixels a millimetre
    assert ink(image) == pytest.approx((300, 300, 1800, 2670), abs=2)
    assert image.getpixel((305, 305)) == 0
    assert ink(image.crop((300, 2600, 1800, 2970)))[1] == pytest.approx(60, abs=2)  # the rule
    row = image.crop((0, 520, 2100, 700))
    left, _, right, _ = ink(row)
    assert 300 <= left < 310
    assert 1790 < right <= 1800
    assert ink(row.crop((700, 0, 1200, 180))) == (0, 0, 0, 0)


def test_a_logo_is_drawn_where_there_is_one(tmp_path: Path) -> None:
    """Of any kind that can be faxed."""
    logo = tmp_path / "logo.pdf"
    Image.new("L", (600, 300), 0).save(logo, resolution=300)
    markup = '<cover margin="30"><logo height="20" align="right"/><text>.</text></cover>'
    with_logo = drawn(template(tmp_path, markup, logo=str(logo)), size=(2100, 2970))
    assert ink(with_logo.crop((0, 0, 2100, 540)))[0] in range(1396, 1404)  # 40 mm wide
    assert ink(drawn(template(tmp_path, markup), size=(2100, 2970)))[0] == pytest.approx(300, abs=8)
    with pytest.raises(DocumentError, match=r"missing\.png cannot be read"):
        CoverSource(template(tmp_path, markup, logo=str(tmp_path / "missing.png")), PageSettings())


@pytest.mark.parametrize(
    ("markup", "line", "names"),
    [
        ("<cover><p>x</p></cover>", 1, ("p",)),
        ('<cover>\n<text colour="red">x</text></cover>', 2, ("text", "colour")),
        ("<cover><text size='huge'>x</text></cover>", 1, ("text", "size")),
        ("<cover><text size='4'>x</text></cover>", 1, ("text", "size")),
        ("<cover><text size='nan'>x</text></cover>", 1, ("text", "size")),
        ("<cover><text bold='true'>x</text></cover>", 1, ("text", "bold")),
        ("<cover>words</cover>", 1, ("cover",)),
        ("<cover><text>x</cover>", 1, ()),
        ("<text>x</text>", 1, ("text",)),
        ("<cover><row><text>x</text></row></cover>", 1, ("text",)),
        ("<cover><box><fill/></box></cover>", 1, ("fill",)),
        ("<cover>" + "<box>" * 9 + "</box>" * 9 + "</cover>", 1, ()),
        ("<cover>" + "<rule/>" * 2001 + "</cover>", 1, ()),
        ('<!DOCTYPE cover [<!ENTITY a "b">]><cover><text>&a;</text></cover>', 1, ()),
        ("<cover><text>&nbsp;</text></cover>", 1, ()),
        ("", 1, ()),
    ],
)
def test_what_is_not_understood_is_refused(
    tmp_path: Path, markup: str, line: int, names: tuple[str, ...]
) -> None:
    with pytest.raises(CoverMarkupError) as told:
        CoverSource(template(tmp_path, markup), PageSettings())
    assert (told.value.line, told.value.names) == (line, names)


def test_cells_need_room(tmp_path: Path) -> None:
    markup = "<cover><row><cell width='200'>x</cell><cell>y</cell></row></cover>"
    with pytest.raises(DocumentError, match="own"):
        CoverSource(template(tmp_path, markup), PageSettings())


@given(st.text(max_size=200))
def test_any_value_is_words_and_nothing_else(text: str) -> None:
    cover = page(to_name=text, subject="Subject")
    root = parse(filled(cover), "classic")
    (row,) = [
        each
        for each in root.children
        if each.words == "" and each.children and each.children[0].words == "Subject"
    ]
    assert row.children[1].words == "Subject"
    assert {each.name for each in root.children} <= {"logo", "text", "rule", "row", "space"}


# --- the template -------------------------------------------------------------------------------------------


def test_a_template_can_compute(tmp_path: Path) -> None:
    markup = """
    <cover>{% for name, value in fields.items() %}<text>{{ name|upper }} {{ value }}</text>{% endfor %}
    <text>{{ date.strftime("%d.%m.%y") }} {{ pages - 1 }}{% if logo %} logo{% endif %}</text></cover>"""
    root = parse(filled(template(tmp_path, markup, fields=(("Ref", "1 < 2"),))), "own")
    assert [each.words for each in root.children] == ["REF 1 < 2", "22.11.26 6"]


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ fields.update({'a': 'b'}) }}",
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as secrets %}",
        "{{ date.__reduce__() }}",
        "{{ '{0.__class__}'.format(date) }}",
        "{{ 10 ** 10 ** 8 }}",
        "{{ nothing }}",
        "{{ range(10 ** 9) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}<text>again</text>{% endfor %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ 1 / 0 }}",
        "{% if %}",
    ],
)
def test_a_template_reaches_nothing_and_ends(tmp_path: Path, expression: str) -> None:
    with pytest.raises(DocumentError, match=r"the cover template .*own\.xml"):
        CoverSource(template(tmp_path, f"<cover>\n{expression}</cover>"), PageSettings())


def test_the_message_names_the_line_of_the_template(tmp_path: Path) -> None:
    for wrong in ("{{ to_nam }}", "{% if %}"):
        with pytest.raises(DocumentError, match=r"own\.xml, line 3 cannot be filled"):
            filled(template(tmp_path, f"<cover>\n<text>\n{wrong}</text></cover>"))


def test_templates_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.xml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long.xml").write_bytes(b" " * 70_000)
    faults = {
        "clasic": "there is no cover template 'clasic'; use one of bold, business, classic",
        str(tmp_path / "missing.xml"): "cannot be read: no such file",
        str(tmp_path): "not a regular file",
        "/dev/zero": "not a regular file",
        str(tmp_path / "binary.xml"): "not UTF-8",
        str(tmp_path / "long.xml"): "more than 65536 octets",
    }
    for name, fault in faults.items():
        with pytest.raises(DocumentError) as told:
            filled(page(template=name))
        assert fault in str(told.value)


# --- what it is made of -------------------------------------------------------------------------------------


def test_a_cover_of_a_row_of_a_table() -> None:
    cover = Cover.of({"to_name": "Ms A", "subject": "x", "Amount": 12.5, "Invoice": "17"})
    assert (cover.to_name, cover.subject) == ("Ms A", "x")
    assert cover.fields == (("Amount", "12.5"), ("Invoice", "17"))


@pytest.mark.parametrize(
    "values",
    [
        {"comment": "x" * 6001},
        {"to_name": "x" * 201},
        {"Reference": "x" * 201},
        {"x" * 201: "y"},
        {"to_name": ["a"]},
        {"Reference": {"a": "b"}},
        {str(number): "x" for number in range(51)},
    ],
)
def test_what_is_too_much_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Cover.of(values)


def test_the_sender_is_the_caller_unless_it_is_named() -> None:
    assert page().cover.from_name == "Accounts"
    assert page(from_name="Us").cover.from_name == "Us"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three", ["one two", "three"]),
        ("one  two", ["one  two"]),
        ("one\n\ntwo", ["one", "", "two"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("a abcdefghijkl", ["a", "abcdefgh", "ijkl"]),
        ("図面をお送りします。", ["図面をお送りしま", "す。"]),
        ("図面をお送りしま。", ["図面をお送りし", "ま。"]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    """With letters that are all one wide, eight to a line."""
    assert in_lines(text, 8, len) == lines


@given(st.text(max_size=100), st.integers(1, 20))
def test_no_line_is_too_wide_and_no_letter_is_lost(text: str, room: int) -> None:
    lines = in_lines(text, room, len)
    assert all(len(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
