"""Quirks of what a gateway hears: times that it needs, beyond which our packets are lost on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.t30.vocabulary import Modem
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.values import FieldType, Indicator
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check
from t38fsp.virtual.quirks.signals import SPOILT, ends_burst, spoilt

_SILENCE = IndicatorPacket(Indicator.NO_SIGNAL)
_RAW = frozenset({FieldType.T4_NON_ECM_DATA, FieldType.T4_NON_ECM_SIG_END})
# Packets are due at fractions of a millisecond, and a turn of the pacer comes each 2 ms.
_TOLERANCE = 0.002
"""Tolerance of times, in seconds."""


# spandsp's table of start-up times has 1 s for V.21, since 850 ms fails with some ATAs.
@dataclass(frozen=True, slots=True)
class PreambleNeeded(Quirk):
    """Loses a frame that begins less than ``seconds`` (0.5 to 1) after its v21-preamble.

    T.30 allows 0.85 s; an endpoint that uses that is not understood.
    """

    seconds: float = 1.0
    name: ClassVar[str] = "preamble-needed"

    def __post_init__(self) -> None:
        check(0.5 <= self.seconds <= 1, self.name, "0.5 to 1 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Preamble(self.seconds)


class _Preamble(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._spoils = False

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket):
            preamble = packet.indicator is Indicator.V21_PREAMBLE
            if self._since is None or not preamble:
                # A repeated preamble begins no new one: the time counts from the first.
                self._since = gateway.now if preamble else None
            return (packet,)
        if self._since is not None:
            self._spoils = gateway.now - self._since < self._seconds - _TOLERANCE
            self._since = None
            if self._spoils:
                gateway.note(PreambleNeeded.name)
        if not self._spoils:
            return (packet,)
        # Up to the end of the frame; the frames after it in the burst need only flags before them.
        self._spoils = not any(field.type in SPOILT for field in packet.fields)
        return (spoilt(packet),)


@dataclass(frozen=True, slots=True)
class SilenceNeeded(Quirk):
    """Loses a burst that begins less than ``seconds`` (0.01 to 0.055) after the end of the one before.

    T.30 requires 75 ± 20 ms; an endpoint that responds at once is not understood.
    """

    seconds: float = 0.055
    name: ClassVar[str] = "silence-needed"

    def __post_init__(self) -> None:
        check(0.01 <= self.seconds <= 0.055, self.name, "0.01 to 0.055 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Silence(self.seconds)


class _Silence(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = float("-inf")
        self._deaf = False

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket) and packet.indicator.modem is not None:
            self._deaf = gateway.now - self._ended < self._seconds - _TOLERANCE
            if self._deaf:
                gateway.note(SilenceNeeded.name)
        elif ends_burst(packet):
            # The end of a burst that was not heard does not count.
            self._ended = gateway.now if not self._deaf else self._ended
        return () if self._deaf else (packet,)


# The chips of AudioCodes stop a carrier that looks stuck; Avaya has 150 s. A dithered page at 14400 bit/s is
# past 90 s from some 160 KB on.
@dataclass(frozen=True, slots=True)
class CarrierLimit(Quirk):
    """Cuts any burst after 10 or more seconds, in either direction (AudioCodes, about 90 s).

    An endpoint that sends a page that takes longer loses its end each time, however often it is sent.
    """

    seconds: float = 90.0
    name: ClassVar[str] = "carrier-limit"

    def __post_init__(self) -> None:
        check(self.seconds >= 10, self.name, "10 seconds or more")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Cuts(self.seconds)


class _Cuts(Quirk):
    def __init__(self, seconds: float) -> None:
        self._inwards = _Carrier(seconds)
        self._outwards = _Carrier(seconds)

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        return self._inwards.cut(packet, gateway)

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        return self._outwards.cut(packet, gateway)


class _Carrier:
    """One direction of a line that is cut."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._cut = False

    def cut(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        indicator = isinstance(packet, IndicatorPacket)
        if indicator or ends_burst(packet):
            cut = self._cut
            self._since = gateway.now if indicator and not ends_burst(packet) else None
            self._cut = False
            return () if cut and not indicator else (packet,)
        if self._since is None:
            self._since = gateway.now
        if not self._cut and gateway.now - self._since > self._seconds:
            self._cut = True
            gateway.note(CarrierLimit.name)
            return (_SILENCE,)
        return () if self._cut else (packet,)


# The soft-switch manual, chapter 7: at least 40 ms of zero octets after RTC.
@dataclass(frozen=True, slots=True)
class PageTailNeeded(Quirk):
    """Drops its carrier ``seconds`` (up to 0.04) before the end of raw data, which loses the rest.

    An endpoint that ends a page without ECM with its RTC loses the last rows.
    """

    seconds: float = 0.04
    name: ClassVar[str] = "page-tail-needed"

    def __post_init__(self) -> None:
        check(0 < self.seconds <= 0.04, self.name, "more than 0 and up to 0.04 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _PageTail(self.seconds)


class _PageTail(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held = b""

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if not isinstance(packet, DataPacket) or packet.type.modem in (None, Modem.V21):
            self._held = b""
            return (packet,)
        raw = [field for field in packet.fields if field.type in _RAW]
        if not raw or packet.type.modem is None:
            return (packet,)
        data = self._held + b"".join(field.data for field in raw)
        # What is on its way through the modem when the end comes is lost.
        keep = int(self._seconds * packet.type.modem.rate / 8)
        if raw[-1].type is FieldType.T4_NON_ECM_SIG_END:
            self._held = b""
            gateway.note(PageTailNeeded.name)
            # Data in the packet that ends the page is part of the tail.
            return (packet,) if not raw[-1].data else (DataPacket(packet.type, (Field(raw[-1].type),)),)
        self._held = data[-keep:]
        passed = data[:-keep]
        return (DataPacket(packet.type, (Field(FieldType.T4_NON_ECM_DATA, passed),)),) if passed else ()


@dataclass(frozen=True, slots=True)
class FrameTailNeeded(Quirk):
    """Loses the last frame of a burst if no-signal follows within ``seconds`` (up to 0.08).

    An endpoint that drops the carrier with the last octet is never answered.
    """

    seconds: float = 0.05
    name: ClassVar[str] = "frame-tail-needed"

    def __post_init__(self) -> None:
        check(0 < self.seconds <= 0.08, self.name, "more than 0 and up to 0.08 seconds")

    def stage(self, gateway: Gateway) -> Quirk:
        return _FrameTail(self.seconds)


class _FrameTail(Quirk):
    """Keeps the end of the last frame back until it is known what follows."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: DataPacket | None = None
        self._since = 0.0

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        held, self._held = self._held, None
        before: tuple[ifp.Packet, ...] = ()
        if held is not None:
            # The end of a burst is repeated; the time counts from its first copy.
            if packet == held:
                self._held = held
                return ()
            lost = packet == _SILENCE and gateway.now - self._since < self._seconds - _TOLERANCE
            if lost:
                gateway.note(FrameTailNeeded.name)
            before = (spoilt(held) if lost else held,)
        if isinstance(packet, DataPacket) and any(
            field.type is FieldType.HDLC_FCS_OK_SIG_END for field in packet.fields
        ):
            self._held, self._since = packet, gateway.now
            return before
        return (*before, packet)


@dataclass(frozen=True, slots=True)
class ChokesOnDoubleEnd(Quirk):
    """Hears nothing for 3 s after an hdlc-sig-end that follows fcs-OK-sig-end.

    An endpoint that sends that forbidden form loses its next burst.
    """

    name: ClassVar[str] = "chokes-on-double-end"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Chokes()


class _Chokes(Quirk):
    def __init__(self) -> None:
        self._ended = False
        self._deaf_until = float("-inf")

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, DataPacket):
            for field in packet.fields:
                if field.type is FieldType.HDLC_SIG_END and self._ended:
                    gateway.note(ChokesOnDoubleEnd.name)
                    self._deaf_until = gateway.now + 3
                self._ended = field.type is FieldType.HDLC_FCS_OK_SIG_END
        return () if gateway.now < self._deaf_until else (packet,)


@dataclass(frozen=True, slots=True)
class StrictModem(Quirk):
    """Plays received data on a modem in real time, from a buffer of ``seconds`` and ``octets``.

    A frame whose octets arrive too late is damaged, a page without ECM gets zeros in its middle, and what
    does not fit into the buffer is lost. An endpoint that is late, far ahead, or drifts is not understood.
    """

    seconds: float = 0.2
    octets: int = 1800
    name: ClassVar[str] = "strict-modem"

    def __post_init__(self) -> None:
        check(
            0.05 <= self.seconds <= 2 and self.octets >= 150,
            self.name,
            "0.05 to 2 seconds and 150 octets or more",
        )

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, parameters=replace(habits.parameters, max_buffer=self.octets))

    def stage(self, gateway: Gateway) -> Quirk:
        return _Modem(self)


class _Modem(Quirk):
    def __init__(self, quirk: StrictModem) -> None:
        self._quirk = quirk
        self._began: float | None = None  # when the first octet is played
        self._octets = 0  # received in this burst, or since the last gap between frames
        self._spoils = False

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket) or packet.type.modem is None:
            self._began = None
            self._spoils = False
            return (packet,)
        size = sum(len(field.data) for field in packet.fields)
        if not size:
            return self._end(packet)
        rate = packet.type.modem.rate / 8
        if self._began is None:
            # The modem starts when its buffer has filled for so long.
            self._began, self._octets = gateway.now + self._quirk.seconds, 0
        played = max((gateway.now - self._began) * rate, 0.0)
        missing = int(played - self._octets + 0.5)
        if missing > 0 and self._octets:
            gateway.note(StrictModem.name)
            self._octets += missing
            # Without ECM the modem may only pad; with HDLC a gap inside a frame spoils its FCS, while flags
            # between frames cost nothing.
            if packet.fields[0].type in _RAW:
                fill = Field(FieldType.T4_NON_ECM_DATA, bytes(missing))
                self._octets += size
                return DataPacket(packet.type, (fill,)), packet
            self._spoils = True
        if self._octets + size - played > self._quirk.octets:
            gateway.note(StrictModem.name)
            self._spoils = True
            return ()
        self._octets += size
        return (spoilt(packet),) if self._ends_spoilt(packet) else (packet,)

    def _end(self, packet: DataPacket) -> Iterable[ifp.Packet]:
        if not self._ends_spoilt(packet):
            return (packet,)
        return (spoilt(packet),)

    def _ends_spoilt(self, packet: DataPacket) -> bool:
        """Whether the frame that ends here is spoilt; flags between frames can be played for any time."""
        ends = any(field.type in SPOILT for field in packet.fields)
        spoilt = ends and self._spoils
        if ends:
            self._spoils = False
            self._began = None
        return spoilt


QUIRKS: tuple[type[Quirk], ...] = (
    PreambleNeeded,
    SilenceNeeded,
    CarrierLimit,
    PageTailNeeded,
    FrameTailNeeded,
    ChokesOnDoubleEnd,
    StrictModem,
)
