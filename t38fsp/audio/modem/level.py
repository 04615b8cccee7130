"""Gain and gate in front of the modems.

Telephone lines deliver anything from +5 to -45 dBm0, and the modems of the library work well around its own
sending level only. The level is learned from the far end's V.21, which every fax begins with; from then on
all audio is amplified to the same level, and what is far below becomes silence. Without that gate amplified
noise would raise carriers, and the V.17 receiver would be training on noise when the real training begins.

The gain costs nothing: it is another table of 256 entries, as G.711 is decoded by a table anyway.
"""

from __future__ import annotations

from array import array
from functools import cache
from math import log10

from t38fsp.audio.g711 import Law, decode

_FULL_SCALE_DBM0 = 3.14
_FULL_SCALE_POWER = 32767.0**2 / 2

_TARGET_DBM0 = -14.0
"""The library's own sending level."""
_TARGET_POWER = _FULL_SCALE_POWER * 10 ** ((_TARGET_DBM0 - _FULL_SCALE_DBM0) / 10)
_UNIT = 16
"""Peaks of 12 dB fit into an octet."""
_LEAST_GAIN, _MOST_GAIN = -20, 32
"""dB."""
_HOLD = 1.0
"""dB that the gain may be wrong before it is changed: the level is never quite the same twice."""
_GATE = 10 ** (-10.5 / 10)
"""Share of the power of the level, below which audio is silence: 0.3 in amplitude."""
_LEAST_POWER = 900.0
"""Mean square of a sample at about -55 dBm0; nothing is learned from less."""
_WEIGHT = 0.1
"""Weight of a block of 20 ms in the mean."""


@cache
def _powers(law: Law) -> tuple[float, ...]:
    """The square of the sample of each octet."""
    return tuple(float(sample * sample) for sample in decode(bytes(range(256)), law))


@cache
def _shares(law: Law, gain: int) -> bytes:
    """The square of the amplified sample of each octet, where ``_UNIT`` is that of the target."""
    factor = _UNIT * 10 ** (gain / 10) / _TARGET_POWER
    return bytes(min(round(power * factor), 255) for power in _powers(law))


def dbm0(power: float) -> float:
    """The level of a mean square; -99 for silence."""
    return 10 * log10(power / _FULL_SCALE_POWER) + _FULL_SCALE_DBM0 if power > 0 else -99.0


class LevelControl:
    """``level`` is the mean square of the far end's signal; 0 until V.21 was heard."""

    def __init__(self) -> None:
        self.level = 0.0
        self.loud = False
        """The last samples were a signal, by the level known."""
        self._gain = 0
        self._gate = 0.0
        """That of ``_GATE`` in the unit of ``_shares``; 0 until the level is known."""
        self._noise = 0.0

    @property
    def level_dbm0(self) -> float | None:
        """The level of the far end's signal; None if it was not heard."""
        return round(dbm0(self.level), 1) if self.level else None

    @property
    def signal_to_noise(self) -> float | None:
        """dB, as estimated from what is heard between bursts; None if nothing was. At most 50, as G.711 has
        no more."""
        if not self.level or not self._noise:
            return None
        return round(min(10 * log10(self.level / self._noise), 50.0), 1)

    def samples(self, payload: bytes, law: Law, *, learning: bool) -> array[int]:
        """The samples for the modems. With ``learning`` they are V.21 of the far end."""
        if (
            not learning
            and self._gate
            and sum(payload.translate(_shares(law, self._gain))) >= (self._gate * len(payload))
        ):
            # A signal, by a sum that takes a sixth of the time of the exact one.
            self.loud = True
            return decode(payload, law, self._gain)
        power = sum(map(_powers(law).__getitem__, payload)) / len(payload)
        self.loud = power >= max(_GATE * self.level, _LEAST_POWER)
        if self.level and power < _GATE * self.level:
            self._noise = power if not self._noise else self._noise + _WEIGHT * (power - self._noise)
            return array("h", bytes(2 * len(payload)))
        if learning and power > _LEAST_POWER:
            self.level = power if not self.level else self.level + _WEIGHT * (power - self.level)
            wanted = _TARGET_DBM0 - dbm0(self.level)
            # A short training works with the gain of the long one before it.
            if abs(wanted - self._gain) > _HOLD:
                self._gain = max(_LEAST_GAIN, min(_MOST_GAIN, round(wanted)))
            amplified = max(_GATE * self.level, _LEAST_POWER) * 10 ** (self._gain / 10)
            self._gate = _UNIT * amplified / _TARGET_POWER
        return decode(payload, law, self._gain)
