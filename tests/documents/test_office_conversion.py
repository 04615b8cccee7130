"""Office files by LibreOffice itself: what a document may not reach, and what has to be on its pages.

LibreOffice starts slowly, so most files share a run. The first one shows what it does without any guard; the
others try the guards one by one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from t38fsp.documents import office
from t38fsp.documents.office_kinds import kind_of
from t38fsp.documents.office_sandbox import Limits, bubblewrap, soffice
from t38fsp.image.errors import DocumentError
from tests.documents import zoo_office as zoo
from tests.documents.zoo_office import Listener, listening

pytestmark = [pytest.mark.full, pytest.mark.libreoffice]

REACHES = {
    "picture.docx",
    "svg.docx",
    "picture.odt",
    "svg.odt",
    "picture.ods",
    "picture.odp",
    "picture.pptx",
    "picture.xlsx",
    "picture.html",
    "style.html",
    "background.html",
    "base.html",
    "utf16.html",
    "field.rtf",
    "picture.svg",
    "picture.doc",
}
"""What was seen to take a canary onto its page; LibreOffice 7.4."""
CALLS = {"docx-picture.png", "odt-picture.png", "html-picture.png", "style.css"}
"""What was seen to be called."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> zoo.Canary:
    return zoo.hatch(tmp_path_factory.mktemp("zoo") / "canary", listener.port)


def plainly(folder: Path, files: list[Path], to: str = "pdf") -> dict[str, Path]:
    """Convert by LibreOffice as anyone would; the results by the names of the files."""
    program = soffice()
    assert program is not None, "LibreOffice is missing: .ci/peers full"
    made = folder / f"made-{to}"
    profile = f"-env:UserInstallation=file://{folder}/profile"
    subprocess.run(
        [program, profile, "--headless", "--convert-to", to, "--outdir", str(made), *map(str, files)],
        check=True,
        capture_output=True,
        timeout=600,
    )
    return {file.name: made / f"{file.stem}.{to}" for file in files}


def put_as(name: str) -> str:
    return f"{name.replace('.', '-')}{Path(name).suffix}"


