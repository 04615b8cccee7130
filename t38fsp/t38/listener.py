"""The receiving half: from IFP packets to line signals of the far end.

Gateways differ in what they send, so nothing is required here but the data: indicators may be missing or
repeated, a burst may end by either kind of sig-end, by no-signal, by the next burst or not at all, and the
fields that end a frame may contain its last octets. Repetitions are not reported again.

    received                    silent              in a burst                     after its end
    no-signal                   -                   the burst ends                 silent
    preamble, training          a burst begins      the same: - ; other: ends,     a burst begins
                                                    and a burst begins
    data                        a burst begins      data; of another modem: ends,  a burst begins
                                                    and a burst begins
    end of frame                -                   a frame                        -
    any sig-end                 -                   the burst ends                 -
    nothing for Timing.stall    -                   the burst ends, not clean      -
"""

from __future__ import annotations

from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    LineSignal,
    Modem,
    Tone,
    ToneHeard,
)
from t38fsp.t38.ifp import HDLC_DATA_PREFIX, DataPacket, Field, IndicatorPacket, Packet
from t38fsp.t38.values import FieldType, Indicator

MAX_FRAME = 1024
"""Upper bound for the octets of one HDLC frame; T.30 frames have 260 in ECM and rarely 100 in V.21."""

_TONES = {Indicator.CNG: Tone.CNG, Indicator.CED: Tone.CED}
_FRAME_ENDS = frozenset(
    {
        FieldType.HDLC_FCS_OK,
        FieldType.HDLC_FCS_BAD,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
    }
)
_GOOD_ENDS = frozenset({FieldType.HDLC_FCS_OK, FieldType.HDLC_FCS_OK_SIG_END})
_BURST_ENDS = frozenset(
    {
        FieldType.HDLC_SIG_END,
        FieldType.HDLC_FCS_OK_SIG_END,
        FieldType.HDLC_FCS_BAD_SIG_END,
        FieldType.T4_NON_ECM_SIG_END,
    }
)
_RAW = frozenset({FieldType.T4_NON_ECM_DATA, FieldType.T4_NON_ECM_SIG_END})
_FRAME_STARTS = (b"\xff\xc0", b"\xff\xc8")
"""Address and control octets of a non-final and of a final frame (T.30 5.3.6.1)."""


