"""Quirks of training and of pages: what is refused, lost, spoilt, or late to be put away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.audio.leg import Role
from t38fsp.t30.frames import (
    FCF,
    is_image_frame,
)
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    PageQuality,
    RawBurst,
)
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.values import DataType, FieldType
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check
from t38fsp.virtual.quirks.signals import ends_document, heard

_ANSWERING = frozenset({Role.ANSWERING})
_CALLING = frozenset({Role.CALLING})


@dataclass(frozen=True, slots=True)
class RtnLast(Quirk):
    """Refuses the last page with RTN, 1 or 2 times.

    An endpoint that gives up a refused last page, or counts it as sent, loses it (spandsp's default).
    """

    times: int = 1
    name: ClassVar[str] = "rtn-last"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def __post_init__(self) -> None:
        check(1 <= self.times <= 2, self.name, "1 or 2 times, as a third one ends the call")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Refuses(self.times)


class _Refuses(Quirk):
    def __init__(self, times: int) -> None:
        self._left = times
        self._last_page = False

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if frame is not None and ends_document(frame) is not None:
            self._last_page = bool(ends_document(frame))
        return (signal,)

    def judge(self, quality: PageQuality, gateway: Gateway) -> PageQuality | None:
        if not (self._left and self._last_page):
            return quality
        self._left -= 1
        gateway.note(RtnLast.name)
        return None


@dataclass(frozen=True, slots=True)
class PoorCopies(Quirk):
    """Confirms every page without ECM with RTP, as if it were of poor quality: train again.

    An endpoint that sends the page again sends it twice; one that continues without training is not
    understood.
    """

    name: ClassVar[str] = "rtp"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def judge(self, quality: PageQuality, gateway: Gateway) -> PageQuality | None:
        gateway.note(self.name)
        # Ten bad lines of a hundred: between the limits for MCF and for RTN of the receiver.
        return PageQuality(100, 10)


@dataclass(frozen=True, slots=True)
class FailsTraining(Quirk):
    """Fails the first ``times`` (1 to 4) training checks: FTT.

    An endpoint that does not lower the rate fails.
    """

    times: int = 2
    name: ClassVar[str] = "ftt"

    def __post_init__(self) -> None:
        check(1 <= self.times <= 4, self.name, "1 to 4 times")

    def stage(self, gateway: Gateway) -> Quirk:
        return _SpoilsTraining(self.times)


class _SpoilsTraining(Quirk):
    def __init__(self, times: int) -> None:
        self._left = times
        self._training = False

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if frame is not None and frame.fcf is FCF.DCS:
            self._training = self._left > 0
            self._left -= self._training
            if self._training:
                gateway.note(FailsTraining.name)
        # Any other frame ends the training; the TCF of a page that follows is not touched.
        elif frame is not None:
            self._training = False
        if self._training and isinstance(signal, DataReceived):
            # TCF is zeros; half of its bits being ones is what a receiver sees of a modem that did not train.
            return (replace(signal, data=b"\x55" * len(signal.data)),)
        return (signal,)

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        spoils = self._left and gateway.role is Role.CALLING
        # Octets that are all zero are a TCF; a page has its EOL at least.
        if spoils and isinstance(burst, RawBurst) and not burst.data.strip(b"\0"):
            self._left -= 1
            gateway.note(FailsTraining.name)
            return (replace(burst, data=b"\x55" * len(burst.data)),)
        return (burst,)


# A.4.3: the sender counts PPR for a block, and has to choose after the fourth.
@dataclass(frozen=True, slots=True)
class PprStorm(Quirk):
    """Loses every frame of the first ``times`` (1 to 12) image bursts with ECM: PPR for all of them.

    An endpoint that does not continue at a lower rate (CTC) after the fourth PPR fails.
    """

    times: int = 4
    name: ClassVar[str] = "ppr-storm"

    def __post_init__(self) -> None:
        check(1 <= self.times <= 12, self.name, "1 to 12 times")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Storm(self.times)


class _Storm(Quirk):
    def __init__(self, times: int) -> None:
        self._left = times
        self._storming = False

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        if isinstance(signal, CarrierDetected):
            self._storming = False
        elif isinstance(signal, FrameReceived) and is_image_frame(signal.frame):
            self._begin(gateway)
            return (replace(signal, good=signal.good and not self._storming),)
        return (signal,)

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if isinstance(packet, IndicatorPacket):
            self._storming = False
        elif packet.type is not DataType.V21 and any(
            field.type is FieldType.HDLC_FCS_OK for field in packet.fields
        ):
            self._begin(gateway)
            if self._storming:
                fields = (
                    Field(FieldType.HDLC_FCS_BAD, field.data)
                    if field.type is FieldType.HDLC_FCS_OK
                    else field
                    for field in packet.fields
                )
                return (DataPacket(packet.type, tuple(fields)),)
        return (packet,)

    def _begin(self, gateway: Gateway) -> None:
        if not self._storming and self._left:
            self._storming = True
            self._left -= 1
            gateway.note(PprStorm.name)


@dataclass(frozen=True, slots=True)
class IgnoresCtc(Quirk):
    """Never answers CTC.

    An endpoint that has no other way to a lower rate ends the call there. Shows together with ppr-storm.
    """

    name: ClassVar[str] = "ignores-ctc"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if isinstance(signal, FrameReceived) and frame is not None and frame.fcf is FCF.CTC:
            gateway.note(self.name)
            return (replace(signal, good=False),)
        return (signal,)


# T5 of the sender is 60 s: a receiver may be busy that long (A.5.4.1).
@dataclass(frozen=True, slots=True)
class Busy(Quirk):
    """Takes 0 to 50 seconds to store a page: RNR with ECM, silence without.

    An endpoint that does not ask with RR, or gives up before T5, loses the page.
    """

    seconds: float = 12.0
    name: ClassVar[str] = "rnr"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 50, self.name, "0 to 50 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, paper_seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class CutFrames(Quirk):
    """Truncates the first image frames of a page, and reports their FCS as good.

    An endpoint that trusts the FCS stores a damaged page.
    """

    frames: int = 3
    name: ClassVar[str] = "cut-frames"
    roles: ClassVar[frozenset[Role]] = _CALLING

    def __post_init__(self) -> None:
        check(self.frames >= 1, self.name, "1 frame or more")

    def stage(self, gateway: Gateway) -> Quirk:
        return _CutsFrames(self.frames)


_TRAILER = 4
"""The last image frame, and three RCP."""


class _CutsFrames(Quirk):
    def __init__(self, frames: int) -> None:
        self._left = frames

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        if not self._left or not isinstance(burst, HdlcBurst) or burst.modem is Modem.V21:
            return (burst,)
        # Never the last one of the image, which may be short.
        cut, self._left = min(self._left, len(burst.frames) - _TRAILER), 0
        gateway.note(CutFrames.name)
        frames = [frame[:-9] if position < cut else frame for position, frame in enumerate(burst.frames)]
        return (replace(burst, frames=frames),)


QUIRKS: tuple[type[Quirk], ...] = (
    RtnLast,
    PoorCopies,
    FailsTraining,
    PprStorm,
    IgnoresCtc,
    Busy,
    CutFrames,
)
