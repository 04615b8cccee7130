"""What is heard in audio; the tones have their name in T.30's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from t38fsp.t30.vocabulary import ToneHeard


@dataclass(frozen=True, slots=True)
class V21Heard:
    """Flags of V.21 channel 2: a fax machine begins a frame, and T.38 has not come up."""


AudioSignal = ToneHeard | V21Heard
