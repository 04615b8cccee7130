"""Detection of a fax machine in G.711 audio: CNG, CED (also ANSam), and the flags of V.21 channel 2.

Frames of 20 ms are correlated with sines. All four frequencies (1100, 2100, 1650 and 1850 Hz) are multiples
of 50 Hz, so one table of 160 samples serves every frame with continuous phase.

A tone is detected when it has most of the power of 10 ms of signal, for 0.3 s. The criterion is the share of
the power, not the level: speech spreads its power, or has it at other frequencies. Windows of 10 ms tolerate
the frequency deviation that T.30 allows (1100 ± 38 Hz), and limit a phase reversal (ANSam, every 450 ms) to
one frame.

V.21 flags are decoded bit by bit: a window of 3 ms, just under one bit, slides in steps of 1 ms; in each the
stronger of 1650 Hz (1) and 1850 Hz (0) is taken. A flag is a run of six ones between runs of one or two
zeros. Four consecutive flags are V.21: no other signal has that pattern.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi, sin
from operator import mul, sub

from t38fsp.audio.g711 import SAMPLE_RATE, Law, decode
from t38fsp.audio.rtp import FRAME_SAMPLES
from t38fsp.audio.tones import CED_HERTZ, CNG_HERTZ
from t38fsp.t30.vocabulary import Tone, ToneHeard


@dataclass(frozen=True, slots=True)
class V21Heard:
    """Flags of V.21 channel 2: a fax machine begins a frame in audio, although T.38 was not started."""


AudioSignal = ToneHeard | V21Heard
"""Signals detected in audio; the tones are those of T.30's vocabulary."""

_MARK_HERTZ = 1650
_SPACE_HERTZ = 1850
"""V.21 channel 2: a one and a zero (T.30 5.3)."""

_LEAST_POWER = 8000.0
"""Mean square of a sample at about -45 dBm0; anything below is silence."""

# Tones are judged in halves of a frame.
_HALF = FRAME_SAMPLES // 2
_TONE_SHARE = 0.5
_TONE_FRAMES = 15
_TONE_MISS = 3
"""Score that a frame without the tone subtracts: one in four may be bad, for phase reversals and packet
loss."""

# V.21 flags are read in steps of 1 ms; a bit of 1/300 s takes 3 1/3 of them.
_STEP = 8
_STEPS = FRAME_SAMPLES // _STEP
_WINDOW = 3
# In steps: six ones take 20, one zero 3 1/3 and two 6 2/3, give or take the window.
_ONES = range(18, 23)
_ZEROS = range(2, 9)
_FLAG_SHARE = 0.45
_FLAGS = 4


def _table(hertz: int) -> tuple[list[float], list[float]]:
    step = 2 * pi * hertz / SAMPLE_RATE
    return (
        [cos(step * n) for n in range(FRAME_SAMPLES)],
        [sin(step * n) for n in range(FRAME_SAMPLES)],
    )


class _Frame:
    """20 ms of samples, and their cumulative power at every 1 ms."""

    __slots__ = ("energies", "samples")

    def __init__(self, samples: array[int]) -> None:
        self.samples = samples
        self.energies = list(accumulate(map(mul, samples, samples)))[_STEP - 1 :: _STEP]

    @property
    def loud(self) -> bool:
        return bool(self.energies[-1] > _LEAST_POWER * FRAME_SAMPLES)


class _ToneDetector:
    """One frequency; reports the beginning of each tone once."""

    __slots__ = ("_heard", "_score", "_tables")

    def __init__(self, hertz: int) -> None:
        in_phase, quadrature = _table(hertz)
        self._tables = (
            (in_phase[:_HALF], quadrature[:_HALF]),
            (in_phase[_HALF:], quadrature[_HALF:]),
        )
        self._score = 0
        self._heard = False

    def silence(self) -> None:
        self._score = max(0, self._score - _TONE_MISS)
        if not self._score:
            self._heard = False

    def receive(self, frame: _Frame) -> bool:
        """True if the tone has just been detected."""
        samples, total = frame.samples, frame.energies[-1]
        energy = 0.0
        for half, (in_phase, quadrature) in zip(
            (samples[:_HALF], samples[_HALF:]), self._tables, strict=True
        ):
            energy += sum(map(mul, half, in_phase)) ** 2 + sum(map(mul, half, quadrature)) ** 2
        # A sine of exactly this frequency gives its energy times half the window.
        if energy < _TONE_SHARE * total * _HALF / 2:
            self.silence()
            return False
        self._score = min(self._score + 1, _TONE_FRAMES)
        if self._heard or self._score < _TONE_FRAMES:
            return False
        self._heard = True
        return True


