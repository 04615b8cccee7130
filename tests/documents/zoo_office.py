"""Office files that try to take a file of this machine onto their page, or to call an address.

Each is as short as it can be, and holds the word VISIBLE, which a conversion has to show. What they refer
to are *canaries*: files with the word CANARY or in pure magenta, and a port of the loopback address.
"""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

VISIBLE = "VISIBLE"
WORD = "CANARY"
MAGENTA = (255, 0, 255)


@dataclass(frozen=True)
class Canary:
    """The files and the address."""

    folder: Path
    port: int

    def file(self, name: str) -> str:
        """The URL of a file: canary.png, .txt, .html, .csv, .odt."""
        return f"file://{self.folder}/canary.{name}"

    def address(self, which: str) -> str:
        return f"http://127.0.0.1:{self.port}/{which}"


def hatch(folder: Path, port: int) -> Canary:
    folder.mkdir()
    Image.new("RGB", (300, 300), MAGENTA).save(folder / "canary.png")
    (folder / "canary.txt").write_text(f"{WORD} in a text\n")
    (folder / "canary.html").write_text(f"<html><body><p>{WORD} in a page</p></body></html>")
    (folder / "canary.csv").write_text(f"{WORD},in,a,table\n")
    (folder / "canary.odt").write_bytes(odt(f"<text:p>{WORD} in a document</text:p>"))
    return Canary(folder, port)


@dataclass
class Listener:
    """A web server that has nothing, and writes down what it is asked for."""

    port: int
    asked: list[str] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        listener.asked.append(connection.recv(1000).split(b"\r\n")[0].decode("latin-1"))
                        connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
                    except OSError as error:
                        listener.asked.append(repr(error))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in parts.items():
            how = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            written.writestr(name, content, how)
    return file.getvalue()


_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OPEN_XML = "http://schemas.openxmlformats.org"
_TYPES = "application/vnd.openxmlformats-officedocument"


def relations(*items: tuple[str, str, bool]) -> str:
    """rId1 and so on: kind, target, whether it is external."""
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="rId{number}" Type="{_RELATIONS}/{kind}" Target="{target}"'
            + (' TargetMode="External"/>' if external else "/>")
            for number, (kind, target, external) in enumerate(items, 1)
        )
        + "</Relationships>"
    )


def content_types(**overrides: str) -> str:
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="png" ContentType="image/png"/><Default Extension="svg" ContentType="image/svg+xml"/>'
        + "".join(
            f'<Override PartName="/{name.replace("__", "/")}.xml" ContentType="{_TYPES}.{kind}+xml"/>'
            for name, kind in overrides.items()
        )
        + "</Types>"
    )


_DRAWING_NAMES = (
    f'xmlns:r="{_RELATIONS}" xmlns:a="{_OPEN_XML}/drawingml/2006/main" '
    f'xmlns:pic="{_OPEN_XML}/drawingml/2006/picture"'
)


def _blip(picture: str) -> str:
    return (
        f"<pic:blipFill><a:blip {picture}/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm>"
        '<a:off x="0" y="0"/><a:ext cx="1800000" cy="1800000"/></a:xfrm><a:prstGeom prst="rect"/></pic:spPr>'
    )


def word_picture(picture: str) -> str:
    return (
        '<w:p><w:r><w:drawing><wp:inline><wp:extent cx="1800000" cy="1800000"/><wp:docPr id="1" name="p"/>'
        f'<a:graphic><a:graphicData uri="{_OPEN_XML}/drawingml/2006/picture"><pic:pic><pic:nvPicPr>'
        f'<pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr>{_blip(picture)}</pic:pic></a:graphicData>'
        "</a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )


def word_field(instruction: str, result: str = "result of a field") -> str:
    half = len(instruction) // 2
    return (
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        f"<w:r><w:instrText>{instruction[:half]}</w:instrText></w:r>"
        f"<w:r><w:instrText>{instruction[half:]}</w:instrText></w:r>"
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>{result}</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    )


def docx(
    body: str,
    *links: tuple[str, str, bool],
    more: Mapping[str, str | bytes] | None = None,
    text: str = VISIBLE,
) -> bytes:
    return archive(
        {
            "[Content_Types].xml": content_types(word__document="wordprocessingml.document.main"),
            "_rels/.rels": relations(("officeDocument", "word/document.xml", False)),
            "word/document.xml": f'<w:document xmlns:w="{_OPEN_XML}/wordprocessingml/2006/main" {_DRAWING_NAMES} '
            f'xmlns:wp="{_OPEN_XML}/drawingml/2006/wordprocessingDrawing"><w:body>'
            f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(*links),
            **(more or {}),
        }
    )


_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_ODF_NAMES = (
    " ".join(
        f'xmlns:{prefix}="{_ODF}:{name}:1.0"'
        for prefix, name in {
            "office": "office",
            "text": "text",
            "table": "table",
            "draw": "drawing",
            "svg": "svg-compatible",
            "style": "style",
            "presentation": "presentation",
            "fo": "xsl-fo-compatible",
        }.items()
    )
    + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2"'
)


def odf(kind: str, body: str, more: Mapping[str, str | bytes] | None = None) -> bytes:
    media = f"application/vnd.oasis.opendocument.{kind}"
    more = more or {}
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type=""/>'
        for name in ("content.xml", *more)
    )
    return archive(
        {
            "mimetype": media,
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0" '
            'manifest:version="1.3">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{media}"/>{entries}'
            "</manifest:manifest>",
            "content.xml": f'<office:document-content {_ODF_NAMES} office:version="1.3"><office:body>'
            f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
            **more,
        }
    )


