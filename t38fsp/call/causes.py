"""What the Q.850 cause of a call says that came to nothing (RFC 3398 7.2.4.1, RFC 3326).

The far network sets the cause; the SIP status beside it is often what a gateway made of it, and says less.
The table follows that of the RFC. It departs from it where the status would blame our trunk for what is wrong
at the far end: 27 and 88, which become 502 and 503 there.
"""

from __future__ import annotations

from t38fsp.outcome import Outcome

NORMAL_CLEARING = 16
"""Says nothing: the ordinary end of a call."""

_CAUSES = {
    1: (Outcome.BAD_NUMBER, "the number does not exist"),
    2: (Outcome.BAD_NUMBER, "there is no route to the network of the number"),
    3: (Outcome.BAD_NUMBER, "there is no route to the number"),
    4: (Outcome.BAD_NUMBER, "the number cannot be reached for a long time"),
    5: (Outcome.BAD_NUMBER, "the number has a wrong prefix"),
    17: (Outcome.BUSY, "the far end is busy"),
    18: (Outcome.NO_ANSWER, "the far end does not respond"),
    19: (Outcome.NO_ANSWER, "nobody answered"),
    20: (Outcome.NO_ANSWER, "the far end is not connected at the moment"),
    21: (Outcome.DECLINED, "the far end, or a filter before it, rejected the call"),
    22: (Outcome.BAD_NUMBER, "the number has changed"),
    23: (Outcome.BAD_NUMBER, "the number leads to another one now"),
    24: (Outcome.DECLINED, "a service of the far end rejected the call"),
    25: (Outcome.UNAVAILABLE, "the network routed the call in a wrong way"),
    26: (Outcome.BAD_NUMBER, "the number was moved to another network"),
    27: (Outcome.NO_ANSWER, "the line of the far end is out of order"),
    28: (Outcome.BAD_NUMBER, "the number is incomplete or has an invalid format"),
    29: (Outcome.NOT_CARRIED, "the network rejects a facility of the call"),
    34: (Outcome.UNAVAILABLE, "the network is congested"),
    38: (Outcome.UNAVAILABLE, "the network is out of order"),
    41: (Outcome.UNAVAILABLE, "the network has failed for the moment"),
    42: (Outcome.UNAVAILABLE, "the network is congested"),
    50: (Outcome.NOT_CARRIED, "the line has not subscribed to a facility of the call"),
    52: (Outcome.BARRED, "calls to the number are barred"),
    53: (Outcome.BARRED, "calls to the number are barred"),
    54: (Outcome.BARRED, "the number takes no such calls"),
    55: (Outcome.BARRED, "the number takes no such calls"),
    57: (Outcome.FORBIDDEN, "the account may not make calls of this kind"),
    87: (Outcome.BARRED, "the number takes calls of its own group only"),
    88: (Outcome.NOT_CARRIED, "the far end takes no calls of this kind"),
    90: (Outcome.BARRED, "the number takes calls of its own group only"),
    91: (Outcome.BAD_NUMBER, "the number names a carrier that does not exist"),
    102: (Outcome.UNAVAILABLE, "the network did not respond in time"),
}
_CLASSES = {
    range(32, 48): (Outcome.UNAVAILABLE, "the network lacks the means for the call at the moment"),
    range(48, 64): (Outcome.UNAVAILABLE, "the network has not the service for the call at the moment"),
    range(64, 80): (Outcome.NOT_CARRIED, "the network has no service for such a call"),
}
"""A cause that is not known stands for the last of its class, which is "unspecified" (Q.850 2.2.5)."""


def meaning(cause: int | None) -> tuple[Outcome, str] | None:
    """What became of the call, and a sentence; None for a cause that says no more than the SIP status.

    Those are the ordinary end (16), all that is unspecified (31, 127), and errors of the protocol between
    two exchanges (95 to 111 without 102), which may have any reason.
    """
    if cause is None or cause in _CAUSES:
        return _CAUSES.get(cause or 0)
    return next((told for causes, told in _CLASSES.items() if cause in causes), None)
