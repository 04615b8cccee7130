"""HTML for an office program: refused if it refers to anything, and written again.

Only known elements and attributes are written, so that what another parser would make of the rest does not
matter. Pictures are taken if they are in the page itself (``data:``).
"""

from __future__ import annotations

import codecs
import re
from html import escape
from html.parser import HTMLParser

from t38fsp.documents.office_xml import is_raster_address
from t38fsp.image.errors import DocumentError

MAX_HTML_OCTETS = 16 << 20
_MAX_TAG = 8 << 20
"""Characters of one tag: those with a picture in them are long."""
_CHUNK = 1 << 16


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS = words(
    "html head body title p br hr h1 h2 h3 h4 h5 h6 div span center blockquote pre code tt kbd samp var cite "
    "em strong b i u s strike del ins small big sub sup font ul ol li dl dt dd table caption colgroup col "
    "thead tbody tfoot tr th td img a address article section header footer main nav aside figure figcaption "
    "abbr q mark style"
)
_EMPTY = words("br hr img col")
_ATTRIBUTES = words(
    "align valign width height border cellpadding cellspacing colspan rowspan bgcolor color face size style "
    "class id dir lang nowrap span start type value alt title frame rules noshade clear"
)
_SKIPPED = words("script noscript template textarea select button")
"""Left out with what is in them. Others that are not known are left out, but not what is in them."""
_NAMES = words(
    "src href srcset background data poster action formaction codebase classid archive lowsrc dynsrc "
    "longdesc cite profile manifest xlink:href imagesrcset ping usemap"
)
"""Attributes that name a file or address."""
_STYLE_LOADS = re.compile(r"url\s*\(|@import|expression\s*\(|\\", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


def clean_html(data: bytes) -> str:
    """The page, with what can be shown without any other file. Raises DocumentError if it refers to one."""
    if len(data) > MAX_HTML_OCTETS:
        raise DocumentError(f"it has more than {MAX_HTML_OCTETS >> 20} MiB; save it as PDF")
    writer = _Writer()
    text = _decoded(data)
    for first in range(0, len(text), _CHUNK):
        writer.feed(text[first : first + _CHUNK])
        if len(writer.rawdata) > _MAX_TAG:
            raise DocumentError("it has a tag that does not end; save it again")
    writer.close()
    return '<!DOCTYPE html><meta charset="utf-8">' + "".join(writer.pieces)


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._skipped = 0
        self._style: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self._check(tag, name, value or "")
        if tag in _SKIPPED:
            self._skipped += 1
        elif self._skipped:
            return
        elif tag == "style":
            self._style = []
        elif tag in _ELEMENTS:
            kept = "".join(
                f' {name}="{escape(value or "")}"'
                for name, value in attrs
                if name in _ATTRIBUTES or (tag == "img" and name == "src")
            )
            self.pieces.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
        elif tag == "style" and self._style is not None:
            style = "".join(self._style)
            self._style = None
            if _STYLE_LOADS.search(style):
                raise _refers("its style sheet")
            # "<" has no place in a style sheet, and could end it.
            self.pieces.append(f"<style>{style.replace('<', '')}</style>")
        elif not self._skipped and tag in _ELEMENTS and tag not in _EMPTY:
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self._style.append(data)
        elif not self._skipped:
            self.pieces.append(escape(data, quote=False))

    def _check(self, tag: str, name: str, value: str) -> None:
        value = value.strip()
        if name == "style" and _STYLE_LOADS.search(value):
            raise _refers("a style")
        if name == "content" and tag == "meta" and "url" in value.lower():
            raise _refers(f"<{tag}>")
        if name not in _NAMES or value == "" or value.startswith("#"):
            return
        if tag in ("a", "area") and name in ("href", "ping"):
            return  # leads somewhere when it is clicked, which nobody does on paper
        if tag == "script" or (tag == "img" and is_raster_address(value)):
            return
        raise _refers(f"<{tag} {name}>")


def _refers(what: str) -> DocumentError:
    return DocumentError(
        f"{what} refers to another file or address; save it as PDF in the program that shows it"
    )


def _decoded(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    declared = _CHARSET.search(data[:4096])
    for encoding in (declared[1].decode("ascii") if declared else "utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")
