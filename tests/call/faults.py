"""Faults that strike at a chosen moment of the fax, by what the caller's datagrams say."""

from __future__ import annotations

from sip.line import Address
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.virtual.network import Faults
from tests.call.harness import CALLER, SIP_PORT, Scene

_TRAINING = range(4, 16)
"""Values of t30-indicator for the fast modems; an indicator is one octet, the value shifted left by one."""
_HOLE = range(10, 30)
"""Packets of 30 ms: TCF has fifty of them, and a second in one piece proves the modem."""


class SpoiltTraining:
    """Loses the middle of the first ``bursts`` fast bursts of the caller, so that each TCF gets FTT.

    Make the scene with :meth:`faults_for`, then :meth:`watch` it.
    """

    def __init__(self, bursts: int) -> None:
        self._bursts = bursts
        self._seen = 0
        self._packets = 0
        self._last = b""

    def watch(self, scene: Scene) -> None:
        scene.taps.append(self._tap)

    def faults_for(self, source: Address, destination: Address) -> Faults:
        spoilt = 1 <= self._seen <= self._bursts and self._packets in _HOLE
        return Faults(loss=1.0 if spoilt and _is_fax(source, destination) else 0.0)

    def _tap(self, when: float, source: Address, destination: Address, data: bytes) -> None:
        if not _is_fax(source, destination) or data == self._last:
            return  # an indicator is sent three times, as the same datagram
        self._last = data
        try:
            primary = Datagram.parse(data).primary
        except UdptlError:
            return  # audio
        if len(primary) > 1:
            self._packets += 1
        elif primary[0] >> 1 in _TRAINING:
            self._seen += 1
            self._packets = 0


def _is_fax(source: Address, destination: Address) -> bool:
    return source[0] == CALLER and SIP_PORT not in (source[1], destination[1])
