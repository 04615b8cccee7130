"""The T.38 attributes of SDP (T.38 annex D), and the variants found in practice.

Defaults of absent attributes: version 0, 14400 bit/s, no booleans, transferredTCF, datagrams of 400 octets.
Names are case-insensitive. A boolean is true if present, but false with the value ``:0``; a peer that writes
values gets values in the answer.

Beside them stand what T.38 over TCP adds (RFC 4145), and the mark of two internet-aware terminals.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from enum import Enum

from sip.frozen import dataclass
from sip.syntax.sdp import Attribute, MediaDescription, canonical_host

DEFAULT_DATAGRAM = 400
MAX_DATAGRAM = 1400
"""Octets; longer datagrams would be fragmented by IP."""
DEFAULT_BIT_RATE = 14400
_LEAST_BIT_RATE = 2400
# Figures below that are neither a datagram nor an IFP packet of any modem, but a fault of the peer.
_LEAST_DATAGRAM = 40
_LEAST_BUFFER = 24
"""Octets; 10 ms of data at 14400 bit/s do not fit into fewer, so a smaller value is ignored."""

_NUMBER = re.compile(r"[0-9]{1,9}")


class RateManagement(Enum):
    """T38FaxRateManagement: whether the gateway or the far terminal checks the TCF."""

    LOCAL_TCF = "localTCF"
    TRANSFERRED_TCF = "transferredTCF"


class ErrorCorrection(Enum):
    """T38FaxUdpEC."""

    NONE = "t38UDPNoEC"
    REDUNDANCY = "t38UDPRedundancy"
    FEC = "t38UDPFEC"


@dataclass(frozen=True, slots=True)
class T38Parameters:
    """The parameters of one side; the defaults are those that we offer."""

    version: int = 0
    max_bit_rate: int = DEFAULT_BIT_RATE
    """bit/s"""
    fill_bit_removal: bool = False
    transcoding_mmr: bool = False
    transcoding_jbig: bool = False
    rate_management: RateManagement = RateManagement.TRANSFERRED_TCF
    max_buffer: int | None = 2000
    """Octets that this side buffers for a modem; None if unknown."""
    max_datagram: int = MAX_DATAGRAM
    """Longest UDPTL datagram that this side accepts, octets."""
    error_correction: ErrorCorrection | None = ErrorCorrection.REDUNDANCY
    """None if absent, which means redundancy."""
    max_ifp: int | None = None
    """Longest IFP packet that this side accepts, octets; read, but never written."""
    boolean_values: bool = False
    """Booleans are written with a value, including false ones."""

    @property
    def accepts_redundancy(self) -> bool:
        """Whether copies of earlier packets may be sent to this side."""
        return self.error_correction is not ErrorCorrection.NONE

    @classmethod
    def from_media(cls, media: MediaDescription) -> T38Parameters:
        """Read a media description; missing or unreadable attributes have their defaults."""
        values: dict[str, str | None] = {}
        corrections = []
        for attribute in media.attributes:
            name = _NAMES.get(attribute.name.lower())
            # Some peers write two lines of it (rtpengine issue 1100).
            if name == "T38FaxUdpEC":
                corrections.append((attribute.value or "").strip().lower())
            # The first of several lines counts.
            elif name is not None:
                values.setdefault(name, None if attribute.value is None else attribute.value.strip())
        datagram, ifp = _limits(_number(values.get("T38FaxMaxDatagram")), _number(values.get("T38FaxMaxIFP")))
        return cls(
            version=_number(values.get("T38FaxVersion")) or 0,
            max_bit_rate=_bit_rate(_number(values.get("T38MaxBitRate"))),
            fill_bit_removal=_boolean(values, "T38FaxFillBitRemoval"),
            transcoding_mmr=_boolean(values, "T38FaxTranscodingMMR"),
            transcoding_jbig=_boolean(values, "T38FaxTranscodingJBIG"),
            rate_management=_rate_management(values.get("T38FaxRateManagement")),
            max_buffer=_buffer(_number(values.get("T38FaxMaxBuffer"))),
            max_datagram=datagram,
            error_correction=_correction(corrections),
            max_ifp=ifp,
            boolean_values=any(values.get(name) is not None for name in _BOOLEANS),
        )

    def to_media(self, port: int, *, address: str | None = None) -> MediaDescription:
        """``m=image PORT udptl t38`` with these attributes."""
        attributes = [
            Attribute("T38FaxVersion", str(self.version)),
            Attribute("T38MaxBitRate", str(self.max_bit_rate)),
        ]
        booleans = (self.fill_bit_removal, self.transcoding_mmr, self.transcoding_jbig)
        for name, value in zip(_BOOLEANS, booleans, strict=True):
            # Cisco and FreeSWITCH write ``:0`` and expect it in the answer; to all others a false boolean is
            # one that is absent.
            if self.boolean_values:
                attributes.append(Attribute(name, str(int(value))))
            elif value:
                attributes.append(Attribute(name))
        attributes.append(Attribute("T38FaxRateManagement", self.rate_management.value))
        if self.max_buffer is not None:
            attributes.append(Attribute("T38FaxMaxBuffer", str(self.max_buffer)))
        attributes.append(Attribute("T38FaxMaxDatagram", str(self.max_datagram)))
        if self.error_correction is not None:
            attributes.append(Attribute("T38FaxUdpEC", self.error_correction.value))
        return MediaDescription("image", port, "udptl", ("t38",), tuple(attributes), address)


def answer(offer: T38Parameters, ours: T38Parameters) -> T38Parameters | None:
    """Our answer to ``offer`` (T.38 D.2.3); None if it asks for localTCF, which UDPTL does not allow.

    The version is the lower one, but never 1, whose syntax is ambiguous. A boolean is true if both have it.
    Datagram and buffer sizes are declared by each side for itself.
    """
    # T.38 clause 8: over UDP only method 2 is allowed, in which TCF travels to the far terminal.
    if RateManagement.LOCAL_TCF in (offer.rate_management, ours.rate_management):
        return None
    version = min(offer.version, ours.version)
    return replace(
        ours,
        version=0 if version == 1 else version,
        max_bit_rate=min(offer.max_bit_rate, ours.max_bit_rate),
        # Cisco objects to a true value in the answer where its offer had a false one.
        fill_bit_removal=offer.fill_bit_removal and ours.fill_bit_removal,
        transcoding_mmr=offer.transcoding_mmr and ours.transcoding_mmr,
        transcoding_jbig=offer.transcoding_jbig and ours.transcoding_jbig,
        error_correction=settled_correction(ours, offer),
        boolean_values=offer.boolean_values,
    )


def settled_correction(ours: T38Parameters, theirs: T38Parameters) -> ErrorCorrection:
    """The error correction that both sides agree on: none if either wants none, parity only if both want
    it."""
    # Redundancy in all other cases: it is the most widely supported one.
    both = (ours.error_correction, theirs.error_correction)
    if ErrorCorrection.NONE in both:
        return ErrorCorrection.NONE
    if both == (ErrorCorrection.FEC, ErrorCorrection.FEC):
        return ErrorCorrection.FEC
    return ErrorCorrection.REDUNDANCY


_BOOLEANS = ("T38FaxFillBitRemoval", "T38FaxTranscodingMMR", "T38FaxTranscodingJBIG")
_NAMES = {
    name.lower(): name
    for name in (
        "T38FaxVersion",
        "T38MaxBitRate",
        *_BOOLEANS,
        "T38FaxRateManagement",
        "T38FaxMaxBuffer",
        "T38FaxMaxDatagram",
        "T38FaxUdpEC",
        "T38FaxMaxIFP",
    )
} | {
    "t38faxmaxrate": "T38MaxBitRate",
    "t38faxmaxbitrate": "T38MaxBitRate",
    "t38maxdatagram": "T38FaxMaxDatagram",
    "t38maxbuffer": "T38FaxMaxBuffer",
}
_FALSE = frozenset({"0", "false", "no", "off"})
_CORRECTIONS = {correction.value.lower(): correction for correction in ErrorCorrection}


def _number(value: str | None) -> int | None:
    found = _NUMBER.match(value) if value is not None else None
    return int(found[0]) if found else None


def _boolean(values: dict[str, str | None], name: str) -> bool:
    return name in values and (values[name] or "").lower() not in _FALSE


def _rate_management(value: str | None) -> RateManagement:
    """Any value except localTCF (and ``localTFC``, which is seen too) means transferredTCF, which UDPTL
    needs."""
    local = value is not None and value.lower().startswith("local")
    return RateManagement.LOCAL_TCF if local else RateManagement.TRANSFERRED_TCF


def _correction(values: list[str]) -> ErrorCorrection | None:
    """The most widely supported of several lines."""
    known = [_CORRECTIONS[value] for value in values if value in _CORRECTIONS]
    for correction in (ErrorCorrection.REDUNDANCY, ErrorCorrection.FEC, ErrorCorrection.NONE):
        if correction in known:
            return correction
    return None


def _bit_rate(rate: int | None) -> int:
    """The rate; the default if absent, or below the slowest fax modem."""
    return DEFAULT_BIT_RATE if rate is None or rate < _LEAST_BIT_RATE else rate


def _buffer(octets: int | None) -> int | None:
    return None if octets is None or octets < _LEAST_BUFFER else octets


def _limits(datagram: int | None, ifp: int | None) -> tuple[int, int | None]:
    """Limits for a datagram and for an IFP packet; sizes below 40 are ignored.

    Some peers use T38FaxMaxDatagram for the size of one IFP packet; short datagrams are safe for them too.
    """
    if ifp is not None and ifp < _LEAST_DATAGRAM:
        ifp = None
    if datagram is None or datagram < _LEAST_DATAGRAM:
        return DEFAULT_DATAGRAM, ifp
    # Values such as 72 are meant for the IFP packet (FaxBack's default is that). Taken for the datagram they
    # cost copies, but nothing else; the setting ``max_ifp`` of a route corrects it.
    return min(datagram, MAX_DATAGRAM), ifp


# --- T.38 over TCP: ``m=image PORT TCP t38``, and which side opens the connection (RFC 4145) ----------------

TCP = "tcp"
DISCARD = 9
"""The port that a side writes if it connects and does not listen (RFC 4145 4.1)."""

# There are neither datagrams nor losses on TCP.
_UDP_ONLY = frozenset({"t38faxudpec", "t38faxmaxdatagram"})


class Setup(Enum):
    """``a=setup``, from the view of the side that wrote it (RFC 4145 4); without it the side that offers
    connects."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"

    @classmethod
    def of_offer(cls, media: MediaDescription) -> Setup:
        """The value in an offer; missing or invalid, it is ``active``."""
        value = (media.get("setup") or "").strip().lower()
        return cls(value) if value in _VALUES else cls.ACTIVE

    @property
    def answered(self) -> Setup | None:
        """Our answer to this offer, active in preference to passive; None for ``holdconn``."""
        return _ANSWERS.get(self)


