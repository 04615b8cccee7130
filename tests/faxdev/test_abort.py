"""FaxDevAbortOperation at every phase, FaxDevEndJob after it, FaxDevShutdown amid calls."""

from __future__ import annotations

import threading

import pytest

from t38fsp.events import Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.faxdev import (
    ERROR_BUSY,
    ERROR_CANCELLED,
    ERROR_INVALID_HANDLE,
    ERROR_NOT_READY,
    FAX_SEND,
    FS_COMPLETED,
    FS_DIALING,
    FS_INITIALIZING,
    FS_TRANSMITTING,
    FS_USER_ABORT,
    S_OK,
    CompletionPort,
    GetLastError,
)
from t38fsp.status import FaxStatus
from tests.faxdev.service import PATIENCE, Service


@pytest.mark.parametrize(
    ("script", "reached"),
    [
        ("hold", FS_INITIALIZING),
        ("dial-hold", FS_DIALING),
        ("dial-ring-hold", Ringing),
        ("dial-answer-hold", Connected),
        ("dial-answer-switch-hold", SwitchedToT38),
        ("dial-answer-switch-page-hold", FS_TRANSMITTING),
        ("dial-answer-switch-page-done-bye-hold", Disconnected),
    ],
)
def test_abort_ends_the_call(service: Service, script: str, reached: FaxStatus | type) -> None:
    fax = service.send(script)
    if isinstance(reached, FaxStatus):
        service.wait_for_status(reached)
    else:
        service.wait_for_call_event(reached)
    assert service.provider.FaxDevAbortOperation(fax.handle) is True
    assert (fax.wait().success, fax.error) == (False, ERROR_CANCELLED)
    assert service.provider.FaxDevReportStatus(fax.handle).StatusId is FS_USER_ABORT
    assert service.statuses()[-1][0] is FS_USER_ABORT
    assert service.provider.FaxDevEndJob(fax.handle) is True


