"""What a number took last time, so that the next call begins there.

Kept for each number: the medium and the switch policy, which belong to the path and count only for the route
that they were learnt on; the rate and ECM, which belong to the machine. All of it expires, is tried without
once in a while, so that it does not outlive its cause, and is forgotten when a call with it failed where it
can be the reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.errors import SettingError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, Medium
from t38fsp.service.policy.retry import confirmed_here
from t38fsp.service.values import Json
from t38fsp.t30.outputs import T30Failure

_PATH_FAULTS = frozenset(
    {Outcome.NO_T38, Outcome.NO_PACKETS, Outcome.WRONG_PACKETS, Outcome.NO_FAX, Outcome.NOT_CARRIED}
)
"""Where the medium or the switch policy can be the reason."""
_SPEED_FAULTS = frozenset(
    {
        *(T30Failure.NO_ANSWER_TO_DCS, T30Failure.NO_ANSWER_TO_PAGE),
        *(T30Failure.PAGE_REFUSED, T30Failure.ECM_FAILED),
    }
)
"""Where a lower rate can help; after TRAINING_FAILED every rate was tried in the same call."""
_LOWER = {14400: 9600, 12000: 9600, 9600: 4800, 7200: 4800, 4800: 2400}
_SLOW = 4800
"""bit/s from which on ECM is suspected rather than the rate."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """How long it is remembered what numbers took. Raises SettingError for a value out of range."""

    memory_days: float = setting(60.0, least=0.0, most=3650.0, unit="days", table="")
    """Time for which it counts what a number took in its last call (medium, switch policy, rate, ECM); 0 for
    no such memory."""
    memory_calls: int = setting(20, least=1, most=1000, table="")
    """Calls that begin with what is remembered before one is made without it."""

    def __post_init__(self) -> None:
        check(self, SettingError)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of one number."""

    route: str = ""
    """The route on which ``medium`` and ``switch`` were learnt."""
    medium: Medium | None = None
    switch: Switch | None = None
    max_rate: int | None = None
    ecm: bool | None = None
    """False if it is better without."""
    resolution: tuple[int, int] | None = None
    """That of the page confirmed last, in pixels per inch: the far end will want the next one so, too."""
    proven: bool = False
    """Whether a call with this medium and switch policy brought pages; otherwise the next one tries them."""
    no_better: bool = False
    """Another medium or switch policy than the route's was tried by that route, and did not help."""
    calls: int = 0
    """Calls that began with this, since one without it."""
    expires: float = 0.0

    def to_json(self) -> Json:
        """For the database."""
        return {
            "route": self.route,
            "medium": self.medium and self.medium.value,
            "switch": self.switch and self.switch.value,
            "max_rate": self.max_rate,
            "ecm": self.ecm,
            "resolution": self.resolution and list(self.resolution),
            "proven": self.proven,
            "no_better": self.no_better,
            "calls": self.calls,
            "expires": self.expires,
        }

    @classmethod
    def from_json(cls, facts: Json | None) -> Memory:
        """What :meth:`to_json` wrote; nothing is known of anything else."""
        known: dict[str, Any] = {} if facts is None else dict(facts)
        try:
            return cls(
                known["route"],
                Medium(known["medium"]) if known["medium"] else None,
                Switch(known["switch"]) if known["switch"] else None,
                known["max_rate"],
                known["ecm"],
                tuple(known["resolution"]) if known["resolution"] else None,
                known["proven"],
                known["no_better"],
                known["calls"],
                known["expires"],
            )
        except (KeyError, ValueError, TypeError):
            return UNKNOWN


UNKNOWN = Memory()


def start(
    memory: Memory,
    asked: CallSettings,
    route: str,
    now: float,
    limits: MemorySettings,
    *,
    modems: bool = True,
) -> CallSettings:
    """The settings of the next call by ``route``, of which ``asked`` are the settings without memory.

    ``modems``: this host can send in audio (libspandsp).
    """
    if now >= memory.expires or memory.calls >= limits.memory_calls:
        return asked
    settings = asked
    if memory.route == route:
        # In audio alone there is no switch, so that its policy does not matter then.
        if memory.medium is Medium.AUDIO and asked.audio is Audio.FALLBACK and modems:
            settings = replace(settings, audio=Audio.ONLY)
        elif memory.switch is not None:
            settings = replace(settings, switch=memory.switch)
    if memory.max_rate is not None:
        settings = replace(settings, max_rate=min(memory.max_rate, asked.max_rate))
    return replace(settings, ecm=False) if memory.ecm is False else settings


def learn(
    memory: Memory,
    asked: CallSettings,
    used: CallSettings,
    route: str,
    result: FaxResult,
    now: float,
    limits: MemorySettings,
) -> Memory:
    """What is known after a call by ``route`` with the settings ``used``, in place of ``asked``.

    If :func:`start` makes other settings of it, the next call is not the same as this one
    (``other_settings`` of ``t38fsp.service.policy.retry.decide``).
    """
    if limits.memory_days == 0.0:
        return UNKNOWN
    known = UNKNOWN if now >= memory.expires else memory
    learnt = known = replace(known, calls=0 if used == asked else known.calls + 1)
    if confirmed_here(result):
        learnt = _from_pages(learnt, asked, used, route, result)
    elif result.outcome in _PATH_FAULTS:
        learnt = _other_path(learnt, asked, used, route, result.outcome)
    if result.t30_error in _SPEED_FAULTS:
        learnt = _slower(learnt, used)
    # A call that showed nothing, such as one to a busy line, prolongs nothing.
    return known if learnt is known else replace(learnt, expires=now + limits.memory_days * _DAY)


def _from_pages(
    memory: Memory, asked: CallSettings, used: CallSettings, route: str, result: FaxResult
) -> Memory:
    last = [page for page in result.pages if page.confirmed][-1]
    in_audio = result.medium is Medium.AUDIO
    return replace(
        memory,
        route=route,
        medium=result.medium,
        switch=None if in_audio or used.switch is asked.switch else used.switch,
        # A rate of 0 is that of no modem.
        max_rate=last.bit_rate if 0 < last.bit_rate < asked.max_rate else None,
        ecm=False if asked.ecm and not used.ecm else None,
        resolution=last.resolution and last.resolution.value,
        proven=True,
        no_better=False,
    )


def _other_path(
    memory: Memory, asked: CallSettings, used: CallSettings, route: str, outcome: Outcome
) -> Memory:
    """After a call that was not carried as a fax."""
    blank = replace(memory, route=route, medium=None, switch=None, proven=False)
    if (used.switch, used.audio) != (asked.switch, asked.audio):
        # What worked before does no longer, so the settings of the route have their turn; what was only tried
        # did not help.
        return replace(blank, no_better=not memory.proven)
    if memory.route == route and memory.no_better:
        return memory
    if outcome is Outcome.NOT_CARRIED and used.switch is Switch.FIRST:
        return replace(blank, switch=Switch.CALLEE, no_better=False)
    if outcome is Outcome.NO_T38 and used.switch is not Switch.FIRST:
        return replace(blank, switch=Switch.FIRST, no_better=False)
    if outcome in (Outcome.NO_PACKETS, Outcome.WRONG_PACKETS) and asked.audio is Audio.FALLBACK:
        return replace(blank, medium=Medium.AUDIO, no_better=False)
    return memory


def _slower(memory: Memory, used: CallSettings) -> Memory:
    """After a call in which training succeeded, but pages did not arrive."""
    if used.ecm and used.max_rate <= _SLOW:
        return replace(memory, ecm=False)
    return replace(memory, max_rate=_LOWER.get(used.max_rate, memory.max_rate))