def odt(body: str, more: Mapping[str, str | bytes] | None = None) -> bytes:
    return odf("text", f"<text:p>{VISIBLE}</text:p>{body}", more)


def odf_picture(href: str, within: str = "draw:image") -> str:
    return (
        '<draw:frame svg:width="5cm" svg:height="5cm" svg:x="2cm" svg:y="2cm" text:anchor-type="as-char">'
        f'<{within} xlink:href="{href}" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame>'
    )


def ods(cells: str, after: str = "", attributes: str = "") -> bytes:
    return odf(
        "spreadsheet",
        f'<table:table table:name="Sheet1" {attributes}>{after}<table:table-row><table:table-cell '
        f'office:value-type="string"><text:p>{VISIBLE}</text:p></table:table-cell>{cells}</table:table-row>'
        "</table:table>",
    )


def xlsx(
    cells: str,
    more: Mapping[str, str | bytes] | None = None,
    links: tuple[tuple[str, str, bool], ...] = (),
    sheet_end: str = "",
    book_end: str = "",
) -> bytes:
    more = dict(more or {})
    return archive(
        {
            "[Content_Types].xml": content_types(
                xl__workbook="spreadsheetml.sheet.main",
                xl__worksheets__sheet1="spreadsheetml.worksheet",
                xl__drawings__drawing1="drawing",
                xl__connections="spreadsheetml.connections",
                xl__queryTables__query1="spreadsheetml.queryTable",
                xl__externalLinks__link1="spreadsheetml.externalLink",
            ),
            "_rels/.rels": relations(("officeDocument", "xl/workbook.xml", False)),
            "xl/workbook.xml": f'<workbook xmlns="{_OPEN_XML}/spreadsheetml/2006/main" xmlns:r="{_RELATIONS}"><sheets>'
            f'<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets>{book_end}</workbook>',
            "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml", False), *links),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_OPEN_XML}/spreadsheetml/2006/main" '
            f'xmlns:r="{_RELATIONS}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{VISIBLE}</t></is></c>'
            f"{cells}</row></sheetData>{sheet_end}</worksheet>",
            **more,
        }
    )


