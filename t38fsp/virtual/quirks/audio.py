"""Quirks of a gateway without T.38, and of the telephone line and the trunk that carry its audio."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from math import cos, isfinite, pi, sin
from operator import mul
from typing import ClassVar

from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp.audio import g711
from t38fsp.audio.offer import COMFORT_NOISE, PAYLOAD_TYPES
from t38fsp.audio.rtp import RtpError, RtpPacket, looks_like_rtp
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check

# -14 dBm0; full amplitude of a sine is 3.14 dBm0 in A-law (G.711).
_SENDING_RMS = 3208.0
"""Level of the modems, in 16-bit samples."""


@dataclass(frozen=True, slots=True)
class InAudio(Quirk):
    """Has no T.38: the machine talks in audio from the answer on, and offers of T.38 get 488.

    An endpoint that knows T.38 alone loses the call. Needs libspandsp.
    """

    name: ClassVar[str] = "in-audio"
    excludes: ClassVar[frozenset[str]] = frozenset({"switch-after", "leaves-switch", "refuses-t38"})

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, switch_after=None, in_audio=True, ced=True)

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        if offer is None or media is None or not any(each.kind == "image" for each in media):
            return media
        gateway.note(self.name)
        return None


class _OnAudio(Quirk):
    """A stage that changes the samples of RTP packets that leave."""

    def audio_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        packet = RtpPacket.parse(datagram)
        law = PAYLOAD_TYPES.get(packet.payload_type)
        # Not audio: telephone events, say.
        if law is None:
            return (datagram,)
        gateway.note(self.name)
        samples = self.changed(g711.decode(packet.payload, law), gateway)
        return (bytes(replace(packet, payload=g711.encode(samples, law))),)

    def changed(self, samples: array[int], gateway: Gateway) -> array[int]:
        """What becomes of the samples of a packet."""
        raise NotImplementedError


def _clipped(samples: Iterable[float]) -> array[int]:
    return array("h", (max(-32768, min(32767, round(sample))) for sample in samples))


@dataclass(frozen=True, slots=True)
class AudioLevel(_OnAudio):
    """Amplifies its audio by -40 to 12 dB; telephone lines lose 0 to 20.

    An endpoint whose modems expect one level trains badly, or hears nothing.
    """

    decibels: float = -20.0
    name: ClassVar[str] = "audio-level"

    def __post_init__(self) -> None:
        check(-40 <= self.decibels <= 12, self.name, "-40 to 12 dB")

    def changed(self, samples: array[int], gateway: Gateway) -> array[int]:
        factor = 10 ** (self.decibels / 20)
        return _clipped(factor * sample for sample in samples)


@dataclass(frozen=True, slots=True)
class AudioNoise(_OnAudio):
    """Adds white noise, 10 to 60 dB under the level of a modem.

    An endpoint raises carriers on noise, or does not train at the rate that the line bears.
    """

    decibels: float = 30.0
    name: ClassVar[str] = "audio-noise"

    def __post_init__(self) -> None:
        check(10 <= self.decibels <= 60, self.name, "10 to 60 dB")

    def changed(self, samples: array[int], gateway: Gateway) -> array[int]:
        sigma = _SENDING_RMS * 10 ** (-self.decibels / 20)
        gauss = gateway.random.gauss
        return _clipped(sample + gauss(0.0, sigma) for sample in samples)


@dataclass(frozen=True, slots=True)
class AudioEcho(Quirk):
    """Returns what it hears, 6 to 60 dB weaker and 0.1 s later.

    An endpoint that listens while it speaks takes its own frames for those of the far end.
    """

    decibels: float = 15.0
    name: ClassVar[str] = "audio-echo"

    def __post_init__(self) -> None:
        check(6 <= self.decibels <= 60, self.name, "6 to 60 dB")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Echo(self)


class _Echo(_OnAudio):
    name: ClassVar[str] = AudioEcho.name

    def __init__(self, quirk: AudioEcho) -> None:
        self._share = 10 ** (-quirk.decibels / 20)
        # Six packets of 20 ms: the first was heard 0.1 s before the last.
        self._heard: deque[array[int]] = deque(maxlen=6)

    def datagram_in(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if looks_like_rtp(datagram):
            with suppress(RtpError):
                packet = RtpPacket.parse(datagram)
                if (law := PAYLOAD_TYPES.get(packet.payload_type)) is not None:
                    self._heard.append(g711.decode(packet.payload, law))
        return (datagram,)

    def changed(self, samples: array[int], gateway: Gateway) -> array[int]:
        if len(self._heard) < 6:
            return samples
        echo = self._heard[0]
        return _clipped(own + self._share * back for own, back in zip(samples, echo, strict=False))


@dataclass(frozen=True, slots=True)
class AudioLoss(Quirk):
    """Loses 0 to 20 % of its packets of audio.

    An endpoint that puts silence into the holes, or closes them up, loses carriers and phases.
    """

    percent: float = 0.5
    name: ClassVar[str] = "audio-loss"

    def __post_init__(self) -> None:
        check(isfinite(self.percent) and 0 <= self.percent <= 20, self.name, "0 to 20 %")

    def audio_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        if gateway.random.random() * 100 >= self.percent:
            return (datagram,)
        gateway.note(self.name)
        return ()


@dataclass(frozen=True, slots=True)
class AudioComfortNoise(Quirk):
    """Sends comfort noise (RFC 3389) in place of silence, one packet for each pause.

    An endpoint that counts the packets of a pause as lost, or repeats the audio before it, hears carriers
    that are not there.
    """

    name: ClassVar[str] = "audio-comfort-noise"

    def stage(self, gateway: Gateway) -> Quirk:
        return _ComfortNoise()


class _ComfortNoise(Quirk):
    name: ClassVar[str] = AudioComfortNoise.name

    def __init__(self) -> None:
        self._pausing = False
        self._left_out = 0

    def audio_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        packet = RtpPacket.parse(datagram)
        law = PAYLOAD_TYPES.get(packet.payload_type)
        silent = law is not None and packet.payload.count(law.silence) == len(packet.payload)
        # Numbers have no gap: what is left out was never sent.
        numbered = replace(packet, sequence=(packet.sequence - self._left_out) & 0xFFFF)
        if not silent:
            begins, self._pausing = self._pausing, False
            # The marker is set on the first packet after a pause (RFC 3551 4.1).
            return (bytes(replace(numbered, marker=begins or packet.marker)),)
        if not self._pausing:
            self._pausing = True
            gateway.note(self.name)
            # One octet: the level of the noise, here -64 dBov (RFC 3389 3.1).
            return (bytes(replace(numbered, payload_type=COMFORT_NOISE, payload=b"\x40")),)
        self._left_out += 1
        return ()


@dataclass(frozen=True, slots=True)
class AudioDrift(Quirk):
    """Has a clock that is -300 to 300 millionths fast: baud and carrier differ as much, and it sends a packet
    more or fewer now and then.

    An endpoint whose jitter buffer is in front of its modem runs dry or over, and loses 20 ms each time.
    """

    ppm: float = 100.0
    name: ClassVar[str] = "audio-drift"

    def __post_init__(self) -> None:
        check(isfinite(self.ppm) and -300 <= self.ppm <= 300, self.name, "-300 to 300")

    def stage(self, gateway: Gateway) -> Quirk:
        return _Drift(self.ppm)


_REACH = 8
"""Samples on either side from which one between them is made."""
_STEPS = 64
"""Places between two samples; the error of the nearest one is 40 dB and more below the signal."""


def _between(step: int) -> list[float]:
    """The weights for a sample at ``step`` / _STEPS after the middle: a sinc under a raised cosine."""
    weights = []
    for at in range(1 - _REACH, _REACH + 1):
        away = at - step / _STEPS
        sinc = sin(pi * away) / (pi * away) if away else 1.0
        weights.append(sinc * 0.5 * (1 + cos(pi * away / (_REACH + 1))))
    return weights


class _Drift(Quirk):
    """Resamples by the ratio of the clocks; packets are numbered anew."""

    name: ClassVar[str] = AudioDrift.name

    def __init__(self, ppm: float) -> None:
        self._step = 1 / (1 + ppm * 1e-6)
        self._weights = [_between(step) for step in range(_STEPS + 1)]
        self._samples = [0] * _REACH
        self._at = float(_REACH)
        """Where the next sample is to be made, in ``_samples``."""
        self._made = array("h")
        self._numbers: tuple[int, int] | None = None

    def audio_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        packet = RtpPacket.parse(datagram)
        law = PAYLOAD_TYPES.get(packet.payload_type)
        if law is None:
            return (datagram,)
        octets = len(packet.payload)
        self._samples += g711.decode(packet.payload, law)
        self._resample()
        number, stamp = self._numbers or (packet.sequence, packet.timestamp)
        packets: list[bytes] = []
        while len(self._made) >= octets:
            payload = g711.encode(self._made[:octets], law)
            del self._made[:octets]
            renumbered = replace(packet, sequence=number, timestamp=stamp, payload=payload)
            packets.append(bytes(renumbered))
            number, stamp = number + 1 & 0xFFFF, stamp + octets & 0xFFFFFFFF
        self._numbers = number, stamp
        if len(packets) != 1:
            gateway.note(self.name)
        return packets

    def _resample(self) -> None:
        last = len(self._samples) - _REACH - 1
        while self._at < last:
            middle = int(self._at)
            weights = self._weights[round((self._at - middle) * _STEPS)]
            window = self._samples[middle + 1 - _REACH : middle + 1 + _REACH]
            self._made.extend(_clipped((sum(map(mul, window, weights)),)))
            self._at += self._step
        done = int(self._at) - _REACH
        del self._samples[:done]
        self._at -= done


class Codec(Enum):
    G726 = "g726"
    """32 kbit/s."""
    GSM = "gsm"


@dataclass(frozen=True, slots=True)
class AudioTranscoding(Quirk):
    """Codes its audio in G.726 (32 kbit/s) or GSM on the way.

    The first lets a page through at 12000 bit/s or less, the second no frame at all. Needs libspandsp.
    """

    codec: Codec = Codec.GSM
    name: ClassVar[str] = "audio-transcoding"
    survivable: ClassVar[bool] = False

    def stage(self, gateway: Gateway) -> Quirk:
        return _Transcoder(self.codec)


class _Transcoder(_OnAudio):
    name: ClassVar[str] = AudioTranscoding.name

    def __init__(self, codec: Codec) -> None:
        from t38fsp.audio.modem.library import Transcoder, modem_library

        self._transcoder = Transcoder(modem_library(), codec.value)

    def changed(self, samples: array[int], gateway: Gateway) -> array[int]:
        return self._transcoder.transcoded(samples)


QUIRKS: tuple[type[Quirk], ...] = (
    InAudio,
    AudioLevel,
    AudioNoise,
    AudioEcho,
    AudioLoss,
    AudioComfortNoise,
    AudioDrift,
    AudioTranscoding,
)
