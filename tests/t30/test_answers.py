"""What the far end may say to a page, and what the applications at both ends may do to it."""

from __future__ import annotations

import pytest

from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import PageReceived, T30Failure
from t38fsp.t30.vocabulary import Modem, PageFormat, PageQuality
from tests.t30.calls import FINE, STANDARD, assert_delivered, call, coded, run
from tests.t30.link import Link, Sender, Store

WITHOUT_ECM = TransmitOptions(ecm=False)


def with_qualities(*shares: float, pages: int = 2, **options: object) -> Link:
    """A call without ECM in which the pages have these shares of bad rows, in order of arrival."""
    arrivals = iter(shares)
    store = Store(quality=lambda index, attempt: PageQuality(1000, int(1000 * next(arrivals, 0.0))))
    link = call((FINE,) * pages, sending=TransmitOptions(ecm=False, **options), store=store)
    link.run()
    return link


# --- copy quality -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "response"), [(0.0, "MCF"), (0.049, "MCF"), (0.05, "RTP"), (0.149, "RTP"), (0.15, "RTN")]
)
def test_the_answer_depends_on_the_share_of_bad_rows(share: float, response: str) -> None:
    link = with_qualities(share)
    assert link.outcomes(link.transmitter)[0].response == response
    assert link.outcomes(link.receiver)[0].response == response
    assert_delivered(link, 2)


def test_rtp_confirms_the_page_and_trains_again() -> None:
    link = with_qualities(0.1)
    assert link.said(link.transmitter) == ["DCS", "MPS", "DCS", "EOP", "DCN"]
    assert [outcome.confirmed for outcome in link.outcomes(link.transmitter)] == [True, True]


def test_rtn_brings_the_page_again_at_a_lower_rate() -> None:
    link = with_qualities(0.5)
    outcomes = link.outcomes(link.transmitter)
    assert [(o.index, o.response, o.bit_rate, o.repeats) for o in outcomes] == [
        (0, "RTN", 14400, 0),
        (0, "MCF", 12000, 1),
        (1, "MCF", 12000, 0),
    ]
    assert_delivered(link, 2)


def test_rtn_to_the_last_page_too() -> None:
    link = with_qualities(0.0, 0.5)
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == ["DCS", "MPS", "EOP", "DCS", "EOP", "DCN"]


@pytest.mark.parametrize("page", [0, 1])
def test_rtn_with_ecm_brings_the_page_again_too(page: int) -> None:
    store = Store(quality=lambda index, attempt: None if (index, attempt) == (page, 1) else PageQuality(1))
    link = run(store=store)
    assert_delivered(link, 2)
    assert [(o.index, o.response, o.bit_rate) for o in link.outcomes(link.transmitter)] == [
        *[(before, "MCF", 14400) for before in range(page)],
        (page, "RTN", 14400),
        *[(after, "MCF", 12000) for after in range(page, 2)],
    ]


def test_a_page_that_is_refused_three_times() -> None:
    link = with_qualities(0.5, 0.5, 0.5)
    finished = link.finished(link.transmitter)
    assert finished.error is T30Failure.PAGE_REFUSED
    assert finished.pages_confirmed == 0
    assert [outcome.response for outcome in link.outcomes(link.transmitter)] == ["RTN"] * 3
    assert link.finished(link.receiver).error is T30Failure.DISCONNECTED


def test_a_page_without_rows_is_refused() -> None:
    store = Store(quality=lambda index, attempt: PageQuality(0 if attempt == 1 else 1000))
    link = call((FINE,), sending=WITHOUT_ECM, store=store)
    link.run()
    assert [outcome.response for outcome in link.outcomes(link.transmitter)] == ["RTN", "MCF"]


def test_with_ecm_every_row_is_good() -> None:
    store = Store(quality=lambda index, attempt: PageQuality(1000, 999))
    link = call((FINE,), store=store)
    link.run()
    assert_delivered(link, 1)


# --- storing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_that_is_not_stored_is_never_confirmed(ecm: bool) -> None:
    link = call((FINE, FINE), sending=TransmitOptions(ecm=ecm), store=Store(full_from=1))
    link.run()
    assert link.finished(link.receiver).error is T30Failure.PAGE_NOT_STORED
    assert link.finished(link.receiver).detail == (
        "the disk is full; waiting for the page to be stored, page 2"
    )
    assert link.finished(link.transmitter).error is T30Failure.DISCONNECTED
    assert link.finished(link.transmitter).pages_confirmed == 1