class _FlagDetector:
    """Flags of V.21 channel 2; reports the beginning of each preamble once."""

    __slots__ = ("_bit", "_flags", "_heard", "_run", "_tables", "_tails")

    def __init__(self) -> None:
        mark, space = _table(_MARK_HERTZ), _table(_SPACE_HERTZ)
        self._tables = (*mark, *space)
        self.silence()

    def silence(self) -> None:
        # The last steps of the previous frame: four correlations and the power.
        self._tails: list[list[float]] = [[0.0] * (_WINDOW - 1) for _ in range(5)]
        self._bit: bool | None = None
        self._run = 0
        self._flags = 0
        self._heard = False

    def receive(self, frame: _Frame) -> bool:
        """True if the preamble has just been detected."""
        samples = frame.samples
        sums = [list(accumulate(map(mul, samples, table)))[_STEP - 1 :: _STEP] for table in self._tables]
        sums.append([float(energy) for energy in frame.energies])
        windows = []
        for track, (running, tail) in enumerate(zip(sums, self._tails, strict=True)):
            steps = tail + list(map(sub, running, [0.0, *running]))
            windows.append([a + b + c for a, b, c in zip(steps, steps[1:], steps[2:], strict=False)])
            self._tails[track] = steps[_STEPS:]
        heard = False
        # The square of a correlation with a pure sine is its energy times half the number of samples.
        enough = _FLAG_SHARE * _WINDOW * _STEP / 2
        for mark_i, mark_q, space_i, space_q, power in zip(*windows, strict=True):
            mark = mark_i * mark_i + mark_q * mark_q
            space = space_i * space_i + space_q * space_q
            bit = mark > space if max(mark, space) > enough * power else None
            heard |= self._step(bit)
        return heard

    def _step(self, bit: bool | None) -> bool:
        if bit is self._bit:
            self._run += 1
            return False
        ended, run = self._bit, self._run
        self._bit, self._run = bit, 1
        # None: neither frequency has enough of the power.
        if ended is None:
            # A weak signal is not V.21, so flags must be consecutive again.
            self._flags = 0
        elif ended:
            self._flags = self._flags + 1 if run in _ONES else 0
        elif run not in _ZEROS:
            self._flags = 0
        if not self._flags:
            self._heard = False
        if self._heard or self._flags < _FLAGS:
            return False
        self._heard = True
        return True


class AudioListener:
    """Detects signals in G.711 payloads, which must be in order. It needs no clock: 8000 samples are a
    second."""

    def __init__(self) -> None:
        self._samples = array("h")
        self._tones = (
            (_ToneDetector(CNG_HERTZ), ToneHeard(Tone.CNG)),
            (_ToneDetector(CED_HERTZ), ToneHeard(Tone.CED)),
        )
        self._flags = _FlagDetector()
        self._signals: list[AudioSignal] = []

    def receive(self, payload: bytes, law: Law) -> None:
        """Process the next samples, any number of them, coded in ``law``."""
        self._samples.extend(decode(payload, law))
        while len(self._samples) >= FRAME_SAMPLES:
            frame = _Frame(self._samples[:FRAME_SAMPLES])
            del self._samples[:FRAME_SAMPLES]
            self._hear(frame)

    def take_signals(self) -> list[AudioSignal]:
        """Return the signals detected since the last call: one for the beginning of each tone or preamble."""
        signals, self._signals = self._signals, []
        return signals

    def _hear(self, frame: _Frame) -> None:
        if not frame.loud:
            for detector, _ in self._tones:
                detector.silence()
            self._flags.silence()
            return
        for detector, signal in self._tones:
            if detector.receive(frame):
                self._signals.append(signal)
        if self._flags.receive(frame):
            self._signals.append(V21Heard())
