"""How a fax travels: the settings of one call."""

from __future__ import annotations

from typing import Any

from sip.bounds import check, given, like, setting
from sip.frozen import dataclass
from t38fsp.choices import Switch
from t38fsp.errors import SettingError
from t38fsp.t30.options import TransmitOptions
from t38fsp.t38.timing import Timing

MOST_IN_PARITY = 15
"""Packets that parity may reach back to. Many receivers keep 16, and repair others wrongly without a word."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a fax travels; the defaults suit most trunks.

    Those from ``redundancy`` on suit gateways that cannot take the defaults (``t38fsp.t38.timing``). Raises
    SettingError for a value out of range, with a sentence that says what would do.

    The keys of a route are made of these fields (``t38fsp.settings.keys``), and the sentences below are those
    of ``docs/routes.md``.
    """

    station_id: str = like(TransmitOptions, "station_id", table="")
    """Our TSI and CSI, up to 20 characters."""
    ecm: bool = like(TransmitOptions, "ecm", table="")
    """Error correction mode."""
    max_rate: int = like(TransmitOptions, "max_rate", table="")
    """Fastest modem rate."""
    switch: Switch = setting(Switch.CALLEE, table="")
    """Who asks for T.38; with ``"first"`` we do, in the first INVITE."""
    # A call that nobody switches is given up after T1, 35 s (T.30 5.4.3.1): a longer wait would never end.
    switch_wait: float = setting(10.0, least=0.0, most=35.0, unit="seconds", table="")
    """Time before we ask, with ``switch = "either"``."""
    # Proxies end an INVITE that rings for longer than their Timer C, which is at least 3 minutes (RFC 3261
    # 16.6); beyond 10 minutes nobody answers any more.
    ring_limit: float = setting(60.0, above=0.0, most=600.0, unit="seconds", table="")
    """Time that the far end may ring."""
    # As many pages as a document may have that is sent (t38fsp.image.tiff): what comes in can go out again.
    max_pages: int = setting(2000, least=1, most=2000, table="")
    """Pages that are taken of one fax received or polled; with another one the call ends, and those before it
    count."""
    max_octets: int | None = setting(None, least=1, table="")
    """The same in octets, of all its coded pages together; a page of text has some 40,000. Default:
    no limit."""
    redundancy: int = setting(3, least=0, most=7, table="t38")
    """Copies of image data in the packets behind them; 0 is none of control data either."""
    control_redundancy: int = setting(5, least=0, most=7, table="t38")
    """Copies of control data."""
    parity: int = setting(0, least=0, most=5, table="t38")
    """Parity strings in a packet (t38UDPFEC) instead of copies, if the far end agrees; 0 for copies."""
    parity_span: int = setting(3, least=1, most=10, table="t38")
    """Packets that a parity string covers; ``parity`` times ``parity_span`` is 15 at most, as many peers keep
    16 packets and damage pages beyond that."""
    fill_bit_removal: bool = setting(False, table="t38")
    """Offer to leave fill out of pages without ECM."""
    t38_version: int = setting(0, among=(0, 2, 3), table="t38", key="version")
    """T38FaxVersion that we offer."""
    max_datagram: int | None = setting(None, least=40, most=1400, unit="octets", table="t38")
    """Size of a UDPTL datagram; for far ends whose T38FaxMaxDatagram is wrong. Default: what the far end
    says."""
    max_ifp: int | None = setting(None, least=24, most=1400, unit="octets", table="t38")
    """Size of one IFP packet; for far ends that mean this by T38FaxMaxDatagram. Default: what the far
    end says."""
    max_buffer: int | None = setting(None, least=24, unit="octets", table="t38")
    """What may wait at the far end for its modem; for far ends whose T38FaxMaxBuffer is wrong. Default: what
    the far end says."""
    preamble: float = like(Timing, "preamble", table="t38")
    """Flags before a V.21 frame; T.30 allows 0.85."""
    echo_protection: bool = setting(False, table="t38")
    """Leave the gateway time for talker echo protection before each training."""
    whole_frames: bool = like(Timing, "whole_frames", table="t38")
    """Send a V.21 frame in one packet instead of octet by octet."""
    copies: int = like(Timing, "copies", table="t38")
    """Times that an indicator and the end of a burst are sent."""
    internet_aware: bool = like(TransmitOptions, "internet_aware", table="t38")
    """Drop the pace of modems between two of us with ``ecm`` and nothing but IP between them: pages go as
    fast as the path takes them. Both ends need it, and say so by a mark in SDP and in the DIS; towards
    gateways, and as soon as an answer is missing, the pace is kept."""
    keep_alive: float = like(Timing, "keep_alive", table="t38")
    """Time between packets of a silent line."""

    def of_session(self) -> dict[str, Any]:
        """The settings that T.30 has for both directions, to make its options of.

        ``internet_aware`` is not among them: it waits for the far end's mark (``be_internet_aware``).
        """
        shared = given(self, TransmitOptions)
        del shared["internet_aware"]
        return shared

    def __post_init__(self) -> None:
        check(self, SettingError)
        reach = self.parity * self.parity_span
        if reach > MOST_IN_PARITY:
            raise SettingError(
                f"{self.parity} parity strings over {self.parity_span} packets reach back {reach} packets, "
                "and many peers keep 16: choose strings and packets whose product is "
                f"{MOST_IN_PARITY} at most"
            )