def put(folder: Path, documents: Mapping[str, bytes]) -> list[Path]:
    """Write files whose names differ in more than their ends, since results are named after them."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, data in documents.items():
        path = folder / put_as(name)
        path.write_bytes(data)
        paths.append(path)
    return paths


@dataclass
class Shown:
    text: str
    magenta: bool
    """More than a few pixels of the colour of the canary."""
    pages: int

    @property
    def has_canary(self) -> bool:
        return self.magenta or zoo.WORD in self.text


def shown(pdf: Path) -> Shown:
    with pypdfium2.PdfDocument(pdf) as document:
        text, magenta = "", 0
        for page in document:
            text += page.get_textpage().get_text_range()
            picture = page.render(scale=0.5).to_pil().convert("RGB")
            red, green, blue = (
                band.point([255 * (level > 200) for level in range(256)]) for band in picture.split()
            )
            colours = Image.merge("RGB", (red, green, blue)).getcolors() or []
            magenta += sum(count for count, colour in colours if colour == zoo.MAGENTA)
        return Shown(text, magenta > 20, len(document))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, canary: zoo.Canary) -> dict[str, bytes]:
    """Files of the old kinds, by LibreOffice."""
    folder = tmp_path_factory.mktemp("old")
    files = put(folder / "given", {"picture.docx": zoo.CUT["picture.docx"](canary)})
    return {"picture.doc": plainly(folder, files, "doc")["picture-docx.docx"].read_bytes()}


def test_the_canaries_are_in_danger(
    tmp_path: Path, canary: zoo.Canary, listener: Listener, old: dict[str, bytes]
) -> None:
    """Otherwise the tests below would show nothing."""
    made = {**zoo.CUT, **zoo.REFUSED, **zoo.SANDBOXED}
    documents = {name: made[name](canary) for name in REACHES & made.keys()}
    documents["sheet.html"] = made["sheet.html"](canary)
    documents["address.html"] = made["address.html"](canary)
    files = put(tmp_path / "given", {**documents, **old})
    results = plainly(tmp_path, files)
    reached = {name for name in REACHES if shown(results[put_as(name)]).has_canary}
    assert reached == REACHES
    assert {line.split()[1].removeprefix("/") for line in listener.asked} >= CALLS
    listener.asked.clear()


def test_what_is_cut_reaches_nothing(tmp_path: Path, canary: zoo.Canary, listener: Listener) -> None:
    """Without the sandbox and without the settings of the profile: what is cut out is enough by itself."""
    listener.asked.clear()
    cut = tmp_path / "cut"
    cut.mkdir()
    files = []
    for path in put(tmp_path / "given", {name: make(canary) for name, make in zoo.CUT.items()}):
        kind = kind_of(path)
        files.append(cut / f"{path.stem}{kind.suffix}")
        office.prepare(path, files[-1], kind)
    results = {name: shown(pdf) for name, pdf in plainly(tmp_path, files).items()}
    assert not [name for name, result in results.items() if result.has_canary]
    assert not [name for name, result in results.items() if zoo.VISIBLE not in result.text]
    assert "result of a field" in results["field-docx.docx"].text
    assert "cached" in results["link-xlsx.xlsx"].text
    assert listener.asked == []


@pytest.mark.parametrize("name", ["picture.doc", *zoo.SANDBOXED])
def test_the_sandbox_reaches_nothing(
    tmp_path: Path, canary: zoo.Canary, listener: Listener, old: dict[str, bytes], name: str
) -> None:
    assert bubblewrap() is not None, "bubblewrap is missing or does not work: .ci/peers full"
    listener.asked.clear()
    (path,) = put(tmp_path / "given", {name: old[name] if name in old else zoo.SANDBOXED[name](canary)})
    result = shown(office.convert(path, tmp_path))
    assert zoo.VISIBLE in result.text
    assert not result.has_canary
    assert listener.asked == []


LETTER = f"""<h1>Heading</h1><p>{zoo.VISIBLE} with <b>bold</b> letters, é and €.</p>
<table border="1"><tr><th>Item</th><th>Price</th></tr><tr><td>One</td><td>12.50</td></tr></table>
<ul><li>first</li><li>second</li></ul>"""


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same letter in each kind, as LibreOffice writes it; a table and slides with a picture."""
    folder = tmp_path_factory.mktemp("letters")
    picture = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(picture).rectangle((20, 20, 180, 80), fill=zoo.MAGENTA)
    picture.save(folder / "picture.png")
    data = (folder / "picture.png").read_bytes()
    text = zoo.odt(
        f"<text:h>Heading</text:h><text:p>with é and €{zoo.odf_picture('Pictures/p.png')}</text:p>"
        "<table:table><table:table-column/><table:table-row><table:table-cell><text:p>12.50</text:p>"
        "</table:table-cell></table:table-row></table:table>"
        '<text:p>page <text:page-number text:select-page="current">7</text:page-number></text:p>',
        {"Pictures/p.png": data},
    )
    sheet = zoo.ods('<table:table-cell table:formula="of:=LEN([.A1])+5.5" office:value-type="float"/>')
    slides = zoo.pptx('r:embed="rId2"', ("image", "../media/p.png", False), more={"ppt/media/p.png": data})
    paths = {}
    for name, content, *kinds in (
        ("text.odt", text, "odt", "docx", "doc", "rtf"),
        ("sheet.ods", sheet, "ods", "xlsx", "xls"),
        ("slides.pptx", slides, "pptx", "odp", "ppt"),
    ):
        given = put(folder, {name: content})
        for kind in kinds:
            (paths[kind],) = plainly(folder, given, kind).values()
    paths["html"] = folder / "letter.html"
    paths["html"].write_text(f"<html>{LETTER}</html>", encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    "kind", ["odt", "docx", "doc", "rtf", "ods", "xlsx", "xls", "pptx", "odp", "ppt", "html"]
)
def test_each_kind_is_converted(tmp_path: Path, letters: dict[str, Path], kind: str) -> None:
    """With all guards, files that programs write keep their text, pictures, fields and formulas."""
    made = office.convert(letters[kind], tmp_path)
    assert made == tmp_path / f"{letters[kind].stem}.pdf"
    result = shown(made)
    assert result.pages == 1
    assert zoo.VISIBLE in result.text
    match kind:
        case "odt" | "docx" | "doc" | "rtf":
            assert "with é and €" in result.text
            assert "12.50" in result.text
            assert "page 1" in result.text
            assert result.magenta
        case "ods" | "xlsx" | "xls":
            assert "12.5" in result.text
        case "pptx" | "odp" | "ppt":
            assert result.magenta
        case _:
            assert "Price" in result.text


def test_libreoffice_works_without_the_sandbox(
    tmp_path: Path, letters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office, "bubblewrap", lambda: None)
    assert zoo.VISIBLE in shown(office.convert(letters["docx"], tmp_path)).text


def test_a_document_that_takes_too_long_is_refused(tmp_path: Path, letters: dict[str, Path]) -> None:
    with pytest.raises(DocumentError, match="took more than"):
        office.convert(letters["docx"], tmp_path, Limits(seconds=0.2))
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_document_that_takes_too_much_memory_is_refused(tmp_path: Path, letters: dict[str, Path]) -> None:
    with pytest.raises(DocumentError, match="could not convert"):
        office.convert(letters["docx"], tmp_path, Limits(memory=100 << 20))


def test_the_sandbox_has_no_file_of_this_machine(tmp_path: Path, canary: zoo.Canary) -> None:
    """The walls themselves, with a program that looks for something."""
    from t38fsp.documents.office_sandbox import run

    walls = bubblewrap()
    assert walls is not None
    script = (
        f"(ls {canary.folder} {Path.home()} /home /root /var/log /etc/passwd /etc/shadow /work; "
        f"cat {canary.folder}/canary.txt; touch /usr/x /etc/x; ls /proc) 2>/dev/null > found; env >> found"
    )
    run(shutil.which("sh") or "/bin/sh", ["-c", script], tmp_path, Limits(), walls)
    found = (tmp_path / "found").read_text()
    assert "HOME=/document" in found
    assert zoo.WORD not in found
    for name in ("canary", "passwd", "shadow", "log", "T38FSP"):
        assert name not in found.replace(str(canary.folder), "")
