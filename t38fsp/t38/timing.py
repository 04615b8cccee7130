"""When things happen on the line: the start-up times of the modems and the pace of a burst.

The gateway replays our packets as modem signals, so a sender keeps the time of the modem that it pretends to
be (T.38 clause 8; T.30 5.3.1 for preamble and silence). Start-up times are the symbol counts of V.27ter, V.29
and V.17 at their symbol rates, rounded up to a millisecond.
"""

from __future__ import annotations

from sip.bounds import setting
from sip.frozen import dataclass
from t38fsp.t30.vocabulary import Modem

TALKER_ECHO_PROTECTION = 0.215
"""Seconds of unmodulated carrier and silence that a gateway may play before training."""

_TRAINING = {
    Modem.V27TER_2400: 0.943,
    Modem.V27TER_4800: 0.708,
    Modem.V29_7200: 0.234,
    Modem.V29_9600: 0.234,
    Modem.V17_7200: 1.393,
    Modem.V17_9600: 1.393,
    Modem.V17_12000: 1.393,
    Modem.V17_14400: 1.393,
}
_SHORT_TRAINING = 0.142


@dataclass(frozen=True, slots=True)
class Timing:
    """How a terminal sends; a profile per route. Times in seconds, none below zero.

    The bounds are those for calls (``CallSettings``). They are not applied here: the virtual gateway sends
    outside of them, to see how the far end bears it.
    """

    silence: float = 0.075
    """Between carriers, ours and theirs alike (T.30: 75 ± 20 ms)."""
    preamble: float = setting(1.0, least=0.85, most=3.0, unit="seconds")
    """From v21-preamble to the first octet; T.30 allows 0.85, which some gateways cannot take."""
    echo_protection: float = 0.0
    """Added before training; TALKER_ECHO_PROTECTION for gateways with a small buffer that play it."""
    flags: float = 0.2
    """Behind training, before the first HDLC frame on a fast modem (T.30 A.3.1)."""
    hdlc_tail: float = 0.1
    """From the last flag to no-signal: an abrupt end costs some gateways the last frame."""
    head_start: float = 0.06
    """A page without ECM runs so much ahead of the modem: a gateway that runs dry pads inside a line."""
    page_padding: float = 0.04
    """At least so much of zero octets follows a page: some gateways cut its end."""
    raw_tail: float = 0.06
    """From the last octet of a raw burst to no-signal."""
    chunk: float = 0.03
    """Data of one packet on a fast modem."""
    copies: int = setting(3, least=1, most=8)
    """Times that an indicator and the end of a burst are sent, as the identical datagram."""
    copy_spacing: float = 0.01
    keep_alive: float = setting(1.0, least=0.1, most=30.0, off=0.0, unit="seconds")
    """Between packets while nothing is sent; 0 for silence."""
    whole_frames: bool = setting(False)
    """Send a V.21 frame in one packet instead of octet by octet."""
    fcs_with_data: bool = False
    """Put the end of an HDLC frame into the packet of its last octets: a packet less for each frame."""
    lead: float = 0.18
    """The stretch that is planned ahead."""
    stall: float = 15.0
    """A carrier of the far end from which nothing came for so long is lost."""

    def start_up(self, modem: Modem, *, short_training: bool, hdlc: bool) -> float:
        """Seconds from the indicator to the first octet."""
        if modem is Modem.V21:
            return self.preamble
        short = short_training and modem.modulation == "V.17"
        training = _SHORT_TRAINING if short else _TRAINING[modem]
        return self.echo_protection + training + (self.flags if hdlc else 0.0)

    def chunk_octets(self, modem: Modem, most: int) -> int:
        """Octets of one packet: a chunk or, to stay within ``most``, two thirds of it; else one third (30, 20
        and 10 ms). V.21 goes octet by octet."""
        if modem is Modem.V21:
            return 1
        third = max(round(self.chunk * modem.rate / 24), 1)
        return next((octets for octets in (3 * third, 2 * third) if octets <= most), third)
