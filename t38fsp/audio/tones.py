"""CNG and CED as ready G.711 frames of 20 ms.

Both frequencies fit a whole number of times into 20 ms (22 and 42 cycles): one frame, repeated, is the tone
without a seam.
"""

from __future__ import annotations

from array import array
from functools import cache
from math import pi, sin

from t38fsp.audio.g711 import SAMPLE_RATE, Law, encode
from t38fsp.audio.rtp import FRAME_SAMPLES

FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE

CNG_HERTZ = 1100
"""T.30 4.2; on for 0.5 s, off for 3 s."""
CED_HERTZ = 2100
"""T.30 4.1; 2.6 to 4.0 s, not sooner than 0.2 s after the answer."""

# Low enough to leave room for the gain of a gateway.
LEVEL_DBM0 = -12.0

_LEAD = 10
"""Frames of silence before the first tone: 0.2 s."""
# Frames of 20 ms: 0.5 s and 3 s.
_CNG_ON, _CNG_OFF = 25, 150
_CED_ON = 150

_FULL_SCALE_DBM0 = 3.14
_FULL_SCALE = 32767


@cache
def tone_frame(hertz: int, law: Law, level_dbm0: float = LEVEL_DBM0) -> bytes:
    """20 ms of a sine; ``hertz`` is a multiple of 50, ``level_dbm0`` at most 3.14."""
    amplitude = _FULL_SCALE * 10 ** ((level_dbm0 - _FULL_SCALE_DBM0) / 20)
    step = 2 * pi * hertz / SAMPLE_RATE
    return encode(array("h", (round(amplitude * sin(step * n)) for n in range(FRAME_SAMPLES))), law)


@cache
def silent_frame(law: Law) -> bytes:
    return bytes([law.silence]) * FRAME_SAMPLES


def cng_frame(index: int, law: Law) -> bytes:
    """Frame ``index`` (from 0) of the signal of a calling fax terminal: CNG until the switch."""
    on = index >= _LEAD and (index - _LEAD) % (_CNG_ON + _CNG_OFF) < _CNG_ON
    return tone_frame(CNG_HERTZ, law) if on else silent_frame(law)


def ced_frame(index: int, law: Law) -> bytes:
    """Frame ``index`` (from 0) of the signal of an answering fax terminal: 3 s of CED, then silence."""
    on = _LEAD <= index < _LEAD + _CED_ON
    return tone_frame(CED_HERTZ, law) if on else silent_frame(law)
