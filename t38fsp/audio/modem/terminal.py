"""The audio terminal: converts T.30 bursts to audio, and audio to line signals, as the T.38 terminal does it
with packets.

Sans-IO. It takes over the audio leg of its call, whose packets leave every 20 ms; the samples of each are
made when it leaves, so a burst that is revoked ends at once.
"""

from __future__ import annotations

import ctypes as c
from collections import deque
from collections.abc import Sequence

from t38fsp.audio.g711 import SAMPLE_RATE, Law
from t38fsp.audio.leg import AudioLeg
from t38fsp.audio.modem.intake import AudioCounters, Intake, Piece
from t38fsp.audio.modem.level import LevelControl
from t38fsp.audio.modem.library import FRAME_SAMPLES, ModemLibrary
from t38fsp.audio.modem.receiving import ReceiveModem
from t38fsp.audio.modem.transmitting import TransmitModem
from t38fsp.audio.rtp import RtpError, RtpPacket, looks_like_rtp
from t38fsp.audio.tones import FRAME_SECONDS, ced_frame, cng_frame, silent_frame
from t38fsp.lanes import Lane
from t38fsp.t30.outputs import Listen
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    DataReceived,
    LineSignal,
    Modem,
    Tone,
    ToneBurst,
)

_PAUSE = 0.075
"""Seconds of silence between two bursts, in either direction (T.30 5.3.2.2: 75 ms); for as long after a burst
of ours its echo is not listened to."""
_CED_LEAD = 0.2
"""Seconds of silence before CED in its frames."""
_SILENCE_LIMIT = 1.0
"""Seconds without any packet after which a carrier is over."""
_UNREAD_AFTER = 0.35
"""Seconds of a signal after which it is reported although it cannot be read; V.21 has shown its flags by
then."""
_UNREAD = Modem.V27TER_2400
"""The modem that such a signal is reported as. It may be any: what matters to T.30 is that the far end
speaks."""
_NOTHING = b"\xff"
"""Handed up for a raw burst whose training failed: octets came, and none that can be used. T.30 answers FTT
or RTN to that, rather than wait for a burst that has been."""
_QUIET = 0.06
"""Seconds of silence that end it."""
_LAWS = {Law.PCMA: 0, Law.PCMU: 1}
"""``G711_ALAW``, ``G711_ULAW``."""


class _Encoder:
    """G.711 by the library, which takes a tenth of the time of a table in Python."""

    def __init__(self, library: ModemLibrary, law: Law) -> None:
        self._state = library.state("g711", _LAWS[law])
        self._encode = library.call.g711_encode
        self._octets = c.create_string_buffer(FRAME_SAMPLES)

    def frame(self, samples: c.Array[c.c_int16]) -> bytes:
        self._encode(self._state.pointer, self._octets, samples, FRAME_SAMPLES)
        return self._octets.raw


