"""Turns coded lines into the octets of a page's burst: fill for the minimum scan line time, RTC, EOFB.

Fill is added to MH and MR with octet-aligned EOL (T4Options bit 2), where every EOL ends with an octet of 01,
so fill is whole octets of zeros before that octet. The first EOL is shifted to the very beginning of the
burst: T.4 does not define fill before it, and some machines refuse (RTN) a page that begins with other bits.
"""

from __future__ import annotations

import math
from itertools import pairwise

from t38fsp.t4.codes import EOL
from t38fsp.t4.scan_lines import to_bits
from t38fsp.t30.vocabulary import Coding, PageMode

_EOLS_IN_RTC = 6


def _octets(bits: str) -> bytes:
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return int(padded, 2).to_bytes(len(padded) // 8)


RTC: dict[Coding, bytes] = {
    Coding.MH: _octets(EOL * _EOLS_IN_RTC),
    Coding.MR: _octets((EOL + "1") * _EOLS_IN_RTC),
}
"""Return to control (T.4 4.1.4, 4.2.4.1), padded to whole octets."""

EOFB = _octets(EOL * 2)
"""End of facsimile block (T.6 2.4.1.1)."""

_LAST_OF_EOL = b"\x01"
_ALIGNED_EOL = b"\x00\x01"
_FILL_OF_ALIGNED = 4
"""Fill bits before the EOL in these octets; the shift moves them after the first line, where they are fill,
too."""


def eol_positions(data: bytes) -> list[int]:
    """Positions of the octets 01 that end an EOL in octet-aligned MH or MR data."""
    found: list[int] = []
    position = data.find(_LAST_OF_EOL, 1)
    while position >= 0:
        # With the low half of the octet before: eleven zeros and a one, which no line contains.
        if data[position - 1] & 0x0F == 0:
            found.append(position)
        position = data.find(_LAST_OF_EOL, position + 1)
    return found


def prepare_t4(lines: bytes, mode: PageMode) -> bytes:
    """Make the burst of an MH or MR page.

    ``lines`` must begin with an octet-aligned EOL, have one before each further line, and none at the end. In
    the result a line with the EOL after it takes at least ``mode.scan_line_time`` seconds at
    ``mode.bit_rate``. Raises ValueError for MMR or malformed ``lines``.
    """
    if mode.coding is Coding.MMR:
        raise ValueError("an MMR page has neither fill nor RTC; append EOFB instead")
    ends = eol_positions(lines)
    if not ends or lines[: ends[0]].strip(b"\0"):
        raise ValueError("the coded lines do not begin with an octet-aligned EOL")
    # Rounded up to whole octets; the longest time that T.4 4.1.3 allows, 5 s, is far away.
    shortest = math.ceil(math.ceil(mode.scan_line_time * mode.bit_rate) / 8)
    parts = [_ALIGNED_EOL]
    for before, end in pairwise([*ends, len(lines)]):
        length = end - before
        parts.append(lines[before + 1 : end])
        parts.append(bytes(max(0, shortest - length)))
        parts.append(_LAST_OF_EOL)
    # The EOL after the last line is the first of the six in RTC (T.4 4.1.4).
    parts[-1] = RTC[mode.coding]
    first_line = parts[0] + parts[1]
    parts[:2] = [(int.from_bytes(first_line) << _FILL_OF_ALIGNED).to_bytes(len(first_line))]
    return b"".join(parts)


def ends_with_eofb(data: bytes) -> bool:
    """Whether MMR data end with EOFB and padding, as required in the burst of an MMR page."""
    # 24 bits of EOFB at any bit position are within four octets.
    return to_bits(data.rstrip(b"\0")[-4:]).rstrip("0").endswith(EOL * 2)


def without_padding(data: bytes) -> bytes:
    """MMR data up to EOFB, with zeros in the rest of its last octet; unchanged if they do not end so.

    T.6 2.4.1.2 pads with zeros, but libspandsp, and with it much fax software, with ones.
    """
    rest = data.rstrip(b"\0")
    tail = to_bits(rest[-4:])
    start = tail.rfind(EOL * 2)
    padding = len(tail) - start - 2 * len(EOL)
    if start < 0 or padding > 7:
        return data
    return rest[:-1] + bytes([rest[-1] >> padding << padding])
