"""The SDP of a fax call: what we offer, how we answer, and what both sides agreed on (RFC 3264; T.38 D).

Everything here is a pure function of the descriptions, our capabilities and the media port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.line import Address
from sip.sdp import MediaDescription, Origin, SessionDescription
from t38fsp.audio import offer as audio_sdp
from t38fsp.audio.g711 import Law
from t38fsp.t38.attributes import ErrorCorrection, T38Parameters, answer, settled_correction
from t38fsp.t38.connection import PROTOCOL, Setup, over_tcp
from t38fsp.t38.mark import is_marked, marked


@dataclass(frozen=True, slots=True)
class MediaCapabilities:
    """What one end of a call can do: one port for RTP and UDPTL, and our T.38 parameters.

    With ``tcp`` an offer of T.38 over TCP is taken where none over UDPTL comes; we offer none.
    """

    port: int
    t38: T38Parameters
    tcp: bool = False
    internet_host: str | None = None
    """Our media address, if the far end may know us for an internet-aware terminal (``t38fsp.t38.mark``)."""


@dataclass(frozen=True, slots=True)
class AudioMedia:
    """G.711 is agreed on, towards ``remote``."""

    remote: Address
    payload_type: int
    law: Law


@dataclass(frozen=True, slots=True)
class ImageMedia:
    """T.38 is agreed on, towards ``remote``; sizes are each side's own."""

    remote: Address
    ours: T38Parameters
    theirs: T38Parameters
    setup: Setup | None = None
    """How we come to the TCP connection; None over UDPTL."""
    internet_aware: bool = False
    """Both are internet-aware terminals, and nothing stands between them."""

    @property
    def version(self) -> int:
        """The lower one, also when the far end answers with a higher one than we offered."""
        return min(self.ours.version, self.theirs.version)

    @property
    def max_bit_rate(self) -> int:
        """bit/s; no modem may be faster."""
        return min(self.ours.max_bit_rate, self.theirs.max_bit_rate)

    @property
    def error_correction(self) -> ErrorCorrection:
        return settled_correction(self.ours, self.theirs)

    @property
    def fill_bit_removal(self) -> bool:
        return self.ours.fill_bit_removal and self.theirs.fill_bit_removal


def audio_offer(capabilities: MediaCapabilities) -> tuple[MediaDescription, ...]:
    return (audio_sdp.audio_media(capabilities.port),)


def image_offer(
    capabilities: MediaCapabilities, before: Sequence[MediaDescription] = ()
) -> tuple[MediaDescription, ...]:
    """T.38 alone, in an offer with a line for each of ours ``before`` (RFC 3264 8).

    It takes the place of an image line, or else of the first one that is not refused.
    """
    image = capabilities.t38.to_media(capabilities.port)
    if capabilities.internet_host is not None:
        image = marked(image, capabilities.internet_host)
    lines = [_refused(media) for media in before] or [image]
    known = [index for index, media in enumerate(before) if media.kind.lower() == "image"]
    in_use = [index for index, media in enumerate(before) if not media.rejected]
    lines[next(iter(known + in_use), 0)] = image
    return tuple(lines)


def answer_offer(
    capabilities: MediaCapabilities, offer: SessionDescription
) -> Sequence[MediaDescription] | None:
    """Answer every media line in order (RFC 3264 6): T.38 if it is offered, else G.711; port 0 for the rest.

    None when nothing offered suits: that is a 488.
    """
    answers = [_refused(media) for media in offer.media]
    for index, media in enumerate(offer.media):
        image = _image_answer(capabilities, media, offer.address_of(media))
        if image is not None:
            answers[index] = image
            return answers
    for index, media in enumerate(offer.media):
        image = _stream_answer(capabilities, media) if capabilities.tcp else None
        if image is not None:
            answers[index] = image
            return answers
    for index, media in enumerate(offer.media):
        chosen = None if media.rejected else audio_sdp.choose(media)
        if chosen is not None:
            answers[index] = audio_sdp.audio_media(capabilities.port, (chosen[0],), media.protocol)
            return answers
    return None


