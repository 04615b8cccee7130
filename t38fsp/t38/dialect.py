"""Which ASN.1 a peer really speaks.

Peers agree on a T38FaxVersion and some then send the other syntax. A packet that can be read in one of the
two only is evidence; so is one that makes sense in one of them only, as long as there is no better:

    C0 01 10 behind frame octets    1998 sig-end in mid-frame, 2002 fcs-OK
    B0 on a fast modem              1998 fcs-BAD with data, 2002 t4-non-ecm-data
"""

from __future__ import annotations

from t38fsp.t38.ifp import DataPacket, DataType, FieldType, IfpError, Packet, Syntax, parse

_CERTAIN = 3
"""So many packets in a row outvote what was certain before."""


class Dialect:
    """Reads packets in the syntax that the peer was found to use, which at first is the negotiated one."""

    def __init__(self, negotiated: Syntax) -> None:
        self.syntax = negotiated
        self._certain = False
        self._against = 0

    def read(self, ifp: bytes, *, in_frame: bool, padded: bool = False) -> Packet:
        """Parse a packet. ``in_frame`` says that octets of an HDLC frame wait for its end.

        Raises IfpError when it can be read in neither syntax.
        """
        try:
            packet = parse(ifp, self.syntax, padded=padded)
        except IfpError:
            packet = parse(ifp, self.syntax.other, padded=padded)
            self._against += 1
            if not self._certain or self._against >= _CERTAIN:
                self._turn(certain=True)
            return packet
        if self._certain or not isinstance(packet, DataPacket):
            self._against = 0
            return packet
        return self._weigh(packet, ifp, in_frame, padded)

    def _weigh(self, packet: DataPacket, ifp: bytes, in_frame: bool, padded: bool) -> Packet:
        try:
            other = parse(ifp, self.syntax.other, padded=padded)
        except IfpError:
            self._certain = True
            return packet
        if self.syntax is Syntax.Y1998 and _is_odd_1998(packet, in_frame):
            self._turn(certain=False)
            return other
        return packet

    def _turn(self, *, certain: bool) -> None:
        self.syntax = self.syntax.other
        self._certain = certain
        self._against = 0


def _is_odd_1998(packet: DataPacket, in_frame: bool) -> bool:
    first = packet.fields[0] if packet.fields else None
    if first is None:
        return False
    if first.type is FieldType.HDLC_SIG_END:
        return in_frame and packet.type is DataType.V21 and len(packet.fields) == 1
    return first.type is FieldType.HDLC_FCS_BAD and bool(first.data) and packet.type is not DataType.V21
