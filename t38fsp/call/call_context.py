"""What a call is given by its host, and the slow work that it asks for."""

from __future__ import annotations

from sip.frozen import dataclass
from t38fsp.audio.leg import RtpStart
from t38fsp.t30.outputs import PageWanted
from t38fsp.t30.vocabulary import PageMode, PageQuality


@dataclass(frozen=True, slots=True)
class CallContext:
    """The media address of a call and the random starts of its RTP stream."""

    media_address: str
    media_port: int
    rtp: RtpStart
    tcp: bool = False
    """There can be a TCP connection: ``stream`` of the call is heeded."""
    connects_to: tuple[str, ...] = ()
    """Networks and addresses that such a connection may be made to, rather than taken from."""
    patience: float | None = None
    """Seconds of audio that are sent to a far end that is not heard; None sets no limit."""


@dataclass(frozen=True, slots=True)
class StorePage:
    """Append a received page to the file; answer with ``page_stored`` or ``page_not_stored``."""

    index: int
    mode: PageMode
    data: bytes
    counted: PageQuality | None = None
    """Its lines as they were counted when they arrived; None with ECM."""


PageJob = PageWanted | StorePage
