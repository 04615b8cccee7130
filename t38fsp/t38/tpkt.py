"""IFP packets on a TCP connection: TPKT (RFC 1006 6, RFC 2126 4.3), as T.38 has it.

A packet is 03, a reserved octet, the total length in sixteen bits, and one IFP packet. UDPTL, numbers and
redundancy are not needed over TCP. Some implementations omit TPKT and write IFP packets back to back, which
the first octet reveals: an IFP packet never begins with 03.
"""

from __future__ import annotations

from t38fsp.t38.ifp import Syntax

VERSION = 3
HEADER = 4
"""Octets."""
MAX_PACKET = 2048
"""Upper bound for the octets of one IFP packet; those of fax have a few hundred at most."""


class TpktError(ValueError):
    """The octets of the connection are not packets, so nothing after them can be read either."""


def wrap(ifp: bytes) -> bytes:
    """``ifp`` with its header. Raises TpktError above 65531 octets."""
    length = HEADER + len(ifp)
    if length > 0xFFFF:
        raise TpktError(f"{len(ifp)} octets are more than one TPKT carries")
    return bytes((VERSION, 0)) + length.to_bytes(2, "big") + ifp


class TpktReader:
    """Splits the octets of a connection into IFP packets; ``syntax`` matters only without TPKT."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._octets = bytearray()
        self._bare: bool | None = None

    @property
    def bare(self) -> bool:
        """The far end writes no TPKT, and so cannot read it either."""
        return self._bare is True

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets; returns the packets that are complete. Raises TpktError, which ends the use of the
        stream."""
        self._octets += octets
        if self._bare is None and self._octets:
            # Decided once, by the first octet: a stream does not change its form.
            self._bare = self._octets[0] != VERSION
        packets: list[bytes] = []
        while (end := self._end()) is not None:
            packet = bytes(self._octets[0 if self._bare else HEADER : end])
            del self._octets[:end]
            if packet:
                packets.append(packet)
        return packets

    def _end(self) -> int | None:
        """Where the first packet ends; None while it is incomplete."""
        octets = self._octets
        end = _ifp_size(octets, self._syntax) if self._bare else _tpkt_size(octets)
        if (len(octets) if end is None else end) > HEADER + MAX_PACKET:
            raise TpktError(f"a packet of more than {MAX_PACKET} octets is not a fax packet")
        return end if end is not None and end <= len(octets) else None


def _tpkt_size(octets: bytearray) -> int | None:
    if len(octets) < HEADER:
        return None
    if octets[0] != VERSION:
        raise TpktError(f"a TPKT of version {octets[0]}; there is only version {VERSION}")
    size = int.from_bytes(octets[2:HEADER], "big")
    if size < HEADER:
        raise TpktError(f"a TPKT of {size} octets is shorter than its header")
    return size


def _ifp_size(octets: bytearray, syntax: Syntax) -> int | None:
    """Octets of the IFP packet at the beginning, in PER as ``t38fsp.t38.ifp`` writes it."""
    if not octets:
        return None
    # The bits of the first octet: data follow, a data type and not an indicator, a type of the extension
    # list, which takes a second octet.
    at = 2 if octets[0] & 0x20 else 1
    # An indicator, or data without fields: nothing follows its type.
    if octets[0] & 0xC0 != 0xC0:
        return at
    if len(octets) <= at:
        return None
    bits = (at + 1) * 8
    for _ in range(octets[at]):
        at, used = divmod(bits, 8)
        if at >= len(octets):
            return None
        preamble = octets[at] << used
        # As in ``t38fsp.t38.ifp``: four bits of 1998, five or nine of 2002.
        bits += 4 if syntax is Syntax.Y1998 else 9 if preamble & 0x40 else 5
        if preamble & 0x80:
            at = -(-bits // 8)
            if len(octets) < at + 2:
                return None
            bits = (at + 3 + int.from_bytes(octets[at : at + 2], "big")) * 8
    return -(-bits // 8)
