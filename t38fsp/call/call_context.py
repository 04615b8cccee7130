"""What a call needs from its surroundings at the start, and the slow work that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sip.frozen import dataclass
from t38fsp.audio.leg import RtpStart
from t38fsp.t30.outputs import PageWanted
from t38fsp.t30.vocabulary import PageMode, PageQuality

if TYPE_CHECKING:
    from t38fsp.audio.modem.library import ModemLibrary


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
