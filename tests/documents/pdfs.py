"""PDF files written by hand: what programs do not write, or not as small."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from tests.documents.drawn import BARS

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"


def pdf(objects: Iterable[bytes]) -> bytes:
    """A file of these objects, numbered from 1; the first is the catalog."""
    out = b"%PDF-1.7\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"<</Size %d/Root 1 0 R>>" % (len(places) + 1)
    start = b"startxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer%s\n" % (len(places) + 1, table, trailer) + start


def stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    head = b"<<%s/Filter/FlateDecode/Length %d>>stream\n" % (entries, len(packed))
    return head + packed + b"\nendstream"


def marked(*sizes: tuple[float, float], entries: bytes = b"") -> bytes:
    """A page for each size in points, with the marks of ``tests.documents.drawn``."""
    count = len(sizes)
    kids = b" ".join(b"%d 0 R" % (3 + 2 * number) for number in range(count))
    objects = [CATALOG, b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count)]
    for number, (width, height) in enumerate(sizes):
        bars = b"".join(
            b"%f %f %f %f re f "
            % (left * width, (1 - bottom) * height, (right - left) * width, (bottom - top) * height)
            for left, top, right, bottom in BARS
        )
        box = b"/Type/Page/Parent 2 0 R/MediaBox[0 0 %f %f]/Contents %d 0 R" % (width, height, 4 + 2 * number)
        objects += [b"<<%s%s>>" % (box, entries), stream(bars)]
    return pdf(objects)


def lettered(size: float) -> bytes:
    """A page of A4 with a line in letters of ``size`` points."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    return pdf(
        [
            CATALOG,
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page,
            stream(b"BT /F %f Tf 72 700 Td (A line of small letters) Tj ET" % size),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


A4 = (595.0, 842.0)