def test_a_job_that_can_be_ended_is_forgotten(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRUE and FALSE of FaxDevEndJob say what it did, at whatever moment the operation ends."""
    fax = service.send("hold")
    service.wait_for_status(FS_INITIALIZING)
    job = service.provider._jobs[fax.handle]
    asked = threading.Event()
    close = job.close

    def at_the_end_of_the_operation() -> bool:
        answer = close()
        asked.set()
        job.cancel()
        fax.wait()
        return answer

    monkeypatch.setattr(job, "close", at_the_end_of_the_operation)
    assert service.provider.FaxDevEndJob(fax.handle) is False
    assert asked.is_set()
    monkeypatch.undo()
    assert service.provider.FaxDevEndJob(fax.handle) is True
    assert service.provider.FaxDevReportStatus(fax.handle) is None


def test_no_operation_begins_in_a_job_that_is_ended(service: Service) -> None:
    handle = service.provider.FaxDevStartJob(0, 0, service.port, "job")
    job = service.provider._jobs[handle]
    assert service.provider.FaxDevEndJob(handle)
    assert job.begin() is False


def test_abort_before_send_forbids_it(service: Service) -> None:
    handle = service.provider.FaxDevStartJob(0, 0, service.port, "job")
    assert service.provider.FaxDevAbortOperation(handle)
    fax = FAX_SEND(FileName="letter.tif", ReceiverNumber="sip:completed@peer.example")
    assert service.provider.FaxDevSend(handle, fax) is False
    assert service.statuses() == [(FS_INITIALIZING, 0), (FS_USER_ABORT, 0)]


def test_abort_while_the_callback_runs(service: Service) -> None:
    inside, aborted = threading.Event(), threading.Event()

    def callback(*_: object) -> bool:
        inside.set()
        return aborted.wait(PATIENCE)

    fax = service.send("dial-answer-switch-page-done-bye-completed", callback)
    assert inside.wait(PATIENCE)
    assert service.provider.FaxDevAbortOperation(fax.handle)
    aborted.set()
    assert fax.wait().success is False
    assert service.statuses()[-1] == (FS_USER_ABORT, 0)


def test_abort_from_inside_the_callback(service: Service) -> None:
    fax = service.send(
        "dial-answer-hold", lambda handle, *_: service.provider.FaxDevAbortOperation(handle)
    ).wait()
    assert fax.error == ERROR_CANCELLED


def test_an_abort_that_comes_too_late_changes_nothing(service: Service) -> None:
    fax = service.send("completed").wait()
    assert service.provider.FaxDevAbortOperation(fax.handle) is True
    assert service.provider.FaxDevReportStatus(fax.handle).StatusId is FS_COMPLETED


def test_an_aborted_fax_is_not_sent_again_even_when_the_engine_dies(service: Service) -> None:
    fax = service.send("dial-answer-switch-hold", lambda *_: True)
    service.wait_for_call_event(SwitchedToT38)
    service.stop_engine()
    assert service.provider.FaxDevAbortOperation(fax.handle)
    service.kill_engine()
    assert fax.wait().success is False
    result = service.provider.GetJobResult(fax.handle)
    assert (result.status, result.retry) == (FS_USER_ABORT, False)


class TestHandles:
    def test_end_job_is_refused_while_the_operation_runs(self, service: Service) -> None:
        fax = service.send("dial-hold")
        service.wait_for_status(FS_DIALING)
        assert service.provider.FaxDevEndJob(fax.handle) is False
        assert GetLastError() == ERROR_BUSY
        service.provider.FaxDevAbortOperation(fax.handle)
        assert service.provider.FaxDevEndJob(fax.wait().handle) is True

    @pytest.mark.parametrize("handle", [0, -1, 4711])
    def test_an_unknown_handle_is_an_error(self, service: Service, handle: int) -> None:
        provider = service.provider
        fax = FAX_SEND(FileName="letter.tif", ReceiverNumber="sip:completed@peer.example")
        failures = [
            provider.FaxDevSend(handle, fax),
            provider.FaxDevAbortOperation(handle),
            provider.FaxDevEndJob(handle),
        ]
        assert failures == [False, False, False]
        assert provider.FaxDevReportStatus(handle) is None
        assert GetLastError() == ERROR_INVALID_HANDLE

    def test_an_ended_handle_is_unknown(self, service: Service) -> None:
        fax = service.send("completed").wait()
        assert service.provider.FaxDevEndJob(fax.handle) is True
        assert service.provider.FaxDevEndJob(fax.handle) is False
        assert service.provider.FaxDevAbortOperation(fax.handle) is False

    def test_the_last_error_belongs_to_its_thread(self, service: Service) -> None:
        service.provider.FaxDevEndJob(4711)
        assert service.send("busy").wait().error == ERROR_BUSY
        assert GetLastError() == ERROR_INVALID_HANDLE


class TestShutdown:
    def test_live_operations_are_aborted(self, service: Service) -> None:
        faxes = [service.send("dial-hold", device=device) for device in range(3)]
        for _ in faxes:
            service.wait_for_status(FS_DIALING)
        assert service.provider.FaxDevShutdown() == S_OK
        assert [fax.wait().success for fax in faxes] == [False] * 3
        assert [fax.error for fax in faxes] == [ERROR_CANCELLED] * 3
        assert all(service.provider.FaxDevEndJob(fax.handle) for fax in faxes)

    def test_nothing_starts_after_it(self, service: Service) -> None:
        service.provider.FaxDevShutdown()
        assert service.provider.FaxDevStartJob(0, 0, CompletionPort(), "job") == 0
        assert GetLastError() == ERROR_NOT_READY

    def test_a_job_that_had_not_begun_is_aborted(self, service: Service) -> None:
        handle = service.provider.FaxDevStartJob(0, 0, service.port, "job")
        service.provider.FaxDevShutdown()
        fax = FAX_SEND(FileName="letter.tif", ReceiverNumber="sip:completed@peer.example")
        assert service.provider.FaxDevSend(handle, fax) is False
        assert service.provider.FaxDevReportStatus(handle).StatusId is FS_USER_ABORT

    def test_it_may_be_initialised_again(self, service: Service) -> None:
        service.provider.FaxDevShutdown()
        assert service.provider.FaxDevInitialize(0, 0, None) is not None
        assert service.send("completed").wait().success is True

    def test_it_is_harmless_twice(self, service: Service) -> None:
        assert [service.provider.FaxDevShutdown(), service.provider.FaxDevShutdown()] == [S_OK, S_OK]
