"""Quirks of the fax machine, and of what a telephone line makes of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from t38fsp.audio.leg import Role
from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.frames import (
    FCF,
    WITHOUT_INTERRUPT,
    Frame,
    FrameError,
    PartialPageSignal,
)
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    RawBurst,
)
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.values import DataType, FieldType, Indicator
from t38fsp.virtual.hooks import Gateway, Habits, Moment, Quirk, check
from t38fsp.virtual.quirks.signals import command_of, heard, rewritten, single

_ANSWERING = frozenset({Role.ANSWERING})
_CALLING = frozenset({Role.CALLING})


@dataclass(frozen=True, slots=True)
class DeafTo(Quirk):
    """Does not hear the first ``times`` commands or responses of a kind, such as DCS, EOP, PPS or MCF.

    An endpoint that sends each only once gets no response.
    """

    frame: FCF = FCF.MCF
    times: int = 1
    name: ClassVar[str] = "deaf-to"

    def __post_init__(self) -> None:
        check(1 <= self.times <= 2, self.name, "a frame, and 1 or 2 times, as a third one ends the call")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Deaf(self)


class _Deaf(Quirk):
    def __init__(self, quirk: DeafTo) -> None:
        self._quirk = quirk
        self._left = quirk.times

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if self._left and frame is not None and frame.fcf is self._quirk.frame:
            assert isinstance(signal, FrameReceived)
            # With a bad FCS: the machine hears that something came, but not what.
            self._left -= 1
            gateway.note(self._quirk.name)
            return (replace(signal, good=False),)
        return (signal,)


@dataclass(frozen=True, slots=True)
class ChangedDis(Quirk):
    """Repeats its DIS although DCS arrived, and the second one has more capabilities than the first.

    An endpoint that uses the first DIS sends more slowly; one that hangs up at the second fails.
    """

    name: ClassVar[str] = "changed-dis"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def stage(self, gateway: Gateway) -> Quirk:
        return _Changes()


class _Changes(Quirk):
    def __init__(self) -> None:
        self._said = 0
        self._deaf = False

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        if command_of(burst) is not FCF.DIS:
            return (burst,)
        self._said += 1
        if self._said > 1 or not isinstance(burst, HdlcBurst):
            return (burst,)
        # It does not understand the DCS that answers this DIS, and so repeats it.
        self._deaf = True
        gateway.note(ChangedDis.name)
        return (rewritten(burst, self._poorer),)

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if self._deaf and frame is not None and frame.fcf is FCF.DCS:
            assert isinstance(signal, FrameReceived)
            self._deaf = False
            return (replace(signal, good=False),)
        return (signal,)

    @staticmethod
    def _poorer(frame: Frame) -> Frame:
        if frame.fcf is not FCF.DIS:
            return frame
        said = Capabilities.parse(frame.fif)
        # V.27ter at both rates is the least that a Group 3 machine has (T.30, table 2, bits 11 to 14),
        # ECM an option.
        v27 = frozenset({Modem.V27TER_2400, Modem.V27TER_4800})
        return replace(frame, fif=bytes(replace(said, modems=v27, ecm=False)))


@dataclass(frozen=True, slots=True)
class ForeignNsf(Quirk):
    """Sends an NSF before its DIS, whose country and manufacturer a gateway has overwritten.

    An endpoint that trusts it uses a proprietary protocol with another manufacturer's machine.
    """

    name: ClassVar[str] = "foreign-nsf"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        if command_of(burst) is not FCF.DIS or not isinstance(burst, HdlcBurst):
            return (burst,)
        gateway.note(self.name)
        # Country and manufacturer (T.35) overwritten, as gateways do that suppress NSF without removing
        # it.
        nsf = bytes(Frame(FCF.NSF, b"\xff\xff\xff\x55\xaa" + bytes(40), final=False))
        return (replace(burst, frames=(nsf, *burst.frames)),)


@dataclass(frozen=True, slots=True)
class LateStart(Quirk):
    """Is silent for 0 to 30 seconds after the switch, so that CED and DIS are late.

    An endpoint that gives up before T1 fails.
    """

    seconds: float = 12.0
    name: ClassVar[str] = "late-start"

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 30, self.name, "0 to 30 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, start_after=self.seconds)


@dataclass(frozen=True, slots=True)
class CedAfterSwitch(Quirk):
    """Plays its CED after the switch, for three seconds; without this quirk there is none in T.38.

    An endpoint that takes it for speech fails with this quirk; one that requires it fails without.
    """

    name: ClassVar[str] = "ced-after-switch"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, ced=True)


@dataclass(frozen=True, slots=True)
class Echo(Quirk):
    """Sends each V.21 burst of ours back to us before its machine answers.

    An endpoint that takes its own command for a response continues without one.
    """

    name: ClassVar[str] = "echo"

    def stage(self, gateway: Gateway) -> Quirk:
        return _Echoes()


class _Echoes(Quirk):
    def __init__(self) -> None:
        self._frames: list[bytes] = []

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        match signal:
            case CarrierDetected():
                self._frames = []
            case FrameReceived(modem=Modem.V21, frame=frame, good=True):
                self._frames.append(frame)
            # After the burst, as the echo of a long line.
            case CarrierLost() if self._frames:
                gateway.note(Echo.name)
                gateway.play(HdlcBurst(Modem.V21, tuple(self._frames)))
                self._frames = []
        return (signal,)


@dataclass(frozen=True, slots=True)
class AsksAgain(Quirk):
    """Answers with CRP first, as if it had not understood, to each command that ends a page.

    An endpoint that does not repeat it waits for T4 each time, or ends the call.
    """

    name: ClassVar[str] = "crp"

    def stage(self, gateway: Gateway) -> Quirk:
        return _AsksAgain()


class _AsksAgain(Quirk):
    def __init__(self) -> None:
        self._asked = False

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        if gateway.role is not Role.ANSWERING or command_of(burst) is not FCF.MCF:
            return (burst,)
        self._asked = not self._asked
        if not self._asked:
            return (burst,)
        gateway.note(AsksAgain.name)
        return (single(FCF.CRP),)

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if gateway.role is not Role.CALLING or frame is None or frame.fcf is not FCF.MCF:
            return (signal,)
        self._asked = not self._asked
        if not self._asked:
            return (signal,)
        assert isinstance(signal, FrameReceived)
        gateway.note(AsksAgain.name)
        gateway.play(single(FCF.CRP, x=True))
        # The MCF is damaged, so that the machine waits; its answer comes to the repeated command.
        return (replace(signal, good=False),)


@dataclass(frozen=True, slots=True)
class Operator(Quirk):
    """Calls for an operator with each page: PIP and PIN instead of MCF and RTN, PRI-EOP instead of EOP.

    An endpoint that waits for a person to talk, or ignores these, never continues.
    """

    name: ClassVar[str] = "operator"

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        if command_of(burst) is None or not isinstance(burst, HdlcBurst):
            return (burst,)
        changed = rewritten(burst, _interrupting)
        if changed != burst:
            gateway.note(self.name)
        return (changed,)


_INTERRUPTING = {FCF.MCF: FCF.PIP, FCF.RTN: FCF.PIN} | {
    plain: interrupting for interrupting, plain in WITHOUT_INTERRUPT.items()
}


def _interrupting(frame: Frame) -> Frame:
    if frame.fcf is FCF.PPS:
        try:
            signal = PartialPageSignal.parse(frame.fif)
        except FrameError:
            return frame
        if signal.following is None:
            return frame
        following = _INTERRUPTING.get(signal.following, signal.following)
        return replace(frame, fif=replace(signal, following=following).to_fif(x=frame.x))
    return replace(frame, fcf=_INTERRUPTING.get(frame.fcf, frame.fcf))


@dataclass(frozen=True, slots=True)
class DcnAfter(Quirk):
    """Sends DCN instead of its burst number ``bursts`` (1 or more), as if someone pressed the stop button.

    An endpoint that continues, or reports unconfirmed pages as sent, reports a false success.
    """

    bursts: int = 3
    name: ClassVar[str] = "dcn-after"
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.bursts >= 1, self.name, "the number of a burst, from 1")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Stops(self.bursts)


class _Stops(Quirk):
    def __init__(self, bursts: int) -> None:
        self._left = bursts

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        self._left -= isinstance(burst, HdlcBurst | RawBurst)
        if self._left > 0:
            return (burst,)
        # After DCN nothing more is sent.
        if self._left < 0:
            return ()
        gateway.note(DcnAfter.name)
        return (single(FCF.DCN, x=gateway.role is Role.CALLING),)

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.BURST_SENT and self._left <= 0:
            # DCN has left, but is still on its way.
            gateway.after(0.4, gateway.hang_up)


@dataclass(frozen=True, slots=True)
class LateAnswers(Quirk):
    """Takes 0 to 3 seconds for each response other than DIS.

    An endpoint that is less patient (T.30 lets T4 be from 2.55 to 3.45 s) repeats its command into the
    answer.
    """

    seconds: float = 3.0
    name: ClassVar[str] = "late-answers"
    roles: ClassVar[frozenset[Role]] = _ANSWERING
    excludes: ClassVar[frozenset[str]] = frozenset({"early-hang-up"})

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 3, self.name, "0 to 3 seconds")

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        # DIS answers no command, and DCN ends the call.
        if command_of(burst) in (None, FCF.DIS, FCF.DCN):
            return (burst,)
        gateway.note(self.name)
        gateway.after(self.seconds, lambda: gateway.play(burst))
        return ()


@dataclass(frozen=True, slots=True)
class StuckCarrier(Quirk):
    """Never ends its V.21 burst number ``bursts`` (1 or more): its carrier stays, and flags with it.

    An endpoint that waits for its end waits forever.
    """

    bursts: int = 2
    name: ClassVar[str] = "stuck-carrier"
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.bursts >= 1, self.name, "the number of a burst, from 1")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Sticks(self.bursts)


class _Sticks(Quirk):
    def __init__(self, bursts: int) -> None:
        self._left = bursts
        self._stuck = False

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        if self._stuck:
            return ()
        self._left -= packet == IndicatorPacket(Indicator.V21_PREAMBLE)
        # The packet that would end the frame, or the carrier.
        if (
            self._left <= 0
            and isinstance(packet, DataPacket)
            and packet.fields[0].type is not FieldType.HDLC_DATA
        ):
            self._stuck = True
            self._stay(gateway)
            return ()
        return (packet,)

    def _stay(self, gateway: Gateway) -> None:
        gateway.note(StuckCarrier.name)
        flags = DataPacket(DataType.V21, (Field(FieldType.HDLC_DATA, b"\x7e"),))
        gateway.send_packet(ifp.encode(flags, gateway.syntax))
        # An octet of V.21 takes 27 ms.
        gateway.after(0.03, lambda: self._stay(gateway))


QUIRKS: tuple[type[Quirk], ...] = (
    DeafTo,
    ChangedDis,
    ForeignNsf,
    LateStart,
    CedAfterSwitch,
    Echo,
    AsksAgain,
    Operator,
    DcnAfter,
    LateAnswers,
    StuckCarrier,
)
