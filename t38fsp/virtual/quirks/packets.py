"""Quirks of the IFP packets that a gateway sends: how bursts are announced, and in which syntax."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, IndicatorPacket, Syntax
from t38fsp.t38.values import DataType, FieldType, Indicator
from t38fsp.virtual.hooks import Gateway, Habits, Moment, Quirk, check
from t38fsp.virtual.quirks.signals import bare_field, ends_burst


@dataclass(frozen=True, slots=True)
class NoIndicators(Quirk):
    """Announces no burst: data arrive without an indicator of preamble or training.

    An endpoint that relies on indicators to detect a burst receives nothing.
    """

    name: ClassVar[str] = "no-indicators"
    excludes: ClassVar[frozenset[str]] = frozenset({"repeated-indicators"})

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket) and packet.indicator.modem is not None:
            gateway.note(self.name)
            return ()
        return (packet,)


# Commetrex's log reader says so of Lucent: one at the start and one between frames.
@dataclass(frozen=True, slots=True)
class RepeatedIndicators(Quirk):
    """Sends the indicator of a burst again between its frames and its data (Lucent).

    An endpoint that begins a new burst each time breaks the current one.
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
        bare = bare_field(packet)
        # The burst has ended: an indicator now would begin another one.
        if bare is not None and bare[1] is not FieldType.HDLC_FCS_OK:
            self._indicator = None
        self._since += 1
        # Between frames (fcs-OK), and after so many packets of data.
        if self._indicator is None or (self._since % self._every and bare is None):
            return (packet,)
        gateway.note(RepeatedIndicators.name)
        return packet, self._indicator


# rtpengine has an option to force version 0 for such peers; most software reads the 1998 syntax only.
@dataclass(frozen=True, slots=True)
class ForcedSyntax(Quirk):
    """Uses and understands one syntax (1998 or 2002), whatever version was negotiated.

    An endpoint that relies on the version reads ends of frames as ends of carriers, and no image data.
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

    An endpoint that expects an octet each 27 ms answers too early, into the rest of the burst.
    """

    name: ClassVar[str] = "whole-frames"

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, whole_frames=True))


# spandsp's notes: some gateways write CED or CNG without having heard anything.
@dataclass(frozen=True, slots=True)
class FalseTones(Quirk):
    """Announces CED and CNG that do not exist, between bursts.

    An endpoint that relies on tones starts too early, or again.
    """

    name: ClassVar[str] = "false-tones"

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment in (Moment.SWITCHED, Moment.BURST_SENT):
            gateway.note(self.name)
            gateway.send_indicator(Indicator.CED)
            gateway.send_indicator(Indicator.CNG)


@dataclass(frozen=True, slots=True)
class MistakenModem(Quirk):
    """Takes every second burst of V.21 for V.27ter, and passes its frames on as such.

    An endpoint that relies on the modem takes the response for an image.
    """

    name: ClassVar[str] = "mistaken-modem"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Mistakes()


class _Mistakes(Quirk):
    def __init__(self) -> None:
        self._bursts = 0
        self._on = False

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        preamble = packet == IndicatorPacket(Indicator.V21_PREAMBLE)
        self._bursts += preamble and not self._on  # another one in mid-burst begins none
        self._on = preamble or (self._on and not ends_burst(packet))
        if self._bursts % 2:
            return (packet,)
        if preamble:
            gateway.note(MistakenModem.name)
            return (IndicatorPacket(Indicator.V27_2400_TRAINING),)
        if isinstance(packet, DataPacket) and packet.type is DataType.V21:
            return (DataPacket(DataType.V27_2400, packet.fields),)
        return (packet,)


# T.30 allows 850 ms, and jitter takes from that.
@dataclass(frozen=True, slots=True)
class ShortPreamble(Quirk):
    """Begins a frame only 0.1 to 1 s after its v21-preamble, as happens with jitter.

    An endpoint that needs a second of preamble loses the frame.
    """

    seconds: float = 0.3
    name: ClassVar[str] = "short-preamble"

    def __post_init__(self) -> None:
        check(0.1 <= self.seconds <= 1, self.name, "0.1 to 1 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, timing=replace(habits.timing, preamble=self.seconds))


@dataclass(frozen=True, slots=True)
class PassesEcho(Quirk):
    """Hears its own V.21 from the line, 0.01 to 0.06 seconds late, and passes it back to us.

    An endpoint that takes the preamble of its own repetition for a response, and stops for it, never
    completes a command.
    """

    seconds: float = 0.04
    name: ClassVar[str] = "passes-echo"

    def __post_init__(self) -> None:
        check(0.01 <= self.seconds <= 0.06, self.name, "0.01 to 0.06 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _PassesEcho(self.seconds)


class _PassesEcho(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._plays = False  # V.21

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        ended = False
        if isinstance(packet, IndicatorPacket):
            ended = self._plays and packet.indicator is Indicator.NO_SIGNAL
            self._plays = packet.indicator is Indicator.V21_PREAMBLE
        else:
            # Data without indicator are V.21 on the line all the same.
            self._plays = packet.type is DataType.V21
        if self._plays or ended:
            gateway.note(PassesEcho.name)
            echo = ifp.encode(packet, gateway.syntax)
            gateway.after(self._seconds, lambda: gateway.send_packet(echo))
        return (packet,)


QUIRKS: tuple[type[Quirk], ...] = (
    NoIndicators,
    RepeatedIndicators,
    ForcedSyntax,
    WholeFrames,
    FalseTones,
    MistakenModem,
    ShortPreamble,
    PassesEcho,
)
