"""Office files, before LibreOffice gets them: kinds, what is cut out of them or refused, bombs, limits."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.documents import office, office_archive, office_sandbox
from t38fsp.documents.markup import clean_html
from t38fsp.documents.markup_rtf import clean_rtf
from t38fsp.documents.office_kinds import Guard, is_office, kind_of
from t38fsp.documents.office_sandbox import Limits
from t38fsp.image.errors import DocumentError
from tests.documents import zoo_office as zoo
from tests.sweep import examples

PDF = "%PDF-1.4 of a fake office program"


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> zoo.Canary:
    return zoo.hatch(tmp_path_factory.mktemp("canary") / "canary", 65535)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a shell script as LibreOffice, on a machine without bubblewrap."""

    def install(script: str) -> None:
        path = tmp_path / "soffice"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(office, "soffice", lambda: str(path))
        monkeypatch.setattr(office, "bubblewrap", lambda: None)

    return install


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def given_to_it(folder: Path, name: str, data: bytes) -> bytes:
    """What LibreOffice would get of a file, unpacked."""
    path = written(folder, name, data)
    kind = kind_of(path)
    result = folder / f"given{kind.suffix}"
    office.prepare(path, result, kind)
    return b"\n".join(parts_of(result).values()) if kind.guard is Guard.ARCHIVE else result.read_bytes()


@pytest.mark.parametrize(
    ("name", "suffix", "guard"),
    [
        ("picture.docx", ".docx", Guard.ARCHIVE),
        ("link.xlsx", ".xlsx", Guard.ARCHIVE),
        ("picture.pptx", ".pptx", Guard.ARCHIVE),
        ("picture.odt", ".odt", Guard.ARCHIVE),
        ("formula.ods", ".ods", Guard.ARCHIVE),
        ("picture.odp", ".odp", Guard.ARCHIVE),
        ("field.rtf", ".rtf", Guard.RTF),
        ("picture.html", ".html", Guard.HTML),
        ("utf16.html", ".html", Guard.HTML),
        ("workbook.xls", ".html", Guard.HTML),
        ("picture.svg", ".svg", Guard.SANDBOX),
        ("flat.fodt", ".fodt", Guard.SANDBOX),
    ],
)
def test_the_kind_is_found_by_content(
    tmp_path: Path, canary: zoo.Canary, name: str, suffix: str, guard: Guard
) -> None:
    data = {**zoo.CUT, **zoo.REFUSED, **zoo.SANDBOXED}[name](canary)
    kind = kind_of(written(tmp_path, "a.document", data))
    assert (kind.suffix, kind.guard) == (suffix, guard)
    assert is_office(data[:1024])


@pytest.mark.parametrize(
    ("stream", "suffix"), [("WordDocument", ".doc"), ("Workbook", ".xls"), ("PowerPoint Document", ".ppt")]
)
def test_old_kinds_need_the_sandbox(
    tmp_path: Path, program: Callable[[str], None], stream: str, suffix: str
) -> None:
    program("exit 1")
    path = written(
        tmp_path, "old", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le")
    )
    assert kind_of(path).suffix == suffix
    with pytest.raises(DocumentError, match="bubblewrap"):
        office.convert(path, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 damaged",
        zoo.archive({"a.txt": "not an office file"}),
        zoo.archive({"mimetype": "application/epub+zip"}),
        zoo.archive({"[Content_Types].xml": "<Types/>"}),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
    ],
    ids=["damaged", "zip", "epub", "no main part", "compound", "encrypted"],
)
def test_others_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DocumentError):
        office.convert(written(tmp_path, "other", data), tmp_path)


@pytest.mark.parametrize("name", zoo.CUT)
def test_nothing_that_refers_to_a_canary_is_left(tmp_path: Path, canary: zoo.Canary, name: str) -> None:
    data = given_to_it(tmp_path, name, zoo.CUT[name](canary))
    assert zoo.VISIBLE.encode() in data
    assert b"canary." not in data
    assert str(canary.port).encode() not in data


@pytest.mark.parametrize("name", zoo.REFUSED)
def test_what_refers_to_a_canary_is_refused(
    tmp_path: Path, canary: zoo.Canary, name: str, program: Callable[[str], None]
) -> None:
    program("touch started")
    with pytest.raises(DocumentError, match=name):
        office.convert(written(tmp_path, name, zoo.REFUSED[name](canary)), tmp_path)
    assert not list(tmp_path.rglob("started"))


