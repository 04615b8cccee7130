"""Cursors of lists: opaque text for clients, where the next page of a list begins for us."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, TypeVar

from fastapi import Query

from t38fsp.service.web.problems import invalid_field

T = TypeVar("T")

_LONGEST = 200

Limit = Annotated[int, Query(ge=1, le=200, description="Entries of a page.")]
Cursor = Annotated[str, Query(max_length=_LONGEST, description="`next` of the page before.")]


def read_cursor(cursor: str) -> tuple[float, str] | None:
    """Time and id of the last entry of the page before; None for the first page. Raises ProblemError."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time, id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        # json reads NaN and Infinity, too, with which a database compares nothing.
        if not isinstance(time, int | float) or not isfinite(time) or not isinstance(id, str):
            raise ValueError
        # NUL, and halves of a character, which no database takes.
        if not id.isprintable():
            raise ValueError
        return float(time), id
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise invalid_field("cursor", "it is not one of this list; begin without one") from None


def read_number(cursor: str) -> int | None:
    """The same for a list that is ordered by a number."""
    if not cursor:
        return None
    # isdigit alone takes digits of other scripts; 18 digits fit into the 64 bits of a column.
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise invalid_field("cursor", "it is not one of this list; begin without one")
    return int(cursor)


def next_cursor(found: Sequence[T], limit: int, place: Callable[[T], tuple[float, str]]) -> str | None:
    """The cursor after a page; None where the page is not full."""
    if len(found) < limit:
        return None
    # With the id, as times repeat. A float is read back exactly as it was, which the comparison needs.
    text = json.dumps(place(found[-1]), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
