"""Quirks of how frames and bursts end on the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax
from t38fsp.t38.values import FieldType, Indicator
from t38fsp.virtual.hooks import Gateway, Quirk
from t38fsp.virtual.quirks.signals import FRAME_ENDS, WITH_SIG_END, bare_field, only

_ENDS = frozenset({"wrong-sig-end", "separate-sig-end", "double-sig-end", "no-sig-end"})


class _HoldsLastData(Quirk, ABC):
    """Keeps the last octets of a frame back until it is known what ends it."""

    def __init__(self) -> None:
        self._held: DataPacket | None = None

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        held, self._held = self._held, None
        bare = bare_field(packet)
        # Only of the same modem: a repeated indicator or another burst may come between.
        if bare is not None and bare[1] in FRAME_ENDS and held is not None and held.type is bare[0]:
            return (self._joined(held, bare[1], gateway),)
        before = () if held is None else (held,)
        if isinstance(packet, DataPacket) and [each.type for each in packet.fields] == [FieldType.HDLC_DATA]:
            self._held = packet
            return before
        return (*before, packet)

    @abstractmethod
    def _joined(self, held: DataPacket, end: FieldType, gateway: Gateway) -> DataPacket:
        """Both in one packet."""


@dataclass(frozen=True, slots=True)
class DataInFcs(Quirk):
    """Puts the last octets of an HDLC frame into the fcs field (Cisco, Commetrex).

    An endpoint that ignores data there loses the end of each frame.
    """

    name: ClassVar[str] = "data-in-fcs"
    excludes: ClassVar[frozenset[str]] = frozenset({"combined-fields"})

    def stage(self, gateway: Gateway) -> Quirk:
        return _InFcs()


class _InFcs(_HoldsLastData):
    def _joined(self, held: DataPacket, end: FieldType, gateway: Gateway) -> DataPacket:
        gateway.note(DataInFcs.name)
        return DataPacket(held.type, (Field(end, held.fields[0].data),))


class Packing(Enum):
    """How a field without data is followed by another in the 2002 syntax."""

    STRICT = "strict"
    """At the next bit, as PER says."""
    LOOSE = "loose"
    """On an octet of its own, as many implementations do."""


@dataclass(frozen=True, slots=True)
class CombinedFields(Quirk):
    """Puts the end of a frame and the end of its burst into one packet with the last octets.

    In the 2002 syntax there are two codings of that, strict and loose; an endpoint that reads one as the
    other finds frames that were not sent, or the wrong end.
    """

    packing: Packing = Packing.LOOSE
    name: ClassVar[str] = "combined-fields"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Combined(self.packing)


class _Combined(_HoldsLastData):
    def __init__(self, packing: Packing) -> None:
        super().__init__()
        self._packing = packing

    def _joined(self, held: DataPacket, end: FieldType, gateway: Gateway) -> DataPacket:
        gateway.note(CombinedFields.name)
        # fcs-OK and hdlc-sig-end one by one: two fields without data in a row, which is where the two
        # readings differ.
        fields = [*held.fields, Field(WITH_SIG_END.get(end, end))]
        if end in WITH_SIG_END:
            fields.append(Field(FieldType.HDLC_SIG_END))
        return DataPacket(held.type, tuple(fields))

    def octets_out(self, octets: bytes, packet: ifp.Packet, gateway: Gateway) -> bytes:
        loose = self._packing is Packing.LOOSE and gateway.syntax is Syntax.Y2002
        if not loose or not isinstance(packet, DataPacket) or len(packet.fields) < 2:
            return octets
        head = ifp.data_header(packet.type) + bytes((len(packet.fields),))
        return head + b"".join(map(_loose, packet.fields))


def _loose(field: Field) -> bytes:
    """A field of the 2002 syntax that begins and ends with an octet."""
    if not field.data:
        # Presence, extension, three bits of type, and three bits of padding that strict PER does not have.
        return bytes((field.type.value << 3,))
    return bytes((0x80 | field.type.value << 3,)) + (len(field.data) - 1).to_bytes(2, "big") + field.data


@dataclass(frozen=True, slots=True)
class WrongSigEnd(Quirk):
    """Ends raw data with hdlc-sig-end, and HDLC with t4-non-ecm-sig-end (Mediatrix, after TCF).

    An endpoint that waits for the right one never detects the end of TCF.
    """

    name: ClassVar[str] = "wrong-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        match bare_field(packet):
            case (data_type, FieldType.T4_NON_ECM_SIG_END):
                gateway.note(self.name)
                return (only(data_type, FieldType.HDLC_SIG_END),)
            case (data_type, (FieldType.HDLC_FCS_OK_SIG_END | FieldType.HDLC_FCS_BAD_SIG_END) as end):
                gateway.note(self.name)
                return (
                    only(data_type, WITH_SIG_END[end]),
                    only(data_type, FieldType.T4_NON_ECM_SIG_END),
                )
        return (packet,)


@dataclass(frozen=True, slots=True)
class SeparateSigEnd(Quirk):
    """Ends a burst of HDLC with fcs-OK, and then hdlc-sig-end in a packet of its own.

    An endpoint that acts on fcs-OK-sig-end only never answers.
    """

    name: ClassVar[str] = "separate-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = bare_field(packet)
        if bare is None or bare[1] not in WITH_SIG_END:
            return (packet,)
        gateway.note(self.name)
        return only(bare[0], WITH_SIG_END[bare[1]]), only(bare[0], FieldType.HDLC_SIG_END)


# The form that spandsp's manual warns of; receivers have to bear it nevertheless (spandsp pull request 86).
@dataclass(frozen=True, slots=True)
class DoubleSigEnd(Quirk):
    """Sends hdlc-sig-end although fcs-OK-sig-end has ended the burst already.

    An endpoint that takes it for another burst reports a frame that was not sent, or stops.
    """

    name: ClassVar[str] = "double-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = bare_field(packet)
        if bare is None or bare[1] not in WITH_SIG_END:
            return (packet,)
        gateway.note(self.name)
        return packet, only(bare[0], FieldType.HDLC_SIG_END)


# What ends a burst is then no-signal, or the next indicator.
@dataclass(frozen=True, slots=True)
class NoSigEnd(Quirk):
    """Ends no burst with a sig-end, only with no-signal.

    An endpoint that waits for the sig-end never answers.
    """

    name: ClassVar[str] = "no-sig-end"
    excludes: ClassVar[frozenset[str]] = (_ENDS - {name}) | {"no-no-signal"}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = bare_field(packet)
        if bare is None:
            return (packet,)
        data_type, end = bare
        if end in WITH_SIG_END:
            gateway.note(self.name)
            return (only(data_type, WITH_SIG_END[end]),)
        if end is FieldType.T4_NON_ECM_SIG_END:
            gateway.note(self.name)
            return ()
        return (packet,)


@dataclass(frozen=True, slots=True)
class NoNoSignal(Quirk):
    """Never sends no-signal.

    An endpoint that waits for silence never answers, or never starts.
    """

    name: ClassVar[str] = "no-no-signal"

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if packet == IndicatorPacket(Indicator.NO_SIGNAL):
            gateway.note(self.name)
            return ()
        return (packet,)


QUIRKS: tuple[type[Quirk], ...] = (
    DataInFcs,
    CombinedFields,
    WrongSigEnd,
    SeparateSigEnd,
    DoubleSigEnd,
    NoSigEnd,
    NoNoSignal,
)
