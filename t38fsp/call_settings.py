"""How a fax travels: the settings of one call."""

from __future__ import annotations

from typing import Any

from sip.bounds import check, given, like, setting
from sip.frozen import dataclass
from t38fsp.choices import Audio, Switch
from t38fsp.errors import SettingError
from t38fsp.t30.options import TransmitOptions
from t38fsp.t38.timing import Timing

MOST_IN_PARITY = 15
"""Packets that parity may reach back to. Many receivers keep 16, and damage older ones without reporting
it."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a fax is carried; the defaults suit most trunks.

    The fields from ``redundancy`` on are for gateways that cannot handle the defaults
    (``t38fsp.t38.timing``). Raises SettingError for a value out of range; the message names the range.

    The keys of a route are generated from these fields (``t38fsp.settings.keys``), and the text of
    ``docs/routes.md`` from the docstrings below.
    """

    station_id: str = like(TransmitOptions, "station_id", table="")
    """Our TSI and CSI, up to 20 characters (T.30 5.3.6.2.4)."""
    ecm: bool = like(TransmitOptions, "ecm", table="")
    """Error correction mode."""
    max_rate: int = like(TransmitOptions, "max_rate", table="")
    """Highest modem rate."""
    switch: Switch = setting(Switch.CALLEE, table="")
    """Which side asks for T.38; with ``"first"`` we do, in the first INVITE."""
    # A call that neither side switches is given up after T1, 35 s (T.30 5.4.3.1): a longer wait has no
    # effect.
    switch_wait: float = setting(10.0, least=0.0, most=35.0, unit="seconds", table="")
    """Time before we ask, with ``switch = "either"``."""
    audio: Audio = setting(Audio.FALLBACK, table="")
    """Whether the fax may go in audio, where no T.38 is: ``"never"``; ``"fallback"``, if the call stays in
    audio and libspandsp is installed; ``"only"``, from the answer on, for trunks that carry no T.38
    (``docs/audio.md``)."""
    # Proxies end an INVITE that rings for longer than their Timer C, which is at least 3 minutes (RFC 3261
    # 16.6); after 10 minutes an answer is no longer to be expected.
    ring_limit: float = setting(60.0, above=0.0, most=600.0, unit="seconds", table="")
    """How long the far end may ring."""
    # The limit of a document that is sent, too (t38fsp.image.tiff): what was received can be forwarded.
    max_pages: int = setting(2000, least=1, most=2000, table="")
    """Pages accepted in one fax that is received or polled. A further page ends the call; the pages before it
    are kept."""
    max_octets: int | None = setting(None, least=1, table="")
    """The same in octets, for all its coded pages together; a page of text has about 40,000. Default:
    no limit."""
    redundancy: int = setting(3, least=0, most=7, table="t38")
    """Copies of image data in the packets that follow; 0 turns off the copies of control data, too."""
    control_redundancy: int = setting(5, least=0, most=7, table="t38")
    """Copies of control data."""
    parity: int = setting(0, least=0, most=5, table="t38")
    """Parity strings in a packet (t38UDPFEC) instead of copies, if the far end supports them; 0 for
    copies."""
    parity_span: int = setting(3, least=1, most=10, table="t38")
    """Packets that a parity string covers; ``parity`` times ``parity_span`` must not exceed 15, as many peers
    keep 16 packets and damage pages beyond that."""
    fill_bit_removal: bool = setting(False, table="t38")
    """Offer to remove fill bits from pages without ECM."""
    # No version 1: implementations disagree whether it has the syntax of 1998 or that of 2002
    # (t38fsp.t38.dialect).
    t38_version: int = setting(0, among=(0, 2, 3), table="t38", key="version")
    """T38FaxVersion that we offer."""
    # The upper limit leaves room for IP, UDP and tunnels in an Ethernet frame of 1500 octets: UDPTL must
    # not be fragmented, as one lost fragment loses the copies with the original.
    max_datagram: int | None = setting(None, least=40, most=1400, unit="octets", table="t38")
    """Size of a UDPTL datagram, for far ends whose T38FaxMaxDatagram is wrong. Default: what the far end
    announces."""
    max_ifp: int | None = setting(None, least=24, most=1400, unit="octets", table="t38")
    """Size of one IFP packet, for far ends that mean this by T38FaxMaxDatagram. Default: what the far
    end announces."""
    max_buffer: int | None = setting(None, least=24, unit="octets", table="t38")
    """Octets that may wait at the far end for its modem, for far ends whose T38FaxMaxBuffer is wrong.
    Default: what the far end announces."""
    preamble: float = like(Timing, "preamble", table="t38")
    """Duration of the flags before a V.21 frame; T.30 5.3.1 allows 0.85."""
    echo_protection: bool = setting(False, table="t38")
    """Leave the gateway time for talker echo protection before each training."""
    whole_frames: bool = like(Timing, "whole_frames", table="t38")
    """Send a V.21 frame in one packet instead of octet by octet."""
    copies: int = like(Timing, "copies", table="t38")
    """How often an indicator and the end of a burst are sent."""
    internet_aware: bool = like(TransmitOptions, "internet_aware", table="t38")
    """Send pages as fast as the path carries them, without the pace of modems, between two engines of this
    kind with ``ecm`` and only IP between them. Both ends must have it set, and announce it in SDP and in the
    DIS; towards gateways, and as soon as a response is missing, the pace of modems is kept."""
    keep_alive: float = like(Timing, "keep_alive", table="t38")
    """Time between packets while the line is silent."""

    def of_session(self) -> dict[str, Any]:
        """The settings that T.30 shares between both directions, as arguments for its options.

        ``internet_aware`` is left out: it depends on the far end's announcement (``be_internet_aware``).
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
