"""FaxDevSend: every end, the callback, the packets, many at once."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from t38fsp.events import Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.faxdev import (
    ERROR_ACCESS_DENIED,
    ERROR_BAD_FORMAT,
    ERROR_BUSY,
    ERROR_CANCELLED,
    ERROR_CONNECTION_ABORTED,
    ERROR_FILE_NOT_FOUND,
    ERROR_GEN_FAILURE,
    ERROR_INVALID_PARAMETER,
    ERROR_NOT_READY,
    ERROR_TIMEOUT,
    ERROR_UNEXP_NET_ERR,
    FAX_SEND,
    FS_BAD_ADDRESS,
    FS_BAD_DOCUMENT,
    FS_COMPLETED,
    FS_DIALING,
    FS_FATAL_ERROR,
    FS_INITIALIZING,
    FS_LINE_UNAVAILABLE,
    FS_TRANSMITTING,
    FS_USER_ABORT,
    IDS_BAD_DOCUMENT,
    NO_ERROR,
    FaxDevSettings,
    GetLastError,
)
from t38fsp.jobs import EngineSettings
from t38fsp.status import FaxStatus
from tests.faxdev.fake_engine import DIALOG
from tests.faxdev.service import Clock, Service

TWO_PAGES = "dial-ring-answer-switch-page-done-page-done-bye-completed"


def test_success_is_true_with_completed(service: Service) -> None:
    fax = service.send(TWO_PAGES).wait()
    assert fax.success is True
    status = service.provider.FaxDevReportStatus(fax.handle)
    assert (status.StatusId, status.PageCount, status.CSI) == (FS_COMPLETED, 2, "+15550123")
    assert status.ErrorCode == NO_ERROR
    assert service.provider.GetJobResult(fax.handle).completed
    assert service.provider.FaxDevEndJob(fax.handle)


def test_a_packet_for_every_change_of_state(service: Service) -> None:
    service.send(TWO_PAGES).wait()
    packets = service.packets()
    assert [(packet.StatusId, packet.PageCount) for packet in packets] == [
        (FS_INITIALIZING, 0),
        (FS_DIALING, 0),
        (FS_TRANSMITTING, 1),
        (FS_TRANSMITTING, 2),
        (FS_COMPLETED, 2),
    ]
    assert [packet.CSI for packet in packets] == ["", "", "+15550123", "+15550123", "+15550123"]


def test_call_events_are_keyed_by_the_dialog_once_it_is_up(service: Service) -> None:
    fax = service.send(TWO_PAGES).wait()
    seen = [service.wait_for_call_event(kind) for kind in (Ringing, Connected, SwitchedToT38, Disconnected)]
    assert {event.FaxHandle for event in seen} == {fax.handle}
    assert [event.CallHandle for event in seen] == [None, DIALOG, DIALOG, DIALOG]


def test_failure_is_false_with_its_status(service: Service) -> None:
    """One after another on one line, as each test of this file starts a process."""
    errors = {
        "busy": ERROR_BUSY,
        "no_answer": ERROR_TIMEOUT,
        "bad_address": ERROR_INVALID_PARAMETER,
        "line_unavailable": ERROR_NOT_READY,
        "no_dial_tone": ERROR_NOT_READY,
        "not_fax_call": ERROR_UNEXP_NET_ERR,
        "disconnected": ERROR_CONNECTION_ABORTED,
        "fatal_error": ERROR_GEN_FAILURE,
        "call_blacklisted": ERROR_ACCESS_DENIED,
        "user_abort": ERROR_CANCELLED,
    }
    for end, error in errors.items():
        fax = service.send(f"dial-{end}").wait()
        assert (fax.success, fax.error) == (False, error), end
        status = service.provider.FaxDevReportStatus(fax.handle)
        assert (status.StatusId, status.ErrorCode) == (FaxStatus[end.upper()], error)
        assert service.statuses() == [(FS_INITIALIZING, 0), (FS_DIALING, 0), (FaxStatus[end.upper()], 0)]
        assert service.provider.FaxDevEndJob(fax.handle)


class TestCallback:
    def test_it_runs_on_the_blocked_thread_with_the_dialog_as_call_handle(self, service: Service) -> None:
        calls: list[tuple[object, ...]] = []

        def callback(*arguments: object) -> bool:
            calls.append((*arguments, threading.current_thread()))
            return True

        fax = service.send(TWO_PAGES, callback).wait()
        assert fax.success is True
        assert calls == [(fax.handle, DIALOG, 0, 0, fax._thread)]

    def test_no_page_starts_before_it_has_returned(self, service: Service) -> None:
        before: list[FaxStatus] = []

        def callback(handle: int, *_: object) -> bool:
            before.append(service.provider.FaxDevReportStatus(handle).StatusId)
            return True

        service.send(TWO_PAGES, callback).wait()
        assert before == [FS_DIALING]

    def test_false_ends_the_operation(self, service: Service) -> None:
        fax = service.send(TWO_PAGES, lambda *_: False).wait()
        assert (fax.success, fax.error) == (False, ERROR_CANCELLED)
        assert service.statuses()[-1] == (FS_USER_ABORT, 0)
        assert service.wait_for_call_event(Disconnected).event.remote is False

    def test_an_exception_counts_as_false(self, service: Service, caplog: pytest.LogCaptureFixture) -> None:
        def callback(*_: object) -> bool:
            raise KeyError("a fault of the service")

        fax = service.send(TWO_PAGES, callback).wait()
        assert fax.success is False
        assert service.statuses()[-1] == (FS_USER_ABORT, 0)
        assert "FaxSendCallback failed" in caplog.text
        assert "a fault of the service" in caplog.text


class TestNumber:
    def test_what_cannot_be_dialled_is_a_bad_address(self, service: Service) -> None:
        numbers = ["not a number", "", "sip:", "sip:a b@c", "+1555\r\nVia: x", "sip:x@y;transport=sctp", "T"]
        for number in [*numbers, "tel:x"]:
            fax = service.send("ignored", ReceiverNumber=number).wait()
            assert (fax.success, fax.error) == (False, ERROR_INVALID_PARAMETER), number
            assert service.statuses() == [(FS_INITIALIZING, 0), (FS_BAD_ADDRESS, 0)]
            assert service.provider.FaxDevEndJob(fax.handle)

    def test_a_sip_uri_passes(self, service: Service) -> None:
        for number in ("busy@peer.example", "sip:busy@peer.example", " SIP:busy@peer.example "):
            fax = service.send("ignored", ReceiverNumber=number).wait()
            assert service.provider.FaxDevReportStatus(fax.handle).StatusId is FaxStatus.BUSY, number
            assert service.provider.FaxDevEndJob(fax.handle)


class TestDocument:
    def refuse(self, service: Service, document: Path) -> int:
        fax = service.send("bad_document", FileName=str(document)).wait()
        assert fax.success is False
        status = service.provider.FaxDevReportStatus(fax.handle)
        # A provider-defined status must name a string, and is never sent again.
        assert (status.StatusId, status.StringId) == (FS_BAD_DOCUMENT, IDS_BAD_DOCUMENT)
        assert not status.StatusId.asks_to_resend
        assert status.ErrorCode == fax.error
        return fax.error

    def test_missing(self, service: Service, tmp_path: Path) -> None:
        assert self.refuse(service, tmp_path / "none.tif") == ERROR_FILE_NOT_FOUND

    def test_not_a_tiff(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "letter.tif").write_bytes(b"GIF89a")
        assert self.refuse(service, tmp_path / "letter.tif") == ERROR_BAD_FORMAT

    def test_not_to_be_read(self, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "letter.tif").touch()
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # tests may run as root
        assert self.refuse(service, tmp_path / "letter.tif") == ERROR_ACCESS_DENIED


def test_the_caller_number_becomes_a_station_id(service: Service) -> None:
    station_ids = {
        "+1 555 0100": "+1 555 0100",
        "+49 (0)30 / 1234-5678-90": "+490301234567890",
        "Müller\r\n": "Mller",
        "Example Trading Company": "ExampleTradingCompan",
    }
    for number, station_id in station_ids.items():
        fax = service.send("completed", CallerNumber=number).wait()
        assert service.provider.GetJobResult(fax.handle).reason == f"completed as {station_id!r}"
        assert service.provider.FaxDevEndJob(fax.handle)


def test_branding_is_the_header_line(service: Service) -> None:
    headers: list[tuple[dict[str, object], str]] = [
        ({"CallerName": "Accounts"}, ""),
        ({"Branding": True, "CallerName": "Accounts"}, " headed 'Accounts'"),
        ({"Branding": True}, " headed ''"),
    ]
    for fields, headed in headers:
        fax = service.send("completed", **fields).wait()
        assert service.provider.GetJobResult(fax.handle).reason == f"completed as {headed!r}"
        assert service.provider.FaxDevEndJob(fax.handle)


def test_a_line_in_use_is_unavailable_and_free_after_end_job(service: Service) -> None:
    first = service.send("dial-hold", device=1)
    service.wait_for_status(FS_DIALING)
    second = service.send("completed", device=1).wait()
    assert (second.success, second.error) == (False, ERROR_NOT_READY)
    assert service.provider.FaxDevReportStatus(second.handle).StatusId is FS_LINE_UNAVAILABLE
    assert service.provider.FaxDevAbortOperation(first.handle)
    assert service.provider.FaxDevEndJob(first.wait().handle)
    assert service.send("completed", device=1).wait().success is True


def test_a_line_that_may_not_send_is_unavailable(service: Service) -> None:
    service.enable(service.devices.DeviceIdPrefix + 2, send=False)
    assert service.send("completed", device=2).wait().success is False
    assert service.statuses()[-1] == (FS_LINE_UNAVAILABLE, 0)
    assert service.send("completed", device=3).wait().success is True


def test_a_job_is_one_operation(service: Service) -> None:
    fax = service.send("completed").wait()
    again = FAX_SEND(FileName="letter.tif", ReceiverNumber="sip:busy@peer.example")
    assert service.provider.FaxDevSend(fax.handle, again) is False
    assert GetLastError() == ERROR_INVALID_PARAMETER
    assert service.provider.FaxDevReportStatus(fax.handle).StatusId is FS_COMPLETED


class TestEngineDies:
    def test_the_job_ends_with_what_was_known(self, service: Service) -> None:
        fax = service.send("dial-answer-switch-page-done-bye-hold")
        service.wait_for_call_event(Disconnected)
        service.kill_engine()
        assert (fax.wait().success, fax.error) == (False, ERROR_GEN_FAILURE)
        assert service.statuses()[-1] == (FS_FATAL_ERROR, 1)
        result = service.provider.GetJobResult(fax.handle)
        assert result.retry
        assert "SIGKILL" in result.reason
        assert (result.dialog, result.remote_id, result.pages_confirmed) == (DIALOG, "+15550123", 1)

    def test_every_job_ends(self, service: Service) -> None:
        held = [service.send("dial-hold", device=device) for device in (1, 2, 3)]
        for _ in held:
            service.wait_for_status(FS_DIALING)
        service.kill_engine()
        assert [fax.wait().success for fax in held] == [False, False, False]
        ends = [service.provider.FaxDevReportStatus(fax.handle).StatusId for fax in held]
        assert ends == [FS_FATAL_ERROR] * 3

    def test_the_next_job_has_another(self, service: Service) -> None:
        fax = service.send("dial-hold")
        service.wait_for_status(FS_DIALING)
        service.kill_engine()
        fax.wait()
        assert service.send(TWO_PAGES, device=1).wait().success is True


def test_the_log_tells_which_call_a_fax_was(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "t38fsp.faxdev")
    fax = service.send(TWO_PAGES).wait()
    assert f"fax {fax.handle} (call {DIALOG}): COMPLETED: " in caplog.text


def test_an_exception_in_on_call_event_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise KeyError("a fault of the service")

    service = Service(FaxDevSettings(own_end=EngineSettings(("127.0.0.1", 0))), Clock(), on_call_event=fail)
    try:
        assert service.send(TWO_PAGES).wait().success is True
    finally:
        service.provider.FaxDevShutdown()
    assert caplog.text.count("on_call_event failed") == 4


def test_thirty_two_at_once_beside_a_busy_thread() -> None:
    service = Service(FaxDevSettings(own_end=EngineSettings(("127.0.0.1", 0)), device_count=32), Clock())
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(1000))

    busy = threading.Thread(target=spin, daemon=True)
    busy.start()
    try:
        first = service.devices.DeviceIdPrefix
        faxes = [service.send(TWO_PAGES, lambda *_: True, device=first + line) for line in range(32)]
        assert [fax.wait().success for fax in faxes] == [True] * 32
        assert len({fax.handle for fax in faxes}) == 32
        assert service.statuses().count((FS_COMPLETED, 2)) == 32
        assert all(service.provider.FaxDevEndJob(fax.handle) for fax in faxes)
    finally:
        over.set()
        busy.join()
        service.provider.FaxDevShutdown()
