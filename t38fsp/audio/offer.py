"""G.711 audio in SDP (RFC 3551, RFC 3264)."""

from __future__ import annotations

from collections.abc import Sequence

from sip.syntax.sdp import Attribute, MediaDescription
from t38fsp.audio.g711 import Law

PAYLOAD_TYPES = {0: Law.PCMU, 8: Law.PCMA}
"""Static payload types (RFC 3551 6), in the order of our preference."""

COMFORT_NOISE = 13
"""RFC 3389; never offered, but some far ends send it."""


def audio_media(
    port: int,
    payload_types: Sequence[int] = tuple(PAYLOAD_TYPES),
    protocol: str = "RTP/AVP",
    *,
    voice_band_data: bool = False,
) -> MediaDescription:
    """Our offer or, with the single payload type of :func:`choose` and the protocol offered, our answer.

    20 ms per packet, and no silence suppression (RFC 3108), which would clip tones. With ``voice_band_data``
    the audio is to be carried as a modem needs it (V.152 6): no adaptive jitter buffer, no echo canceller.
    """
    return MediaDescription(
        "audio",
        port,
        protocol,
        tuple(str(number) for number in payload_types),
        (
            *(
                Attribute("rtpmap", f"{number} {PAYLOAD_TYPES[number].value}/8000")
                for number in payload_types
            ),
            Attribute("ptime", "20"),
            Attribute("silenceSupp", "off - - - -"),
            *(Attribute("gpmd", f"{number} vbd=yes") for number in payload_types if voice_band_data),
        ),
    )


def is_encrypted(media: MediaDescription) -> bool:
    """Audio by SRTP (RFC 4568, RFC 5764), which we do not have."""
    return media.kind.lower() == "audio" and "SAVP" in media.protocol.upper()


def choose(media: MediaDescription) -> tuple[int, Law] | None:
    """The far end's first payload type that is G.711, and its law; None if there is none.

    Only the static numbers are recognised (RFC 3551 6): dynamic ones for G.711 are not seen in practice.
    """
    if media.kind.lower() != "audio" or media.protocol.upper() not in ("RTP/AVP", "RTP/AVPF"):
        return None
    for name in media.formats:
        for number, law in PAYLOAD_TYPES.items():
            if name == str(number):
                return number, law
    return None
