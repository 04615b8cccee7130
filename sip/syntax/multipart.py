"""Bodies of several parts (RFC 2046 5.1), such as SIP-I sends: ISUP beside a session description."""

from __future__ import annotations

import re

from sip.syntax.errors import ParseError
from sip.syntax.headers import Headers, parse_params
from sip.syntax.message import parse_headers

_MAX_PARTS = 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")


def media_type(headers: Headers, default: str) -> str:
    """``type/subtype`` of the body, in lower case."""
    return (headers.get("Content-Type") or default).partition(";")[0].strip().lower()


def find_part(headers: Headers, body: bytes, wanted: str) -> bytes | None:
    """The content of the first part of that type in a multipart body; None without one."""
    if not media_type(headers, "").startswith("multipart/"):
        return None
    _, semicolon, params = (headers.get("Content-Type") or "").partition(";")
    try:
        boundary = parse_params(semicolon + params).get("boundary")
    except ParseError:
        return None
    # RFC 2046 5.1.1.
    if not boundary or len(boundary) > 70:
        return None
    delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary.encode("utf-8", "replace")))
    # What stands before the first delimiter is a preamble, to be ignored.
    for part in delimiter.split(body, maxsplit=_MAX_PARTS)[1:]:
        if part.startswith(b"--"):
            break
        head, content = _cut(part)
        if media_type(head, "text/plain") == wanted:
            return content
    return None


def _cut(part: bytes) -> tuple[Headers, bytes]:
    """Header fields and content of one part, which begins with the end of its delimiter line."""
    end = _HEAD_END.search(part)
    if end is None:
        return Headers(), b""
    _, _, lines = part[: end.start()].decode("utf-8", "replace").partition("\n")
    return parse_headers(lines)[0], part[end.end() :]
