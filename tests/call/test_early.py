"""T.38 from before the switch, kept by source."""

from __future__ import annotations

import pytest

from sip.values import Address
from t38fsp.call.switching import EarlyDatagrams

FAR: Address = ("192.0.2.2", 4000)
STRANGERS: list[Address] = [("198.51.100.7", port) for port in range(5000, 5100)]


@pytest.fixture
def early() -> EarlyDatagrams:
    return EarlyDatagrams()


def test_the_announced_address_counts_in_the_order_heard(early: EarlyDatagrams) -> None:
    early.keep(b"guess", STRANGERS[0], None)
    early.keep(b"1", FAR, None)
    early.keep(b"2", FAR, None)
    assert early.take(FAR) == [b"1", b"2"]
    assert early.take(FAR) == []


@pytest.mark.parametrize(
    ("announced", "heard"),
    [((FAR[0], 4002), [b"1"]), (("10.0.0.1", 4000), [b"guess"])],
    ids=["another port", "behind a NAT"],
)
def test_another_source_counts_where_the_announced_one_is_silent(
    early: EarlyDatagrams, announced: Address, heard: list[bytes]
) -> None:
    early.keep(b"guess", STRANGERS[0], None)
    early.keep(b"1", FAR, None)
    assert early.take(announced) == heard


def test_nothing_was_heard(early: EarlyDatagrams) -> None:
    assert early.take(FAR) == []


def test_a_stranger_fills_its_own_places_only(early: EarlyDatagrams) -> None:
    for _ in range(1000):
        early.keep(b"guess", STRANGERS[0], None)
    early.keep(b"1", FAR, None)
    assert early.take(FAR) == [b"1"]


def test_many_strangers_leave_room_for_the_host_that_is_expected(early: EarlyDatagrams) -> None:
    for stranger in STRANGERS:
        early.keep(b"guess", stranger, FAR)
    for port in range(4000, 4010):
        early.keep(b"%d" % port, (FAR[0], port), FAR)
    assert early.take(FAR) == [b"4000"]


def test_it_is_bounded(early: EarlyDatagrams) -> None:
    for _ in range(1000):
        for stranger in STRANGERS:
            early.keep(b"guess", stranger, None)
    assert len(early.take(STRANGERS[0])) == 64
    early.keep(b"after", STRANGERS[99], None)
    assert early.take(FAR) == [b"after"]
