"""The I/O interface of a call, on sockets or in simulated time, and ``settle``, which applies its outputs."""

from __future__ import annotations

from typing import Protocol

from sip.values import Address
from t38fsp.call.call_context import PageJob
from t38fsp.call.faxcall import FaxCall
from t38fsp.events import FaxEvent
from t38fsp.lanes import Lane


class Driver(Protocol):
    """Performs what one call asks for. None of these may call back into the call before it returns."""

    def arm(self, deadline: float | None) -> None:
        """Call ``handle_deadline`` at that time; replaces the deadline armed before."""

    def set_remote(self, address: Address) -> None:
        """Send datagrams to ``address`` from now on."""

    def pace(self, lane: Lane) -> None:
        """Send each packet of ``lane`` when it is due; replaces any other lane."""

    def do(self, job: PageJob) -> None:
        """Code or store a page, and report the result to the call later."""

    def report(self, event: FaxEvent) -> None: ...


def settle(call: FaxCall, driver: Driver) -> None:
    """Perform what ``call`` asks for; run after every input to it, or after several that came at once."""
    if not call.moved:
        return  # as after five of six datagrams of a page
    call.moved = False
    if call.remote_media is not None:
        driver.set_remote(call.remote_media)
    lane = call.take_lane()
    if lane is not None:
        driver.pace(lane)
    for job in call.take_page_jobs():
        driver.do(job)
    for event in call.take_events():
        driver.report(event)
    driver.arm(call.next_deadline())
