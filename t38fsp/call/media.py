"""The SDP of a fax call: what we offer, how we answer, and what both sides agreed on (RFC 3264; T.38 D).

Everything here is a pure function of the descriptions, our capabilities and the media port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sip.line import Address
from sip.sdp import MediaDescription, SessionDescription
from t38fsp.audio import offer as audio_sdp
from t38fsp.audio.g711 import Law
from t38fsp.t38.attributes import T38Parameters, answer


@dataclass(frozen=True, slots=True)
class MediaCapabilities:
    """What one end of a call can do: one port for RTP and UDPTL, and our T.38 parameters."""

    port: int
    t38: T38Parameters


@dataclass(frozen=True, slots=True)
class AudioMedia:
    """G.711 is agreed on, towards ``remote``."""

    remote: Address
    payload_type: int
    law: Law


@dataclass(frozen=True, slots=True)
class ImageMedia:
    """T.38 over UDPTL is agreed on, towards ``remote``; ``version`` is the lower of both sides'."""

    remote: Address
    version: int
    theirs: T38Parameters


def audio_offer(capabilities: MediaCapabilities) -> tuple[MediaDescription, ...]:
    return (audio_sdp.audio_media(capabilities.port),)


def image_offer(capabilities: MediaCapabilities) -> tuple[MediaDescription, ...]:
    return (capabilities.t38.to_media(capabilities.port),)


def answer_offer(
    capabilities: MediaCapabilities, offer: SessionDescription
) -> Sequence[MediaDescription] | None:
    """Answer every media line in order (RFC 3264 6): T.38 if it is offered, else G.711; port 0 for the rest.

    None when nothing offered suits: that is a 488.
    """
    answers = [_refused(media) for media in offer.media]
    for index, media in enumerate(offer.media):
        image = _image_answer(capabilities, media)
        if image is not None:
            answers[index] = image
            return answers
    for index, media in enumerate(offer.media):
        chosen = None if media.rejected else audio_sdp.choose(media)
        if chosen is not None:
            answers[index] = audio_sdp.audio_media(capabilities.port, (chosen[0],))
            return answers
    return None


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _is_t38(media: MediaDescription) -> bool:
    return (
        media.kind.lower() == "image"
        and media.protocol.lower() == "udptl"
        and "t38" in (name.lower() for name in media.formats)
        and not media.rejected
    )


def _image_answer(capabilities: MediaCapabilities, media: MediaDescription) -> MediaDescription | None:
    if not _is_t38(media):
        return None
    parameters = answer(T38Parameters.from_media(media), capabilities.t38)
    return None if parameters is None else parameters.to_media(capabilities.port)


def agreed_media(local: SessionDescription, remote: SessionDescription) -> AudioMedia | ImageMedia | None:
    """What a finished exchange settled: the first line that neither side refused, T.38 before audio."""
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(local.media, remote.media, strict=False)
        if not ours.rejected and not theirs.rejected
    ]
    for ours, theirs in pairs:
        if _is_t38(ours) and _is_t38(theirs):
            parameters = T38Parameters.from_media(theirs)
            version = min(parameters.version, T38Parameters.from_media(ours).version)
            return ImageMedia((remote.address_of(theirs), theirs.port), version, parameters)
    for _, theirs in pairs:
        chosen = audio_sdp.choose(theirs) if theirs.kind.lower() == "audio" else None
        if chosen is not None:
            return AudioMedia((remote.address_of(theirs), theirs.port), *chosen)
    return None
