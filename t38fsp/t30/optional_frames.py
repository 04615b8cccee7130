"""Identification and addressing of the far end: optional frames before a command or response (T.30 5.3.6).

FNV says which of them was not valid (T.30 5.3.6.1.8).
"""

from __future__ import annotations

from collections.abc import Collection

from t38fsp.t30.frames import FCF, Frame, decode_station_id
from t38fsp.t30.outputs import FarEndAddressed, FarEndIdentified, Output

_IDENTIFYING = frozenset({FCF.CSI, FCF.TSI, FCF.CIG})
_NON_STANDARD = frozenset({FCF.NSF, FCF.NSS, FCF.NSC})
_ADDRESSING = frozenset({FCF.SUB, FCF.SID, FCF.SEP, FCF.PSA, FCF.PWD})
_IGNORED = frozenset({FCF.TSA, FCF.IRA, FCF.CIA, FCF.ISP, FCF.CSA})
"""Internet addresses; ignored, as SIP has better ones."""

_ESCAPE = 0xFF
"""A T.35 country code that goes on in the next octet."""


def equipment(non_standard: bytes) -> str:
    """Country and manufacturer at the head of an NSF, NSS or NSC (T.35), in hexadecimal; empty for none."""
    if not non_standard:
        return ""
    country = 2 if non_standard[0] == _ESCAPE else 1
    vendor = non_standard[country : country + 2].hex()
    return f"T.35 country {non_standard[:country].hex()}" + (f", manufacturer {vendor}" if vendor else "")


class FarEnd:
    """Keeps the contents of the optional frames, and reports changes."""

    def __init__(self) -> None:
        self._station_id = ""
        self._non_standard = b""
        self._addresses: dict[FCF, str] = {}
        self._told: dict[type[Output], Output] = {}

    def heard(self, frame: Frame) -> bool:
        """Process the frame; false if it is not an optional one."""
        if frame.fcf in _IDENTIFYING:
            self._station_id = decode_station_id(frame.fif)
        elif frame.fcf in _NON_STANDARD:
            self._non_standard = frame.fif
        elif frame.fcf in _ADDRESSING:
            self._addresses[frame.fcf] = decode_station_id(frame.fif)
        else:
            return frame.fcf in _IGNORED
        return True

    @property
    def addressed(self) -> FarEndAddressed:
        """Whom the far end asks for."""
        said = self._addresses
        return FarEndAddressed(
            # The same address: a caller that sends pages writes SUB, one that polls PSA.
            sub_address=said.get(FCF.SUB) or said.get(FCF.PSA, ""),
            sender_id=said.get(FCF.SID, ""),
            selective_address=said.get(FCF.SEP, ""),
            password=said.get(FCF.PWD, ""),
        )

    def news(self) -> list[Output]:
        """Reports of what has changed since the last call."""
        news: list[Output] = []
        if self._station_id or self._non_standard:
            news.append(FarEndIdentified(self._station_id, self._non_standard))
        if any(self._addresses.values()):
            news.append(self.addressed)
        news = [output for output in news if self._told.get(type(output)) != output]
        self._told.update({type(output): output for output in news})
        return news


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
