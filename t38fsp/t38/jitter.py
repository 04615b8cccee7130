"""How evenly the packets of the far end come."""

from __future__ import annotations

from t38fsp.t30.vocabulary import Modem
from t38fsp.t38.ifp import DataPacket, Packet
from t38fsp.t38.values import FieldType

_PACED = frozenset({FieldType.HDLC_DATA, FieldType.T4_NON_ECM_DATA})
_GAIN = 16
"""RFC 3550 6.4.1."""
_LONGEST = 1.0
"""Seconds; a longer break is no jitter, but a sender that paused."""


class JitterMeter:
    """Interarrival jitter (RFC 3550 6.4.1) of packets that carry no time of their own.

    A gateway sends the octets of a modem as they come in, so the packet behind *n* octets is due when their
    bits are over. HDLC adds stuffed bits, one for each 32 of random data, which are left out of account.
    """

    def __init__(self) -> None:
        self._number: int | None = None  # of the last data packet
        self._modem: Modem | None = None
        self._due = 0.0  # when the next one is
        self._mean = 0.0

    def hear(self, packet: Packet, number: int, arrived: float) -> int:
        """Take a packet with its number, which counts on beyond FFFF; return the mean deviation in ms."""
        data = packet.fields if isinstance(packet, DataPacket) else ()
        modem = packet.type.modem if isinstance(packet, DataPacket) else None
        if modem is None or len(data) != 1 or data[0].type not in _PACED:
            self._number = None
            return round(self._mean * 1000)
        deviation = arrived - self._due
        follows = self._number == number - 1 and self._modem is modem
        self._number, self._modem = number, modem
        self._due = arrived + len(data[0].data) * 8 / modem.rate
        if follows and abs(deviation) < _LONGEST:
            self._mean += (abs(deviation) - self._mean) / _GAIN
        return round(self._mean * 1000)
