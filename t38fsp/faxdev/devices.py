"""The virtual devices: which are idle, and which have a call waiting."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from t38fsp.jobs import IncomingCall


@dataclass(slots=True)
class Device:
    """One line. ``active`` is the handle of the job that has it, from its operation until its EndJob."""

    id: int
    send_enabled: bool = True
    receive_enabled: bool = False
    handles: set[int] = field(default_factory=set)
    active: int | None = None
    offered: IncomingCall | None = None
    offered_until: float = 0.0


class Devices:
    """``take_limit``: seconds for which a call waits on a device. Times are monotonic seconds."""

    def __init__(self, count: int, first_id: int, take_limit: float) -> None:
        self._first_id = first_id
        self._take_limit = take_limit
        self._devices = [Device(first_id + index) for index in range(count)]
        self._lock = threading.Lock()

    def find(self, device_id: int) -> Device | None:
        """The device with this id, or, as some services count, with this index."""
        index = device_id - self._first_id if device_id >= self._first_id else device_id
        return self._devices[index] if 0 <= index < len(self._devices) else None

    def enable(self, device: Device, *, receive: bool, send: bool) -> None:
        with self._lock:
            device.receive_enabled, device.send_enabled = receive, send

    def start(self, device: Device, handle: int) -> None:
        """A job was started: no call is announced here until it ends."""
        with self._lock:
            device.handles.add(handle)

    def end(self, device: Device, handle: int) -> None:
        with self._lock:
            device.handles.discard(handle)
            if device.active == handle:
                device.active = None

    def offer(self, call: IncomingCall, now: float) -> Device | None:
        """Let ``call`` wait on the first idle device that may receive; None when there is none."""
        with self._lock:
            for device in self._devices:
                waiting = device.offered is not None and now < device.offered_until
                if device.receive_enabled and not device.handles and not waiting:
                    device.offered, device.offered_until = call, now + self._take_limit
                    return device
        return None

    def withdraw(self, call: int) -> None:
        """The call with this number waits no more: its device is free."""
        with self._lock:
            for device in self._devices:
                if device.offered is not None and device.offered.call == call:
                    device.offered = None

    def claim_to_send(self, device: Device, handle: int, now: float) -> bool:
        """False when the line is taken, or a call waits on it, or it may not send."""
        with self._lock:
            waiting = device.offered is not None and now < device.offered_until
            if device.active is not None or waiting or not device.send_enabled:
                return False
            device.active = handle
            return True

    def claim_to_receive(self, device: Device, handle: int, now: float) -> IncomingCall | None:
        """The call that waits on the device; None when there is none (any more) or the line is taken."""
        with self._lock:
            call, device.offered = device.offered, None
            if call is None or now >= device.offered_until or device.active is not None:
                return None
            device.active = handle
            return call