class Listener:
    """Receives from one far end. :meth:`take_signals` returns the line signals in order."""

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self._signals: list[LineSignal] = []
        self._modem: Modem | None = None  # of the current burst
        self._indicator: Indicator | None = None  # the last one received, until data contradict it
        self._frame = bytearray()
        self.frame_data_prefix = b""
        """First octets of a packet that contains only octets of a frame of this burst; empty without one."""
        self._damaged = False  # part of the frame was lost
        self._unsure = False  # the beginning of the frame may have been lost
        self._gap = False  # packets were lost since the last data
        self._frames_lost = False  # packets were lost since the last good frame
        self._last_heard = 0.0
        self._last_end: DataPacket | None = None
        self.silent_since = float("-inf")
        """When the last burst ended (seconds)."""

    @property
    def hearing(self) -> bool:
        """The far end is sending a burst."""
        return self._modem is not None

    @property
    def in_frame(self) -> bool:
        """A frame has begun and not ended."""
        return bool(self._frame)

    def take_signals(self) -> list[LineSignal]:
        taken, self._signals = self._signals, []
        return taken

    def next_deadline(self) -> float | None:
        return None if self._modem is None else self._last_heard + self._stall

    def handle_deadline(self, now: float) -> None:
        if self._modem is not None and now >= self._last_heard + self._stall:
            self._end(now, clean=False)

    def hear(self, packet: Packet, now: float, *, after_gap: bool = False) -> None:
        """Take one packet in its turn; ``after_gap``: packets just before it were lost."""
        if after_gap:
            self._lose()
        if isinstance(packet, IndicatorPacket):
            self._hear_indicator(packet.indicator, now, after_gap)
        # The end of a burst is often sent again with a fresh number, which UDPTL cannot recognise: the same
        # packet after the end is not a new burst.
        elif (modem := packet.type.modem) is not None and packet != self._last_end:
            if self._modem is not None:
                self._last_heard = now
            for field in packet.fields:
                self._hear_field(modem, field, now)
                if self._modem is None and field.type in _BURST_ENDS:
                    self._last_end = packet

    def _lose(self) -> None:
        self._gap = self._frames_lost = True
        if self._frame:
            self._damaged = True

    def _hear_indicator(self, indicator: Indicator, now: float, after_gap: bool) -> None:
        repeated = indicator is self._indicator
        self._last_end = None
        modem = indicator.modem
        if modem is not None:
            # Some gateways repeat the indicator while it lasts. Only V.21 bursts follow each other directly.
            # None: data have come since the indicator, so a repetition of it with a fresh number is
            # no new burst.
            again = self._indicator in (None, indicator)
            # With packets lost before it, a preamble within V.21 is more likely the next burst, whose
            # predecessor's end was lost.
            if self._modem is modem and again and not (after_gap and modem is Modem.V21):
                self._last_heard = now
                return
            self._end(now, clean=False)
            self._gap = False
            self._begin(modem, indicator.is_short_training, now)
            self._indicator = indicator
            return
        # no-signal, or a tone: gateways that send no sig-end end a burst in this way, so it is an orderly end
        # unless a frame is open.
        self._end(now, clean=not self._frame and not self._gap)
        self._indicator = indicator
        if indicator in _TONES and not repeated:
            self._signals.append(ToneHeard(_TONES[indicator]))

    def _hear_field(self, modem: Modem, field: Field, now: float) -> None:
        kind = field.type
        if field.data:
            # Data without an indicator: it was lost, or the gateway sends none. The first octets may be
            # missing, too.
            if self._modem is not modem:
                self._end(now, clean=False)
                self._begin(modem, False, now)
                self._unsure = True
            self._last_end = None
            # A raw field ends a frame: TCF and pages without ECM are not HDLC, whatever came before.
            if kind in _RAW:
                self._drop_frame()
                self._signals.append(DataReceived(modem, field.data, self._gap))
                self._gap = False
            else:
                # Also for fields that end a frame: Cisco and Commetrex put its last octets there, against
                # T.38 7.4.
                self._extend(field.data)
        if self._modem is None:
            return
        if self._gap and self._modem is not modem:
            # The end of a later burst, whose other packets were lost.
            self._end(now, clean=False)
            return
        lost = self._gap
        if kind in _FRAME_ENDS:
            self._end_frame(good=kind in _GOOD_ENDS)
        # Mediatrix ends a TCF with hdlc-sig-end, and HDLC with the other kind: either one ends what there is.
        if kind in _BURST_ENDS:
            self._end(now, clean=not self._frame and not lost)

    def extend_frame(self, data: bytes, now: float) -> Modem | None:
        """Take octets of a frame of the current burst, in their turn; returns its modem."""
        self._last_heard = now
        self._extend(data)
        return self._modem

    # --- bursts and frames -------------------------------------------------------------------------------

    def _begin(self, modem: Modem, short_training: bool, now: float) -> None:
        self._modem = modem
        self.frame_data_prefix = HDLC_DATA_PREFIX[modem]
        self._indicator = None
        self._last_heard = now
        self._signals.append(CarrierDetected(modem, short_training))

    def _end(self, now: float, *, clean: bool) -> None:
        if self._modem is None:
            return
        self._drop_frame()
        self._signals.append(CarrierLost(self._modem, clean))
        self._modem = None
        self.frame_data_prefix = b""
        self._indicator = None
        self._gap = False
        self._unsure = False
        self.silent_since = now

    def _extend(self, data: bytes) -> None:
        if not self._frame and self._gap:
            # The loss may have been other frames, or the beginning of this one.
            self._unsure = True
        self._gap = False
        room = MAX_FRAME - len(self._frame)
        if len(data) > room:
            self._damaged = True
        self._frame += data[:room]

    def _end_frame(self, *, good: bool) -> None:
        if self._modem is None or not (self._frame or self._gap):
            return  # a repeated end of the frame before
        frame = bytes(self._frame)
        # If the beginning may be missing, only address and control octets show that the frame starts here.
        whole = bool(frame) and not self._damaged and (not self._unsure or frame.startswith(_FRAME_STARTS))
        good = good and whole
        self._signals.append(FrameReceived(self._modem, frame, good, self._frames_lost))
        if good:
            self._frames_lost = False
        self._frame.clear()
        self._damaged = self._unsure = self._gap = False

    def _drop_frame(self) -> None:
        """Report a frame whose end never came as damaged."""
        if self._frame:
            self._end_frame(good=False)