class AudioTerminal:
    """One end of a fax call in audio; ``leg`` is the audio of the call, which must have started.

    ``echo_protection`` leaves time for talker echo protection before each training. No received datagram
    raises.
    """

    modem_paced = True
    """Bursts in audio always are."""

    def __init__(
        self, leg: AudioLeg, library: ModemLibrary, now: float, *, echo_protection: bool = False
    ) -> None:
        self._leg = leg
        self._library = library
        self._echo_protection = echo_protection
        self._intake = Intake(now)
        self._receiver = ReceiveModem(library)
        self.levels = LevelControl()
        self._bursts: deque[Burst] = deque()
        self._burst: Burst | None = None
        """What is being sent, or waits for the pause before it; never CNG."""
        self._modem: TransmitModem | None = None
        self._frame = 0
        """Number of the next 20 ms of a tone."""
        self._cng = False
        self._sent = 0
        self._sent_at: float | None = None
        self._not_before = now
        """When the next burst may begin."""
        self._deaf_until = now
        self._heard_at = now
        self._expected: Listen | None = None
        """A fast modem to listen for as soon as nothing else is on the line."""
        self._encoders: dict[Law, _Encoder] = {}
        self._loud = self._quiet = 0  # samples in a row
        self._unread: Modem | None = None
        """A signal is up that cannot be read: TCF after a DCS that was damaged, or a burst whose training
        failed."""
        self.retrains = 0
        """Trainings of the far end that failed here."""

    # --- in ----------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Take over the audio leg."""
        self._leg.carry(self)

    def send(self, burst: Burst, now: float) -> None:
        """Send ``burst`` after the bursts before it."""
        self._bursts.append(burst)
        self._advance(now)

    def revoke(self, now: float) -> None:
        """Stop at once; the bursts do not count as sent."""
        self._bursts.clear()
        self._cng = False
        if self._burst is not None:
            self._end_burst(now)

    def stop(self) -> None:
        """Send nothing from now on, but continue to receive."""
        self._bursts.clear()
        self._burst = self._modem = None
        self._cng = False
        self._leg.mute()

    def change(self, payload_type: int, law: Law) -> None:
        """Send with this payload type and law from the next frame on."""
        self._leg.change(payload_type, law)

    def release(self) -> None:
        """The call is over, or goes on in T.38."""
        self.stop()
        self._leg.stop()

    def listen(self, expected: Listen, now: float) -> None:
        """Expect a fast modem, once V.21 and our own burst are over."""
        self._receiver.listen(None)
        self._expected = expected

    def receive(self, datagram: bytes, now: float) -> bool:
        """Take a datagram; true if it was RTP of this call, audio or not."""
        payload = self._intake.take_next(datagram, now)
        if payload is not None:
            self._heard_at = now
            if self._modem is None and now >= self._deaf_until:
                self._hear_samples(payload, self._intake.law, now)
            return True
        if not looks_like_rtp(datagram):
            return False
        try:
            packet = RtpPacket.parse(datagram)
        except RtpError:
            self.counters.malformed += 1
            return False
        # Telephone events (RFC 4733) and the like come in the stream of the fax, but are not part of it.
        return self._leg.take_packet(packet, now) or packet.ssrc == self._intake.ssrc

    def extend_frame(self, datagram: bytes, now: float) -> bool:
        """False: a packet of audio has no shorter way."""
        return False

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None if nothing is due."""
        due = self._sent_at
        held = self._intake.next_deadline()
        silent = self._heard_at + _SILENCE_LIMIT if self._hears else None
        for other in (held, silent):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def handle_deadline(self, now: float) -> None:
        self._hear(self._intake.handle_deadline(now), now)
        if self._hears and now >= self._heard_at + _SILENCE_LIMIT:
            self._receiver.drop()
            self._end_unread()

    # --- out ---------------------------------------------------------------------------------------------

    @property
    def lane(self) -> Lane:
        """The lane of the audio leg."""
        return self._leg

    @property
    def has_news(self) -> bool:
        """Whether signals are to be taken, or the deadline may have moved to an earlier time."""
        return bool(self._receiver.signals) or self._intake.holds

    @property
    def counters(self) -> AudioCounters:
        return self._intake.counters

    def take_signals(self) -> list[LineSignal]:
        taken, self._receiver.signals = self._receiver.signals, []
        return taken

    def take_sent(self) -> int:
        """Number of bursts that have left the line since the last call."""
        taken, self._sent, self._sent_at = self._sent, 0, None
        return taken

    # --- for the audio leg -------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """A burst is on the line: no frame of it may be left out."""
        return self._modem is not None

    def speak(self, index: int, law: Law, now: float) -> bytes:
        """The octets of the frame of 20 ms that leaves ``now``; ``index`` counts the frames of the call."""
        burst = self._burst
        if burst is None or now < self._not_before:
            return cng_frame(index, law) if self._cng else silent_frame(law)
        if isinstance(burst, ToneBurst):
            self._frame += 1
            if self._frame * FRAME_SECONDS >= _CED_LEAD + burst.seconds:
                self._burst_over(now)
            return ced_frame(self._frame - 1, law)
        if self._modem is None:
            self._receiver.drop()
            self._end_unread()
            self._loud = self._quiet = 0
            self._modem = TransmitModem(self._library, burst, echo_protection=self._echo_protection)
        samples, over = self._modem.block()
        encoder = self._encoders.get(law)
        if encoder is None:
            encoder = self._encoders[law] = _Encoder(self._library, law)
        frame = encoder.frame(samples)
        if over:
            self._burst_over(now)
        return frame

    def hear(self, packet: RtpPacket, now: float) -> None:
        """Take a packet of G.711 or of comfort noise."""
        self._heard_at = now
        self._hear(self._intake.receive(packet, now), now)

    # --- speaking ----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Take up the next burst, if the one before is over."""
        while self._burst is None and self._bursts:
            burst = self._bursts.popleft()
            self._cng = isinstance(burst, ToneBurst) and burst.tone is Tone.CNG
            if self._cng:
                self._note_sent(now)  # it counts as sent once it is on
            else:
                self._burst, self._frame = burst, 0

    def _burst_over(self, now: float) -> None:
        # The frame that ends the burst takes 20 ms more to play.
        self._end_burst(now + FRAME_SECONDS)
        self._note_sent(now)
        self._advance(now)
        self._leg.planned()

    def _end_burst(self, ends: float) -> None:
        self._burst = self._modem = None
        self._not_before = self._deaf_until = ends + _PAUSE

    def _note_sent(self, now: float) -> None:
        self._sent += 1
        self._sent_at = now

    # --- hearing -----------------------------------------------------------------------------------------

    @property
    def _hears(self) -> bool:
        return self._receiver.v21_up or self._receiver.fast_up or self._unread is not None

    def _hear(self, pieces: Sequence[Piece], now: float) -> None:
        if self._modem is not None or now < self._deaf_until:
            return
        for piece in pieces:
            if piece.payload:
                self._hear_samples(piece.payload, piece.law, now, filled=piece.filled)
            else:
                self._receiver.drop()
                self._end_unread()

    def _hear_samples(self, payload: bytes, law: Law, now: float, *, filled: bool = False) -> None:
        receiver = self._receiver
        if self._expected is not None and self._burst is None and not receiver.v21_up:
            # Only now: our own burst and V.21 would have been trained on.
            receiver.listen(self._expected)
            self._expected = None
        learning = receiver.v21_up and not receiver.fast_up
        samples = self.levels.samples(payload, law, learning=learning)
        receiver.hear(samples, loud=self.levels.loud, filled=filled)
        self._watch_unread(len(payload))
        # CNG is for a far end that has not been heard.
        if receiver.v21_up:
            self._cng = False
            if receiver.expected is not None:
                # It would train on V.21; it begins again when that is over.
                self._expected = receiver.expected
                receiver.listen(None)
        if self._hears:
            self._not_before = max(self._not_before, now + _PAUSE)

    def _watch_unread(self, samples: int) -> None:
        """Report a signal that cannot be read, so that T.30 does not speak into it."""
        receiver = self._receiver
        if not self.levels.loud:
            self._loud, self._quiet = 0, self._quiet + samples
        else:
            self._loud, self._quiet = self._loud + samples, 0
        # A modem that still trains may yet read the signal.
        awaited = receiver.expected is not None and not receiver.failed
        readable = receiver.v21_up or receiver.fast_up or awaited
        if self._unread is not None and (readable or self._quiet >= _QUIET * SAMPLE_RATE):
            self._end_unread()
            return
        lasting = bool(self.levels.level) and self._loud >= _UNREAD_AFTER * SAMPLE_RATE
        if lasting and not readable and self._unread is None:
            self._begin_unread(receiver.expected)

    def _begin_unread(self, expected: Listen | None) -> None:
        signals = self._receiver.signals
        if expected is None or expected.modem is None:
            self._unread = _UNREAD
            signals.append(CarrierDetected(_UNREAD))
            return
        self.retrains += 1
        self._unread = expected.modem
        signals.append(CarrierDetected(expected.modem, expected.short_training))
        if not expected.hdlc:
            signals.append(DataReceived(expected.modem, _NOTHING, True))
        self._receiver.listen(None)

    def _end_unread(self) -> None:
        if self._unread is not None:
            # Before a carrier that has just come up.
            self._receiver.signals.insert(0, CarrierLost(self._unread, False))
            self._unread = None
