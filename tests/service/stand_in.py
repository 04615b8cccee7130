"""A caller that places no calls: it tells what a call would, in a time that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sip.values import DialogId
from t38fsp.events import Connected, Dialing, FaxEvent, Finished, PageDone, PageStarted
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, PageRecord
from t38fsp.service.caller import CallOrder, OnConnected, OnEvent

Plan = Callable[[CallOrder], Outcome]


def completes(order: CallOrder) -> Outcome:
    return Outcome.COMPLETED


@dataclass
class StandIn:
    """``plan`` says how a call ends; a call that breaks off does so after ``pages_until_break`` pages."""

    plan: Plan = completes
    pages: int = 2
    page_seconds: float = 0.0
    dial_seconds: float = 0.0
    pages_until_break: int = 0
    orders: list[CallOrder] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)
    """Number and page, in the order in which far ends confirmed them."""
    up: set[str] = field(default_factory=set)
    most_up: int = 0
    _happened: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that calls bring about."""
        while not condition():
            self._happened.clear()
            await asyncio.wait_for(self._happened.wait(), 30)

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        number = order.fax.number
        assert number not in self.up, "two calls to one number"
        self.orders.append(order)
        self.up.add(number)
        self._happened.set()
        self.most_up = max(self.most_up, len(self.up))
        records: list[PageRecord] = []
        try:
            result = await self._run(order, on_event, on_connected, records)
        except asyncio.CancelledError:
            result = self._result(order, Outcome.CANCELLED, records)
            on_event(Finished(result))
            raise
        finally:
            self.up.remove(number)
            self._happened.set()
        on_event(Finished(result))
        return result

    async def _run(
        self,
        order: CallOrder,
        on_event: Callable[[FaxEvent], None],
        on_connected: OnConnected,
        records: list[PageRecord],
    ) -> FaxResult:
        on_event(Dialing(order.fax.receiver.to))
        await asyncio.sleep(self.dial_seconds)
        outcome = self.plan(order)
        if outcome is not Outcome.COMPLETED and not self.pages_until_break:
            return self._result(order, outcome, records)
        dialog = DialogId(f"call-{len(self.orders)}", "ours", "theirs")
        on_event(Connected(dialog))
        if not await on_connected(dialog):
            return self._result(order, Outcome.CANCELLED, records)
        for page in range(order.first_page, self.pages + 1):
            if outcome is not Outcome.COMPLETED and len(records) == self.pages_until_break:
                return self._result(order, outcome, records)
            on_event(PageStarted(page, self.pages))
            await asyncio.sleep(self.page_seconds)
            record = PageRecord(page, True, "MCF")
            records.append(record)
            self.sent.append((order.fax.number, page))
            self._happened.set()
            on_event(PageDone(record))
        return self._result(order, Outcome.COMPLETED, records)

    def _result(self, order: CallOrder, outcome: Outcome, records: list[PageRecord]) -> FaxResult:
        return FaxResult(
            outcome.status,
            outcome.value,
            retry=outcome not in (Outcome.COMPLETED, Outcome.CANCELLED, Outcome.BAD_NUMBER),
            pages=tuple(records),
            first_page=order.first_page,
            outcome=outcome,
        )
