"""Who asks for T.38, when, and how long the other side is waited for, by the policy of the call.

policy   the calling side             the called side
CALLEE   waits                        asks at the answer
CALLER   asks at the answer           waits
EITHER   asks after ``switch_wait``, or as soon as it hears V.21: both sides do
FIRST    has asked in its INVITE      asks at the answer
"""

from __future__ import annotations

from t38fsp.audio.leg import Role
from t38fsp.jobs import CallSettings, Switch

T1 = 35.0
"""Seconds from the answer to T.38 before the call is given up (T.30 T1)."""

_ONLY_WE_ASK = 5.0
"""Seconds that a call goes on behind a refusal when nobody else is meant to ask. Nothing can come of it, but
its sentence tells whether a fax machine was heard, and CED begins 2.5 s after the answer at the latest."""
_THEY_MAY_ASK = 10.0
"""The same when the far end may ask too. A gateway does when it hears the first V.21 of the machine behind
it, and CED is over 6.5 s after the answer at the latest."""

_AT_ONCE = {Role.CALLING: {Switch.CALLER}, Role.ANSWERING: {Switch.CALLEE, Switch.FIRST}}


def ask_after(settings: CallSettings, role: Role) -> float | None:
    """Seconds from the answer until we ask for T.38; None when we leave it to the far end."""
    if settings.switch in _AT_ONCE[role]:
        return 0.0
    return settings.switch_wait if settings.switch is Switch.EITHER else None


def wait_after_refusal(settings: CallSettings) -> float:
    """Seconds that the far end is left to ask for T.38 when it has refused ours."""
    return _THEY_MAY_ASK if settings.switch is Switch.EITHER else _ONLY_WE_ASK
