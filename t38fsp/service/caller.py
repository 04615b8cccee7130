"""The interface between the queue and what places calls, and the order for one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sip.frozen import dataclass
from sip.values import DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.events import FaxEvent
from t38fsp.results import FaxResult
from t38fsp.service.values import Fax, Job

OnEvent = Callable[[FaxEvent], None]
OnConnected = Callable[[DialogId], Awaitable[bool]]


async def _nothing() -> None:
    """Confirms every order."""


@dataclass(frozen=True, slots=True)
class CallOrder:
    """One call for a fax."""

    job: Job
    fax: Fax
    route: str
    settings: CallSettings = CallSettings()
    first_page: int = 1
    """Pages before it are confirmed."""
    several: bool = False
    """The job has other receivers, too."""
    confirm: Callable[[], Awaitable[None]] = _nothing
    """To be awaited directly before dialling if something else took time. Raises SupersededError where
    another host has taken the fax over meanwhile; it is for the queue to catch."""


class Caller(Protocol):
    """Places calls. ``on_event`` and ``on_connected`` are those of ``FaxProvider.send``.

    No page is sent before ``on_connected`` has returned true. Cancelling the task ends the call within 3 s;
    ``Finished``, with the result, is told to ``on_event`` before CancelledError is raised.
    """

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        """Every outcome is in the result. Raises FaxError for what cannot be called at all, such as a
        document that cannot be faxed."""
