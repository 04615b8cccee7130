"""The completion port: a queue between the provider's threads and the fax service's."""

from __future__ import annotations

import queue
from collections.abc import Hashable
from typing import NamedTuple

from t38fsp.faxdev.structures import FAX_DEV_STATUS, LINEMESSAGE


class CompletionPacket(NamedTuple):
    """What GetQueuedCompletionStatus hands out."""

    NumberOfBytes: int
    CompletionKey: Hashable
    Overlapped: FAX_DEV_STATUS | LINEMESSAGE


class CompletionPort:
    """Packets come out in the order in which they went in; any number of threads may do either."""

    def __init__(self) -> None:
        self._packets: queue.SimpleQueue[CompletionPacket] = queue.SimpleQueue()

    def post(self, size: int, key: Hashable, overlapped: FAX_DEV_STATUS | LINEMESSAGE) -> None:
        """PostQueuedCompletionStatus."""
        self._packets.put(CompletionPacket(size, key, overlapped))

    def get(self, timeout: float | None = None) -> CompletionPacket | None:
        """GetQueuedCompletionStatus: wait up to ``timeout`` seconds (None for ever); None when none came."""
        try:
            return self._packets.get(timeout=timeout)
        except queue.Empty:
            return None
