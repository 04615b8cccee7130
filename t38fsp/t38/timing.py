"""The timing of signals on the line: start-up times of modems, and the pace of a burst.

The gateway modulates our packets, so a sender keeps the pace of the modem that it emulates (T.38 clause 8;
T.30 5.3.1 for preamble and silence). Start-up times are the symbol counts of V.27ter, V.29 and V.17 at their
symbol rates, rounded up to a millisecond.
"""

from __future__ import annotations

from sip.bounds import setting
from sip.frozen import dataclass
from t38fsp.t30.vocabulary import Modem

# spandsp's figure for some 200 ms of carrier and 20 ms of silence.
TALKER_ECHO_PROTECTION = 0.215
"""Seconds of unmodulated carrier and silence that a gateway may play before training."""

_TRAINING = {
    # 1132 symbols at 1200 Bd, and at 1600 Bd for 4800 bit/s.
    Modem.V27TER_2400: 0.943,
    Modem.V27TER_4800: 0.708,
    # 560 symbols at 2400 Bd.
    Modem.V29_7200: 0.234,
    Modem.V29_9600: 0.234,
    # 3344 symbols at 2400 Bd; 342 in the short form.
    Modem.V17_7200: 1.393,
    Modem.V17_9600: 1.393,
    Modem.V17_12000: 1.393,
    Modem.V17_14400: 1.393,
}
_SHORT_TRAINING = 0.142


@dataclass(frozen=True, slots=True)
class Timing:
    """How a terminal sends; a profile per route. Times are in seconds, 0 or more.

    The bounds are those of ``CallSettings``. They are not applied here: the virtual gateway exceeds them, to
    test the far end.
    """

    silence: float = 0.075
    """Between carriers, both ours and the far end's (T.30 5.3.1: 75 ± 20 ms)."""
    preamble: float = setting(1.0, least=0.85, most=3.0, unit="seconds")
    """From v21-preamble to the first octet; T.30 allows 0.85, which is too short for some gateways."""
    echo_protection: float = 0.0
    """Added before training; TALKER_ECHO_PROTECTION for gateways that play it and have a small buffer."""
    flags: float = 0.2
    """After training, before the first HDLC frame on a fast modem (T.30 A.3.1)."""
    hdlc_tail: float = 0.1
    """From the last flag to no-signal: an abrupt end costs some gateways the last frame."""
    head_start: float = 0.06
    """A page without ECM is sent this much ahead of the modem: a gateway whose buffer runs empty pads inside
    a line."""
    page_padding: float = 0.04
    """Least duration of the zero octets after a page: some gateways cut off its end."""
    raw_tail: float = 0.06
    """From the last octet of a raw burst to no-signal."""
    chunk: float = 0.03
    """Data of one packet on a fast modem."""
    copies: int = setting(3, least=1, most=8)
    """How many times an indicator and the end of a burst are sent, as identical datagrams."""
    copy_spacing: float = 0.01
    keep_alive: float = setting(1.0, least=0.1, most=30.0, off=0.0, unit="seconds")
    """Between packets while no burst is sent; 0 for none."""
    whole_frames: bool = setting(False)
    """Send a V.21 frame in one packet instead of octet by octet."""
    fcs_with_data: bool = False
    """Put the end of an HDLC frame into the packet of its last octets, which saves a packet for each
    frame."""
    lead: float = 0.18
    """Time that is planned ahead."""
    stall: float = 15.0
    """A carrier of the far end without packets for this long counts as lost."""

    def start_up(self, modem: Modem, *, short_training: bool, hdlc: bool) -> float:
        """Seconds from the indicator to the first octet."""
        if modem is Modem.V21:
            return self.preamble
        short = short_training and modem.modulation == "V.17"
        training = _SHORT_TRAINING if short else _TRAINING[modem]
        return self.echo_protection + training + (self.flags if hdlc else 0.0)

    def chunk_octets(self, modem: Modem, most: int) -> int:
        """Octets of one packet: a chunk or, to stay within ``most``, two thirds or one third of it (30, 20 or
        10 ms). V.21 is sent octet by octet."""
        if modem is Modem.V21:
            return 1
        # At 2400 bit/s 30 ms are 9 octets, at 14400 54: multiples of three for all rates, so that the steps
        # are exact.
        third = max(round(self.chunk * modem.rate / 24), 1)
        return next((octets for octets in (3 * third, 2 * third) if octets <= most), third)
