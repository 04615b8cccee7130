"""Incoming calls: announced, taken or not, received."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from t38fsp.events import Connected
from t38fsp.faxdev import (
    ERROR_CANCELLED,
    ERROR_FILE_EXISTS,
    ERROR_FILE_NOT_FOUND,
    ERROR_NOT_SUPPORTED,
    FAX_RECEIVE,
    FS_ANSWERED,
    FS_COMPLETED,
    FS_DIALING,
    FS_DISCONNECTED,
    FS_FATAL_ERROR,
    FS_INITIALIZING,
    FS_LINE_UNAVAILABLE,
    FS_RECEIVING,
    FS_USER_ABORT,
    LINEDEVSTATE_RINGING,
    LINEMESSAGE,
)
from t38fsp.outcome import Outcome
from tests.faxdev.service import PATIENCE, Clock, Service

TWO_PAGES = "answer-switch-page-done-page-done-bye-completed"


class Refusals(logging.Handler):
    """What the scripted engine logs when it is told to refuse a call."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        if "refused" in record.getMessage():
            self.texts.put(record.getMessage())


@pytest.fixture
def refusals() -> Iterator[queue.SimpleQueue[str]]:
    logger, handler = logging.getLogger("t38fsp.fake"), Refusals()
    logger.addHandler(handler)
    yield handler.texts
    logger.removeHandler(handler)


@pytest.fixture
def fax(tmp_path: Path) -> FAX_RECEIVE:
    """As the service hands it over: the file exists and is empty."""
    (tmp_path / "received.tif").touch()
    return FAX_RECEIVE(FileName=str(tmp_path / "received.tif"), ReceiverNumber="+1 555 0199")


def ring(service: Service, script: str = TWO_PAGES) -> None:
    """Let a call come in (device 3 lends its job to make that happen)."""
    job = service.send(f"call-{script}", device=3).wait()
    assert service.provider.FaxDevEndJob(job.handle)