def test_without_libreoffice_it_is_named(
    tmp_path: Path, canary: zoo.Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office, "soffice", lambda: None)
    with pytest.raises(DocumentError, match="LibreOffice"):
        office.convert(written(tmp_path, "a.docx", zoo.CUT["picture.docx"](canary)), tmp_path)


# What is kept


WORDS = (
    '<w:document xmlns:w="w" xmlns:mc="mc" xmlns:w14="w14" mc:Ignorable="w14"><!-- gone -->'
    '<w:t xml:space="preserve"> a &lt; b &amp;&#13; "é" </w:t><![CDATA[<c>]]>'
    '<w:p w14:id="1" w:title="line&#10;line &quot;x&quot;"/>'
    "<w:instrText> PAGE \\* MERGEFORMAT </w:instrText><w:f>SUM(A1:A3)</w:f></w:document>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_what_loads_nothing_is_the_same_afterwards(tmp_path: Path, encoding: str) -> None:
    source = f'<?xml version="1.0" encoding="{encoding}"?>{WORDS}'.encode(encoding)
    path = written(tmp_path, "a.docx", zoo.docx("", more={"word/other.xml": source}))
    result = tmp_path / "given.docx"
    office_archive.cleaned(path, result)
    other = parts_of(result)["word/other.xml"]
    assert ElementTree.canonicalize(other.decode()) == ElementTree.canonicalize(WORDS)
    assert b'mc:Ignorable="w14"' in other


def test_a_document_without_references_is_the_same_afterwards(tmp_path: Path, canary: zoo.Canary) -> None:
    picture = (canary.folder / "canary.png").read_bytes()
    documents = {
        "a.docx": zoo.docx(
            zoo.word_picture('r:embed="rId1"')
            + zoo.word_field(" NUMPAGES ", "1").replace(
                "NUMP</w:instrText></w:r><w:r><w:instrText>AGES", "NUMPAGES"
            ),
            ("image", "media/p.png", False),
            more={"word/media/p.png": picture},
        ),
        "a.odt": zoo.odt(
            zoo.odf_picture("./Pictures/a b.png".replace(" ", "%20")), {"Pictures/a b.png": picture}
        ),
        "a.xlsx": zoo.xlsx('<c r="B1"><f>SUM(A1,3)*IF(A1="x",1,2)</f><v>3</v></c>'),
        "a.ods": zoo.ods('<table:table-cell table:formula="of:=SUM([.A1:.B2];{1|2})" office:value="3"/>'),
    }
    for name, data in documents.items():
        result = tmp_path / f"given-{name}"
        path = written(tmp_path, name, data)
        office_archive.cleaned(path, result)
        before, after = parts_of(path), parts_of(result)
        assert before.keys() == after.keys()
        for part, content in before.items():
            if content.startswith(b"<"):
                assert ElementTree.canonicalize(after[part].decode()) == ElementTree.canonicalize(
                    content.decode()
                )
            else:
                assert after[part] == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("word/vbaProject.bin", b"\xd0\xcf\x11\xe0 macros"),
        ("word/embeddings/oleObject1.bin", b"\xd0\xcf\x11\xe0 an object"),
        ("word/embeddings/book.xlsx", zoo.archive({"a": "b"})),
        ("word/media/p.eps", b"%!PS-Adobe-3.0 EPSF"),
        (
            "word/fonts/font1.odttf",
            b"    <svg xmlns='http://www.w3.org/2000/svg'/>".replace(b"    <", b"\x01\x02<"),
        ),
        ("Basic/Standard/Module1.xml", b"<module/>"),
        ("Scripts/python/a.py", b"import os"),
        ("../outside.xml", b"<a/>"),
        ("/absolute.xml", b"<a/>"),
    ],
)
def test_active_and_unknown_parts_are_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path, "a.docx", zoo.docx("", more={name: content}))
    office_archive.cleaned(path, tmp_path / "given.docx")
    assert name not in parts_of(tmp_path / "given.docx")


