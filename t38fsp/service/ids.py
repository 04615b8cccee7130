"""Ids of what the service keeps: a letter for the kind, then 25 characters that sort by their time."""

from __future__ import annotations

import secrets
import time

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that is taken for a digit."""
_LENGTH = 25
_RANDOM_BITS = 77
"""Beside 48 bits of milliseconds: 125 bits are 25 characters."""


def new_id(kind: str) -> str:
    """An id such as ``j01jdxk…``; two that were made in one millisecond sort by chance."""
    # Time comes first, so that rows that are made one after the other are neighbours in the index.
    number = int(time.time() * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return kind + "".join(_LETTERS[number >> 5 * at & 31] for at in reversed(range(_LENGTH)))
