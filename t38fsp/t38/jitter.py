"""Measures how evenly the packets of the far end arrive."""

from __future__ import annotations

from t38fsp.t30.vocabulary import Modem
from t38fsp.t38.ifp import DataPacket, Packet
from t38fsp.t38.udptl import Counters
from t38fsp.t38.values import FieldType

_PACED = frozenset({FieldType.HDLC_DATA, FieldType.T4_NON_ECM_DATA})
_GAIN = 16
"""RFC 3550 6.4.1."""
_LONGEST = 1.0
"""Seconds; a longer break is not jitter but a pause of the sender."""


class JitterMeter:
    """Interarrival jitter (RFC 3550 6.4.1) of packets without timestamps.

    A gateway sends the octets of a modem as they arrive, so the packet after *n* octets is due when their
    bits are over. Bits stuffed by HDLC, about one for each 32 of random data, are ignored.
    """

    def __init__(self, counters: Counters | None = None) -> None:
        self.counters = Counters() if counters is None else counters
        self._number: int | None = None  # of the last data packet
        self._modem: Modem | None = None
        self._due = 0.0  # when the next one is
        self._mean = 0.0
        self._greatest = 0.0  # of the mean

    def hear(self, packet: Packet, number: int, arrived: float) -> int:
        """Take a packet with its unwrapped number; return the mean deviation in ms."""
        data = packet.fields if isinstance(packet, DataPacket) else ()
        modem = packet.type.modem if isinstance(packet, DataPacket) else None
        if modem is None or len(data) != 1 or data[0].type not in _PACED:
            self._number = None
        else:
            self.hear_data(modem, len(data[0].data), number, arrived)
        return round(self._mean * 1000)

    def hear_data(self, modem: Modem, octets: int, number: int, arrived: float) -> None:
        """Take a packet that contains only ``octets`` octets of an HDLC frame or of a page."""
        if number - 1 == self._number and self._modem is modem:
            deviation = abs(arrived - self._due)
            # RFC 3550 6.4.1: the mean moves by a sixteenth of each deviation.
            if deviation < _LONGEST:
                self._mean = mean = self._mean + (deviation - self._mean) / _GAIN
                if mean > self._greatest:
                    self._greatest = mean
                    self.counters.jitter = round(mean * 1000)
        self._number, self._modem = number, modem
        self._due = arrived + octets * 8 / modem.rate