_VALUES = frozenset(setup.value for setup in Setup)
_ANSWERS = {Setup.ACTIVE: Setup.PASSIVE, Setup.PASSIVE: Setup.ACTIVE, Setup.ACTPASS: Setup.ACTIVE}


def over_tcp(media: MediaDescription, setup: Setup) -> MediaDescription:
    """Convert a description of T.38 over UDPTL to one over a new TCP connection."""
    kept = [attribute for attribute in media.attributes if attribute.name.lower() not in _UDP_ONLY]
    return replace(
        media,
        protocol=TCP,
        port=DISCARD if setup is Setup.ACTIVE else media.port,
        attributes=(*kept, Attribute("setup", setup.value), Attribute("connection", "new")),
    )


# --- the mark of two internet-aware terminals with no gateway between them ----------------------------------

MARK = "X-T38InternetAware"
"""``a=X-T38InternetAware:HASH``, an attribute of the ``m=image`` line.

DIS bits (T.30 table 2, bit 123) prove nothing, since gateways pass them through. Unknown attributes may pass
through too: some session border controllers copy them from one leg to the other. So the value is bound to the
media address and port beside it: a gateway must put its own media address into the description, after which
the value no longer matches.
"""
_DIGITS = 16


def mark_of(host: str, port: int) -> str:
    """16 hexadecimal digits for the media address ``host`` (an IP address or a name) and ``port``.

    A hash rather than the address itself: routers that rewrite addresses in SDP would rewrite that here too.
    """
    return hashlib.sha256(f"{canonical_host(host)} {port}".encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def with_mark(media: MediaDescription, host: str) -> MediaDescription:
    """``media`` with the attribute added for ``host``, the address where it is received."""
    return replace(
        media,
        attributes=(*media.attributes, Attribute(MARK, mark_of(host, media.port))),
    )


def has_mark(media: MediaDescription, host: str) -> bool:
    """Whether ``media``, received at ``host``, has a matching attribute; of several the first counts."""
    value = media.get(MARK)
    return value is not None and value.strip().lower() == mark_of(host, media.port)
