"""The log of a stand-in's calls, apart from all databases, and what must hold at every moment of it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


class CallLog:
    """Lines are appended whole, in the order in which things happened."""

    def __init__(self, path: Path, host: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._host = host

    def write(self, what: str, fax: str, number: str, page: int = 0) -> None:
        line = f"{time.monotonic():.3f} {self._host} {what} {fax} {number or '-'} {page}\n"
        os.write(self._descriptor, line.encode())


@dataclass
class Reading:
    """What a log shows. A call is up from ``dial`` to ``end``, or to the ``kill`` of its host."""

    most: int = 0
    """Calls at the same time."""
    doubled: list[str] = field(default_factory=list)
    """Numbers that were called while a call to them was up."""
    printed: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often a page of a fax arrived."""
    cut: int = 0
    """Calls that a kill ended."""
    again: list[float] = field(default_factory=list)
    """Seconds from a kill until the next call for a fax whose call it ended."""
    dialled: list[float] = field(default_factory=list)
    """When, by ``time.monotonic``."""
    left: int = 0
    """Calls that are still up at the end."""


def read(path: Path) -> Reading:
    found = Reading()
    up: dict[str, tuple[str, str]] = {}
    """Fax: host and number."""
    waiting: dict[str, float] = {}
    for at, host, what, fax, number, page in _lines(path):
        if what == "dial":
            found.dialled.append(at)
            if number in [each for _, each in up.values()]:
                found.doubled.append(number)
            up[fax] = (host, number)
            found.most = max(found.most, len(up))
            if fax in waiting:
                found.again.append(at - waiting.pop(fax))
        elif what == "page":
            found.printed[fax, page] += 1
        elif what == "end":
            up.pop(fax, None)
        elif what == "kill":
            cut = [each for each, (owner, _) in up.items() if owner == fax]
            found.cut += len(cut)
            for each in cut:
                del up[each]
                waiting[each] = at
    found.left = len(up)
    return found


def _lines(path: Path) -> Iterator[tuple[float, str, str, str, str, int]]:
    for line in path.read_text().splitlines():
        at, host, what, fax, number, page = line.split()
        yield float(at), host, what, fax, number, int(page)
