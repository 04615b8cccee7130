"""One job of the fax service: its status, its completion packets, and its operation."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import replace

from sip.logs import get_logger
from sip.values import DialogId
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.events import (
    BeganInAudio,
    Connected,
    Dialing,
    Disconnected,
    FaxEvent,
    Finished,
    Identified,
    PageStarted,
    Ringing,
    SwitchedToT38,
)
from t38fsp.faxdev.constants import (
    ERROR_ACCESS_DENIED,
    ERROR_FILE_NOT_FOUND,
    ERROR_GEN_FAILURE,
    ERROR_OF_STATUS,
    IDS_BAD_DOCUMENT,
    NO_ERROR,
)
from t38fsp.faxdev.devices import Device
from t38fsp.faxdev.kernel32 import CompletionPort
from t38fsp.faxdev.settings import CallEvent
from t38fsp.faxdev.structures import FAX_DEV_STATUS
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus

_logger = get_logger(__name__)


class FaxJob:
    """The job of a FaxHandle. Its operation runs on one thread; any thread may read the status or abort."""

    def __init__(self, handle: int, device: Device, port: CompletionPort | None, key: Hashable) -> None:
        self.handle = handle
        self.device = device
        self.result: FaxResult | None = None
        self._port = port
        self._key = key
        self._lock = threading.Lock()
        self._status = FAX_DEV_STATUS(FaxStatus.INITIALIZING)
        self._begun = False
        self._cancelled = False
        self._remote: RemoteJob | None = None

    @property
    def status(self) -> FAX_DEV_STATUS:
        with self._lock:
            return self._status

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def begin(self) -> bool:
        """Claim the single operation of this job and report FS_INITIALIZING; False if it had one already."""
        with self._lock:
            if self._begun:
                return False
            self._begun = True
        self._post(self._status)
        return True

    def close(self) -> bool:
        """Allow no further operation; False while one runs."""
        with self._lock:
            if self._begun and self.result is None:
                return False
            # No operation can begin on another thread once FaxDevEndJob has succeeded.
            self._begun = True
        return True

    def identify(self, caller: str, called: str) -> None:
        """Set the caller and called numbers of the status."""
        self._set(replace(self._status, CallerId=caller, RoutingInfo=called))

    def cancel(self) -> None:
        """Request the end of the operation from the engine; returns at once."""
        with self._lock:
            first, self._cancelled = not self._cancelled, True
            remote = self._remote
        if first and remote is not None:
            remote.abort()

    def finish(self, result: FaxResult, error: int | None = None) -> FaxResult:
        """End the operation. ``error`` is the Win32 error; by default the one for the status."""
        # A fax that was confirmed before the abort took effect stays complete.
        if self._cancelled and not result.completed:
            # However the call ended, a fax that was cancelled locally must not be sent again.
            result = replace(
                result, status=FaxStatus.USER_ABORT, retry=False, retry_reason="it was cancelled here"
            )
        if error is None:
            error = NO_ERROR if result.completed else ERROR_OF_STATUS.get(result.status, ERROR_GEN_FAILURE)
        string = IDS_BAD_DOCUMENT if result.status is FaxStatus.BAD_DOCUMENT else 0
        self.result = result
        self._set(replace(self._status, StatusId=result.status, StringId=string, ErrorCode=error))
        dialog = f" (call {result.dialog})" if result.dialog is not None else ""
        _logger.info("fax %d%s: %s: %s", self.handle, dialog, result.status.name, result.reason)
        return result

    def follow(
        self,
        remote: RemoteJob,
        *,
        answered: FaxStatus | None,
        paging: FaxStatus,
        verdict: Callable[[DialogId], bool] | None,
        on_call_event: Callable[[CallEvent], None] | None,
    ) -> FaxResult:
        """Report the events of ``remote`` until it ends, and return its result.

        ``answered`` and ``paging`` are the statuses for an established call and for pages; ``verdict`` is
        called when the call is established. If the thread is interrupted, the call is aborted.
        """
        with self._lock:
            self._remote = remote
            cancelled = self._cancelled
        # Aborted between FaxDevSend's check and here: then nothing has told the engine.
        if cancelled:
            remote.abort()
        result = None
        try:
            while result is None:
                event = remote.next_event()
                self._tell(event, on_call_event)
                match event:
                    case Dialing():
                        self._set(replace(self._status, StatusId=FaxStatus.DIALING))
                    case Connected(dialog):
                        if answered is not None:
                            self._set(replace(self._status, StatusId=answered))
                        if verdict is not None:
                            # Not asked any more once it was aborted: the service has its handle back, and
                            # may be shutting down.
                            go_on = not self._cancelled and verdict(dialog)
                            if not go_on:
                                self._cancelled = True
                            remote.proceed(go_on)
                    case Identified(station_id):
                        self._set(replace(self._status, CSI=station_id))
                    case PageStarted(number):
                        self._set(replace(self._status, StatusId=paging, PageCount=number))
                    case Finished():
                        result = event.result
        finally:
            if result is None:
                self.cancel()
                self.finish(
                    FaxResult(FaxStatus.USER_ABORT, "the thread that waited for the fax was interrupted")
                )
        return result

    def _tell(self, event: FaxEvent, on_call_event: Callable[[CallEvent], None] | None) -> None:
        match event:
            case Ringing():
                dialog = None
            case Connected() | SwitchedToT38() | BeganInAudio() | Disconnected():
                dialog = event.dialog
            case _:
                return
        if on_call_event is not None:
            try:
                on_call_event(CallEvent(self.handle, dialog, event))
            except Exception:  # the service's code: its errors must not end a call
                _logger.exception("fax %d: on_call_event failed", self.handle)

    def _set(self, status: FAX_DEV_STATUS) -> None:
        """Set the status (only on the operation's thread); post a packet if the state or the page changed."""
        with self._lock:
            before, self._status = self._status, status
        if (status.StatusId, status.PageCount) != (before.StatusId, before.PageCount):
            self._post(status)

    def _post(self, status: FAX_DEV_STATUS) -> None:
        if self._port is not None:
            self._port.post(status.SizeRequired, self._key, status)


def document_error(path: str) -> int:
    """The Win32 error for a document that could not be read."""
    if not os.path.exists(path):
        return ERROR_FILE_NOT_FOUND
    return ERROR_OF_STATUS[FaxStatus.BAD_DOCUMENT] if os.access(path, os.R_OK) else ERROR_ACCESS_DENIED
