"""Faults on the way between the machines, as filters of IFP packets."""

from __future__ import annotations

from tests.peers.endpoint import IfpFilter

_TRAINING_INDICATORS = {2 * indicator for indicator in range(4, 16)}
_RAW_FIELDS = (0xE0, 0xB0)  # t4-non-ecm-data, in the syntaxes of 1998 and 2002
_RAW_HEADER = 5


def spoil_tcf(bursts: int) -> IfpFilter:
    """Make the data of the first ``bursts`` fast bursts unlike TCF, so that each is answered with FTT."""
    seen = 0

    def spoil(ifp: bytes) -> bytes:
        nonlocal seen
        if len(ifp) == 1 and ifp[0] in _TRAINING_INDICATORS:
            seen += 1
        raw = len(ifp) > _RAW_HEADER and ifp[0] & 0xC0 == 0xC0 and ifp[2] in _RAW_FIELDS
        if raw and seen <= bursts:
            return ifp[:_RAW_HEADER] + b"\x5a" * (len(ifp) - _RAW_HEADER)
        return ifp

    return spoil
