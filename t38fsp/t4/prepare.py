"""Coded lines to the octets of the page's burst: fill for the minimum scan line time, RTC, EOFB.

Fill is added to MH and MR with octet-aligned EOL (T4Options bit 2), where every EOL ends with an octet of 01:
it is then a matter of whole octets of zeros before that octet. Only the first EOL, before which T.4 knows no
fill, begins with the burst: some machines refuse a page that begins with other bits (RTN).
"""

from __future__ import annotations

import math
from itertools import pairwise

from t38fsp.t4.codes import EOL
from t38fsp.t4.lines import to_bits
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
"""Bits of fill before the EOL in it; behind the first line they are fill as well."""


def eol_positions(data: bytes) -> list[int]:
    """Where in octet-aligned MH or MR data the octet 01 that ends an EOL is."""
    found: list[int] = []
    position = data.find(_LAST_OF_EOL, 1)
    while position >= 0:
        # With the low half of the octet before, eleven zeros and a one: no line holds that.
        if data[position - 1] & 0x0F == 0:
            found.append(position)
        position = data.find(_LAST_OF_EOL, position + 1)
    return found


def prepare_t4(lines: bytes, mode: PageMode) -> bytes:
    """The burst of an MH or MR page.

    ``lines`` begin with an octet-aligned EOL, hold one before each further line, and none at the end. A line,
    counted from behind the EOL before it to the end of its own EOL, takes ``mode.scan_line_time`` seconds or
    more at ``mode.bit_rate``. Raises ValueError when ``lines`` are not so.
    """
    if mode.coding is Coding.MMR:
        raise ValueError("an MMR page has neither fill nor RTC; give it an EOFB instead")
    ends = eol_positions(lines)
    if not ends or lines[: ends[0]].strip(b"\0"):
        raise ValueError("the coded lines do not begin with an octet-aligned EOL")
    shortest = math.ceil(math.ceil(mode.scan_line_time * mode.bit_rate) / 8)
    parts = [_ALIGNED_EOL]
    for before, end in pairwise([*ends, len(lines)]):
        length = end - before
        parts.append(lines[before + 1 : end])
        parts.append(bytes(max(0, shortest - length)))
        parts.append(_LAST_OF_EOL)
    # The EOL of the last line is the first one of RTC.
    parts[-1] = RTC[mode.coding]
    first_line = parts[0] + parts[1]
    parts[:2] = [(int.from_bytes(first_line) << _FILL_OF_ALIGNED).to_bytes(len(first_line))]
    return b"".join(parts)


def ends_with_eofb(data: bytes) -> bool:
    """Whether MMR data end with EOFB and padding, as the burst of an MMR page has to."""
    return to_bits(data.rstrip(b"\0")[-4:]).rstrip("0").endswith(EOL * 2)
