"""What a delivery is for the one that carries it out: an order, and the error if it cannot be done."""

from __future__ import annotations

from typing import Protocol

from sip.frozen import dataclass
from t38fsp.service.guard import AddressGuard
from t38fsp.service.targets import Target
from t38fsp.service.values import Json, ReceivedFax


class NotDeliveredError(Exception):
    """It did not arrive; the message is one sentence: what happened.

    ``final`` if it cannot arrive later; ``retry_after`` are the seconds that the far end wants us to wait;
    ``gone`` if the target wants nothing more, ever.
    """

    def __init__(
        self, message: str, *, final: bool = False, retry_after: float | None = None, gone: bool = False
    ) -> None:
        super().__init__(message)
        self.final = final or gone
        self.retry_after = retry_after
        self.gone = gone


@dataclass(frozen=True, slots=True)
class Notice:
    """An event as a webhook tells it."""

    kind: str
    at: float
    subject: str
    sequence: int
    data: Json


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt of one delivery."""

    id: str
    """The same at each attempt, so that a far end can tell a repetition."""
    target: Target
    arguments: Json
    notice: Notice
    fax: ReceivedFax | None
    """None for an event."""
    guard: AddressGuard
    """What a webhook may lead to."""


class DeliveryWay(Protocol):
    """A kind of targets."""

    async def deliver(self, order: Order) -> None:
        """Return when it has arrived. Raises NotDeliveredError.

        When it is cancelled it leaves nothing running. It may be run again after it returned, if the process
        died before that was stored.
        """

    async def settle(self, order: Order) -> None:
        """That it arrived is stored, so that what guards against a repetition can go."""
