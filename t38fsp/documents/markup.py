"""HTML for an office program: refused if it refers to anything, and written again.

Only known elements and attributes are written, so that what another parser would make of the rest does not
matter. Pictures are taken if they are in the page itself (``data:``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html import escape, unescape

from sip.frozen import dataclass
from t38fsp.documents.office_xml import is_raster_address
from t38fsp.image.errors import DocumentError

MAX_HTML_OCTETS = 16 << 20


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A list of what is allowed: elements that HTML gains later are left out until they are known here.
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
_NAMES = words("src href srcset background data poster codebase classid archive lowsrc dynsrc xlink:href")
"""Attributes that name a file or address from which something is shown."""
# Possessive quantifiers (*+) do not backtrack, so that hostile input costs no more than its length.
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_ATTRIBUTE = re.compile(
    r"""[\s/]*+([^\s/>][^\s/>=]*+)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?+)?+"""
)
_TAG_END = re.compile(r"[\s/]*+>")
_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
# A backslash could spell any of these words in another way (CSS escapes), so it is refused as well.
_STYLE_LOADS = re.compile(r"url\s*\(|@import|expression\s*\(|\\", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


def clean_html(data: bytes) -> str:
    """The page, with what can be shown without any other file. Raises DocumentError if it refers to one."""
    if len(data) > MAX_HTML_OCTETS:
        raise DocumentError(f"it has more than {MAX_HTML_OCTETS >> 20} MiB; save it as PDF")
    pieces = ['<!DOCTYPE html><meta charset="utf-8">']
    skipped = 0
    for token in _tokens(_decoded(data)):
        match token:
            case str():
                if not skipped:
                    # Written anew, so that an entity has one reading only.
                    pieces.append(escape(unescape(token), quote=False))
            case _Tag(name, attributes, is_end, raw):
                _check(name, attributes)
                if name in _SKIPPED:
                    # The content of a script is not markup, and is in the same token.
                    skipped = skipped if name == "script" else max(0, skipped + (-1 if is_end else 1))
                elif not skipped and name in _ELEMENTS:
                    pieces.append(_written(token))
                    if name == "style":
                        pieces.append(_style(raw))
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Tag:
    name: str
    attributes: tuple[tuple[str, str], ...]
    is_end: bool = False
    raw: str = ""
    """The content of a script or style sheet, up to its end."""


def _tokens(text: str) -> Iterator[str | _Tag]:
    """Text and tags, in time proportional to the length; ``html.parser`` takes its square for comments and
    tags that do not end. What does not end is left out with all that follows, as by a browser."""
    place = 0
    while (start := text.find("<", place)) >= 0:
        if start > place:
            yield text[place:start]
        opening = _TAG.match(text, start)
        if opening is None:
            # A "<" that begins no tag is text, as in "a < b".
            if text[start + 1 : start + 2] not in ("!", "?", "/"):
                yield "<"
                place = start + 1
                continue
            closing = "-->" if text.startswith("<!--", start) else ">"
            if (end := text.find(closing, start + 2)) < 0:
                return
            place = end + len(closing)
            continue
        name = opening[2].lower()
        attributes = []
        place = opening.end()
        while found := _ATTRIBUTE.match(text, place):
            value = found[2] or ""
            attributes.append((found[1].lower(), unescape(value[1:-1] if value[:1] in ("'", '"') else value)))
            place = found.end()
        closed = _TAG_END.match(text, place)
        if closed is None:
            return
        place = closed.end()
        raw = ""
        # In these elements there are no tags (HTML, raw text): they end with their own end tag only.
        if name in _RAW and not opening[1]:
            end_tag = _RAW[name].search(text, place)
            begin, place = place, end_tag.start() if end_tag is not None else len(text)
            raw = text[begin:place]
        yield _Tag(name, tuple(attributes), bool(opening[1]), raw)
    yield text[place:]


def _written(tag: _Tag) -> str:
    if tag.is_end:
        return "" if tag.name in _EMPTY else f"</{tag.name}>"
    kept = "".join(
        f' {name}="{escape(value)}"'
        for name, value in tag.attributes
        if name in _ATTRIBUTES or (tag.name == "img" and name == "src")
    )
    return f"<{tag.name}{kept}>"


def _style(sheet: str) -> str:
    if _STYLE_LOADS.search(sheet):
        raise _refers("its style sheet")
    return sheet.replace("<", "")  # which has no place in a style sheet, and could end it


def _check(tag: str, attributes: tuple[tuple[str, str], ...]) -> None:
    """Raises DocumentError if a part of what the page shows would be missing or another one."""
    # Reversed, as the first of two attributes of the same name counts in HTML.
    given = {name: value.strip() for name, value in reversed(attributes)}
    if any(name == "style" and _STYLE_LOADS.search(value) for name, value in attributes):
        raise _refers("a style")
    if (
        tag == "meta"
        and given.get("http-equiv", "").lower() == "refresh"
        and "url" in given.get("content", "").lower()
    ):
        raise _refers("<meta>")
    if tag in ("a", "area", "base", "script") or (
        tag == "link" and "stylesheet" not in given.get("rel", "").lower()
    ):
        return  # leads somewhere only when it is clicked, or is left out
    for name, value in attributes:
        value = value.strip()
        if name in _NAMES and value and not value.startswith("#"):
            if tag == "img" and is_raster_address(value):
                continue
            raise _refers(f"<{tag} {name}>")


def _refers(what: str) -> DocumentError:
    return DocumentError(
        f"{what} refers to another file or address; save it as PDF in the program that shows it"
    )


def _decoded(data: bytes) -> str:
    # A byte order mark goes before a declaration, and without either browsers read Windows-1252.
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
    # In which every octet is a character: nothing is left that could not be read.
    return data.decode("latin-1")
