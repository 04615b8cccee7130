"""From a submission to whom it goes by which routes, and with what settings.

:class:`SubmissionPlanner` is the part between the queue, which knows no settings of routes, and the policy,
which is pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sip.logs import get_logger
from t38fsp.call_settings import CallSettings
from t38fsp.errors import SettingError
from t38fsp.service.call_rules import Rules
from t38fsp.service.jobs import QueuePlace
from t38fsp.service.policy.numbers import DialledNumber, far_end
from t38fsp.service.policy.permits import EVERYTHING, Permits, refusal
from t38fsp.service.policy.routing import routes_for
from t38fsp.service.policy.windows import ALWAYS, Window
from t38fsp.service.settings import ServiceSettings
from t38fsp.service.submission import Submission, SubmissionError, call_settings, options_of
from t38fsp.service.values import ApiKey, Job
from t38fsp.settings.address import AddressError
from t38fsp.settings.route import Route

_logger = get_logger(__name__)

_MOST_FAULTS = 20
"""Receivers that a message names; a list of a thousand wrong ones is of no use."""


class SubmissionPlanner:
    """``routes`` are those of the configuration, in its order.

    Its method ``plan`` and its ``rules`` are those that a FaxService takes.
    """

    def __init__(self, settings: ServiceSettings, routes: Mapping[str, Route]) -> None:
        self._settings = settings
        self._routes = routes

    def rules(self, *, modems: bool) -> Rules:
        """What the settings say of attempts; ``modems``: this host can send in audio."""
        return Rules(
            retry=self._settings.retry,
            after_crash=self._settings.queue.after_crash,
            zone=self._settings.place.zone,
            window=self._known_window,
            asked=self._asked,
            memory=self._settings.memory,
            modems=modems,
            failover=self._settings.failover,
        )

    def _asked(self, job: Job, route: str) -> CallSettings:
        """The settings of a call for a job by a route."""
        base = self._routes[route].call if route in self._routes else CallSettings()
        return call_settings(base, options_of(job.options or {}).call)

    def _known_window(self, text: str) -> Window:
        try:
            return self._settings.window(text)
        except SettingError as error:
            # It was there when the fax was accepted. A fax that is never sent would be worse.
            _logger.warning("a fax has lost its window of hours, and is sent at any time: %s", error)
            return ALWAYS

    def plan(self, given: Submission, key: ApiKey | None, now: float) -> Sequence[QueuePlace]:
        """The number and the routes of each receiver. Raises SubmissionError."""
        allowed = tuple(name for name in self._routes if key is None or not key.routes or name in key.routes)
        asked = given.routes
        for name in asked:
            if name not in allowed:
                raise SubmissionError(("route", f"{name} may not be used by this key"))
        not_before = self._opening(given, now)
        targets: list[QueuePlace] = []
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
    ) -> QueuePlace:
        """Raises AddressError, and SettingError for a number that may not be called."""
        if not self._routes:
            raise SettingError("there is no route to call by; add [routes.NAME] to the configuration file")
        # The dial plan says what a number means, and the number which route it takes: without a route that
        # was asked for, the plan of the first one is that of the site.
        site = self._routes[asked[0] if asked else next(iter(self._routes))].dial
        found = routes_for(far_end(to, site), self._settings.routing, asked, tuple(self._routes))
        names = [name for name in found if name in allowed]
        if not names:
            raise SettingError(f"{to[:60]} goes by {', '.join(found)}, which this key may not use")
        why = {name: self._refusal(to, name, key) for name in names}
        usable = tuple(name for name in names if why[name] is None)
        if not usable:
            raise SettingError(str(why[names[0]]))
        return QueuePlace(self._far_end(to, usable[0]).key, usable, not_before)

    def _far_end(self, to: str, route: str) -> DialledNumber:
        return far_end(to, self._routes[route].dial)

    def _refusal(self, to: str, route: str, key: Permits) -> str | None:
        permits = self._settings.permits.get(route, Permits())
        return refusal(self._far_end(to, route), self._routes[route].dial, route, permits, key)

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


def _permits_of(key: ApiKey | None) -> Permits:
    if key is None:
        return EVERYTHING
    # Emergency and premium-rate numbers are for the settings of the route to permit.
    return Permits(key.allowed, key.refused, emergency=True, premium=True)
