"""What quirks of T.30 need to know of bursts and frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from t38fsp.t30.frames import FCF, WITHOUT_INTERRUPT, Frame, FrameError, PartialPageSignal
from t38fsp.t30.vocabulary import Burst, FrameReceived, HdlcBurst, LineSignal, Modem

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
