"""Detects which ASN.1 syntax a peer really uses.

Peers agree on a T38FaxVersion, and some then send the other syntax. A packet that is valid in only one of the
two is evidence. Until there is one, so is what makes sense only in the other syntax:

    B0 on a fast modem                      1998 fcs-BAD with data, 2002 t4-non-ecm-data
    C0 01 10 in mid-frame, then more data   1998 sig-end, 2002 fcs-OK
    C0 01 10 in mid-frame, once more        no carrier is cut off time and again
    C0 01 20, then C0 01 10                 1998 fcs-OK and sig-end, 2002 the end of a burst and of a frame

A peer may also understand only one syntax, and ignore the other silently. So a sender that gets no response
at all alternates the syntax (:meth:`Dialect.doubt`), until there is evidence.
"""

from __future__ import annotations

from t38fsp.t38.ifp import DataPacket, Field, IfpError, Packet, Syntax, parse
from t38fsp.t38.values import DataType, FieldType

_FRAME_END = DataPacket(DataType.V21, (Field(FieldType.HDLC_FCS_OK),))
_SIG_END = DataPacket(DataType.V21, (Field(FieldType.HDLC_SIG_END),))

_CERTAIN = 3
"""Consecutive packets in the other syntax that overrule earlier evidence."""
_TOO_MANY = 2


class Dialect:
    """Reads packets in the syntax that the peer was found to use, initially the negotiated one."""

    def __init__(self, negotiated: Syntax) -> None:
        self.syntax = negotiated
        self._certain = False
        self._against = 0
        self._suspected = False  # the last packet ended a carrier in mid-frame
        self._cut_frames = 0  # how many packets did
        self._last: Packet | None = None

    def doubt(self) -> None:
        """There is no response: change to the other syntax, unless this one is certain."""
        if not self._certain:
            self._turn(certain=False)

    def read(self, ifp: bytes, *, in_frame: bool, padded: bool = False) -> Packet:
        """Parse a packet. ``in_frame``: an HDLC frame has begun and not ended.

        Raises IfpError when the packet is valid in neither syntax.
        """
        try:
            packet = parse(ifp, self.syntax, padded=padded)
        except IfpError:
            packet = parse(ifp, self.syntax.other, padded=padded)
            self._against += 1
            # One odd packet may be damaged (parity repair guesses lengths); three in a row are the
            # peer's syntax.
            if not self._certain or self._against >= _CERTAIN:
                self._turn(certain=True)
            return packet
        if self._certain or not isinstance(packet, DataPacket):
            self._against = 0
            self._suspected = False
            return packet
        return self._weigh(packet, ifp, in_frame, padded)

    def note_frame_data(self) -> None:
        """Octets of an HDLC frame came in mid-burst; both syntaxes write them alike.

        They are evidence only after a sig-end, which the packet before was not.
        """
        if self._certain:
            self._against = 0
        self._last = None

    def _weigh(self, packet: DataPacket, ifp: bytes, in_frame: bool, padded: bool) -> Packet:
        try:
            other = parse(ifp, self.syntax.other, padded=padded)
        except IfpError:
            self._certain = True
            return packet
        in_1998, last = (packet if self.syntax is Syntax.Y1998 else other), self._last
        self._last = in_1998
        # In the 2002 reading this would be a carrier that ends twice, which no sender writes.
        if in_1998 == _SIG_END and last == _FRAME_END:
            if self.syntax is not Syntax.Y1998:
                self._turn(certain=False)
            self._certain = True
            return in_1998
        first = packet.fields[0].type if packet.fields else None
        v21 = packet.type is DataType.V21
        suspected = self._suspected and v21 and first is FieldType.HDLC_DATA
        self._suspected = v21 and in_frame and first is FieldType.HDLC_SIG_END
        self._cut_frames += self._suspected
        suspected |= self._suspected and self._cut_frames >= _TOO_MANY
        if self.syntax is Syntax.Y1998 and (
            suspected or (not v21 and first is FieldType.HDLC_FCS_BAD and packet.fields[0].data)
        ):
            self._turn(certain=False)
            return other
        return packet

    def _turn(self, *, certain: bool) -> None:
        self.syntax = self.syntax.other
        self._certain = certain
        self._against = self._cut_frames = 0
        self._suspected = False
