"""What several quirks need to know of packets and their fields (T.38), and of bursts and frames (T.30)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from t38fsp.t30.frames import FCF, WITHOUT_INTERRUPT, Frame, FrameError, PartialPageSignal
from t38fsp.t30.vocabulary import Burst, FrameReceived, HdlcBurst, LineSignal, Modem
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import DataPacket, Field, IndicatorPacket
from t38fsp.t38.values import DataType, FieldType

FRAME_ENDS = frozenset(
    {
        FieldType.HDLC_FCS_OK,
        FieldType.HDLC_FCS_BAD,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
    }
)
BURST_ENDS = frozenset(
    {
        FieldType.HDLC_SIG_END,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
        FieldType.T4_NON_ECM_SIG_END,
    }
)
WITH_SIG_END = {
    FieldType.HDLC_FCS_OK_SIG_END: FieldType.HDLC_FCS_OK,
    FieldType.HDLC_FCS_BAD_SIG_END: FieldType.HDLC_FCS_BAD,
}
"""Those that end a frame and its burst, and what ends the frame alone."""
SPOILT = {
    FieldType.HDLC_FCS_OK: FieldType.HDLC_FCS_BAD,
    FieldType.HDLC_FCS_OK_SIG_END: FieldType.HDLC_FCS_BAD_SIG_END,
}
"""Ends of good frames, and of bad ones."""


def bare_field(packet: ifp.Packet) -> tuple[DataType, FieldType] | None:
    """Type and field of a packet that ends something, and says nothing else."""
    if isinstance(packet, DataPacket) and len(packet.fields) == 1 and not packet.fields[0].data:
        return packet.type, packet.fields[0].type
    return None


def only(data_type: DataType, *field_types: FieldType) -> DataPacket:
    """A packet of fields without data."""
    return DataPacket(data_type, tuple(Field(field_type) for field_type in field_types))


def ends_burst(packet: ifp.Packet) -> bool:
    if isinstance(packet, IndicatorPacket):
        return packet.indicator.modem is None
    return any(field.type in BURST_ENDS for field in packet.fields)


def spoilt(packet: DataPacket) -> DataPacket:
    """The same, but each frame that ends in it is bad."""
    fields = (Field(SPOILT.get(field.type, field.type), field.data) for field in packet.fields)
    return DataPacket(packet.type, tuple(fields))


_POST_MESSAGE = frozenset({FCF.MPS, FCF.EOM, FCF.EOP})


def command_of(burst: Burst) -> FCF | None:
    """The command or response of a V.21 burst: its last frame."""
    if not isinstance(burst, HdlcBurst) or burst.modem is not Modem.V21:
        return None
    return Frame.parse(burst.frames[-1]).fcf


def single(fcf: FCF, fif: bytes = b"", *, x: bool = False) -> HdlcBurst:
    """A V.21 burst of one frame."""
    return HdlcBurst(Modem.V21, (bytes(Frame(fcf, fif, x=x)),))


def rewritten(burst: HdlcBurst, change: Callable[[Frame], Frame]) -> HdlcBurst:
    """A V.21 burst with each of its frames changed."""
    return replace(burst, frames=tuple(bytes(change(Frame.parse(frame))) for frame in burst.frames))


def heard(signal: LineSignal) -> Frame | None:
    """The frame that the machine is about to hear, if it is a good one."""
    if not isinstance(signal, FrameReceived) or not signal.good:
        return None
    try:
        return Frame.parse(signal.frame)
    except FrameError:
        return None


def ends_document(frame: Frame) -> bool | None:
    """Whether this command ends the last page (true) or another one (false); None for other commands."""
    # PRI-MPS, PRI-EOM and PRI-EOP end a page as MPS, EOM and EOP do, and call an operator besides.
    command: FCF | None = WITHOUT_INTERRUPT.get(frame.fcf, frame.fcf)
    if frame.fcf is FCF.PPS:
        try:
            following = PartialPageSignal.parse(frame.fif).following
        except FrameError:
            return None
        command = None if following is None else WITHOUT_INTERRUPT.get(following, following)
    return command is FCF.EOP if command in _POST_MESSAGE else None
