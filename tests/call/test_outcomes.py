"""Calls that come to nothing, and faxes that fail at one end: what both results say."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from t38fsp import events
from t38fsp.call.verdict import verdict
from t38fsp.image.errors import DocumentError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import PageMode, PageQuality
from tests.call.harness import Receiver, Scene, Sender, lossy, make_pages, names
from tests.call.phone import PHONE, Phone
from tests.pages import make_document
from tests.peers import libtiff


def confirmed(result: FaxResult) -> list[bool]:
    return [page.confirmed for page in result.pages]


# --- before the call is answered ----------------------------------------------------------------------------


def test_it_rings_until_the_limit(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.ring()
    scene.send(make_pages(2), to=PHONE, ring_limit=20.0)
    scene.run()
    assert scene.sent.status is FaxStatus.NO_ANSWER
    assert scene.sent.reason == "the call was not answered within 20 seconds"
    assert scene.sent.retry
    assert 20.0 <= scene.sent.seconds < 23.0
    assert confirmed(scene.sent) == [False, False]
    assert names(scene.call.events) == ["Dialing", "Ringing", "Finished"]
    assert any(data.startswith(b"CANCEL ") for _, _, _, data in scene.tapped)
    scene.run_out()
    assert phone.agent.idle


@pytest.mark.parametrize(
    ("status", "verdict", "resend"),
    [
        (486, FaxStatus.BUSY, True),
        (600, FaxStatus.BUSY, True),
        (404, FaxStatus.BAD_ADDRESS, False),
        (480, FaxStatus.NO_ANSWER, True),
        (503, FaxStatus.LINE_UNAVAILABLE, True),
        (603, FaxStatus.FATAL_ERROR, False),
    ],
)
def test_the_call_is_refused(tmp_path: Path, status: int, verdict: FaxStatus, resend: bool) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.refuse(status)
    scene.send(make_pages(1), to=PHONE)
    scene.run()
    assert (scene.sent.status, scene.sent.sip_status, scene.sent.retry) == (verdict, status, resend)
    assert scene.sent.dialog is None
    assert names(scene.call.events) == ["Dialing", "Finished"]
    scene.run_out()


def test_our_own_endpoint_takes_no_calls(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(make_pages(1))
    scene.run()
    assert scene.sent.status is FaxStatus.BUSY
    scene.run_out()


def test_a_call_that_is_not_taken(tmp_path: Path) -> None:
    """It rings, nobody takes it, and the far end gives up with 480."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.ring()
    scene.send(make_pages(1), to=PHONE)
    scene.run(seconds=20.0)
    phone.refuse(480)
    scene.run()
    assert scene.sent.status is FaxStatus.NO_ANSWER
    assert (scene.sent.sip_status, scene.sent.retry) == (480, True)
    scene.run_out()


