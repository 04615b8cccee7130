"""Meaning of the Q.850 cause of a failed call (RFC 3398 7.2.4.1; Reason header, RFC 3326).

The far network sets the cause; the SIP status beside it is often a gateway's translation, and less specific.
The table follows that of the RFC, except where the status would blame our trunk for a fault of the far end:
27 and 88, which the RFC maps to 502 and 503.
"""

from __future__ import annotations

from t38fsp.outcome import Outcome

NORMAL_CLEARING = 16
"""Normal call clearing: carries no information."""

_CAUSES = {
    1: (Outcome.BAD_NUMBER, "the number does not exist"),
    2: (Outcome.BAD_NUMBER, "there is no route to the network of the number"),
    3: (Outcome.BAD_NUMBER, "there is no route to the number"),
    4: (Outcome.BAD_NUMBER, "the number is out of service for a long time"),
    5: (Outcome.BAD_NUMBER, "the number has a wrong prefix"),
    17: (Outcome.BUSY, "the far end is busy"),
    # The terminal did not answer the set-up; 19 is one that rang and was not answered.
    18: (Outcome.NO_ANSWER, "the far end does not respond"),
    19: (Outcome.NO_ANSWER, "the call was not answered"),
    20: (Outcome.NO_ANSWER, "the far end is not connected at the moment"),
    # Call rejected: the far end could take the call and does not want to. Filters against unwanted calls use
    # it, too.
    21: (Outcome.DECLINED, "the far end, or a filter before it, rejected the call"),
    22: (Outcome.BAD_NUMBER, "the number has changed"),
    23: (Outcome.BAD_NUMBER, "the number is redirected to another one"),
    24: (Outcome.DECLINED, "a feature of the far end rejected the call"),
    25: (Outcome.UNAVAILABLE, "the network could not route the call"),
    26: (Outcome.BAD_NUMBER, "the number was moved to another network"),
    27: (Outcome.NO_ANSWER, "the line of the far end is out of order"),
    28: (Outcome.BAD_NUMBER, "the number is incomplete or has an invalid format"),
    29: (Outcome.NOT_CARRIED, "the network rejects a facility of the call"),
    # No circuit or channel available: the most frequent cause of a 503 of a trunk, and gone in a moment.
    34: (Outcome.UNAVAILABLE, "the network is congested"),
    38: (Outcome.UNAVAILABLE, "the network is out of order"),
    41: (Outcome.UNAVAILABLE, "the network has a temporary failure"),
    42: (Outcome.UNAVAILABLE, "the network is congested"),
    50: (Outcome.NOT_CARRIED, "the line is not subscribed to a facility of the call"),
    52: (Outcome.BARRED, "calls to the number are barred"),
    53: (Outcome.BARRED, "calls to the number are barred"),
    54: (Outcome.BARRED, "the number does not accept calls of this kind"),
    55: (Outcome.BARRED, "the number does not accept calls of this kind"),
    57: (Outcome.FORBIDDEN, "the account may not make calls of this kind"),
    87: (Outcome.BARRED, "the number accepts calls only from its closed user group"),
    # Incompatible destination: mostly a line for data, or voice only.
    88: (Outcome.NOT_CARRIED, "the far end does not accept calls of this kind"),
    90: (Outcome.BARRED, "the number accepts calls only from its closed user group"),
    91: (Outcome.BAD_NUMBER, "the number names a carrier that does not exist"),
    # Recovery on timer expiry: the only protocol error that means the network, not the call.
    102: (Outcome.UNAVAILABLE, "the network did not respond in time"),
}
_CLASSES = {
    range(32, 48): (Outcome.UNAVAILABLE, "the network has no resources for the call at the moment"),
    range(48, 64): (
        Outcome.UNAVAILABLE,
        "the network does not have the service for the call available at the moment",
    ),
    range(64, 80): (Outcome.NOT_CARRIED, "the network does not implement a service for the call"),
}
"""An unknown cause is treated as the last of its class, which is "unspecified" (Q.850 2.2.5)."""


def meaning(cause: int | None) -> tuple[Outcome, str] | None:
    """The outcome and a sentence; None for a cause that adds nothing to the SIP status.

    Those are normal clearing (16), the unspecified ones (31, 127), and protocol errors between two exchanges
    (95 to 111 except 102), which may have any reason.
    """
    if cause is None or cause in _CAUSES:
        return _CAUSES.get(cause or 0)
    return next((known for causes, known in _CLASSES.items() if cause in causes), None)
