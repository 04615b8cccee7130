"""What is known of a received fax, as plain data: for a sidecar, for a command, for a PDF, for a name.

The facts are those that ``t38fsp receive --json`` prints, so a mapping of JSON. While a fax is received they
are in a file (spool.py), which another program may have changed: nothing here relies on their types.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from string import Formatter
from typing import Any

from sip.logs import printable
from sip.syntax.errors import ParseError
from sip.syntax.uri import parse_uri
from sip.values import DialogId
from t38fsp.results import FaxResult

FaxFacts = Mapping[str, Any]

PARTIAL = "-partial"
"""End of the name of a fax of which pages may be missing."""

_MOST_IN_FIELD = 60
_MOST_IN_NAME = 200
"""Octets; a file system takes 255, and suffixes follow."""
_MOST_IN_VARIABLE = 500
_KEPT = frozenset("+-_.@=,~")
"""What stays in a field of a name beside letters, marks and digits of any script."""
_NOTHING = "none"
"""Stands for an empty field in a name."""


def to_json(value: object) -> object:
    """Plain JSON types of results, of what is in them, and of files."""
    if isinstance(value, DialogId | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value


def of_result(result: FaxResult) -> dict[str, Any]:
    """The facts of a fax that is over."""
    facts = to_json(result)
    assert isinstance(facts, dict)
    return facts | {"completed": result.completed, "pages_confirmed": result.pages_confirmed}


def is_complete(facts: FaxFacts) -> bool:
    return facts.get("completed") is True


def address(facts: FaxFacts, key: str) -> str:
    """Number or name of the party whose URI is the fact ``key``; its host if it has neither."""
    text = _text(facts, key)
    try:
        uri = parse_uri(text)
    except ParseError:
        return text
    return uri.user or uri.host


def file_name(template: str, facts: FaxFacts) -> str:
    """A name without suffix, whatever the facts are: no folder, no hidden file, at most 200 octets."""
    values = _name_values(facts)
    parts = []
    for literal, field, _, _ in Formatter().parse(template):
        parts += [literal, "" if field is None else _in_name(values.get(field, ""))]
    if not is_complete(facts):
        parts.append(PARTIAL)
    name = "".join(parts)
    end = PARTIAL if name.endswith(PARTIAL) else ""
    # By octets, as file systems count; a character that is cut in two is left out.
    whole = name.removesuffix(end).encode()[: _MOST_IN_NAME - len(end)].decode(errors="ignore")
    # No hidden file, no option of a command line, and none of the endings that Windows cannot have.
    return (whole.lstrip(".-").rstrip(". ") or "fax") + end


def _name_values(facts: FaxFacts) -> dict[str, str]:
    try:
        began = datetime.fromisoformat(_text(facts, "began"))
    except ValueError:
        began = None
    return {
        "date": f"{began:%Y%m%d}" if began else "",
        "time": f"{began:%H%M%S}" if began else "",
        "caller": address(facts, "caller"),
        "called": address(facts, "called"),
        "csi": _text(facts, "remote_id"),
        "subaddress": _text(facts, "sub_address"),
        "job": _text(facts, "job").rjust(4, "0"),
    }


def _in_name(value: str) -> str:
    """``value`` with an underline for each run of characters that may mean something to a program."""
    # One form of each letter: the same caller gives the same name.
    # Cut before it is normalised, which takes time for what may be a long text of a caller.
    value = unicodedata.normalize("NFC", value[: 4 * _MOST_IN_FIELD]).replace("..", " ")
    kept = (char if char in _KEPT or unicodedata.category(char)[0] in "LMN" else " " for char in value)
    return "_".join("".join(kept).split())[:_MOST_IN_FIELD] or _NOTHING


def information(facts: FaxFacts) -> dict[str, str]:
    """For a PDF."""
    caller, station = address(facts, "caller"), _text(facts, "remote_id")
    return {
        "Title": f"Fax from {station or caller or 'an unknown caller'}",
        "Author": _text(facts, "caller_name") or station or caller,
        "Subject": "" if is_complete(facts) else "Partial: pages may be missing",
        "Producer": "t38fsp",
        "Caller": _text(facts, "caller"),
        "Called": _text(facts, "called"),
        "StationID": station,
        "Subaddress": _text(facts, "sub_address"),
        "SenderID": _text(facts, "sender_id"),
        "Received": _text(facts, "began"),
    }


def environment(facts: FaxFacts) -> dict[str, str]:
    """Variables for a command, without those of the files. Their values are printable."""
    variables = {
        "FAX_JOB": _text(facts, "job"),
        "FAX_CALLER": _text(facts, "caller"),
        "FAX_CALLER_NUMBER": address(facts, "caller"),
        "FAX_CALLER_NAME": _text(facts, "caller_name"),
        "FAX_CALLED": _text(facts, "called"),
        "FAX_CALLED_NUMBER": address(facts, "called"),
        "FAX_ROUTE": _text(facts, "route"),
        "FAX_STATION_ID": _text(facts, "remote_id"),
        "FAX_SUBADDRESS": _text(facts, "sub_address"),
        "FAX_SENDER_ID": _text(facts, "sender_id"),
        "FAX_BEGAN": _text(facts, "began"),
        "FAX_ENDED": _text(facts, "ended"),
        "FAX_PAGES": _text(facts, "pages_confirmed"),
        "FAX_COMPLETE": "1" if is_complete(facts) else "0",
        "FAX_STATUS": _text(facts, "status"),
        "FAX_REASON": _text(facts, "reason"),
    }
    # The environment takes no NUL, and a script must not meet line ends that a caller has chosen.
    return {name: printable(value)[:_MOST_IN_VARIABLE] for name, value in variables.items()}


def _text(facts: FaxFacts, key: str) -> str:
    value = facts.get(key)
    return "" if value is None or isinstance(value, dict | list) else str(value)
