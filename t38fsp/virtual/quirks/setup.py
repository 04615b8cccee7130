"""Quirks of SIP before there is a call: whether it is answered, and when.

Those with ``times`` count the calls that come to the gateway, so that a later one comes through: for programs
that send again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from t38fsp.audio.leg import Role
from t38fsp.virtual.hooks import Gateway, Moment, Quirk, check

_ANSWERING = frozenset({Role.ANSWERING})


@dataclass(frozen=True, slots=True)
class RefusesCall(Quirk):
    """Refuses each call, or the first ``times``, with ``status`` (400 to 699): 486 busy, 404 no such number.

    An endpoint that retries at once, or retries a number that does not exist, calls in vain; after 480, 486,
    500, 503 or 600 a later call may be answered.
    """

    status: int = 486
    times: int = 0
    name: ClassVar[str] = "refuses-call"
    roles: ClassVar[frozenset[Role]] = _ANSWERING
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(400 <= self.status <= 699, self.name, "a status from 400 to 699")
        check(self.times >= 0, self.name, "0 times (always) or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.CALLED and _strikes(self.times, gateway):
            gateway.note(self.name)
            gateway.refuse(self.status)


@dataclass(frozen=True, slots=True)
class NoAnswer(Quirk):
    """Rings and never answers: each call, or the first ``times``.

    An endpoint without a ring limit never gives up.
    """

    times: int = 0
    name: ClassVar[str] = "no-answer"
    roles: ClassVar[frozenset[Role]] = _ANSWERING
    survivable: ClassVar[bool] = False
    excludes: ClassVar[frozenset[str]] = frozenset({"rings"})

    def __post_init__(self) -> None:
        check(self.times >= 0, self.name, "0 times (always) or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.CALLED and _strikes(self.times, gateway):
            gateway.note(self.name)
            gateway.ring(None)


@dataclass(frozen=True, slots=True)
class Rings(Quirk):
    """Rings for 0 to 120 seconds before it answers.

    An endpoint that gives up sooner than a fax machine answers fails.
    """

    seconds: float = 12.0
    name: ClassVar[str] = "rings"
    roles: ClassVar[frozenset[Role]] = _ANSWERING

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 120, self.name, "0 to 120 seconds")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.CALLED:
            gateway.note(self.name)
            gateway.ring(self.seconds)


@dataclass(frozen=True, slots=True)
class DropsCall(Quirk):
    """Hangs up 0 to 30 seconds after the answer, still in audio: each call, or the first ``times``.

    An endpoint that counts an answered call as a sent fax reports a false success.
    """

    seconds: float = 1.0
    times: int = 0
    name: ClassVar[str] = "drops-call"
    roles: ClassVar[frozenset[Role]] = _ANSWERING
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 30, self.name, "0 to 30 seconds")
        check(self.times >= 0, self.name, "0 times (always) or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        # Counted by calls of the gateway, not of this object: a quirk is made anew for each call.
        if moment is Moment.ANSWERED and _strikes(self.times, gateway):
            gateway.after(self.seconds, lambda: self._end(gateway))

    def _end(self, gateway: Gateway) -> None:
        if not gateway.switched:
            gateway.note(self.name)
            gateway.hang_up()


def _strikes(times: int, gateway: Gateway) -> bool:
    return times == 0 or gateway.call_number <= times


QUIRKS: tuple[type[Quirk], ...] = (RefusesCall, NoAnswer, Rings, DropsCall)
