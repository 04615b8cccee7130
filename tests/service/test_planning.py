"""From a submission to numbers and routes, by settings, permits and the health of routes."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from t38fsp.service.jobs import QueuePlace
from t38fsp.service.planning import SubmissionPlanner
from t38fsp.service.policy.permits import Permits
from t38fsp.service.policy.routing import RoutingRule
from t38fsp.service.policy.windows import ALWAYS, Window
from t38fsp.service.settings import PlaceSettings, ServiceSettings
from t38fsp.service.submission import Submission, SubmissionError
from t38fsp.service.values import ApiKey, Job, Receiver
from t38fsp.settings.file import direct_route

NOW = 1_796_144_340.0  # 2026-12-01 17:59 in Berlin
ROUTES = {
    "pbx": direct_route(peer="pbx.example", dial={"region": "DE", "access_code": "0"}, ecm=False),
    "trunk": direct_route(peer="trunk.example", dial={"region": "DE"}),
    "world": direct_route(peer="world.example"),
}
SETTINGS = ServiceSettings(
    place=PlaceSettings(time_zone="Europe/Berlin"),
    windows={"office": Window.parse("08:00-18:00")},
    routing=(RoutingRule("+49", ("trunk", "world")), RoutingRule("+1", ("world",))),
    permits={"pbx": Permits(allowed=("1",)), "trunk": Permits(refused=("+4930",))},
)


def submission(*numbers: str, **more: Any) -> Submission:
    return Submission((("a.pdf", b""),), tuple(Receiver(number) for number in numbers), **more)


def planner(settings: ServiceSettings = SETTINGS) -> SubmissionPlanner:
    return SubmissionPlanner(settings, ROUTES)


def faults(given: Submission, key: ApiKey | None = None) -> tuple[tuple[str, str], ...]:
    with pytest.raises(SubmissionError) as error:
        planner().plan(given, key, NOW)
    return error.value.faults


def key(**more: Any) -> ApiKey:
    return ApiKey("k1", "test", frozenset(), 0.0, **more)


def test_numbers_go_by_the_routes_of_their_beginnings_that_permit_them() -> None:
    given = submission("+49 89 123456", "089 123456", "+49 30 1234567", "+1 212 555 0100", "123", "223")
    assert planner().plan(given, None, NOW) == [
        QueuePlace("+4989123456", ("trunk", "world"), None),
        QueuePlace("+4989123456", ("trunk", "world"), None),
        QueuePlace("+49301234567", ("world",), None),
        QueuePlace("+12125550100", ("world",), None),
        # Without a rule by all routes that permit it, in the order of the file.
        QueuePlace("123", ("pbx", "trunk", "world"), None),
        QueuePlace("223", ("trunk", "world"), None),
    ]


def test_the_routes_that_were_asked_for_replace_those_of_the_number() -> None:
    (target,) = planner().plan(submission("+49 89 123456", route="world,trunk"), None, NOW)
    assert target.routes == ("world", "trunk")
    assert faults(submission("+49 30 1234567", route="trunk"))[0][0] == "receivers[0].to"


def test_each_receiver_that_may_not_be_called_is_named() -> None:
    found = faults(submission("112", "+49 89 123456", "not a number!", "+49 900 1 123456"))
    assert [field for field, _ in found] == ["receivers[0].to", "receivers[2].to", "receivers[3].to"]
    assert len(faults(submission(*["112"] * 100))) == 20


def test_a_key_narrows_routes_and_numbers() -> None:
    (target,) = planner().plan(submission("+49 89 123456"), key(routes=("world", "pbx")), NOW)
    assert target.routes == ("world",)
    assert faults(submission("+49 89 123456", route="trunk"), key(routes=("world",)))[0][0] == "route"
    assert faults(submission("+1 212 555 0100"), key(routes=("trunk",)))[0][0] == "receivers[0].to"
    assert faults(submission("+49 89 123456"), key(allowed=("+1",)))[0][0] == "receivers[0].to"
    assert planner().plan(submission("+49 89 123456"), key(refused=("+1",)), NOW)


def test_windows_and_deadlines() -> None:
    def not_before(**more: Any) -> float | None:
        return planner().plan(submission("+49 89 123456", **more), None, NOW)[0].not_before

    assert not_before() is None
    assert not_before(window="office") is None
    assert not_before(not_before=NOW + 5.0) == NOW + 5.0
    assert not_before(window="office", not_before=NOW + 120.0) == NOW + 60.0 + 14 * 3600
    assert not_before(window="20:00-22:00") == NOW + 60.0 + 2 * 3600
    assert ZoneInfo("Europe/Berlin") == SETTINGS.place.zone
    late = submission("+49 89 123456", window="20:00-22:00", deadline=NOW + 3600)
    assert faults(late)[0][0] == "deadline"
    assert faults(submission("+49 89 123456", window="night"))[0][0] == "window"
    assert faults(submission("+49 89 123456", window="8-9"))[0][0] == "window"


def test_without_routes_nothing_can_be_submitted() -> None:
    with pytest.raises(SubmissionError):
        SubmissionPlanner(ServiceSettings(), {}).plan(submission("+49 89 123456"), None, NOW)


def test_the_settings_of_a_call_are_those_of_its_route_with_what_the_job_asks_for() -> None:
    rules = planner().rules(modems=False)
    job = Job("j1", NOW, "", (), options=submission("123", call={"max_rate": 9600}).options)
    asked = rules.asked(job, "pbx")
    assert (asked.ecm, asked.max_rate) == (False, 9600)
    assert rules.asked(job, "gone").ecm
    # A window that the settings no longer have does not keep a fax for ever.
    assert rules.window("office") == SETTINGS.windows["office"]
    assert rules.window("gone") == ALWAYS
