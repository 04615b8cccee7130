"""Quirks of the IFP packets that a gateway sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket, Syntax
from t38fsp.t38.values import DataType, FieldType, Indicator
from t38fsp.virtual.points import Gateway, Habits, Moment, Quirk
from t38fsp.virtual.quirks.errors import check

_FRAME_ENDS = frozenset(
    {
        FieldType.HDLC_FCS_OK,
        FieldType.HDLC_FCS_BAD,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
    }
)
_WITH_SIG_END = {
    FieldType.HDLC_FCS_OK_SIG_END: FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_BAD_SIG_END: FieldType.HDLC_FCS_BAD,
}
_ENDS = frozenset({"wrong-sig-end", "separate-sig-end", "double-sig-end", "no-sig-end"})


def _bare(packet: ifp.Packet) -> tuple[DataType, FieldType] | None:
    """Type and field of a packet that ends something, and says nothing else."""
    if isinstance(packet, DataPacket) and len(packet.fields) == 1 and not packet.fields[0].data:
        return packet.type, packet.fields[0].type
    return None


def _packet(data_type: DataType, *field_types: FieldType) -> DataPacket:
    return DataPacket(data_type, tuple(Field(field_type) for field_type in field_types))


class _HoldsLastData(Quirk, ABC):
    """Keeps the last octets of a frame back until it is known what ends it."""

    def __init__(self) -> None:
        self._held: DataPacket | None = None

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        held, self._held = self._held, None
        bare = _bare(packet)
        if bare is not None and bare[1] in _FRAME_ENDS and held is not None and held.type is bare[0]:
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

    Whoever takes no data there loses the end of each frame, and finds every frame too short.
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

    In the 2002 syntax that is written in two ways, strict and loose; whoever reads the one as the other
    hears frames that were not sent, or an end that is none.
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
        fields = [*held.fields, Field(_WITH_SIG_END.get(end, end))]
        if end in _WITH_SIG_END:
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
        return bytes((field.type.value << 3,))
    return bytes((0x80 | field.type.value << 3,)) + (len(field.data) - 1).to_bytes(2, "big") + field.data


@dataclass(frozen=True, slots=True)
class WrongSigEnd(Quirk):
    """Ends raw data with hdlc-sig-end, and HDLC with t4-non-ecm-sig-end (Mediatrix, after TCF).

    Whoever waits for the right one never hears the end of TCF.
    """

    name: ClassVar[str] = "wrong-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        match _bare(packet):
            case (data_type, FieldType.T4_NON_ECM_SIG_END):
                gateway.note(self.name)
                return (_packet(data_type, FieldType.HDLC_SIG_END),)
            case (data_type, (FieldType.HDLC_FCS_OK_SIG_END | FieldType.HDLC_FCS_BAD_SIG_END) as end):
                gateway.note(self.name)
                return (
                    _packet(data_type, _WITH_SIG_END[end]),
                    _packet(data_type, FieldType.T4_NON_ECM_SIG_END),
                )
        return (packet,)


@dataclass(frozen=True, slots=True)
class SeparateSigEnd(Quirk):
    """Ends a burst of HDLC with fcs-OK, and then hdlc-sig-end in a packet of its own.

    Whoever acts on fcs-OK-sig-end only never answers.
    """

    name: ClassVar[str] = "separate-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = _bare(packet)
        if bare is None or bare[1] not in _WITH_SIG_END:
            return (packet,)
        gateway.note(self.name)
        return _packet(bare[0], _WITH_SIG_END[bare[1]]), _packet(bare[0], FieldType.HDLC_SIG_END)


@dataclass(frozen=True, slots=True)
class DoubleSigEnd(Quirk):
    """Sends hdlc-sig-end although fcs-OK-sig-end has ended the burst already.

    Whoever takes it for a burst of its own reports a frame that never was, or chokes.
    """

    name: ClassVar[str] = "double-sig-end"
    excludes: ClassVar[frozenset[str]] = _ENDS - {name}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = _bare(packet)
        if bare is None or bare[1] not in _WITH_SIG_END:
            return (packet,)
        gateway.note(self.name)
        return packet, _packet(bare[0], FieldType.HDLC_SIG_END)


@dataclass(frozen=True, slots=True)
class NoSigEnd(Quirk):
    """Ends no burst by a sig-end: no-signal is all there is.

    Whoever waits for the sig-end never answers.
    """

    name: ClassVar[str] = "no-sig-end"
    excludes: ClassVar[frozenset[str]] = (_ENDS - {name}) | {"no-no-signal"}

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        bare = _bare(packet)
        if bare is None:
            return (packet,)
        data_type, end = bare
        if end in _WITH_SIG_END:
            gateway.note(self.name)
            return (_packet(data_type, _WITH_SIG_END[end]),)
        if end is FieldType.T4_NON_ECM_SIG_END:
            gateway.note(self.name)
            return ()
        return (packet,)


@dataclass(frozen=True, slots=True)
class NoNoSignal(Quirk):
    """Never says no-signal.

    Whoever waits for silence never answers, or never starts.
    """

    name: ClassVar[str] = "no-no-signal"

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if packet == IndicatorPacket(Indicator.NO_SIGNAL):
            gateway.note(self.name)
            return ()
        return (packet,)


@dataclass(frozen=True, slots=True)
class NoIndicators(Quirk):
    """Announces no burst: data come without preamble or training.

    Whoever is told of a burst by its indicator only hears nothing at all.
    """

    name: ClassVar[str] = "no-indicators"
    excludes: ClassVar[frozenset[str]] = frozenset({"repeated-indicators"})

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket) and packet.indicator.modem is not None:
            gateway.note(self.name)
            return ()
        return (packet,)


@dataclass(frozen=True, slots=True)
class RepeatedIndicators(Quirk):
    """Says the indicator of a burst again between its frames and its data (Lucent).

    Whoever begins a new burst each time breaks the one that is on.
    """

    every: int = 10
    name: ClassVar[str] = "repeated-indicators"

    def __post_init__(self) -> None:
        check(self.every >= 1, self.name, "1 packet or more between them")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Repeats(self.every)


class _Repeats(Quirk):
    def __init__(self, every: int) -> None:
        self._every = every
        self._indicator: ifp.Packet | None = None
        self._since = 0

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket):
            self._indicator = packet if packet.indicator.modem is not None else None
            self._since = 0
            return (packet,)
        bare = _bare(packet)
        if bare is not None and bare[1] is not FieldType.HDLC_FCS_OK:
            self._indicator = None
        self._since += 1
        if self._indicator is None or (self._since % self._every and bare is None):
            return (packet,)
        gateway.note(RepeatedIndicators.name)
        return packet, self._indicator


@dataclass(frozen=True, slots=True)
class ForcedSyntax(Quirk):
    """Speaks and understands one syntax (1998 or 2002), whatever version was negotiated.

    Whoever goes by the version reads frame ends as carrier ends, and image data as nothing.
    """

    year: int = 2002
    name: ClassVar[str] = "syntax"

    def __post_init__(self) -> None:
        check(self.year in (1998, 2002), self.name, "1998 or 2002")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, syntax=Syntax(self.year))


@dataclass(frozen=True, slots=True)
class WholeFrames(Quirk):
    """Sends a V.21 frame in one packet when its first octet is due, not octet by octet.

    Whoever expects an octet each 27 ms answers too early, into the rest of the burst.
    """

    name: ClassVar[str] = "whole-frames"

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, whole_frames=True))


@dataclass(frozen=True, slots=True)
class FalseTones(Quirk):
    """Announces CED and CNG that nobody has heard, between bursts.

    Whoever gates on tones starts too early, or again.
    """

    name: ClassVar[str] = "false-tones"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment in (Moment.SWITCHED, Moment.BURST_SENT):
            gateway.note(self.name)
            gateway.send_indicator(Indicator.CED)
            gateway.send_indicator(Indicator.CNG)


@dataclass(frozen=True, slots=True)
class MistakenModem(Quirk):
    """Takes each second burst of V.21 for V.27ter, and passes its frames on as such.

    Whoever goes by the modem takes the answer for an image.
    """

    name: ClassVar[str] = "mistaken-modem"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Mistakes()


class _Mistakes(Quirk):
    def __init__(self) -> None:
        self._bursts = 0

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        preamble = packet == IndicatorPacket(Indicator.V21_PREAMBLE)
        self._bursts += preamble
        if self._bursts % 2:
            return (packet,)
        if preamble:
            gateway.note(MistakenModem.name)
            return (IndicatorPacket(Indicator.V27_2400_TRAINING),)
        if isinstance(packet, DataPacket) and packet.type is DataType.V21:
            return (DataPacket(DataType.V27_2400, packet.fields),)
        return (packet,)


@dataclass(frozen=True, slots=True)
class ShortPreamble(Quirk):
    """Begins a frame so soon (0.1 to 1 s) after its v21-preamble, as jitter and haste make it.

    Whoever needs a second of preamble loses the frame.
    """

    seconds: float = 0.3
    name: ClassVar[str] = "short-preamble"

    def __post_init__(self) -> None:
        check(0.1 <= self.seconds <= 1, self.name, "0.1 to 1 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, preamble=self.seconds))


QUIRKS: tuple[type[Quirk], ...] = (
    DataInFcs,
    CombinedFields,
    WrongSigEnd,
    SeparateSigEnd,
    DoubleSigEnd,
    NoSigEnd,
    NoNoSignal,
    NoIndicators,
    RepeatedIndicators,
    ForcedSyntax,
    WholeFrames,
    FalseTones,
    MistakenModem,
    ShortPreamble,
)
