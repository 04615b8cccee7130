"""Copy quality: counts the good and bad lines of a page as it arrives."""

from __future__ import annotations

from t38fsp.t4.reader import Line, line_reader
from t38fsp.t30.vocabulary import Coding, PageQuality


class ScanLineChecker:
    """Counts the rows, bad rows and longest run of bad rows of one page, without producing pixels.

    The work per octet is small enough for the event loop. MMR is used with ECM, which leaves nothing to
    check; it can be counted, too, at several times the cost.
    """

    def __init__(self, coding: Coding, width: int) -> None:
        self._reader = line_reader(coding, width)
        self._rows = 0
        self._bad_rows = 0
        self._longest_bad_run = 0
        self._bad_run = 0

    @property
    def ended(self) -> bool:
        """RTC or EOFB was seen; octets after it are ignored."""
        return self._reader.ended

    def feed(self, data: bytes, after_gap: bool = False) -> None:
        """Process the next octets of the page; ``after_gap`` is true if octets just before them were lost."""
        self._count(self._reader.feed(data, after_gap))

    def finish(self) -> PageQuality:
        """The carrier has ended: count the rest and return the result."""
        self._count(self._reader.finish())
        return PageQuality(self._rows, self._bad_rows, self._longest_bad_run)

    def _count(self, lines: list[Line]) -> None:
        self._rows += len(lines)
        for line in lines:
            if line is None:
                self._bad_rows += 1
                self._bad_run += 1
                self._longest_bad_run = max(self._longest_bad_run, self._bad_run)
            else:
                self._bad_run = 0
