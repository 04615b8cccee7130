"""Faxes for tests of the inbox: pages as they are received, and calls that bring them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from t38fsp.call_settings import CallSettings
from t38fsp.events import FaxEvent, Finished
from t38fsp.image.coder import encode_burst
from t38fsp.image.store import append_page
from t38fsp.jobs import PollOffer
from t38fsp.provider import IncomingFax
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import make_pixels

MODE = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, ecm=True, bit_rate=14400)


def store_pages(path: str | Path, count: int, kind: str = "text") -> None:
    """Store pages as they are stored when they are received."""
    for number in range(count):
        append_page(path, encode_burst(make_pixels(1728, 200, kind, number), MODE), MODE)


@dataclass
class Call:
    """Takes the place of an IncomingFax: it has ``pages``, and then ends with ``status``."""

    pages: int = 1
    status: FaxStatus = FaxStatus.COMPLETED
    caller: str = "sip:+15550199@trunk.example"
    caller_name: str = "Accounts"
    called: str = "sip:100@192.0.2.1"
    route: str | None = "office"
    remote_id: str = "+49 711 55"
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    """When it is cleared, the call waits after its pages."""

    def __post_init__(self) -> None:
        self.goes_on.set()

    @property
    def as_incoming(self) -> IncomingFax:
        return self  # type: ignore[return-value]

    async def receive(
        self,
        file: str,
        *,
        settings: CallSettings | None,
        offer: PollOffer | None,
        on_event: Callable[[FaxEvent], None],
    ) -> FaxResult:
        store_pages(file, self.pages)
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            on_event(Finished(self._result(file, FaxStatus.USER_ABORT)))
            raise
        result = self._result(file, self.status)
        on_event(Finished(result))
        return result

    def _result(self, file: str, status: FaxStatus) -> FaxResult:
        return FaxResult(
            status,
            f"{self.pages} received",
            pages=tuple(PageRecord(number + 1, True) for number in range(self.pages)),
            file=file if self.pages else None,
            remote_id=self.remote_id,
            incoming=True,
            began="2026-12-01T09:30:15+00:00",
        )
