"""What surrounds a call, on sockets or in simulated time: what it is given at the start, the slow work that
it asks for, the I/O that performs its outputs, and ``settle``, which applies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sip.frozen import dataclass
from sip.values import Address
from t38fsp.audio.leg import RtpStart
from t38fsp.events import FaxEvent
from t38fsp.lanes import Lane
from t38fsp.t30.outputs import PageWanted
from t38fsp.t30.vocabulary import PageMode, PageQuality

if TYPE_CHECKING:
    from t38fsp.audio.modem.library import ModemLibrary
    from t38fsp.call.faxcall import FaxCall


@dataclass(frozen=True, slots=True)
class CallContext:
    """The media address of a call and the random starts of its RTP stream."""

    media_address: str
    media_port: int
    rtp: RtpStart
    tcp: bool = False
    """T.38 over TCP is possible: the driver opens the connection that ``FaxCall.stream`` describes."""
    connects_to: tuple[str, ...] = ()
    """Networks and addresses to which such a connection may be opened; others may only connect to us."""
    modems: Callable[[], ModemLibrary] | None = None
    """Loads what sends and receives in audio, or raises SettingError; None if the call is not to use it."""
    no_audio_now: Callable[[], str] = str
    """Asked when the fax would begin in audio: why this end takes no further one there; empty if it does."""
    patience: float | None = None
    """Seconds for which audio is sent to a far end that is not heard; None sets no limit."""


@dataclass(frozen=True, slots=True)
class StorePage:
    """Append a received page to the file; respond with ``page_stored`` or ``page_not_stored``."""

    index: int
    mode: PageMode
    data: bytes
    counted: PageQuality | None = None
    """Its lines, counted as they arrived; None with ECM."""


PageJob = PageWanted | StorePage


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
    # The address first: packets of a lane that is paced below may leave at once.
    if call.remote_media is not None:
        driver.set_remote(call.remote_media)
    lane = call.take_lane()
    if lane is not None:
        driver.pace(lane)
    for job in call.take_page_jobs():
        driver.do(job)
    for event in call.take_events():
        driver.report(event)
    # Last, when all that could change it has been done.
    driver.arm(call.next_deadline())