def pptx(picture: str, *links: tuple[str, str, bool], more: Mapping[str, str | bytes] | None = None) -> bytes:
    names = f'xmlns:p="{_OPEN_XML}/presentationml/2006/main" {_DRAWING_NAMES}'
    tree = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    text = (
        '<p:sp><p:nvSpPr><p:cNvPr id="2" name="t"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr><a:xfrm>'
        '<a:off x="0" y="0"/><a:ext cx="6000000" cy="900000"/></a:xfrm><a:prstGeom prst="rect"/></p:spPr>'
        f"<p:txBody><a:bodyPr/><a:p><a:r><a:t>{VISIBLE}</a:t></a:r></a:p></p:txBody></p:sp>"
    )
    blip = _blip(picture).replace("pic:", "p:")
    shown = (
        '<p:pic><p:nvPicPr><p:cNvPr id="3" name="p"/><p:cNvPicPr/><p:nvPr/></p:nvPicPr>' + blip + "</p:pic>"
        if picture
        else ""
    )
    layout = f"<p:cSld><p:spTree>{tree}</p:spTree></p:cSld>"
    return archive(
        {
            "[Content_Types].xml": content_types(
                ppt__presentation="presentationml.presentation.main",
                ppt__slides__slide1="presentationml.slide",
                ppt__slideLayouts__slideLayout1="presentationml.slideLayout",
                ppt__slideMasters__slideMaster1="presentationml.slideMaster",
            ),
            "_rels/.rels": relations(("officeDocument", "ppt/presentation.xml", False)),
            "ppt/presentation.xml": f"<p:presentation {names}><p:sldMasterIdLst>"
            '<p:sldMasterId id="2147483648" r:id="rId2"/></p:sldMasterIdLst><p:sldIdLst><p:sldId id="256" r:id="rId1"/>'
            '</p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(
                ("slide", "slides/slide1.xml", False), ("slideMaster", "slideMasters/slideMaster1.xml", False)
            ),
            "ppt/slides/slide1.xml": f"<p:sld {names}><p:cSld><p:spTree>{tree}{text}{shown}</p:spTree></p:cSld></p:sld>",
            "ppt/slides/_rels/slide1.xml.rels": relations(
                ("slideLayout", "../slideLayouts/slideLayout1.xml", False), *links
            ),
            "ppt/slideLayouts/slideLayout1.xml": f"<p:sldLayout {names}>{layout}</p:sldLayout>",
            "ppt/slideLayouts/_rels/slideLayout1.xml.rels": relations(
                ("slideMaster", "../slideMasters/slideMaster1.xml", False)
            ),
            "ppt/slideMasters/slideMaster1.xml": f'<p:sldMaster {names}>{layout}<p:clrMap bg1="lt1" tx1="dk1" '
            'bg2="lt2" tx2="dk2" accent1="accent1" accent2="accent2" accent3="accent3" accent4="accent4" '
            'accent5="accent5" accent6="accent6" hlink="hlink" folHlink="folHlink"/><p:sldLayoutIdLst>'
            '<p:sldLayoutId id="2147483649" r:id="rId1"/></p:sldLayoutIdLst></p:sldMaster>',
            "ppt/slideMasters/_rels/slideMaster1.xml.rels": relations(
                ("slideLayout", "../slideLayouts/slideLayout1.xml", False)
            ),
            **(more or {}),
        }
    )


def svg(href: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="400" height="400">'
        f'<text x="10" y="380" font-size="30">{VISIBLE}</text>'
        f'<image x="0" y="0" width="300" height="300" xlink:href="{href}"/></svg>'
    )


def html(body: str, head: str = "") -> bytes:
    return f"<html><head>{head}</head><body><p>{VISIBLE}</p>{body}</body></html>".encode()


def rtf(body: str) -> bytes:
    return (r"{\rtf1\ansi " + VISIBLE + r"\par " + body + "}").encode()


def rtf_field(instruction: str) -> str:
    return r"{\field{\*\fldinst " + instruction + r"}{\fldrslt result of a field}}\par "


def _inside_svg(canary: Canary) -> bytes:
    return docx(
        word_picture('r:embed="rId1"'),
        ("image", "media/p.png", False),
        more={"word/media/p.png": svg(canary.file("png"))},
    )


def _external_link(canary: Canary) -> bytes:
    main = f'xmlns="{_OPEN_XML}/spreadsheetml/2006/main" xmlns:r="{_RELATIONS}"'
    return xlsx(
        '<c r="B1" t="str"><f>[1]canary!A1</f><v>cached</v></c>',
        {
            "xl/externalLinks/link1.xml": f'<externalLink {main}><externalBook r:id="rId1"><sheetNames>'
            '<sheetName val="canary"/></sheetNames></externalBook></externalLink>',
            "xl/externalLinks/_rels/link1.xml.rels": relations(
                ("externalLinkPath", canary.file("csv"), True)
            ),
        },
        (("externalLink", "externalLinks/link1.xml", False),),
        book_end='<externalReferences><externalReference r:id="rId2"/></externalReferences>',
    )


def _web_query(canary: Canary) -> bytes:
    main = f'xmlns="{_OPEN_XML}/spreadsheetml/2006/main"'
    return xlsx(
        "",
        {
            "xl/connections.xml": f'<connections {main}><connection id="1" name="c" type="4" refreshedVersion="3" '
            f'refreshOnLoad="1"><webPr sourceData="1" url="{canary.address("query")}" htmlTables="1"/></connection>'
            "</connections>",
            "xl/queryTables/query1.xml": f'<queryTable {main} name="q" connectionId="1" refreshOnLoad="1"/>',
            "xl/worksheets/_rels/sheet1.xml.rels": relations(
                ("queryTable", "../queryTables/query1.xml", False)
            ),
        },
        (("connections", "connections.xml", False),),
        book_end='<definedNames><definedName name="q" localSheetId="0">Sheet1!$D$1:$E$5</definedName></definedNames>',
    )


