"""Quirks of how much a gateway takes at once, beyond which our packets are lost on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check


@dataclass(frozen=True, slots=True)
class MaxDatagram(Quirk):
    """Announces T38FaxMaxDatagram, and drops every datagram of ours that is longer.

    An endpoint that counts only the primary, or ignores the figure, loses all image data.
    """

    octets: int = 176
    name: ClassVar[str] = "max-datagram"
    excludes: ClassVar[frozenset[str]] = frozenset({"max-ifp"})

    def __post_init__(self) -> None:
        check(60 <= self.octets <= 1400, self.name, "60 to 1400 octets")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, parameters=replace(habits.parameters, max_datagram=self.octets))

    def datagram_in(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        # Audio before the switch has datagrams of 172 octets, to which the figure does not apply.
        if len(datagram) <= self.octets or looks_like_rtp(datagram):
            return (datagram,)
        gateway.note(self.name)
        return ()


# FaxBack's servers come with 72, which is a figure for the IFP packet.
@dataclass(frozen=True, slots=True)
class MaxIfp(Quirk):
    """Means the IFP packet by T38FaxMaxDatagram, and drops every longer packet of ours.

    An endpoint that fills the datagram with one packet loses all image data.
    """

    octets: int = 72
    name: ClassVar[str] = "max-ifp"

    def __post_init__(self) -> None:
        check(40 <= self.octets <= 1400, self.name, "40 to 1400 octets")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, parameters=replace(habits.parameters, max_datagram=self.octets))

    def ifp_in(self, octets: bytes, gateway: Gateway) -> Iterable[bytes]:
        if len(octets) <= self.octets:
            return (octets,)
        gateway.note(self.name)
        return ()


@dataclass(frozen=True, slots=True)
class OneField(Quirk):
    """Reads only the first field of a packet.

    An endpoint that packs the end of a frame after its data is never heard.
    """

    name: ClassVar[str] = "one-field"

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, DataPacket) and len(packet.fields) > 1:
            gateway.note(self.name)
            return (DataPacket(packet.type, packet.fields[:1]),)
        return (packet,)


QUIRKS: tuple[type[Quirk], ...] = (
    MaxDatagram,
    MaxIfp,
    OneField,
)
