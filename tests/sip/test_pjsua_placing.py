"""Where calls over PJSIP go, attempt by attempt, in simulated time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sip.line import CallRequest, Failed
from sip.pjsua.placing import Over, Placing, Step
from sip.transaction.failed_hops import AVOIDED, FailedHops
from sip.transaction.timers import Timers
from sip.ua.target import Target
from sip.values import Hop
from tests.sip.link import call_request

ONE, TWO, THREE = (Hop(f"192.0.2.{number}", 5060) for number in (1, 2, 3))
NOW = 1000.0


class Searching:
    """A call that is placed, and what is tried for it."""

    def __init__(self, failed: FailedHops | None = None, **changes: object) -> None:
        self.placing = Placing(7, call_request(**changes), FailedHops(Timers()) if failed is None else failed)
        self.step: Step = self.placing.first()
        self.placing.attempt = 1

    def fails(self, status: int, *contacts: str, local: bool = False, after: str | None = None) -> Step:
        headers = [("Contact", f"<{contact}>") for contact in contacts]
        headers += [] if after is None else [("Retry-After", after)]
        self.step = self.placing.failed(Failed(1, status, "no", local, tuple(headers)), NOW)
        if isinstance(self.step, CallRequest):
            self.placing.attempt = 1
        return self.step

    @property
    def hops(self) -> list[Hop]:
        """Those that are left, the one that is tried first."""
        assert isinstance(self.step, CallRequest)
        return list(self.step.destination)


@pytest.mark.parametrize(("status", "local"), [(503, False), (503, True), (408, True)])
def test_each_hop_is_tried_and_the_last_has_the_last_word(status: int, local: bool) -> None:
    call = Searching(destination=[ONE, TWO, THREE])
    assert call.hops == [ONE, TWO, THREE]
    call.fails(status, local=local)
    assert call.hops == [TWO, THREE]
    call.fails(status, local=local)
    assert call.hops == [THREE]
    assert call.fails(status, local=local) == Over(Failed(7, status, "no", local))


@pytest.mark.parametrize("status", [408, 480, 486, 500, 600])
def test_what_a_far_end_says_itself_is_final(status: int) -> None:
    assert isinstance(Searching(destination=[ONE, TWO]).fails(status), Over)


def test_a_hop_without_service_is_avoided_as_long_as_it_asks() -> None:
    timers = Timers()
    failed = FailedHops(timers)
    Searching(failed, destination=[ONE, TWO]).fails(503, after="120")
    assert Searching(failed, destination=[ONE, TWO]).hops == [TWO, ONE]
    timers.fire(NOW + AVOIDED + 1)
    assert Searching(failed, destination=[ONE, TWO]).hops == [TWO, ONE]
    timers.fire(NOW + 121)
    assert Searching(failed, destination=[ONE, TWO]).hops == [ONE, TWO]


def test_a_target_elsewhere_is_looked_up() -> None:
    call = Searching(destination=[ONE])
    assert call.fails(302, "sip:1@other.example:5070") == Target("other.example", 5070)
    step = call.placing.located([TWO])
    assert isinstance(step, CallRequest)
    assert (step.target, step.destination) == ("sip:1@other.example:5070", (TWO,))


def test_a_target_at_the_same_place_takes_the_same_hops() -> None:
    call = Searching(destination=[ONE, TWO])
    call.fails(302, "sip:2@bob.example")
    assert call.hops == [ONE, TWO]


def test_the_targets_of_a_redirection_are_tried_in_turn_once_each() -> None:
    call = Searching(destination=[ONE])
    assert call.fails(302, "sip:1@a.example", "sip:2@b.example") == Target("a.example")
    # It is found nowhere.
    assert call.placing.located([]) == Target("b.example")
    call.placing.located([TWO])
    assert isinstance(call.fails(302, "sip:1@a.example"), Over)


@pytest.mark.parametrize(
    "changes", [{"redirects": 0}, {"target": "sips:1@bob.example"}], ids=["no redirects", "less secure"]
)
def test_a_redirection_that_is_not_followed(changes: dict[str, object]) -> None:
    step = Searching(destination=[ONE], **changes).fails(302, "sip:1@a.example")
    assert isinstance(step, Over)
    assert step.failed.status == 302


@pytest.mark.parametrize(
    "next_step",
    [
        lambda call: call.fails(503),
        lambda call: call.fails(302, "sip:1@a.example"),
        lambda call: call.fails(487, local=True),
    ],
)
def test_nothing_is_tried_after_a_hang_up(next_step: Callable[[Searching], Step]) -> None:
    call = Searching(destination=[ONE, TWO])
    assert call.placing.hang_up() is None
    assert isinstance(next_step(call), Over)


def test_a_hang_up_during_a_look_up_is_the_end() -> None:
    call = Searching(destination=[ONE])
    call.fails(302, "sip:1@a.example")
    assert call.placing.hang_up() == Failed(7, 487, "Request Terminated", local=True)
