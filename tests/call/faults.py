"""Faults that strike at a chosen moment of the fax, by what the caller's datagrams say."""

from __future__ import annotations

from collections.abc import Container

from sip.values import Address
from t38fsp.t38.ifp import DataPacket, Syntax, parse
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.t38.values import FieldType
from t38fsp.virtual.network import Faults
from tests.call.harness import CALLER, SIP_PORT, Scene

_TRAINING = range(4, 16)
"""Values of t30-indicator for the fast modems; an indicator is one octet, the value shifted left by one."""

MIDDLE_OF_TCF = range(10, 30)
"""Packets of 30 ms: TCF has fifty of them, and a second in one piece proves the modem."""


class LostPackets:
    """Loses some packets of some fast bursts of the caller, and their copies in the packets lost with them.

    Bursts count from 1, and TCF is one; packets count from 0 at the end of the training. Make the scene with
    :meth:`faults_for`, then :meth:`watch` it.
    """

    def __init__(self, bursts: Container[int], packets: Container[int]) -> None:
        self._bursts = bursts
        self._packets = packets
        self._burst = 0
        self._packet = -1
        self._last = b""
        self.lost = 0
        self.ends: list[int] = []
        """Numbers of the packets that ended a page without ECM, lost or not."""

    def watch(self, scene: Scene) -> None:
        scene.taps.append(self._tap)

    def faults_for(self, source: Address, destination: Address) -> Faults:
        strikes = self._burst in self._bursts and self._packet in self._packets
        if strikes and _is_fax(source, destination):
            self.lost += 1
            return Faults(loss=1.0)
        return Faults()

    def _tap(self, when: float, source: Address, destination: Address, data: bytes) -> None:
        if not _is_fax(source, destination) or data == self._last:
            return  # an indicator is sent three times, as the same datagram
        self._last = data
        try:
            primary = Datagram.parse(data).primary
        except UdptlError:
            return  # audio
        if primary[0] >> 1 in _TRAINING and len(primary) == 1:
            self._burst += 1
            self._packet = -1
        else:
            self._packet += 1
            packet = parse(primary, Syntax.Y1998)
            if isinstance(packet, DataPacket) and packet.fields[-1].type is FieldType.T4_NON_ECM_SIG_END:
                self.ends.append(self._packet)


def _is_fax(source: Address, destination: Address) -> bool:
    return source[0] == CALLER and SIP_PORT not in (source[1], destination[1])
