"""The Windows fax service's part: one thread for every operation, and a completion port."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import replace

from t38fsp.faxdev import (
    FAX_DEV_STATUS,
    FAX_RECEIVE,
    FAX_SEND,
    LINE_DEVSPECIFIC,
    LINEMESSAGE,
    PFAX_SEND_CALLBACK,
    CallEvent,
    CompletionPort,
    FaxDevSettings,
    FaxServiceProvider,
    GetLastError,
)
from t38fsp.status import FaxStatus

FAKE_ENGINE = "tests.faxdev.fake_engine:FakeEngine"
PATIENCE = 60.0
"""Seconds after which a test gives up; none waits for time to pass."""


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Operation:
    """A FaxDevSend or FaxDevReceive on a thread of its own."""

    def __init__(self, handle: int, call: Callable[[], bool]) -> None:
        self.handle = handle
        self.success: bool | None = None
        self.error = 0
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.success = self._call()
        self.error = GetLastError()

    def wait(self) -> Operation:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the operation does not end"
        return self


class Service:
    def __init__(
        self,
        settings: FaxDevSettings,
        clock: Clock,
        on_call_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self.port = CompletionPort()
        self.call_events: queue.SimpleQueue[CallEvent] = queue.SimpleQueue()
        self.provider = FaxServiceProvider(
            replace(settings, on_call_event=on_call_event or self.call_events.put),
            engine=FAKE_ENGINE,
            clock=clock,
        )
        self.devices = self.provider.FaxDevVirtualDeviceCreation(self.port, "incoming")
        self.line_callback = self.provider.FaxDevInitialize(0, 0, None)

    def kill_engine(self) -> None:
        os.kill(self.provider._engine.pid, signal.SIGKILL)

    def stop_engine(self) -> None:
        """It hears nothing any more."""
        os.kill(self.provider._engine.pid, signal.SIGSTOP)

    def enable(self, device: int, *, receive: bool = True, send: bool = True) -> None:
        self.line_callback(None, device, LINE_DEVSPECIFIC, 0, int(receive), int(send), 0)

    def send(
        self, script: str, callback: PFAX_SEND_CALLBACK | None = None, *, device: int = 0, **fields: object
    ) -> Operation:
        """Send to the engine that plays ``script``; a number is dialled as it is."""
        number = script if script[:1] in "+0123456789T" else f"sip:{script}@peer.example"
        handle = self.provider.FaxDevStartJob(0, device, self.port, "job")
        fax = FAX_SEND(**{"FileName": "letter.tif", "ReceiverNumber": number, **fields})
        return Operation(handle, lambda: self.provider.FaxDevSend(handle, fax, callback))

    def receive(self, fax: FAX_RECEIVE, *, device: int = 0, call: int = 0) -> Operation:
        handle = self.provider.FaxDevStartJob(0, device, self.port, "job")
        return Operation(handle, lambda: self.provider.FaxDevReceive(handle, call, fax))

    def packets(self) -> list[FAX_DEV_STATUS]:
        """The status packets posted so far."""
        found = []
        while (packet := self.port.get(0)) is not None:
            assert packet.CompletionKey == "job"
            assert packet.NumberOfBytes == packet.Overlapped.SizeRequired
            found.append(packet.Overlapped)
        return found

    def statuses(self) -> list[tuple[FaxStatus, int]]:
        return [(packet.StatusId, packet.PageCount) for packet in self.packets()]

    def wait_for_status(self, status: FaxStatus) -> None:
        while True:
            packet = self.port.get(PATIENCE)
            assert packet is not None, f"{status.name} is never reported"
            if isinstance(packet.Overlapped, FAX_DEV_STATUS) and packet.Overlapped.StatusId is status:
                return

    def wait_for_call_event(self, kind: type) -> CallEvent:
        while not isinstance((found := self.call_events.get(timeout=PATIENCE)).event, kind):
            pass
        return found

    def wait_for_ring(self) -> LINEMESSAGE:
        while True:
            packet = self.port.get(PATIENCE)
            assert packet is not None, "no call is announced"
            if isinstance(packet.Overlapped, LINEMESSAGE):
                assert (packet.NumberOfBytes, packet.CompletionKey) == (40, "incoming")
                return packet.Overlapped
