"""The virtual devices: which are idle, and which have a call waiting."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from t38fsp.jobs import WaitingCall


@dataclass(slots=True)
class Device:
    """One device. ``active`` is the handle of the job that uses it, from its operation until its EndJob."""

    id: int
    send_enabled: bool = True
    receive_enabled: bool = False
    handles: set[int] = field(default_factory=set)
    active: int | None = None
    offered: WaitingCall | None = None
    offered_until: float = 0.0


class Devices:
    """All devices. A call waits on one for ``take_limit`` seconds; times are monotonic seconds."""

    def __init__(self, count: int, first_id: int, take_limit: float) -> None:
        self._first_id = first_id
        self._take_limit = take_limit
        self._devices = [Device(first_id + index) for index in range(count)]
        self._lock = threading.Lock()

    def find(self, device_id: int) -> Device | None:
        """The device with this id, or with this index, which some services pass instead."""
        index = device_id - self._first_id if device_id >= self._first_id else device_id
        return self._devices[index] if 0 <= index < len(self._devices) else None

    def enable(self, device: Device, *, receive: bool, send: bool) -> None:
        with self._lock:
            device.receive_enabled, device.send_enabled = receive, send

    def start(self, device: Device, handle: int) -> None:
        """Register a job; no call is announced on the device until it ends."""
        with self._lock:
            device.handles.add(handle)

    def end(self, device: Device, handle: int) -> None:
        with self._lock:
            device.handles.discard(handle)
            if device.active == handle:
                device.active = None

    def offer(self, call: WaitingCall, now: float) -> Device | None:
        """Let ``call`` wait on the first idle device that may receive; None if there is none."""
        with self._lock:
            for device in self._devices:
                # A call whose time is over no longer occupies the device, even before the engine has
                # reported that it is gone.
                waiting = device.offered is not None and now < device.offered_until
                # A device with a job, even one that has not begun yet, is about to be used.
                if device.receive_enabled and not device.handles and not waiting:
                    device.offered, device.offered_until = call, now + self._take_limit
                    return device
        return None

    def withdraw(self, call: int) -> None:
        """Free the device on which the call with this number was waiting."""
        with self._lock:
            for device in self._devices:
                if device.offered is not None and device.offered.call == call:
                    device.offered = None

    def claim_to_send(self, device: Device, handle: int, now: float) -> bool:
        """False if the device is in use, a call waits on it, or it may not send."""
        with self._lock:
            waiting = device.offered is not None and now < device.offered_until
            if device.active is not None or waiting or not device.send_enabled:
                return False
            device.active = handle
            return True

    def claim_to_receive(self, device: Device, handle: int, now: float) -> WaitingCall | None:
        """The call that waits on the device; None if there is none (any more) or the device is in use."""
        with self._lock:
            # Taken off even if it is too late: it is over for this device either way.
            call, device.offered = device.offered, None
            if call is None or now >= device.offered_until or device.active is not None:
                return None
            device.active = handle
            return call