def test_a_call_is_announced_and_received(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(service.devices.DeviceIdPrefix)
    ring(service)
    message = service.wait_for_ring()
    assert message == LINEMESSAGE(
        hDevice=service.devices.DeviceIdPrefix,
        dwMessageID=0,
        dwCallbackInstance=0,
        dwParam1=LINEDEVSTATE_RINGING,
        dwParam2=0,
        dwParam3=0,
    )
    service.packets()
    operation = service.receive(fax, device=message.hDevice).wait()
    assert operation.success is True
    packets = service.packets()
    assert [(packet.StatusId, packet.PageCount) for packet in packets] == [
        (FS_INITIALIZING, 0),
        (FS_ANSWERED, 0),
        (FS_RECEIVING, 1),
        (FS_RECEIVING, 2),
        (FS_COMPLETED, 2),
    ]
    last = packets[-1]
    assert (last.CSI, last.CallerId, last.RoutingInfo) == ("+15550123", f"sip:{TWO_PAGES}@far", "+15550199")


def test_success_fills_in_who_we_are(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(0)
    ring(service)
    operation = service.receive(fax, device=service.wait_for_ring().hDevice).wait()
    assert (fax.ReceiverNumber, fax.ReceiverName) == ("+1 555 0199", "T.38 fax 256")
    assert service.provider.GetJobResult(operation.handle).reason == "completed as '+1 555 0199'"


def test_a_device_may_be_named_by_its_index(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(service.devices.DeviceIdPrefix + 1)
    ring(service)
    index = service.wait_for_ring().hDevice - service.devices.DeviceIdPrefix
    assert index == 1
    assert service.receive(fax, device=index).wait().success is True


def test_a_device_beyond_the_last_is_none(service: Service) -> None:
    beyond = service.devices.DeviceIdPrefix + service.devices.DeviceCount
    for device in (beyond, service.devices.DeviceCount, -1):
        assert service.provider.FaxDevStartJob(0, device, service.port, "job") == 0


def test_a_failed_receive_keeps_its_status(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(0)
    ring(service, "answer-switch-page-bye-disconnected")
    operation = service.receive(fax, device=service.wait_for_ring().hDevice).wait()
    assert operation.success is False
    assert service.statuses()[-1] == (FS_DISCONNECTED, 1)


def test_abort_while_receiving(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(0)
    ring(service, "answer-switch-hold")
    operation = service.receive(fax, device=service.wait_for_ring().hDevice)
    service.wait_for_call_event(Connected)
    assert service.provider.FaxDevAbortOperation(operation.handle)
    assert (operation.wait().success, operation.error) == (False, ERROR_CANCELLED)
    assert service.statuses()[-1] == (FS_USER_ABORT, 0)


class TestNotTaken:
    def test_no_device_may_receive(self, service: Service, refusals: queue.SimpleQueue[str]) -> None:
        ring(service)
        assert refusals.get(timeout=PATIENCE) == f"refused call 1 of {TWO_PAGES}"

    def test_receiving_was_disabled_again(self, service: Service, refusals: queue.SimpleQueue[str]) -> None:
        service.enable(0)
        service.enable(0, receive=False)
        ring(service)
        assert refusals.get(timeout=PATIENCE)

    def test_the_only_device_has_a_call_waiting(
        self, service: Service, refusals: queue.SimpleQueue[str]
    ) -> None:
        service.enable(0)
        ring(service, "answer-completed")
        ring(service, "answer-busy")
        assert refusals.get(timeout=PATIENCE) == "refused call 2 of answer-busy"

    def test_the_device_has_a_job(self, service: Service, refusals: queue.SimpleQueue[str]) -> None:
        service.enable(0)
        service.provider.FaxDevStartJob(0, 0, service.port, "job")
        ring(service)
        assert refusals.get(timeout=PATIENCE)

    def test_a_call_is_gone_after_its_time(self, service: Service, clock: Clock, fax: FAX_RECEIVE) -> None:
        service.enable(0)
        ring(service)
        device = service.wait_for_ring().hDevice
        clock.now += 20.0
        operation = service.receive(fax, device=device).wait()
        assert (operation.success, operation.error) == (False, ERROR_NOT_SUPPORTED)

    def test_then_its_device_is_free(self, service: Service, clock: Clock, fax: FAX_RECEIVE) -> None:
        service.enable(0)
        ring(service, "answer-busy")
        first = service.wait_for_ring()
        clock.now += 20.0
        ring(service, "answer-completed")
        assert service.wait_for_ring() == first
        assert service.receive(fax, device=first.hDevice).wait().success is True

    def test_the_device_of_a_caller_who_hung_up_is_free(self, service: Service) -> None:
        service.enable(0)
        ring(service, "answer-busy")
        first = service.wait_for_ring()
        job = service.send("gone", device=3).wait()
        assert service.provider.FaxDevEndJob(job.handle)
        ring(service, "answer-completed")
        assert service.wait_for_ring() == first

    def test_a_call_whose_caller_hung_up_cannot_be_taken(self, service: Service, fax: FAX_RECEIVE) -> None:
        service.enable(0)
        ring(service)
        device = service.wait_for_ring().hDevice
        service.send("gone", device=3).wait()
        operation = service.receive(fax, device=device).wait()
        assert (operation.success, operation.error) == (False, ERROR_NOT_SUPPORTED)
        assert "hung up" in service.provider.GetJobResult(operation.handle).reason

    def test_a_send_does_not_take_a_line_that_rings(self, service: Service) -> None:
        service.enable(0)
        ring(service)
        service.wait_for_ring()
        assert service.send("completed", device=0).wait().success is False
        assert service.statuses()[-1] == (FS_LINE_UNAVAILABLE, 0)

    def test_an_aborted_job_refuses_its_call(
        self, service: Service, refusals: queue.SimpleQueue[str], fax: FAX_RECEIVE
    ) -> None:
        service.enable(0)
        ring(service)
        handle = service.provider.FaxDevStartJob(0, service.wait_for_ring().hDevice, service.port, "job")
        assert service.provider.FaxDevAbortOperation(handle)
        assert service.provider.FaxDevReceive(handle, 0, fax) is False
        assert refusals.get(timeout=PATIENCE)


def test_without_a_ring_nothing_is_received(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(0)
    operation = service.receive(fax, device=0, call=0).wait()
    assert (operation.success, operation.error) == (False, ERROR_NOT_SUPPORTED)


def test_the_file_must_exist(
    service: Service, refusals: queue.SimpleQueue[str], fax: FAX_RECEIVE, tmp_path: Path
) -> None:
    service.enable(0)
    ring(service)
    fax.FileName = str(tmp_path / "none.tif")
    operation = service.receive(fax, device=service.wait_for_ring().hDevice).wait()
    assert (operation.success, operation.error) == (False, ERROR_FILE_NOT_FOUND)
    assert service.statuses()[-1] == (FS_FATAL_ERROR, 0)
    assert refusals.get(timeout=PATIENCE)


def test_the_file_must_be_empty(service: Service, refusals: queue.SimpleQueue[str], fax: FAX_RECEIVE) -> None:
    """What it holds would be another's fax."""
    service.enable(0)
    ring(service)
    Path(fax.FileName).write_bytes(b"another fax")
    operation = service.receive(fax, device=service.wait_for_ring().hDevice).wait()
    assert (operation.success, operation.error) == (False, ERROR_FILE_EXISTS)
    assert service.statuses()[-1] == (FS_FATAL_ERROR, 0)
    assert refusals.get(timeout=PATIENCE)
    assert Path(fax.FileName).read_bytes() == b"another fax"


def test_a_call_of_an_engine_that_died_cannot_be_taken(service: Service, fax: FAX_RECEIVE) -> None:
    service.enable(0)
    ring(service)
    device = service.wait_for_ring().hDevice
    held = service.send("dial-hold", device=2)
    service.wait_for_status(FS_DIALING)  # else it may go to the next engine
    service.kill_engine()
    assert held.wait().success is False
    operation = service.receive(fax, device=device).wait()
    assert operation.success is False
    assert service.provider.GetJobResult(operation.handle).outcome is Outcome.UNAVAILABLE
