"""Splits a coded page into lines as it arrives: EOL, resynchronisation, and the end of the page.

It is lenient towards the far end:

* data before the first EOL are skipped unless they are a whole line;
* a line that does not decode to its width is bad, and decoding resumes at the next EOL (T.4 4.1.2); in MR the
  following lines are bad, too, up to the next one coded one-dimensionally (T.4 4.2.2);
* three consecutive EOL end the page, where RTC has six; two between lines count as a lost line;
* an MMR page ends with the first EOL of its EOFB (T.6 2.4.1.1), or where only zeros follow.

Memory is bounded by the longest plausible line, whatever arrives. ``ScanLineChecker`` counts what is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from t38fsp.t4.codes import EOL
from t38fsp.t4.scan_lines import (
    LOOKAHEAD,
    WHITE_LINE,
    Changes,
    ScanLineError,
    decode_1d,
    decode_2d,
    longest_line,
    to_bits,
)
from t38fsp.t30.vocabulary import Coding, PageQuality

MAX_ROWS = 40_000
"""Rows after which a page is cut: 2.5 m at the finest resolution, so anything longer is garbage."""

Line = Changes | None
"""A decoded line, or None for a bad one."""

_ZEROS = "0" * (len(EOL) - 1)
_PAD = "0" * LOOKAHEAD
_KEPT_FILL = 4 * len(EOL)


class ScanLineReader(ABC):
    """Yields the lines of one page; make it with :func:`line_reader`."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._bits = ""
        self._rows = 0
        self.ended = False
        """True after the end of the page (RTC, EOFB), or if the rest cannot be decoded."""

    def feed(self, data: bytes, after_gap: bool = False) -> list[Line]:
        """Process the next octets (``after_gap``: some before them were lost); return the lines they
        complete."""
        if self.ended:
            return []
        if after_gap:
            self._lose()
        self._bits += to_bits(data)
        return self._counted(self._split())

    def finish(self) -> list[Line]:
        """End of data; return the remaining lines."""
        if self.ended:
            return []
        lines = self._counted(self._rest())
        self.ended = True
        self._bits = ""
        return lines

    def _counted(self, lines: list[Line]) -> list[Line]:
        room = MAX_ROWS - self._rows
        self._rows += len(lines)
        if len(lines) > room:
            self.ended = True
            del lines[room:]
        if self.ended:
            self._bits = ""
        return lines

    @abstractmethod
    def _lose(self) -> None:
        """Octets were lost after those received so far."""

    @abstractmethod
    def _split(self) -> list[Line]:
        """Remove the complete lines from the front of ``_bits``."""

    @abstractmethod
    def _rest(self) -> list[Line]:
        """Remove the remaining lines from ``_bits`` at the end of the page."""


class _T4Reader(ScanLineReader):
    """MH and MR: lines between EOLs; in MR a tag bit after each EOL gives the coding of the next line."""

    def __init__(self, width: int, tagged: bool) -> None:
        super().__init__(width)
        self._tagged = tagged
        self._started = False
        self._two_dimensional = False
        self._reference: Line = WHITE_LINE
        self._damaged = False
        self._empty_lines = 0

    def _lose(self) -> None:
        self._damaged = True

    def _split(self) -> list[Line]:
        lines: list[Line] = []
        bits = self._bits
        tag_length = int(self._tagged)
        start = 0
        while not self.ended:
            zeros = bits.find(_ZEROS, start)
            one = bits.find("1", zeros + len(_ZEROS)) if zeros >= 0 else -1
            # The one of the EOL, or the tag after it, has not come yet.
            if one < 0 or one + tag_length >= len(bits):
                break
            # Earlier zeros are the end of the last code, or fill (T.4 4.1.3); only the last eleven are the
            # EOL.
            self._line(bits[start : one - len(_ZEROS)], lines)
            start = one + 1 + tag_length
            self._two_dimensional = self._tagged and bits[one + 1] == "0"
        self._bits = self._bounded(bits[start:])
        return lines

    def _bounded(self, bits: str) -> str:
        zeros = bits.find(_ZEROS)
        if (zeros if zeros >= 0 else len(bits)) > longest_line(self._width):
            self._damaged = True
            bits = bits[-len(EOL) :] if zeros < 0 else bits[zeros:]
            zeros = bits.find(_ZEROS)
        # Fill may last for minutes at a slow far end; a little of it is as good as all.
        if zeros >= 0 and "1" not in bits[zeros:]:
            bits = bits[: zeros + _KEPT_FILL]
        return bits

    def _line(self, text: str, lines: list[Line]) -> None:
        damaged, self._damaged = self._damaged, False
        if not self._started:
            self._started = True
            first = self._decode_1d(text)
            if first is not None:
                lines.append(first)
                self._reference = first
            return
        # EOL directly after EOL.
        if "1" not in text and not damaged:
            self._empty_lines += 1
            # Three EOL in a row, which one damaged line cannot look like.
            self.ended = self._empty_lines == 2
            return
        if self._empty_lines:
            self._empty_lines = 0
            self._add(None, lines)
        self._add(None if damaged else self._decode(text), lines)

    def _add(self, line: Line, lines: list[Line]) -> None:
        lines.append(line)
        self._reference = line

    def _decode(self, text: str) -> Line:
        if not self._two_dimensional:
            return self._decode_1d(text)
        if self._reference is None:
            return None
        try:
            line, end = decode_2d(text + _PAD, 0, self._reference, self._width)
        except ScanLineError:
            return None
        # What follows the last code may only be fill.
        return line if end <= len(text) and "1" not in text[end:] else None

    def _decode_1d(self, text: str) -> Line:
        try:
            line, end = decode_1d(text + _PAD, 0, self._width)
        except ScanLineError:
            return None
        return line if end <= len(text) and "1" not in text[end:] else None

    def _rest(self) -> list[Line]:
        lines: list[Line] = []
        if self._started and ("1" in self._bits or self._damaged):
            self._line(self._bits, lines)
        return lines


class _T6Reader(ScanLineReader):
    """MMR: lines without separators, each coded against the one above; nothing after an error can be
    decoded."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self._reference: Changes = WHITE_LINE
        self._lost = False

    def _lose(self) -> None:
        self._lost = True

    def _split(self) -> list[Line]:
        return self._lines(longest_line(self._width) + len(EOL))

    def _rest(self) -> list[Line]:
        self._bits += _PAD
        lines = self._lines(LOOKAHEAD)
        self.ended = True
        return lines

    def _lines(self, reserve: int) -> list[Line]:
        """Decode lines while more than ``reserve`` bits are left, so that each is complete."""
        lines: list[Line] = []
        if self._lost:
            self.ended = True
            return [None]
        bits, start = self._bits, 0
        last = len(bits) - reserve
        while start < last and len(lines) <= MAX_ROWS:
            if bits.startswith(EOL, start):
                self.ended = True
                break
            try:
                line, end = decode_2d(bits, start, self._reference, self._width)
                if end > last + reserve - LOOKAHEAD:
                    raise ScanLineError("the line is cut off")
            except ScanLineError:
                self.ended = True
                if "1" in bits[start:]:
                    lines.append(None)
                break
            lines.append(line)
            self._reference = line
            start = end
        self._bits = bits[start:]
        return lines


def line_reader(coding: Coding, width: int) -> ScanLineReader:
    """A reader for one page of this coding, ``width`` pixels wide."""
    if coding is Coding.MMR:
        return _T6Reader(width)
    return _T4Reader(width, tagged=coding is Coding.MR)


class ScanLineChecker:
    """Copy quality: counts the rows, bad rows and longest run of bad rows of one page. Makes no pixels.

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
