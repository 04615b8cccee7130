"""From a submission to whom it goes by which routes, by the settings; and the order of routes by health.

:class:`Planner` is the part between the queue, which knows no settings of routes, and the policy, which is
pure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from t38fsp.errors import SettingError
from t38fsp.events import RegistrationChanged, RegistrationStatus
from t38fsp.results import FaxResult
from t38fsp.service.caller import Caller, CallOrder, OnConnected, OnEvent
from t38fsp.service.jobs import Target
from t38fsp.service.policy.numbers import FarEnd, far_end
from t38fsp.service.policy.permits import EVERYTHING, Permits, refusal
from t38fsp.service.policy.routing import RouteFacts, ordered, routes_for
from t38fsp.service.policy.windows import Window
from t38fsp.service.settings import ServiceSettings
from t38fsp.service.submission import Submission, SubmissionError
from t38fsp.service.values import ApiKey
from t38fsp.settings.address import AddressError
from t38fsp.settings.dial_plan import DialPlan

_MOST_FAULTS = 20
"""Receivers that a message names; a list of a thousand wrong ones helps nobody."""


class Planner:
    """``plans`` are the routes of the configuration in its order, with their dial plans.

    Its methods ``plan`` and ``choose`` are those that a FaxService takes. What it knows of the health of
    routes is of this host: another one may reach a trunk that this one does not.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        plans: Mapping[str, DialPlan],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._clock = clock
        self._facts = {name: RouteFacts(name) for name in plans}

    # --- submissions ----------------------------------------------------------------------------------------

    def plan(self, given: Submission, key: ApiKey | None, now: float) -> Sequence[Target]:
        """The number and the routes of each receiver. Raises SubmissionError."""
        allowed = tuple(name for name in self._plans if key is None or not key.routes or name in key.routes)
        asked = given.routes
        for name in asked:
            if name not in allowed:
                raise SubmissionError(("route", f"{name} may not be used by this key"))
        not_before = self._opening(given, now)
        targets: list[Target] = []
        faults: list[tuple[str, str]] = []
        permits = _permits_of(key)
        for index, receiver in enumerate(given.receivers):
            try:
                targets.append(self._target(receiver.to, asked, allowed, permits, not_before))
            except (AddressError, SettingError) as error:
                faults.append((f"receivers[{index}].to", str(error)))
        if faults:
            raise SubmissionError(*faults[:_MOST_FAULTS])
        return targets

    def _target(
        self, to: str, asked: Sequence[str], allowed: Sequence[str], key: Permits, not_before: float | None
    ) -> Target:
        """Raises AddressError, and SettingError for a number that may not be called."""
        if not self._plans:
            raise SettingError("there is no route to call by; add [routes.NAME] to the configuration file")
        # The dial plan says what a number means, and the number which route it takes: without a route that
        # was asked for, the plan of the first one is that of the site.
        site = self._plans[asked[0] if asked else next(iter(self._plans))]
        found = routes_for(far_end(to, site), self._settings.routing, asked, tuple(self._plans))
        names = [name for name in found if name in allowed]
        if not names:
            raise SettingError(f"{to[:60]} goes by {', '.join(found)}, which this key may not use")
        why = {name: self._refusal(to, name, key) for name in names}
        usable = tuple(name for name in names if why[name] is None)
        if not usable:
            raise SettingError(str(why[names[0]]))
        return Target(self._far_end(to, usable[0]).key, usable, not_before)

    def _far_end(self, to: str, route: str) -> FarEnd:
        return far_end(to, self._plans[route])

    def _refusal(self, to: str, route: str, key: Permits) -> str | None:
        permits = self._settings.permits.get(route, Permits())
        return refusal(self._far_end(to, route), self._plans[route], route, permits, key)

    def _opening(self, given: Submission, now: float) -> float | None:
        """The first time at which a call may begin; None for now. Raises SubmissionError."""
        window = self.window(given.window)
        at = max(now, given.not_before or now)
        opening = window.next_open(at, self._settings.place.zone)
        if given.deadline is not None and opening > given.deadline:
            raise SubmissionError(
                (
                    "deadline",
                    "no call can begin before it, by not_before and the window of hours; allow more time",
                )
            )
        return opening if opening > now else None

    def window(self, text: str) -> Window:
        """The window of a submission. Raises SubmissionError."""
        try:
            return self._settings.window(text)
        except SettingError as error:
            raise SubmissionError(("window", str(error))) from error

    # --- the health of routes -------------------------------------------------------------------------------

    def choose(self, names: Sequence[str], number: str) -> Sequence[str]:
        """The routes of a fax in the order in which they should be tried now."""
        facts = [self._facts.get(name, RouteFacts(name)) for name in names]
        return ordered(facts, self._clock(), self._settings.failover)

    def is_healthy(self, name: str) -> bool:
        """False while other routes are tried before this one."""
        facts = self._facts.get(name, RouteFacts(name))
        return facts.registered is not False and facts.rests_until(self._settings.failover) <= self._clock()

    def ended(self, route: str, result: FaxResult) -> None:
        """A call by a route is over."""
        if route in self._facts:
            self._facts[route] = self._facts[route].after(result.outcome, self._clock())

    def registered(self, event: RegistrationChanged) -> None:
        """For ``on_registration`` of a provider."""
        if event.route in self._facts and event.status is not RegistrationStatus.REGISTERING:
            is_registered = event.status is RegistrationStatus.REGISTERED
            self._facts[event.route] = replace(self._facts[event.route], registered=is_registered)

    def watching(self, caller: Caller) -> Caller:
        """The same caller; what its calls show of their routes counts."""
        return _Watched(caller, self.ended)


class _Watched:
    def __init__(self, caller: Caller, ended: Callable[[str, FaxResult], None]) -> None:
        self._caller = caller
        self._ended = ended

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        result = await self._caller.call(order, on_event, on_connected)
        self._ended(order.route, result)
        return result


def _permits_of(key: ApiKey | None) -> Permits:
    if key is None:
        return EVERYTHING
    return Permits(key.allowed, key.refused, emergency=True, premium=True)