def _picture_in_sheet(canary: Canary) -> bytes:
    drawing = (
        f'<xdr:wsDr xmlns:xdr="{_OPEN_XML}/drawingml/2006/spreadsheetDrawing" {_DRAWING_NAMES}><xdr:absoluteAnchor>'
        '<xdr:pos x="0" y="500000"/><xdr:ext cx="1800000" cy="1800000"/><xdr:pic><xdr:nvPicPr>'
        '<xdr:cNvPr id="2" name="p"/><xdr:cNvPicPr/></xdr:nvPicPr>'
        + _blip('r:link="rId1"').replace("pic:", "xdr:")
        + "</xdr:pic><xdr:clientData/></xdr:absoluteAnchor></xdr:wsDr>"
    )
    return xlsx(
        "",
        {
            "xl/drawings/drawing1.xml": drawing,
            "xl/drawings/_rels/drawing1.xml.rels": relations(("image", canary.file("png"), True)),
            "xl/worksheets/_rels/sheet1.xml.rels": relations(("drawing", "../drawings/drawing1.xml", False)),
        },
        sheet_end='<drawing r:id="rId1"/>',
    )


CUT: Mapping[str, Callable[[Canary], bytes]] = {
    "picture.docx": lambda c: docx(
        word_picture('r:link="rId1"') + word_picture('r:link="rId2"'),
        ("image", c.file("png"), True),
        ("image", c.address("docx-picture.png"), True),
    ),
    "field.docx": lambda c: docx(
        word_field(f' INCLUDEPICTURE "{c.file("png")}" \\d ')
        + word_field(f' INCLUDETEXT "{c.folder}/canary.txt" ')
    ),
    "template.docx": lambda c: docx(
        "",
        ("settings", "settings.xml", False),
        more={
            "word/settings.xml": f'<w:settings xmlns:w="{_OPEN_XML}/wordprocessingml/2006/main" '
            f'xmlns:r="{_RELATIONS}"><w:attachedTemplate r:id="rId1"/></w:settings>',
            "word/_rels/settings.xml.rels": relations(("attachedTemplate", c.address("template.dotx"), True)),
        },
    ),
    "svg.docx": _inside_svg,
    "subdocument.docx": lambda c: docx('<w:subDoc r:id="rId1"/>', ("subDocument", c.file("odt"), True)),
    "picture.odt": lambda c: odt(
        f"<text:p>{odf_picture(c.file('png'))}{odf_picture(c.address('odt-picture.png'))}</text:p>"
    ),
    "relative.odt": lambda c: odt(f"<text:p>{odf_picture('../canary/canary.png')}</text:p>"),
    "section.odt": lambda c: odt(
        f'<text:section text:name="s"><text:section-source xlink:href="{c.file("txt")}"/><text:p/></text:section>'
        f'<text:section text:name="t"><text:section-source xlink:href="{c.file("odt")}"/><text:p/></text:section>'
        f'<text:section text:name="u"><text:section-source xlink:href="{c.address("odt-section")}"/><text:p/>'
        "</text:section>"
    ),
    "object.odt": lambda c: odt(
        f"<text:p>{odf_picture(c.file('odt'), 'draw:object')}{odf_picture(c.file('html'), 'draw:floating-frame')}"
        f"{odf_picture(c.address('frame'), 'draw:floating-frame')}</text:p>"
    ),
    "svg.odt": lambda c: odt(
        f"<text:p>{odf_picture('Pictures/p.svg')}</text:p>", {"Pictures/p.svg": svg(c.file("png"))}
    ),
    "formula.ods": lambda c: ods(
        f"<table:table-cell table:formula=\"of:=['{c.file('csv')}'#$canary.A1]\"/>"
        f"<table:table-cell table:formula=\"of:=INDIRECT(&quot;'{c.file('csv')}'#$canary.A1&quot;)\"/>"
        f'<table:table-cell table:formula="of:=WEBSERVICE(&quot;{c.address("webservice")}&quot;)"/>'
        f'<table:table-cell table:formula="of:=WEBSERVICE(&quot;{c.file("txt")}&quot;)"/>'
    ),
    "table.ods": lambda c: ods(
        "",
        f'<table:table-source xlink:href="{c.file("csv")}" table:mode="copy-all" table:table-name="canary"/>',
    ),
    "picture.ods": lambda c: ods("", f"<table:shapes>{odf_picture(c.file('png'))}</table:shapes>"),
    "link.xlsx": _external_link,
    "query.xlsx": _web_query,
    "formula.xlsx": lambda c: xlsx(
        f'<c r="B1"><f>_xlfn.WEBSERVICE("{c.address("xlsx")}")</f></c>'
        f'<c r="C1"><f>INDIRECT("\'{c.file("csv")}\'#$canary.A1")</f></c>'
    ),
    "picture.xlsx": _picture_in_sheet,
    "picture.pptx": lambda c: pptx('r:link="rId2"', ("image", c.file("png"), True)),
    "split.rtf": lambda c: rtf(rtf_field(rf'{{INCL}}{{UDE\u80?ICTURE}} "{c.folder}/canary.png"')),
    "picture.odp": lambda c: odf(
        "presentation",
        f'<draw:page draw:name="p"><draw:frame svg:width="9cm" svg:height="2cm" svg:x="1cm" svg:y="9cm">'
        f"<draw:text-box><text:p>{VISIBLE}</text:p></draw:text-box></draw:frame>{odf_picture(c.file('png'))}</draw:page>",
    ),
}
"""References that can be cut, so that the rest is converted."""