def test_a_compressed_picture_is_judged_by_what_is_in_it(tmp_path: Path, canary: zoo.Canary) -> None:
    import gzip

    picture = gzip.compress(zoo.svg(canary.file("png")).encode())
    path = written(tmp_path, "a.docx", zoo.docx("", more={"word/media/p.svgz": picture}))
    office_archive.cleaned(path, tmp_path / "given.docx")
    part = parts_of(tmp_path / "given.docx")["word/media/p.svgz"]
    assert b"<svg" in part
    assert b"canary." not in part


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "../outside.png",
        "%2e%2e/outside.png",
        "/etc/passwd",
        "//host/share",
        "\\\\host\\share",
        "http:x",
        "Pictures/absent.png",
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(),
        "data:image/png,&lt;svg/&gt;",
    ],
)
def test_references_that_are_cut(tmp_path: Path, reference: str) -> None:
    data = given_to_it(tmp_path, "a.odt", zoo.odt(zoo.odf_picture(reference)))
    assert b"xlink:href=" not in data


# Bombs


def bomb(name: str, content: bytes) -> bytes:
    return zoo.docx("", more={name: content})


def lies_about_its_size() -> bytes:
    """The directory says that a part has 100 octets; it has 4 MiB."""
    data = bytearray(zoo.docx("", more={"word/media/p.png": b"\x89PNG\r\n\x1a\n" + bytes(4 << 20)}))
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"word/media/p.png"))
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bomb("word/media/p.png", b"\x89PNG\r\n\x1a\n" + bytes(4 << 20)),
        lambda: bomb("word/media/p.emz", b"\x1f\x8b" + bytes(4 << 20)),
        lies_about_its_size,
        lambda: zoo.docx("", more={f"word/media/{number}.png": b"" for number in range(6000)}),
        lambda: bomb("word/other.xml", b"<a>" * 600 + b"</a>" * 600),
        lambda: bomb("word/other.xml", b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]><a>&x;</a>'),
        lambda: bomb("word/other.xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
        lambda: bomb("word/other.xml", b"<a><b></a>"),
        lambda: bomb("word/other.xml", b""),
        lambda: bomb("word/other.xml", b'<?xml version="1.0" encoding="rot13"?><a/>'),
    ],
    ids=[
        "ratio",
        "ratio of gzip",
        "lies",
        "parts",
        "levels",
        "entities",
        "external entity",
        "unbalanced",
        "empty",
        "encoding",
    ],
)
def test_bombs_are_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = written(tmp_path, "a.docx", make())
    with pytest.raises(DocumentError):
        office_archive.cleaned(path, tmp_path / "given.docx")


