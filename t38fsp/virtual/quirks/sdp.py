"""Quirks of how a gateway writes SDP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from sip.syntax.sdp import Attribute, MediaDescription, SessionDescription
from t38fsp.audio.leg import Role
from t38fsp.audio.offer import audio_media
from t38fsp.t38.attributes import ErrorCorrection, RateManagement
from t38fsp.virtual.hooks import Gateway, Habits, Quirk, check

Media = Sequence[MediaDescription] | None


def _images(media: Media, change: Callable[[MediaDescription], MediaDescription]) -> Media:
    """The same with every accepted image line changed."""
    if media is None:
        return None
    return [change(each) if each.kind == "image" and each.port else each for each in media]


@dataclass(frozen=True, slots=True)
class Version(Quirk):
    """Announces T38FaxVersion 0 to 3.

    From 2 on the fields of packets are coded differently; an endpoint that answers with a version that it
    does not implement is not understood.
    """

    version: int = 3
    name: ClassVar[str] = "version"

    def __post_init__(self) -> None:
        check(0 <= self.version <= 3, self.name, "0 to 3")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, parameters=replace(habits.parameters, version=self.version))


class BooleanStyle(Enum):
    ZERO = "zero"
    """``a=T38FaxFillBitRemoval:0``, which means false."""
    ONE = "one"
    """``:1``, which means true."""
    BARE = "bare"
    """Without a value, which means true."""


# Asterisk reads ``:0`` as true, rtpengine as false; FreeSWITCH remembers the style and answers in kind.
@dataclass(frozen=True, slots=True)
class Booleans(Quirk):
    """Writes the boolean attributes as ``:0``, ``:1`` or bare.

    An endpoint that reads ``:0`` as true, or agrees to what it does not implement, removes fill bits that are
    never restored.
    """

    style: BooleanStyle = BooleanStyle.ZERO
    name: ClassVar[str] = "booleans"

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        value = {BooleanStyle.ZERO: "0", BooleanStyle.ONE: "1", BooleanStyle.BARE: None}[self.style]
        names = ("T38FaxFillBitRemoval", "T38FaxTranscodingMMR", "T38FaxTranscodingJBIG")
        if offer is not None and self.style is not BooleanStyle.ZERO:
            # Cisco objects to a true value where its offer had none; zeros are harmless.
            return media  # an answer claims nothing that was not offered
        more = tuple(Attribute(name, value) for name in names)
        return _images(media, lambda each: replace(each, attributes=(*each.attributes, *more)))


@dataclass(frozen=True, slots=True)
class OddSpelling(Quirk):
    """Spells the attributes as the field does: lower case, T38FaxMaxRate, T38MaxDatagram, ``UDPTL T38``.

    An endpoint that compares names exactly falls back to defaults, or refuses the call.
    """

    name: ClassVar[str] = "odd-spelling"

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        return _images(media, self._spelt)

    @staticmethod
    def _spelt(media: MediaDescription) -> MediaDescription:
        # A lower-case T38maxBitRate once cost Asterisk's faxes their rate: 2400 bit/s instead of 14400.
        names = {"T38MaxBitRate": "T38FaxMaxRate", "T38FaxMaxDatagram": "T38MaxDatagram"}
        attributes = tuple(
            Attribute(names.get(each.name, each.name.lower()), each.value) for each in media.attributes
        )
        return replace(media, protocol="UDPTL", formats=("T38",), attributes=attributes)


@dataclass(frozen=True, slots=True)
class NoAttributes(Quirk):
    """Offers and answers T.38 without a single attribute.

    An endpoint that requires one of them fails, or divides by a datagram size of zero.
    """

    name: ClassVar[str] = "no-attributes"
    excludes: ClassVar[frozenset[str]] = frozenset({"max-datagram", "max-ifp", "udp-ec"})

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        return _images(media, lambda each: replace(each, attributes=()))


# rtpengine issue 1100.
@dataclass(frozen=True, slots=True)
class TwoCorrections(Quirk):
    """Writes two lines of T38FaxUdpEC, parity before redundancy.

    An endpoint that uses the first sends parity to a gateway that reads copies only.
    """

    name: ClassVar[str] = "two-corrections"

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        parity = Attribute("T38FaxUdpEC", ErrorCorrection.FEC.value)
        return _images(media, lambda each: replace(each, attributes=(parity, *each.attributes)))


class Correction(Enum):
    NONE = "none"
    REDUNDANCY = "redundancy"
    FEC = "fec"


@dataclass(frozen=True, slots=True)
class UdpCorrection(Quirk):
    """Announces none, redundancy or fec in T38FaxUdpEC.

    Some drop what an endpoint sends without an offer of it; an endpoint that refuses fec fails.
    """

    correction: Correction = Correction.NONE
    name: ClassVar[str] = "udp-ec"

    def habits(self, habits: Habits) -> Habits:
        said = {
            Correction.NONE: ErrorCorrection.NONE,
            Correction.REDUNDANCY: ErrorCorrection.REDUNDANCY,
            Correction.FEC: ErrorCorrection.FEC,
        }[self.correction]
        return replace(habits, parameters=replace(habits.parameters, error_correction=said))


# RFC 3264 6: an answer has as many lines as the offer, in its order.
@dataclass(frozen=True, slots=True)
class AudioZero(Quirk):
    """Offers T.38 as its second line, after ``m=audio 0``.

    An endpoint that answers one line only, or in another order, breaks the call (Avaya fails).
    """

    name: ClassVar[str] = "audio-zero"

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        if offer is not None or media is None or [each.kind for each in media] != ["image"]:
            return media
        return [replace(audio_media(2, (0,)), port=0, attributes=()), *media]


@dataclass(frozen=True, slots=True)
class BothMedia(Quirk):
    """Offers audio and T.38 together in its INVITE.

    An endpoint that takes the first line only stays in audio.
    """

    name: ClassVar[str] = "both-media"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.CALLING})

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        if offer is not None or media is None or gateway.switched or [m.kind for m in media] != ["audio"]:
            return media
        image = gateway.habits.parameters.to_media(media[0].port)
        return [*media, image]


# Method 1 is for TCP, between terminals that do not pass the training through (T.38 clause 8).
@dataclass(frozen=True, slots=True)
class LocalTcf(Quirk):
    """Asks for the gateways to check the training themselves (localTCF), which UDPTL does not allow.

    An endpoint that agrees sends a TCF that is never answered. The call stays in audio, and no fax is
    possible.
    """

    name: ClassVar[str] = "local-tcf"
    survivable: ClassVar[bool] = False

    def habits(self, habits: Habits) -> Habits:
        parameters = replace(habits.parameters, rate_management=RateManagement.LOCAL_TCF)
        return replace(habits, parameters=parameters)


# rtpengine issue 1201. RFC 4612 defines T.38 over RTP, but with another format parameter, and it is not used.
@dataclass(frozen=True, slots=True)
class RtpT38(Quirk):
    """Writes T.38 as ``RTP/AVP`` (border controllers that rewrite what they do not know).

    An endpoint that sends UDPTL to it is not heard. The call stays in audio, and no fax is possible.
    """

    name: ClassVar[str] = "rtp-t38"
    survivable: ClassVar[bool] = False

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        return _images(media, lambda each: replace(each, protocol="RTP/AVP"))


@dataclass(frozen=True, slots=True)
class SenselessDatagram(Quirk):
    """Announces an absurd T38FaxMaxDatagram, such as 0 or 4000000, and takes 400 octets.

    An endpoint that believes 0 has no room for a packet, or divides by it (AST-2010-001).
    """

    octets: int = 0
    name: ClassVar[str] = "senseless-datagram"
    excludes: ClassVar[frozenset[str]] = frozenset({"max-datagram", "max-ifp", "no-attributes"})

    def __post_init__(self) -> None:
        check(0 <= self.octets < 40 or self.octets > 65535, self.name, "0 to 39, or more than 65535 octets")

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        return _images(media, self._changed)

    def _changed(self, media: MediaDescription) -> MediaDescription:
        attributes = tuple(
            replace(each, value=str(self.octets)) if "maxdatagram" in each.name.lower() else each
            for each in media.attributes
        )
        return replace(media, attributes=attributes)


@dataclass(frozen=True, slots=True)
class PrivateAddress(Quirk):
    """Names an address in its SDP where it cannot be reached, as from behind a NAT (real sockets only).

    An endpoint that sends there, and not to where the packets come from, is not heard.
    """

    name: ClassVar[str] = "private-address"
    on_sockets_only: ClassVar[bool] = True

    def media_out(self, media: Media, offer: SessionDescription | None, gateway: Gateway) -> Media:
        # TEST-NET-1 (RFC 5737), which leads nowhere.
        return None if media is None else [replace(each, address="192.0.2.200") for each in media]


QUIRKS: tuple[type[Quirk], ...] = (
    Version,
    Booleans,
    OddSpelling,
    NoAttributes,
    TwoCorrections,
    UdpCorrection,
    AudioZero,
    BothMedia,
    LocalTcf,
    RtpT38,
    SenselessDatagram,
    PrivateAddress,
)
