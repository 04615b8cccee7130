"""``t38fsp preview``: what it shows, the files that it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw

from t38fsp.cli.covers import cover_of
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.option_groups import CoverOptions
from t38fsp.cover import Cover
from tests.cli.commands import Invoked, Run, names


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A PDF of two pages, the second of them landscape."""
    pages = [Image.new("L", size, 255) for size in ((1654, 2339), (2339, 1654))]
    for number, page in enumerate(pages, 1):
        ImageDraw.Draw(page).text((200, 200), f"This is page {number}", fill=0, font_size=80)
    path = tmp_path / "letter.pdf"
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=200)
    return path


def told(result: Invoked) -> str:
    (line,) = result.stderr.splitlines()
    return line


def test_each_page_with_its_octets_and_seconds(run: Run, document: Path) -> None:
    result = run("preview", str(document))
    assert result.exit_code == Exit.COMPLETED, result.stderr
    heading, first, second, total = result.stdout.splitlines()
    assert heading.split() == ["page", "document", "resolution", "pixels", "octets", "seconds"]
    number, name, sheet, resolution, width, _, rows, octets, seconds = first.split()
    assert (number, name, sheet, resolution) == ("1", "letter.pdf,", "1", "204x196")
    assert (width, rows) == ("1728", "2292")
    assert 500 < int(octets) < 20_000
    assert float(seconds) == pytest.approx(int(octets) * 8 / 14400, rel=0.1, abs=0.1)
    assert second.split()[0] == "2"
    assert total.startswith("2 pages, ")
    assert "at 14400 bit/s" in total