REFUSED: Mapping[str, Callable[[Canary], bytes]] = {
    "picture.html": lambda c: html(f'<img src="{c.file("png")}" width=300 height=300>'),
    "address.html": lambda c: html(f'<img src="{c.address("html-picture.png")}">'),
    "style.html": lambda c: html("", f"<style>body {{ background: url({c.file('png')}) }}</style>"),
    "inline.html": lambda c: html(f"<p style=\"background-image: url('{c.file('png')}')\">x</p>"),
    "sheet.html": lambda c: html("", f'<link rel="stylesheet" href="{c.address("style.css")}">'),
    "section.html": lambda c: html(f'<div href="{c.file("txt")}">x</div>'),
    "frame.html": lambda c: html(f'<iframe src="{c.file("html")}" width=400 height=300></iframe>'),
    "object.html": lambda c: html(f'<object data="{c.file("html")}" width=400 height=300></object>'),
    "background.html": lambda c: html(f'<table background="{c.file("png")}"><tr><td>x</table>'),
    "base.html": lambda c: html('<img src="canary.png">', f'<base href="file://{c.folder}/">'),
    "refresh.html": lambda c: html("", f'<meta http-equiv="refresh" content="0; url={c.file("html")}">'),
    "workbook.xls": lambda c: html(
        f'<table><tr><td><img src="{c.file("png")}" width=300 height=300></table>'
    ),
    "utf16.html": lambda c: html(f'<img src="{c.file("png")}">').decode().encode("utf-16"),
    "field.rtf": lambda c: rtf(
        rtf_field(f'INCLUDEPICTURE "{c.folder}/canary.png" \\\\d')
        + rtf_field(f'INCLUDETEXT "{c.folder}/canary.txt"')
    ),
    "link.rtf": lambda c: rtf(r"{\object\objautlink\objw5000\objh5000{\*\objdata 01}{\result x}}"),
    "shape.rtf": lambda c: rtf(
        r"{\shp{\*\shpinst\shpleft0\shptop0\shpright3000\shpbottom3000{\sp{\sn shapeType}{\sv 75}}"
        rf"{{\sp{{\sn pibName}}{{\sv {c.file('png')}}}}}{{\sp{{\sn pibFlags}}{{\sv 10}}}}}}}}"
    ),
    "chunk.docx": lambda c: docx(
        '<w:altChunk r:id="rId1"/>',
        ("aFChunk", "chunk.html", False),
        more={"word/chunk.html": html(f'<img src="{c.file("png")}">')},
    ),
}

SANDBOXED: Mapping[str, Callable[[Canary], bytes]] = {
    "picture.svg": lambda c: svg(c.file("png")).encode(),
    "address.svg": lambda c: svg(c.address("svg.png")).encode(),
    "flat.fodt": lambda c: (
        f'<office:document {_ODF_NAMES} office:version="1.3" '
        'office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text>'
        f"<text:p>{VISIBLE}{odf_picture(c.file('png'))}{odf_picture(c.address('flat.png'))}</text:p>"
        "</office:text></office:body></office:document>"
    ).encode(),
}
"""Kinds of which nothing can be cut; .doc and .xls are made from these by LibreOffice."""
