"""Calls that fetch a document from whoever answers, between two of our endpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.image import document
from t38fsp.status import FaxStatus
from t38fsp.t30.options import PollDocument, PollOptions
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Resolution
from tests.call.harness import (
    CALLEE,
    FAULTLESS,
    SIP_PORT,
    FaultsFor,
    Receiver,
    Scene,
    Sender,
    lossy,
    make_pages,
    names,
)
from tests.pages import PageSpec, make_document
from tests.peers import libtiff

LOCKED = PollDocument(selective_address="7", password="1234")
KEY = PollOptions(selective_address="7", password="1234")


class Polled(Scene):
    """The callee has a document; the caller fetches it into ``output``."""

    def __init__(self, folder: Path, *, faults_for: FaultsFor = lambda *_: FAULTLESS) -> None:
        super().__init__(folder, faults_for=faults_for)

    def offer(self, pages: list[PageSpec], terms: PollDocument | None = None, **settings: object) -> None:
        make_document(self.document, pages)
        self.sender = Sender(self.document)
        self.callee.take_calls(
            self.sender,
            CallSettings(**settings),  # type: ignore[arg-type]
            document.inspect(self.document),
            terms,
        )

    def poll(self, key: PollOptions | None = None, **settings: object) -> None:
        """Fetch it, and see the calls to their end."""
        self.begin_poll(key, **settings)
        self.run()

    def begin_poll(self, key: PollOptions | None = None, **settings: object) -> None:
        call = self.caller.poll(
            f"sip:+15550100@{CALLEE}",
            (CALLEE, SIP_PORT),
            self.receiver,
            CallSettings(**settings),  # type: ignore[arg-type]
            key,
        )
        self.placed.append(call)


@pytest.fixture
def scene(tmp_path: Path) -> Polled:
    return Polled(tmp_path)


@pytest.mark.parametrize("switch", Switch)
@pytest.mark.parametrize("ecm", [True, False])
def test_a_document_is_fetched(scene: Polled, ecm: bool, switch: Switch) -> None:
    scene.offer(make_pages(2), station_id="+15550100", ecm=ecm, switch=switch)
    scene.poll(station_id="+15550199", switch=switch)
    scene.assert_delivered(2)
    scene.run_out()
    assert [(page.ecm, page.response) for page in scene.sent.pages] == [(ecm, "MCF")] * 2
    assert (scene.sent.remote_id, scene.received.remote_id) == ("+15550100", "+15550199")
    assert (scene.sent.polled, scene.received.polled) == (True, True)
    assert (scene.sent.reason, scene.received.reason) == (
        "2 pages were received",
        "2 pages were sent and confirmed by the far end",
    )


def test_what_happens_in_a_poll(scene: Polled) -> None:
    scene.offer(make_pages(1, rows=300), station_id="+15550100")
    scene.poll(station_id="+15550199")
    page = ["Identified", "Trained", "PageStarted", "PageDone"]
    begun = ["Connected", "SwitchedToT38"]
    told = [name for name in names(scene.taken.events) if name != "Disconnected"]
    assert told == [*begun, *page, "Finished"]
    fetched = [name for name in names(scene.call.events) if name != "Disconnected"]
    assert fetched == ["Dialing", *begun, *page, "Finished"]
    (started,) = [event for event in scene.taken.events if isinstance(event, events.PageStarted)]
    (page_done,) = [event for event in scene.taken.events if isinstance(event, events.PageDone)]
    seconds = 8 * page_done.record.octets / page_done.record.bit_rate
    assert started == events.PageStarted(1, 1, pytest.approx(seconds))
    assert 0.5 * page_done.record.seconds < seconds < page_done.record.seconds
    (begun_there,) = [event for event in scene.call.events if isinstance(event, events.PageStarted)]
    assert begun_there == events.PageStarted(1, 0), "nobody knows how long a page gets that is received"


@pytest.mark.parametrize("ecm", [True, False])
def test_formats_change_within_a_polled_document(scene: Polled, ecm: bool) -> None:
    pages = [*make_pages(1), (1728, Resolution.R8_STANDARD, 120, "halftone"), *make_pages(1, rows=90)]
    scene.offer(pages, ecm=ecm)
    scene.poll()
    scene.assert_delivered(3)
    scene.run_out()


@pytest.mark.parametrize("ecm", [True, False])
def test_packets_are_lost_in_a_poll(tmp_path: Path, ecm: bool) -> None:
    scene = Polled(tmp_path, faults_for=lossy(0.05))
    scene.offer(make_pages(3), ecm=ecm)
    scene.poll()
    scene.assert_delivered(3)
    scene.run_out()


def test_a_document_for_those_who_know(scene: Polled) -> None:
    scene.offer(make_pages(1), LOCKED)
    scene.poll(KEY)
    scene.assert_delivered(1)
    assert "Addressed" not in names(scene.taken.events)
    assert scene.sent.warnings == ()


def test_a_far_end_that_knows_no_passwords_is_asked_without(scene: Polled) -> None:
    scene.offer(make_pages(1))
    scene.poll(KEY)
    scene.assert_delivered(1)
    (warning,) = scene.sent.warnings
    assert "SEP" in warning


def test_a_polled_document_goes_at_the_pace_of_modems(scene: Polled) -> None:
    """Also between terminals that send faster what one of them has of its own."""
    scene.offer(make_pages(1), internet_aware=True)
    scene.poll(internet_aware=True)
    scene.assert_delivered(1)
    assert [page.bit_rate for page in scene.received.pages] == [14400]


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        (PollOptions(selective_address="7", password="4321"), "PWD"),
        (PollOptions(selective_address="8", password="1234"), "SEP"),
        (None, "PWD and SEP"),
    ],
    ids=["password", "document", "nothing"],
)
def test_who_does_not_know_gets_nothing(scene: Polled, key: PollOptions | None, wrong: str) -> None:
    scene.offer(make_pages(1), LOCKED)
    scene.poll(key)
    scene.run_out()
    assert not scene.output.exists()
    assert scene.received.t30_error is T30Failure.FIELD_REFUSED
    assert f"it polls with a wrong {wrong}, or none" in scene.received.reason
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert scene.sent.t30_error is T30Failure.FIELD_REFUSED
    assert (scene.sent.retry, scene.sent.pages) == (False, ())


def test_nothing_to_be_polled(scene: Polled) -> None:
    scene.answer()
    scene.poll()
    scene.run_out()
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert scene.sent.t30_error is T30Failure.NO_DOCUMENT
    assert "has no document to be polled" in scene.sent.reason
    assert scene.sent.retry
    assert "available for polling" in scene.sent.retry_reason


def test_a_caller_with_a_fax_of_its_own_is_served_by_the_same_machine(scene: Polled, tmp_path: Path) -> None:
    notice = tmp_path / "notice.tif"
    make_document(notice, make_pages(3))
    scene.callee.take_calls(scene.receiver, None, document.inspect(notice), LOCKED)
    scene.send(make_pages(2))
    scene.run()
    scene.assert_delivered(2)
    assert (scene.sent.polled, scene.received.polled) == (False, False)


def test_a_page_that_cannot_be_stored(tmp_path: Path) -> None:
    scene = Polled(tmp_path)
    scene.receiver = Receiver(tmp_path / "nowhere" / "received.tif")
    scene.offer(make_pages(2))
    scene.poll()
    assert scene.sent.t30_error is T30Failure.PAGE_NOT_STORED
    assert scene.sent.pages_confirmed == scene.received.pages_confirmed == 0
    assert not scene.received.completed


@pytest.mark.parametrize("seconds", [0.5, 4.0, 9.0, 14.0])
@pytest.mark.parametrize("whose", ["call", "taken"])
def test_a_poll_is_cancelled(scene: Polled, whose: str, seconds: float) -> None:
    scene.offer(make_pages(4, kind="noise"))
    scene.begin_poll()
    scene.run(seconds=seconds)
    ours = getattr(scene, whose)
    ours.abort()
    scene.run()
    scene.run_out()
    assert ours.call.result.status is FaxStatus.USER_ABORT
    stored = list(libtiff.pages(scene.output)) if scene.output.exists() else []
    assert scene.received.pages_confirmed <= scene.sent.pages_confirmed == len(stored)