def test_the_route_and_the_options_are_those_of_send(run: Run, document: Path, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(
        '[routes.office]\npeer = "192.0.2.1"\nmax_rate = 9600\npage_resolution = "standard"\n'
        'caller_name = "Accounts"\nuser = "me"\npassword = "secret"\nheader = true\n'
    )
    (tmp_path / "routes.toml").chmod(0o600)
    route = ("--route", "office", "--config", str(tmp_path / "routes.toml"))
    slow, quick = (
        json.loads(run("preview", str(document), "--json", *route, *more).stdout)
        for more in ((), ("--max-rate", "14400", "--page-resolution", "fine"))
    )
    assert [page["resolution"] for page in slow["pages"]] == ["R8_STANDARD"] * 2
    assert [page["resolution"] for page in quick["pages"]] == ["R8_FINE"] * 2
    page = slow["pages"][0]
    assert page["seconds"] > page["octets"] * 8 / 9600
    assert (slow["octets"], slow["warnings"], slow["files"]) == (
        sum(page["octets"] for page in slow["pages"]),
        [],
        [],
    )


def test_the_files_are_what_would_be_sent(run: Run, document: Path, tmp_path: Path) -> None:
    """The cover page first, the header line on all; the PDF and the pictures have the same pixels."""
    more = ("--cover", "classic", "--subject", "Drawings", "--header", "--to", "+1 555 0100")
    outputs = [tmp_path / "out" / name for name in ("pages.pdf", "page-%02d.png")]
    outputs[0].parent.mkdir()
    for output in outputs:
        result = run("preview", str(document), *more, "--output", str(output))
        assert result.exit_code == Exit.COMPLETED, result.stderr
    assert names(tmp_path / "out") == ["page-01.png", "page-02.png", "page-03.png", "pages.pdf"]
    pdf = pypdfium2.PdfDocument(outputs[0])
    assert len(pdf) == 3
    for index in range(3):
        with Image.open(tmp_path / "out" / f"page-{index + 1:02}.png") as page:
            assert page.mode == "1"
            assert page.info["dpi"] == pytest.approx((204, 196), abs=0.1)
            assert ImageChops.invert(page.convert("L")).crop((0, 0, 1728, 27)).getbbox(), "no header line"
            shown = pdf[index].render(scale=300 / 72, grayscale=True).to_pil()
            drawn = page.convert("L").resize(shown.size, Image.Resampling.BOX)
        difference = ImageChops.difference(shown, drawn).resize((100, 140), Image.Resampling.BOX)
        assert difference.getextrema()[1] < 60
    pdf.close()


def test_a_page_that_would_be_cut_is_warned_of(run: Run, tmp_path: Path) -> None:
    Image.effect_noise((1728, 2292), 120).save(tmp_path / "noise.png", dpi=(204, 196))
    result = run("preview", str(tmp_path / "noise.png"), "--quality", "photo")
    assert result.exit_code == Exit.COMPLETED, result.stderr
    (warning,) = [
        line for line in result.stdout.splitlines() if line.startswith("warning: page 1 takes about")
    ]
    assert "90 s" in warning


@pytest.mark.parametrize(
    ("arguments", "status", "fault"),
    [
        (("missing.pdf",), Exit.BAD_DOCUMENT, "missing.pdf"),
        (("{document}", "--output", "pages.tif"), Exit.USAGE, "--output: pages.tif"),
        (("{document}", "--output", "pages.png"), Exit.USAGE, "--output: pages.png"),
        (("{document}", "--output", "%d-%d.png"), Exit.USAGE, "--output"),
        (("{document}", "--output", "{document}"), Exit.USAGE, "one of the documents"),
        (("{document}", "--output", "/nowhere/pages.pdf"), Exit.ERROR, "/nowhere"),
        (("{document}", "--cover", "clasic"), Exit.BAD_DOCUMENT, "clasic"),
        (("{document}", "--subject", "x"), Exit.USAGE, "--subject has no effect without --cover"),
        (("{document}", "--cover-fields", "x.toml"), Exit.USAGE, "--cover-fields has no effect"),
        (("{document}", "--cover", "bold", "--cover-fields", "x.toml"), Exit.USAGE, "x.toml cannot be read"),
        (("{document}", "--cover", "bold", "--comment", "x" * 6001), Exit.USAGE, "comment"),
        (("{document}", "--to", "sip:"), Exit.BAD_NUMBER, "not a host"),
        (("{document}", "--font", "letters.txt"), Exit.USAGE, "--font:"),
        (
            ("{document}", "--header", "--font", "letters.ttf"),
            Exit.BAD_DOCUMENT,
            "letters.ttf cannot be read",
        ),
    ],
)
def test_what_is_refused(
    run: Run, document: Path, arguments: tuple[str, ...], status: Exit, fault: str
) -> None:
    result = run("preview", *(each.replace("{document}", str(document)) for each in arguments))
    assert (result.exit_code, result.stdout) == (status, "")
    assert fault in told(result)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fields.toml", 'subject = "Of the file"\nto_name = "Ms A"\nlogo = "logo.png"\nReference = 17\n'),
        (
            "fields.json",
            '{"subject": "Of the file", "to_name": "Ms A", "logo": "logo.png", "Reference": "17"}',
        ),
    ],
)
def test_a_file_of_fields(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    cover = cover_of(CoverOptions("bold", to_name="Mr B", cover_fields=tmp_path / name))
    assert cover == Cover(
        "bold",
        to_name="Mr B",
        subject="Of the file",
        logo=str(tmp_path / "logo.png"),
        fields=(("Reference", "17"),),
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("fields.json", "[1]", "not an object"),
        ("fields.json", "{", "neither TOML nor JSON"),
        ("fields.json", "[" * 100_000, "neither TOML nor JSON"),
        ("fields.toml", "subject = {", "neither TOML nor JSON"),
        ("fields.toml", "subject = [1]", "neither text nor number"),
        ("fields.toml", "#" * 300_000, "octets"),
    ],
)
def test_a_file_of_fields_that_is_none(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CommandError, match=said) as told:
        cover_of(CoverOptions("bold", cover_fields=tmp_path / name))
    assert told.value.status is Exit.USAGE