def test_nobody_is_there(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(make_pages(1), to="192.0.2.99")
    scene.run()
    assert scene.sent.status is FaxStatus.NO_ANSWER
    assert "never responded" in scene.sent.reason
    assert 30.0 < scene.sent.seconds < 40.0  # 64*T1, RFC 3261 17.1.1.2
    scene.run_out()


# --- the receiving end cannot keep the page -----------------------------------------------------------------


class FullDisk(Receiver):
    """Has room for ``pages`` pages."""

    def __init__(self, path: Path, pages: int) -> None:
        super().__init__(path)
        self._room = pages

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        if self._room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= 1
        return super().store(index, mode, data)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("room", [0, 1])
def test_the_disk_of_the_receiver_is_full(tmp_path: Path, room: int, ecm: bool) -> None:
    """Nothing is confirmed that is not on disk, and the sender is told before it believes otherwise."""
    scene = Scene(tmp_path)
    scene.receiver = FullDisk(scene.output, room)
    scene.answer(ecm=ecm)
    scene.send(make_pages(3))
    scene.run()
    assert scene.received.status is FaxStatus.FATAL_ERROR
    assert scene.received.t30_error is T30Failure.PAGE_NOT_STORED
    assert "No space left on device" in scene.received.reason
    assert confirmed(scene.received) == [True] * room + [False]
    assert scene.sent.status is FaxStatus.DISCONNECTED
    assert scene.sent.t30_error is T30Failure.DISCONNECTED
    assert confirmed(scene.sent) == [True] * room + [False] * (3 - room)
    assert scene.sent.pages[room].response == "DCN"
    assert len(list(libtiff.pages(scene.output)) if room else []) == room
    scene.assert_truthful()
    scene.run_out()


@pytest.mark.parametrize("ecm", [True, False])
def test_a_disk_that_never_answers(tmp_path: Path, ecm: bool) -> None:
    """With ECM RNR until T5, without it silence: either way nothing is confirmed, and both ends get away."""
    scene = Scene(tmp_path, page_delay=90.0)
    scene.caller.page_delay = 0.0
    scene.answer(ecm=ecm)
    scene.send(make_pages(1))
    scene.run()
    assert not scene.sent.completed
    assert not scene.received.completed
    assert confirmed(scene.sent) == [False]
    assert scene.sent.status in (FaxStatus.FATAL_ERROR, FaxStatus.DISCONNECTED)
    scene.run_out()


# --- the sending end cannot code the page -------------------------------------------------------------------


class Torn(Sender):
    """A document whose page ``index`` cannot be coded when it is wanted."""

    def __init__(self, path: Path, index: int) -> None:
        super().__init__(path)
        self._torn = index

    def encode(self, index: int, mode: PageMode) -> bytes:
        if index == self._torn:
            raise DocumentError(f"page {index + 1} cannot be faxed: its image data are damaged")
        return super().encode(index, mode)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("torn", [0, 1, 2])
def test_a_page_that_cannot_be_coded(tmp_path: Path, torn: int, ecm: bool) -> None:
    """The pages before it arrive and count; the fax as a whole does not, at either end."""
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    make_document(scene.document, make_pages(3))
    scene.send_document(Torn(scene.document, torn))
    scene.run()
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert scene.sent.t30_error is T30Failure.PAGE_UNAVAILABLE
    assert f"page {torn + 1} cannot be faxed" in scene.sent.reason
    assert not scene.sent.retry
    assert scene.sent.retry_reason == "the document cannot be sent as it is"
    assert confirmed(scene.sent) == [index < torn for index in range(3)]
    assert scene.received.pages_confirmed == torn
    assert scene.received.status is FaxStatus.DISCONNECTED
    assert len(list(libtiff.pages(scene.output)) if torn else []) == torn
    scene.assert_truthful()
    scene.run_out()


@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_that_is_coded_too_late(tmp_path: Path, ecm: bool) -> None:
    scene = Scene(tmp_path)
    scene.caller.page_delay = 60.0
    scene.answer(ecm=ecm)
    scene.send(make_pages(1))
    scene.run()
    assert scene.sent.t30_error is T30Failure.PAGE_LATE
    assert (scene.sent.status, scene.sent.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
    assert "may be less loaded later" in scene.sent.retry_reason
    assert scene.sent.pages_confirmed == scene.received.pages_confirmed == 0
    scene.run_out()


def test_errors_of_the_system_are_told_as_they_are(tmp_path: Path) -> None:
    class Gone(Sender):
        def encode(self, index: int, mode: PageMode) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    scene = Scene(tmp_path)
    scene.answer()
    make_document(scene.document, make_pages(1))
    scene.send_document(Gone(scene.document))
    scene.run()
    assert "Input/output error" in scene.sent.reason
    scene.run_out()


# --- the application does not answer ------------------------------------------------------------------------


def test_nothing_is_sent_before_the_application_allows_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(station_id="+1 555 0100")
    call = scene.send(make_pages(1))
    call.on_connected = lambda: None
    scene.run(seconds=20.0)
    assert "Identified" in names(call.events)
    assert "Trained" not in names(call.events)
    call.proceed(True)
    scene.run()
    scene.assert_delivered(1)


def test_an_application_that_never_answers(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    call = scene.send(make_pages(1))
    call.on_connected = lambda: None
    scene.run()
    assert scene.sent.status is FaxStatus.USER_ABORT
    assert not any(isinstance(event, events.Trained) for event in call.events)
    scene.run_out()


def test_the_line_falls_silent_in_a_page(tmp_path: Path) -> None:
    """No packet and no signalling comes through any more: both ends end by themselves."""
    silent = False
    scene = Scene(tmp_path, faults_for=lambda source, to: lossy(float(silent), signalling=True)(source, to))
    scene.answer()
    scene.send(make_pages(2))
    scene.run(until=lambda: "PageStarted" in names(scene.call.events))
    silent = True
    scene.run()
    for result, error in (
        (scene.sent, T30Failure.NO_ANSWER_TO_PAGE),
        (scene.received, T30Failure.NO_COMMAND),
    ):
        assert (result.status, result.t30_error) == (FaxStatus.FATAL_ERROR, error)
        assert result.pages_confirmed == 0
    scene.run_out()


# --- a fault of ours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ecm", [True, False])
def test_a_fault_of_ours_in_the_second_page(tmp_path: Path, ecm: bool) -> None:
    """The result tells all that was known, and another call goes on where this one ended."""
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm, station_id="+15550199")
    scene.send(make_pages(2, rows=100))
    scene.run(until=lambda: sum(isinstance(event, events.PageStarted) for event in scene.call.events) == 2)
    fault = verdict(Outcome.FAULT, "an internal error")
    result = scene.call.call.break_off(fault, scene.simulator.now)
    assert (result.status, result.reason, result.retry) == (fault.status, fault.reason, True)
    assert [page.confirmed for page in result.pages] == [True, False]
    assert result.next_page == 2
    assert (result.remote_id, result.sip_status) == ("+15550199", 200)
    assert result.dialog is not None
    assert result.counters["received"] > 0
    assert scene.call.call.next_deadline() is None


def test_a_fault_of_ours_behind_the_last_confirmation(tmp_path: Path) -> None:
    """Every page arrived: what happens then takes none of them away."""
    scene = Scene(tmp_path)
    scene.answer()
    scene.send(make_pages(1, rows=100))
    scene.run(until=lambda: any(isinstance(event, events.PageDone) for event in scene.call.events))
    fault = verdict(Outcome.FAULT, "an internal error")
    assert scene.call.call.break_off(fault, scene.simulator.now).completed
