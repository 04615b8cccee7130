"""Coded pages: which were requested, which have arrived, and which have failed."""

from __future__ import annotations

from dataclasses import replace

from t38fsp.t30.outputs import PageWanted
from t38fsp.t30.vocabulary import PageMode


class PageBuffer:
    """Holds the page on the line and the one after it."""

    def __init__(self) -> None:
        self._last_request = 0
        self._wanted: dict[int, PageWanted] = {}
        self._coded: dict[int, tuple[PageMode, bytes]] = {}
        self._unavailable: dict[int, str] = {}

    def want(self, index: int, mode: PageMode) -> PageWanted | None:
        """The request for a page that is neither available nor being coded."""
        if index in self._unavailable or self.get(index, mode) is not None:
            return None
        if any(wanted.index == index and _same_octets(wanted.mode, mode) for wanted in self._wanted.values()):
            return None
        # Only the latest request for a page counts: the rate has changed since an earlier one, whose
        # result is dropped.
        self._wanted = {number: wanted for number, wanted in self._wanted.items() if wanted.index != index}
        self._last_request += 1
        wanted = PageWanted(self._last_request, index, mode)
        self._wanted[wanted.request] = wanted
        return wanted

    def put(self, request: int, data: bytes) -> int | None:
        """Accept a coded page; returns its index, or None if it is no longer needed."""
        wanted = self._wanted.pop(request, None)
        if wanted is None:
            return None
        self._coded[wanted.index] = (wanted.mode, data)
        return wanted.index

    def fail(self, request: int, error: str) -> int | None:
        """A page cannot be coded; returns its index, or None if it is no longer needed."""
        wanted = self._wanted.pop(request, None)
        if wanted is None:
            return None
        self._unavailable[wanted.index] = error
        return wanted.index

    def get(self, index: int, mode: PageMode) -> bytes | None:
        """The page, if it is available for this mode."""
        coded = self._coded.get(index)
        return coded[1] if coded is not None and _same_octets(coded[0], mode) else None

    def error(self, index: int) -> str | None:
        """Why the page could not be coded, if that is known."""
        return self._unavailable.get(index)

    def drop(self, index: int) -> None:
        """Release the octets of a confirmed page."""
        self._coded.pop(index, None)

    def clear(self) -> None:
        self._coded.clear()
        self._wanted.clear()


def _same_octets(one: PageMode, other: PageMode) -> bool:
    """Whether a page coded for one mode is valid for the other: only fill depends on the rate."""
    if replace(one, bit_rate=other.bit_rate) != other:
        return False
    return one.bit_rate == other.bit_rate or one.scan_line_time == 0
