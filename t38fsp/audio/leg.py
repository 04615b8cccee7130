"""The audio of one call before the switch: sends our tone, and detects that of the far end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from t38fsp.audio.detectors import AudioListener, AudioSignal
from t38fsp.audio.g711 import SAMPLE_RATE, Law
from t38fsp.audio.offer import COMFORT_NOISE, PAYLOAD_TYPES
from t38fsp.audio.rtp import FRAME_SAMPLES, RtpError, RtpPacket, RtpReceiver, RtpSender, looks_like_rtp
from t38fsp.audio.tones import FRAME_SECONDS, ced_frame, cng_frame
from t38fsp.lanes import NEVER, Lane

_AHEAD = 2 * SAMPLE_RATE
"""Samples accepted ahead of real time. Detection costs far more than packets, so a flood is dropped."""
_CATCH_UP = 5
"""Frames sent together after a stall; the others are skipped, as jitter buffers would drop them as late."""


class Role(Enum):
    """The side of the call: a calling terminal plays CNG until the switch, an answering one CED once."""

    CALLING = "calling"
    ANSWERING = "answering"


class Voice(Protocol):
    """What speaks and hears in an audio leg in place of its tones: a fax in audio."""

    @property
    def busy(self) -> bool:
        """No frame may be left out now."""

    def speak(self, index: int, law: Law, now: float) -> bytes: ...
    def hear(self, packet: RtpPacket, now: float) -> None: ...


_TONES = {Role.CALLING: cng_frame, Role.ANSWERING: ced_frame}


@dataclass(frozen=True, slots=True)
class RtpStart:
    """Initial values of our stream: random numbers of 32, 16 and 32 bits (RFC 3550 5.1)."""

    ssrc: int
    sequence: int
    timestamp: int


class AudioLeg(Lane):
    """RTP in both directions, one packet every 20 ms from :meth:`start` on, built when it is due.

    ``payload_type`` and ``law`` are the choice of :func:`t38fsp.audio.offer.choose` in the far end's SDP,
    which we send until :meth:`change`; both laws are received. After ``patience`` seconds sending pauses
    until something is received (None: never).
    """

    def __init__(
        self, *, role: Role, payload_type: int, law: Law, start: RtpStart, patience: float | None = None
    ) -> None:
        super().__init__()
        self._tone = _TONES[role]
        self._law = law
        self._sender = RtpSender(payload_type, start.ssrc, start.sequence, start.timestamp)
        self._receiver = RtpReceiver()
        self._listener = AudioListener()
        self._voice: Voice | None = None
        self._muted = False
        self._started: float | None = None
        self._next_frame = 0
        self._heard = 0  # samples since the start
        self._silent_from = None if patience is None else round(patience / FRAME_SECONDS)
        """The first frame that is not sent unless something was received."""

    def start(self, now: float) -> None:
        """Begin to send; to be called once. Frame n is due at ``now`` + n * 20 ms."""
        self._started = now
        self.moved = True

    def stop(self) -> None:
        """Stop sending and receiving."""
        self._started = self._voice = None
        self.moved = True

    def carry(self, voice: Voice) -> None:
        """From now on send what ``voice`` speaks, in the same stream, and have it hear what comes."""
        self._voice = voice
        self._silent_from = None

    def mute(self) -> None:
        """Send nothing more, but continue to receive."""
        self._muted = True
        self.moved = True

    def change(self, payload_type: int, law: Law) -> None:
        """Send with this payload type and law from the next frame on."""
        self._sender.payload_type = payload_type
        self._law = law

    @property
    def due(self) -> float:
        if self._started is None or self._muted or self._is_out_of_patience:
            return NEVER
        return self._started + self._next_frame * FRAME_SECONDS

    def leave(self, now: float, hungry: deque[Lane]) -> float:
        due = self.due
        if due > now:
            return due
        late = int((now - due) / FRAME_SECONDS)
        voice = self._voice
        # The timestamps skip what is left out, so that the far end hears silence and not a shift in time.
        if late > _CATCH_UP and (voice is None or not voice.busy):
            self._sender.skip((late - _CATCH_UP) * FRAME_SAMPLES)
            self._next_frame += late - _CATCH_UP
        index = self._next_frame
        self._next_frame += 1
        payload = self._tone(index, self._law) if voice is None else voice.speak(index, self._law, now)
        self.send(self._sender.packet(payload))
        return self.due

    def receive(self, datagram: bytes, now: float) -> bool:
        """Process a datagram; False, without any effect, if it is not an RTP packet of this call.

        Audio that arrives faster than real time is dropped.
        """
        if self._started is None or not looks_like_rtp(datagram):
            return False
        try:
            packet = RtpPacket.parse(datagram)
        except RtpError:
            return False
        return self.take_packet(packet, now)

    def take_packet(self, packet: RtpPacket, now: float) -> bool:
        """The same for a packet. Comfort noise and telephone events (RFC 4733) are not audio: they are holes
        in it."""
        if self._started is None:
            return False
        if packet.payload_type not in PAYLOAD_TYPES:
            if packet.payload_type != COMFORT_NOISE or self._voice is None:
                return False
            self._voice.hear(packet, now)
            return True
        # The far end speaks, so it is really there, and not the victim of a forged INVITE.
        if self._silent_from is not None:
            self._silent_from = None
            self.moved = True
        if self._voice is not None:
            self._voice.hear(packet, now)
            return True
        playable = int((now - self._started) * SAMPLE_RATE) + _AHEAD
        for ready in self._receiver.receive(packet):
            if self._heard + len(ready.payload) <= playable:
                self._heard += len(ready.payload)
                self._listener.receive(ready.payload, PAYLOAD_TYPES[ready.payload_type])
        return True

    def take_signals(self) -> list[AudioSignal]:
        """Return the signals detected since the last call."""
        return self._listener.take_signals()

    @property
    def _is_out_of_patience(self) -> bool:
        return self._silent_from is not None and self._next_frame >= self._silent_from