def test_a_part_within_a_part_counts_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gzip in zip multiplies the two ratios."""
    import gzip

    monkeypatch.setattr(office_archive, "MAX_OCTETS", 1 << 20)
    picture = gzip.compress(gzip.compress(b"\x01\x00\x00\x00" + os.urandom(1000)) + bytes(3 << 20))
    path = written(
        tmp_path, "a.docx", bomb("word/media/p.emf", gzip.compress(b"\x01\x00\x00\x00" + bytes(3 << 20)))
    )
    with pytest.raises(DocumentError, match="MiB"):
        office_archive.cleaned(path, tmp_path / "given.docx")
    assert picture


def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO(zoo.docx(""))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("word/document.xml", "<other/>")
    with pytest.raises(DocumentError, match="same name"):
        office_archive.cleaned(written(tmp_path, "a.docx", file.getvalue()), tmp_path / "given.docx")


@examples(push=25, full=1000)
@given(
    st.sampled_from(["picture.docx", "section.odt", "link.xlsx"]),
    st.integers(0, 1 << 16),
    st.binary(max_size=6),
)
def test_a_mutated_archive_is_cut_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, octets: bytes
) -> None:
    canary = zoo.Canary(Path("/canary"), 65535)
    data = bytearray(zoo.CUT[name](canary))
    place %= len(data)
    data[place : place + len(octets)] = octets
    folder = tmp_path_factory.mktemp("mutated")
    try:
        kept = given_to_it(folder, name, bytes(data))
    except DocumentError:
        return
    assert b"canary." not in kept


# HTML and RTF


def test_html_keeps_what_it_shows() -> None:
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    page = (
        '<meta charset="latin-1"><title>é</title><script src="http://x/">alert("<p>")</script>'
        '<p style="color:red" onclick="x()"><a href="http://x/">a &lt; b</a><table border=1>'
        "<tr><td>1<td>2</table>"
        f'<img src="{picture}"><video></video>'
    )
    kept = clean_html(page.encode("latin-1"))
    for piece in ("é", '<p style="color:red">', "a &lt; b", '<table border="1">', "<td>1<td>2", picture):
        assert piece in kept
    for piece in ("script", "alert", "onclick", "http", "video"):
        assert piece not in kept


@pytest.mark.parametrize(
    "page",
    [
        '<img src="data:image/svg+xml,<svg/>">',
        "<style>@import 'x.css';</style>",
        "<style>a { b: u\\72l(x) }</style>",
        '<p style="background:URL (x)">',
        '<p style="color:red" style="background:url(x)">',
        "<IMG/SRC=x>",
        '<img srcset="x 2x">',
        "<svg><image xlink:href=x></svg>",
        '<img src="x"',
        '<scr<img src="x">ipt>',
    ],
)
def test_html_that_refers_to_something_is_refused_or_loses_it(page: str) -> None:
    try:
        kept = clean_html(f"<html>{page}</html>".encode())
    except DocumentError:
        return
    assert "x" not in kept


@pytest.mark.parametrize(
    "piece",
    ["<!", "<!--", "</", "<a ", "<![", "<a href='", "<script>", "<style>", '<a b="', "<p>", "<", "&", "<a ="],
)
def test_html_takes_time_in_proportion_to_its_length(piece: str) -> None:
    """What takes the square of it would take hours."""
    assert len(clean_html(b"<html>" + piece.encode() * 100_000)) < 2_000_000


def test_rtf_keeps_what_it_shows() -> None:
    kept = clean_rtf(
        zoo.rtf(r"\'e9\u233?\{\b bold\b0  {\*\unknown x}" + zoo.rtf_field(r"PAGE  \\* MERGEFORMAT"))
    )
    for piece in (
        rb"\'e9",
        rb"\u233 ?",
        rb"\{",
        rb"\b bold\b0 ",
        rb"\fldinst PAGE  \\* MERGEFORMAT",
        b"result",
    ):
        assert piece in kept


@pytest.mark.parametrize(
    "instruction",
    [
        "HYPERLINK x",
        "{INC}{LUDE}PICTURE x",
        r"\u73?NCLUDEPICTURE x",
        r"\'49NCLUDEPICTURE x",
        "UNKNOWN x",
        "PAGEINCLUDE",
    ],
)
def test_the_instruction_of_another_field_is_left_out(instruction: str) -> None:
    try:
        kept = clean_rtf(zoo.rtf(zoo.rtf_field(instruction)))
    except DocumentError:
        return
    assert b"fldinst" not in kept
    assert b"result of a field" in kept


def test_what_word_writes_into_every_rtf_is_no_reason_to_refuse_it() -> None:
    kept = clean_rtf(
        zoo.rtf(
            r"{\*\xmlnstbl {\xmlns1 http://schemas.microsoft.com/office/word/2003/wordml}}"
            r"{\*\template C:\\a.dot}"
            r"{\shp{\*\shpinst{\sp{\sn pihlShape}{\sv {\*\hl{\hlsrc http://x/}}}}"
            r"{\sp{\sn wzDescription}{\sv http://y}}}}" + zoo.rtf_field("HYPERLINK http://z/link") + "end"
        )
    )
    assert b"http" not in kept
    assert b"a.dot" not in kept
    assert b"result of a field" in kept
    assert kept.endswith(b"end}")


def test_what_a_page_only_points_at_is_no_reason_to_refuse_it() -> None:
    page = (
        '<link rel="canonical" href="http://x/"><link rel=icon href=i.png><meta name=d content="a url">'
        '<base href="http://x/"><form action="http://x/"><a href="http://x/">shown</a></form>'
    )
    kept = clean_html(f"<html>{page}</html>".encode())
    assert "shown" in kept
    assert "http" not in kept


@pytest.mark.parametrize(
    "body",
    [
        r"\bin5 xxxxx",
        r"{\pict\pngblip 3c7376673e}",
        r"{\pict\wmetafile8 {\*\x}3c 73 76 67}",
        r"{\sp{\sn fillBlipName}{\sv x}}",
        "{" * 300,
    ],
)
def test_rtf_that_is_refused(body: str) -> None:
    with pytest.raises(DocumentError):
        clean_rtf(zoo.rtf(body))


@examples(push=40, full=2000)
@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "\\*", "\\fldinst ", "LINK", "\\u76?", "\\'4c", "\\", "\n", "\\pict ", "3c", "x"]
        )
    )
)
def test_any_rtf_is_written_again_or_refused(pieces: list[str]) -> None:
    try:
        kept = clean_rtf(zoo.rtf("".join(pieces)))
    except DocumentError:
        return
    assert kept == clean_rtf(kept)


# The program


def test_what_the_program_makes_is_taken(tmp_path: Path, program: Callable[[str], None]) -> None:
    program(f'mkdir out; test "$(ls document.* profile/user)"; echo "{PDF}" > out/document.pdf; touch more')
    source = written(tmp_path, "letter.rtf", zoo.rtf("x"))
    into = tmp_path / "into"
    into.mkdir()
    made = office.convert(source, into)
    assert made.read_text().strip() == PDF
    assert list(into.iterdir()) == [made]


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "mkdir out; echo no PDF > out/document.pdf",
        f"mkdir out; echo '{PDF}' > there; ln -s ../there out/document.pdf",
        f"mkdir out; cd out; echo '{PDF}' > document.pdf; head -c 4M /dev/zero >> document.pdf || rm *",
    ],
    ids=["fails", "no PDF", "link", "too large"],
)
def test_what_is_no_pdf_is_refused(tmp_path: Path, program: Callable[[str], None], script: str) -> None:
    program(script)
    with pytest.raises(DocumentError, match="could not convert"):
        office.convert(written(tmp_path, "letter.rtf", zoo.rtf("x")), tmp_path, Limits(file=1 << 20))
    assert not list(tmp_path.glob("t38fsp-*"))


def test_the_program_has_no_more_memory_than_it_may(tmp_path: Path, program: Callable[[str], None]) -> None:
    program(f'test "$(ulimit -v)" -le {256 << 10} || exit; mkdir out; echo "{PDF}" > out/document.pdf')
    office.convert(written(tmp_path, "letter.rtf", zoo.rtf("x")), tmp_path, Limits(memory=256 << 20))


def test_the_program_does_not_get_our_environment(
    tmp_path: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T38FSP_PASSWORD", "secret")
    program(f'env | grep -q secret && exit; mkdir out; echo "{PDF}" > out/document.pdf')
    office.convert(written(tmp_path, "letter.rtf", zoo.rtf("x")), tmp_path)


def test_all_that_it_started_is_killed_on_overrun(tmp_path: Path, program: Callable[[str], None]) -> None:
    program(f"sleep 600 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(DocumentError, match="took more than"):
        office.convert(written(tmp_path, "letter.rtf", zoo.rtf("x")), tmp_path, Limits(seconds=2.0))
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 60
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_bubblewrap_that_does_not_work_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bwrap"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setattr(office_sandbox.shutil, "which", lambda _: str(path))
    office_sandbox.bubblewrap.cache_clear()
    assert office_sandbox.bubblewrap() is None
    office_sandbox.bubblewrap.cache_clear()


def test_the_office_program_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    """As by a send that is cancelled: nothing in the worker can clean up then."""
    worker = (
        "import sys; from pathlib import Path; from t38fsp.documents.office_sandbox import Limits, run; "
        "run('/bin/sh', ['-c', 'sleep 600 & echo $$ $! >begun; wait'], Path(sys.argv[1]), Limits(), None)"
    )
    process = subprocess.Popen([sys.executable, "-c", worker, str(tmp_path)])
    begun = tmp_path / "begun"
    until(lambda: begun.exists() and len(begun.read_text().split()) == 2)
    group = [int(pid) for pid in begun.read_text().split()]
    assert all(map(runs, group))
    process.kill()
    process.wait()
    until(lambda: not any(map(runs, group)))


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until(true: Callable[[], bool]) -> None:
    """With all the time that a loaded machine may take."""
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError
