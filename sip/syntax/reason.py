"""The Reason header (RFC 3326): why a request ends a call."""

from __future__ import annotations

import re

from sip.logs import printable
from sip.syntax.errors import ParseError
from sip.syntax.headers import Headers, parse_params, quote_string

NORMAL_CLEARING = 16
"""Q.850 cause of an ordinary end."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_MAX_TEXT = 200


def reason_header(text: str) -> tuple[str, str]:
    """A Reason with the cause "normal clearing" and this text; invalid characters become a blank."""
    clean = _UNPRINTABLE.sub(" ", text)[:_MAX_TEXT]
    return "Reason", f"Q.850;cause={NORMAL_CLEARING};text={quote_string(clean)}"


def reason_text(headers: Headers) -> str | None:
    """The first text of the Reason header fields, made printable; None without one."""
    for value in headers.get_all("Reason"):
        _, semicolon, params = value.partition(";")
        try:
            text = parse_params(semicolon + params).get("text")
        except ParseError:
            continue
        if text:
            return printable(text)
    return None
