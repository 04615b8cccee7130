"""FNV: which field of the far end's optional frames was not valid (T.30 5.3.6.1.8)."""

from __future__ import annotations

from collections.abc import Collection

from t38fsp.t30.frames import FCF

_REASONS = {
    FCF.PWD: 0x80,
    FCF.SEP: 0x40,
    FCF.SUB: 0x20,
    FCF.SID: 0x10,
    FCF.TSI: 0x04,
    FCF.PSA: 0x02,
}
"""Bits of the first octet; 0x08 is an error of secure fax, 0x01 the extension bit."""


def field_not_valid(frames: Collection[FCF]) -> bytes:
    """The information field of an FNV that refuses these frames (of SUB, SID, TSI, PWD, SEP and PSA)."""
    return bytes((sum(_REASONS[fcf] for fcf in frames),))


def refusal_in_words(fif: bytes) -> str:
    """What an FNV refuses; fields that it does not name are possible too."""
    refused = [str(fcf) for fcf, bit in _REASONS.items() if fif and fif[0] & bit]
    return f"it does not accept {', '.join(refused)}" if refused else "it does not name the field"
