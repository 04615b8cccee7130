"""What kernel32 does for a fax service and its provider: last errors, and completion ports."""

from __future__ import annotations

import queue
import threading
from collections.abc import Hashable
from typing import NamedTuple

from t38fsp.faxdev.structures import FAX_DEV_STATUS, LINEMESSAGE


# As in Windows, each thread has its own; the class attribute is what every thread begins with.
class _LastError(threading.local):
    code = 0


_last_error = _LastError()


def GetLastError() -> int:
    """The Win32 error of the last FaxDev function that failed on this thread; success does not clear it."""
    return _last_error.code


def SetLastError(dwErrCode: int) -> None:
    """Set the error of this thread."""
    _last_error.code = dwErrCode


class CompletionPacket(NamedTuple):
    """The result of GetQueuedCompletionStatus."""

    NumberOfBytes: int
    CompletionKey: Hashable
    Overlapped: FAX_DEV_STATUS | LINEMESSAGE


class CompletionPort:
    """A FIFO queue between the provider and the fax service; any number of threads may post and get."""

    def __init__(self) -> None:
        self._packets: queue.SimpleQueue[CompletionPacket] = queue.SimpleQueue()

    def post(self, size: int, key: Hashable, overlapped: FAX_DEV_STATUS | LINEMESSAGE) -> None:
        """PostQueuedCompletionStatus."""
        self._packets.put(CompletionPacket(size, key, overlapped))

    def get(self, timeout: float | None = None) -> CompletionPacket | None:
        """GetQueuedCompletionStatus: wait up to ``timeout`` seconds (None: no limit); None on timeout."""
        try:
            return self._packets.get(timeout=timeout)
        except queue.Empty:
            return None