@pytest.mark.parametrize(
    ("ecm", "error"), [(True, T30Failure.RECEIVER_BUSY), (False, T30Failure.NO_ANSWER_TO_PAGE)]
)
def test_a_store_that_never_answers(ecm: bool, error: T30Failure) -> None:
    link = call((FINE,), sending=TransmitOptions(ecm=ecm), store=Store(delay=10_000.0))
    link.run(until=5_000.0)
    assert link.finished(link.transmitter).error in (error, T30Failure.DISCONNECTED)
    assert link.finished(link.receiver).error is not None
    assert link.now < 10_100


def test_answers_of_the_store_about_other_pages_count_for_nothing() -> None:
    link = call((FINE,), store=Store(delay=1e6))
    link.run(until=18.0)
    assert link.of(link.receiver, PageReceived)
    link.receiver.page_stored(1, PageQuality(1000), link.now)
    link.receiver.page_not_stored(7, "no such page", link.now)
    link.go_on(until=22.0)
    assert not link.outcomes(link.receiver)


# --- coding -------------------------------------------------------------------------------------------------


def test_a_page_that_comes_a_little_late() -> None:
    link = call((FINE, FINE), octets=2000, sender=Sender(lambda index, mode: coded(index, 2000), delay=7.0))
    link.run()
    assert_delivered(link, 2, 2000)


def test_a_page_that_comes_too_late_ends_the_call_before_the_far_end_does() -> None:
    link = call((FINE, FINE), octets=2000, sender=Sender(lambda index, mode: coded(index, 2000), delay=20.0))
    link.run()
    finished = link.finished(link.transmitter)
    assert finished.error is T30Failure.PAGE_LATE
    assert link.said(link.transmitter) == ["DCS", "DCN"]
    assert link.finished(link.receiver).error is T30Failure.DISCONNECTED


@pytest.mark.parametrize(
    ("ecm", "next_page", "command"),
    [(True, FINE, "PPS"), (False, FINE, "MPS"), (True, STANDARD, "PPS"), (False, STANDARD, "EOM")],
)
def test_a_page_that_cannot_be_coded_lets_the_one_before_arrive(
    ecm: bool, next_page: PageFormat, command: str
) -> None:
    """But does not let the far end think that this was the last one (5.3.6.1.6)."""
    sender = Sender(lambda index, mode: coded(index), fails=frozenset({1}))
    link = call((FINE, next_page, FINE), sending=TransmitOptions(ecm=ecm), sender=sender)
    link.run()
    finished = link.finished(link.transmitter)
    assert finished.error is T30Failure.PAGE_UNAVAILABLE
    assert finished.detail == "the page has no ink; waiting for the page to be prepared, page 2 of 3"
    assert finished.pages_confirmed == 1
    assert link.said(link.transmitter) == ["DCS", command, "DCN"]
    received = link.finished(link.receiver)
    assert (received.error, received.pages_confirmed) == (T30Failure.DISCONNECTED, 1)
    assert sorted(link.store.pages) == [0]


def test_a_first_page_that_cannot_be_coded() -> None:
    link = call((FINE,), sender=Sender(lambda index, mode: b""))
    link.run()
    assert link.finished(link.transmitter).error is T30Failure.PAGE_UNAVAILABLE


def test_a_lower_rate_needs_new_fill_only_where_lines_have_a_least_time() -> None:
    """Without a minimum scan line time the coded page stays what it is."""
    link = with_qualities(0.5, pages=1)
    assert len(link.sender.asked) == 1


def test_late_answers_about_pages_count_for_nothing() -> None:
    link = call((FINE, STANDARD))
    link.run()
    for request in range(5):
        link.transmitter.page_ready(request, b"late", link.now)
        link.transmitter.page_failed(request, "late", link.now)
    assert link.transmitter.take_outputs() == []


def test_modems_of_a_call_after_rtn_train_at_length_for_tcf_only() -> None:
    link = with_qualities(0.5, pages=1)
    assert link.image_modems() == [
        (Modem.V17_14400, False),
        (Modem.V17_14400, True),
        (Modem.V17_12000, False),
        (Modem.V17_12000, True),
    ]
