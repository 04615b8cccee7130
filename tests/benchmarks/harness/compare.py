"""Whether faxes arrived as they were sent, dot by dot; libtiff by Pillow, nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from PIL import UnidentifiedImageError

from tests.peers import libtiff


def _dots(path: Path) -> tuple[bytes, ...]:
    return tuple(sha256(repr(page.size).encode() + page.tobytes()).digest() for page in libtiff.pages(path))


@lru_cache(maxsize=1024)
def dots_of_sent(path: Path) -> tuple[bytes, ...]:
    return _dots(path)


def identical(received: Iterable[Path], sent: Sequence[Path]) -> int:
    """How many of the received files are the same as one of those sent."""
    originals = {dots_of_sent(path) for path in sent}
    same = 0
    for path in received:
        try:
            same += _dots(path) in originals
        except (OSError, UnidentifiedImageError, AssertionError, SyntaxError):
            continue
    return same


def faxes_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tif"))