def on_hold(remote: Address) -> bool:
    """Whether this is no place to send to, but the old way to put a stream on hold (RFC 3264 8.4)."""
    return remote[0] in ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class HoldImage:
    """The answerer of a call in which T.30 is talking over T.38: whatever is offered, ``image`` stays.

    A refresh, a second T.38 offer or a new address gets the same image line again, so that the running
    parameters are kept. An offer without T.38 that is no newer than ``theirs`` asks for no change (RFC 3264
    8): far ends that refresh a session with their first description send it, and get what holds. A newer one
    is the wish to leave T.38, which would end the fax: it is refused.
    """

    image: MediaDescription
    """Our line as it was offered or answered."""
    theirs: Origin
    """``o=`` of the far end's description that holds."""

    def __call__(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        answers = [_refused(media) for media in offer.media]
        for index, media in enumerate(offer.media):
            if _is_t38(media, self.image.protocol.lower()):
                answers[index] = self.image
                return answers
        if offer.media and self._is_known(offer.origin):
            kinds = [media.kind.lower() for media in offer.media]
            answers[kinds.index("image") if "image" in kinds else 0] = self.image
            return answers
        return None

    def _is_known(self, origin: Origin) -> bool:
        return origin.session_id == self.theirs.session_id and origin.version <= self.theirs.version


def hold_image(local: SessionDescription, remote: SessionDescription) -> HoldImage:
    """The answerer from now on, when these agreed on T.38."""
    return HoldImage(
        next(media for media in local.media if _is_t38(media) or _is_t38(media, PROTOCOL)), remote.origin
    )


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _is_t38(media: MediaDescription, protocol: str = "udptl") -> bool:
    return (
        media.kind.lower() == "image"
        and media.protocol.lower() == protocol
        and "t38" in (name.lower() for name in media.formats)
        and not media.rejected
    )


def _image_answer(
    capabilities: MediaCapabilities, media: MediaDescription, host: str
) -> MediaDescription | None:
    """``host`` is where the far end receives; the mark is answered only to a mark that fits."""
    if not _is_t38(media):
        return None
    parameters = answer(T38Parameters.from_media(media), capabilities.t38)
    if parameters is None:
        return None
    image = parameters.to_media(capabilities.port)
    if capabilities.internet_host is None or not is_marked(media, host):
        return image
    return marked(image, capabilities.internet_host)


def _stream_answer(capabilities: MediaCapabilities, media: MediaDescription) -> MediaDescription | None:
    if not _is_t38(media, PROTOCOL):
        return None
    parameters = answer(T38Parameters.from_media(media), capabilities.t38)
    setup = Setup.of_offer(media).answered
    if parameters is None or setup is None:
        return None
    return over_tcp(parameters.to_media(capabilities.port), setup)


def agreed_media(local: SessionDescription, remote: SessionDescription) -> AudioMedia | ImageMedia | None:
    """What a finished exchange settled, T.38 before audio; of several lines of a kind the first that both
    sides took.
    """
    if (pair := _pair(local, remote, _is_t38)) is not None:
        ours, theirs = pair
        host = remote.address_of(theirs)
        return ImageMedia(
            (host, theirs.port),
            T38Parameters.from_media(ours),
            T38Parameters.from_media(theirs),
            internet_aware=is_marked(ours, local.address_of(ours)) and is_marked(theirs, host),
        )
    pair = _pair(local, remote, lambda media: _is_t38(media, PROTOCOL))
    if pair is not None and pair[0].has("setup"):
        ours, theirs = pair
        address = remote.address_of(theirs), theirs.port
        setup = Setup.of_offer(ours)
        return ImageMedia(address, T38Parameters.from_media(ours), T38Parameters.from_media(theirs), setup)
    if (pair := _pair(local, remote, _is_audio)) is not None:
        theirs = pair[1]
        chosen = audio_sdp.choose(theirs)
        assert chosen is not None
        return AudioMedia((remote.address_of(theirs), theirs.port), *chosen)
    return None


def _pair(
    local: SessionDescription, remote: SessionDescription, suits: Callable[[MediaDescription], bool]
) -> tuple[MediaDescription, MediaDescription] | None:
    """A line of ours and the line of theirs that answers it, when both suit.

    They stand in the same place (RFC 3264 6). Some far ends leave refused lines out of an answer, or put
    them in another place: where each side has but one line that suits, these two belong together.
    """
    for pair in zip(local.media, remote.media, strict=False):
        if all(map(suits, pair)):
            return pair
    ours, theirs = list(filter(suits, local.media)), list(filter(suits, remote.media))
    return (ours[0], theirs[0]) if len(ours) == len(theirs) == 1 else None


def _is_audio(media: MediaDescription) -> bool:
    return not media.rejected and audio_sdp.choose(media) is not None
