"""The SDP of a fax call: what we offer, how we answer, and what both sides agreed on (RFC 3264; T.38 D).

Pure functions of the descriptions, our capabilities and the media port; one makes the T.38 terminal that both
descriptions agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sip.bounds import given
from sip.frozen import dataclass
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.values import Address
from t38fsp.audio import offer as audio_sdp
from t38fsp.audio.g711 import Law
from t38fsp.call.driver import CallContext
from t38fsp.call.media_address import is_in_networks, media_address_fault
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio
from t38fsp.t38.attributes import (
    TCP,
    ErrorCorrection,
    RateManagement,
    Setup,
    T38Parameters,
    answer,
    has_mark,
    over_tcp,
    settled_correction,
    with_mark,
)
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.stream_terminal import StreamTerminal
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import TALKER_ECHO_PROTECTION, Timing


@dataclass(frozen=True, slots=True)
class MediaCapabilities:
    """What one end of a call can do: one port for RTP and UDPTL, and our T.38 parameters.

    With ``tcp`` an offer of T.38 over TCP is accepted if there is none over UDPTL; we never offer it. We open
    connections only to hosts in ``connects_to`` (networks, or single addresses), since an SDP could name any
    host; others may connect to us.
    """

    port: int
    t38: T38Parameters
    tcp: bool = False
    connects_to: tuple[str, ...] = ()
    audio: Audio = Audio.NEVER
    """Whether the fax may go in audio; with ONLY no image line is offered or accepted."""
    internet_host: str | None = None
    """Our media address, if we announce an internet-aware terminal
    (``t38fsp.t38.attributes``)."""


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
    """How the TCP connection is set up; None over UDPTL."""
    internet_aware: bool = False
    """Both are internet-aware terminals, with no gateway between them."""

    @property
    def version(self) -> int:
        """The lower one, also when the far end answers with a higher one than we offered."""
        return min(self.ours.version, self.theirs.version)

    @property
    def max_bit_rate(self) -> int:
        """Upper bound for the modem rate, bit/s."""
        return min(self.ours.max_bit_rate, self.theirs.max_bit_rate)

    @property
    def error_correction(self) -> ErrorCorrection:
        return settled_correction(self.ours, self.theirs)

    @property
    def fill_bit_removal(self) -> bool:
        return self.ours.fill_bit_removal and self.theirs.fill_bit_removal


def audio_offer(capabilities: MediaCapabilities) -> tuple[MediaDescription, ...]:
    return (_our_audio(capabilities),)


def offer_audio_again(
    capabilities: MediaCapabilities, before: Sequence[MediaDescription]
) -> tuple[MediaDescription, ...]:
    """An offer of audio alone, in place of the first of our lines ``before``: a refusal of T.38 by port 0 has
    left the call without any media."""
    return (_our_audio(capabilities), *map(_refused, before[1:]))


def image_offer(
    capabilities: MediaCapabilities, before: Sequence[MediaDescription] = ()
) -> tuple[MediaDescription, ...]:
    """An offer of T.38 alone, with a line for each of our lines ``before`` (RFC 3264 8).

    The image line replaces an earlier image line, or else the first line that is not refused.
    """
    image = _our_image(capabilities)
    lines = [_refused(media) for media in before] or [image]
    known = [index for index, media in enumerate(before) if media.kind.lower() == "image"]
    in_use = [index for index, media in enumerate(before) if not media.rejected]
    # RFC 3264 8.3.3: the kind of a line may change, and fax after voice is its example.
    lines[next(iter(known + in_use), 0)] = image
    return tuple(lines)


def answer_offer(
    capabilities: MediaCapabilities, offer: SessionDescription
) -> Sequence[MediaDescription] | None:
    """Answer every media line in order (RFC 3264 6): T.38 if it is offered, else G.711; port 0 for the rest.

    None if nothing offered is acceptable: respond with 488.
    """
    answers = [_refused(media) for media in offer.media]
    # T.38 first: a far end that offers both T.38 and audio can do either, and the fax needs T.38.
    for suits, answered in (
        (_is_t38, _image_answer),
        (_is_t38_over_tcp, _stream_answer),
        (_is_audio, _audio_answer),
    ):
        if capabilities.audio is Audio.ONLY and suits is not _is_audio:
            continue
        for index, media in enumerate(offer.media):
            host = offer.address_of(media)
            if suits(media) and not _fault(capabilities, media, host):
                answers[index] = answered(capabilities, media, host)
                return answers
    return None


def refused_here(capabilities: MediaCapabilities, remote: SessionDescription) -> str:
    """What we refuse of the far end's description, and why; empty if we accept its T.38 or else its audio."""
    lines = [media for media in remote.media if not media.rejected]
    if lines and all(audio_sdp.is_encrypted(media) for media in lines):
        return (
            "the far end offered encrypted audio alone (RTP/SAVP), which is not supported; ask the trunk for "
            "RTP/AVP"
        )
    if capabilities.audio is Audio.ONLY:
        return ""
    for name, meant in (("T.38", _means_t38), ("audio", _is_audio)):
        for media in filter(meant, lines):
            fault = _fault(capabilities, media, remote.address_of(media))
            return f"the far end offered {name}, which was refused here: {fault}" if fault else ""
    return ""


def _means_t38(media: MediaDescription) -> bool:
    return media.kind.lower() == "image" or any("t38" in name.lower() for name in media.formats)


def _fault(capabilities: MediaCapabilities, media: MediaDescription, host: str) -> str:
    """What is wrong with the far end's audio or T.38 line, which it does not reject; empty if nothing is."""
    if _is_audio(media):
        return media_address_fault(host, media.port)
    over_tcp = _is_t38_over_tcp(media)
    if not _is_t38(media) and not (over_tcp and capabilities.tcp):
        line = f"{media.kind} {media.protocol} {' '.join(media.formats)}"
        return f"the media line {line[:60]!r} is not a form of T.38 that is supported; offer T.38 over udptl"
    if T38Parameters.from_media(media).rate_management is RateManagement.LOCAL_TCF:
        return "it asks for T38FaxRateManagement:localTCF, which is not supported; transferredTCF is"
    if not over_tcp:
        return media_address_fault(host, media.port)
    setup = Setup.of_offer(media)
    if setup is Setup.HOLDCONN:
        return "its TCP connection is on hold (a=setup:holdconn)"
    if setup is Setup.ACTIVE or (
        setup is Setup.ACTPASS and not is_in_networks(host, capabilities.connects_to)
    ):
        return ""  # they connect
    if not is_in_networks(host, capabilities.connects_to):
        return (
            f"it asks for a TCP connection to {host[:40]}, which is neither the source of the call nor an "
            "address that is allowed to call"
        )
    return media_address_fault(host, media.port)


@dataclass(frozen=True, slots=True)
class AnswerOffers:
    """The answerer of a call before and after T.30 uses T.38: :func:`answer_offer`.

    A far end that leaves the offer to us in mid-call (an INVITE without SDP) gets T.38 beside the media in
    effect: some gateways switch in this way.
    """

    capabilities: MediaCapabilities

    def __call__(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        return answer_offer(self.capabilities, offer)

    def offer(self, held: Sequence[MediaDescription]) -> Sequence[MediaDescription]:
        """``held`` with an image line (unless only audio is wanted), which replaces a refused one if there is
        one."""
        kinds = [media.kind.lower() for media in held]
        if self.capabilities.audio is Audio.ONLY:
            return held
        # T.38 is in effect already, so there is nothing to add.
        if any(kind == "image" and not media.rejected for kind, media in zip(kinds, held, strict=True)):
            return held
        place = kinds.index("image") if "image" in kinds else len(held)
        return (*held[:place], _our_image(self.capabilities), *held[place + 1 :])


@dataclass(frozen=True, slots=True)
class HoldAudio:
    """The answerer of a call while T.30 uses audio: G.711 stays, and an offer of T.38 alone is refused.

    The law in effect is kept if it is offered. Whether T.38 is taken up does not depend on what T.30 is
    doing: once it has spoken in audio, never.
    """

    capabilities: MediaCapabilities
    payload_type: int

    def __call__(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        answers = [_refused(media) for media in offer.media]
        for index, media in enumerate(offer.media):
            if _is_audio(media) and not _fault(self.capabilities, media, offer.address_of(media)):
                held = str(self.payload_type) in media.formats
                chosen = audio_sdp.choose(media)
                assert chosen is not None
                kept = self.payload_type if held else chosen[0]
                answers[index] = _our_audio(self.capabilities, (kept,), media.protocol)
                return answers
        return None

    def offer(self, held: Sequence[MediaDescription]) -> Sequence[MediaDescription]:
        """The lines in effect."""
        return held


@dataclass(frozen=True, slots=True)
class HoldImage:
    """The answerer of a call while T.30 uses T.38: whatever is offered, ``image`` stays.

    A refresh, a second T.38 offer or a new address gets the same image line again, so that the parameters in
    effect are kept. An offer without T.38 that is not newer than ``theirs`` asks for no change (RFC 3264 8):
    some far ends refresh a session with their first description, and get the image line. A newer one asks to
    leave T.38, which would end the fax: it is refused.
    """

    image: MediaDescription
    """Our line as it was offered or answered."""
    theirs: Origin
    """``o=`` of the far end's description that is in effect."""

    def __call__(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        answers = [_refused(media) for media in offer.media]
        for index, media in enumerate(offer.media):
            if _is_t38(media, self.image.protocol.lower()):
                answers[index] = self.image
                return answers
        # FreeSWITCH refreshed with the audio that began the call (issue 2789).
        if offer.media and self._is_known(offer.origin):
            kinds = [media.kind.lower() for media in offer.media]
            answers[kinds.index("image") if "image" in kinds else 0] = self.image
            return answers
        return None

    def offer(self, held: Sequence[MediaDescription]) -> Sequence[MediaDescription]:
        """The image line in effect, and nothing beside it."""
        protocol = self.image.protocol.lower()
        return [media if _is_t38(media, protocol) else _refused(media) for media in held]

    def _is_known(self, origin: Origin) -> bool:
        # RFC 3264 8: a description that changes anything has a version that is one higher.
        return origin.session_id == self.theirs.session_id and origin.version <= self.theirs.version


def hold_image(local: SessionDescription, remote: SessionDescription) -> HoldImage:
    """The answerer to use once these descriptions have agreed on T.38."""
    return HoldImage(
        next(media for media in local.media if _is_t38(media) or _is_t38_over_tcp(media)), remote.origin
    )


def _our_audio(
    capabilities: MediaCapabilities,
    payload_types: Sequence[int] = tuple(audio_sdp.PAYLOAD_TYPES),
    protocol: str = "RTP/AVP",
) -> MediaDescription:
    in_audio = capabilities.audio is not Audio.NEVER
    return audio_sdp.audio_media(capabilities.port, payload_types, protocol, voice_band_data=in_audio)


def _our_image(capabilities: MediaCapabilities) -> MediaDescription:
    image = capabilities.t38.to_media(capabilities.port)
    return image if capabilities.internet_host is None else with_mark(image, capabilities.internet_host)


def _refused(media: MediaDescription) -> MediaDescription:
    # With its formats, which a line must have even if it is refused (RFC 3264 6).
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _is_audio(media: MediaDescription) -> bool:
    return not media.rejected and audio_sdp.choose(media) is not None


def _is_t38_over_tcp(media: MediaDescription) -> bool:
    return _is_t38(media, TCP)


def _is_t38(media: MediaDescription, protocol: str = "udptl") -> bool:
    return (
        media.kind.lower() == "image"
        and media.protocol.lower() == protocol
        and "t38" in (name.lower() for name in media.formats)
        and not media.rejected
    )


def _image_answer(capabilities: MediaCapabilities, media: MediaDescription, host: str) -> MediaDescription:
    """``host`` is where the far end receives; an internet-aware offer gets the same attribute in return."""
    image = _parameters(capabilities, media).to_media(capabilities.port)
    # In an answer only to an offer whose attribute fits: else a gateway between us would not be noticed.
    if capabilities.internet_host is None or not has_mark(media, host):
        return image
    return with_mark(image, capabilities.internet_host)


def _stream_answer(capabilities: MediaCapabilities, media: MediaDescription, host: str) -> MediaDescription:
    setup = Setup.of_offer(media).answered
    # Not allowed to connect there: have the far end connect to us.
    if setup is Setup.ACTIVE and not is_in_networks(host, capabilities.connects_to):
        setup = Setup.PASSIVE
    assert setup is not None
    return over_tcp(_parameters(capabilities, media).to_media(capabilities.port), setup)


def _parameters(capabilities: MediaCapabilities, media: MediaDescription) -> T38Parameters:
    parameters = answer(T38Parameters.from_media(media), capabilities.t38)
    assert parameters is not None
    return parameters


def _audio_answer(capabilities: MediaCapabilities, media: MediaDescription, host: str) -> MediaDescription:
    chosen = audio_sdp.choose(media)
    assert chosen is not None
    return _our_audio(capabilities, (chosen[0],), media.protocol)


def agreed_media(local: SessionDescription, remote: SessionDescription) -> AudioMedia | ImageMedia | None:
    """The media that a completed exchange agreed on, T.38 before audio.

    Of several lines of a kind the first that both sides accepted counts. An answer with an address to which
    media must not be sent agrees on nothing.
    """

    def is_sane(media: MediaDescription) -> bool:
        return not media_address_fault(remote.address_of(media), media.port)

    if (pair := _pair(local, remote, _is_t38)) is not None and is_sane(pair[1]):
        ours, theirs = pair
        host = remote.address_of(theirs)
        return ImageMedia(
            (host, theirs.port),
            T38Parameters.from_media(ours),
            T38Parameters.from_media(theirs),
            internet_aware=has_mark(ours, local.address_of(ours)) and has_mark(theirs, host),
        )
    pair = _pair(local, remote, _is_t38_over_tcp)
    # Without ``setup`` the line is not one that we made: we always write it.
    if pair is not None and pair[0].has("setup"):
        ours, theirs = pair
        address = remote.address_of(theirs), theirs.port
        setup = Setup.of_offer(ours)
        return ImageMedia(address, T38Parameters.from_media(ours), T38Parameters.from_media(theirs), setup)
    if (pair := _pair(local, remote, _is_audio)) is not None and is_sane(pair[1]):
        theirs = pair[1]
        chosen = audio_sdp.choose(theirs)
        assert chosen is not None
        return AudioMedia((remote.address_of(theirs), theirs.port), *chosen)
    return None


def _pair(
    local: SessionDescription, remote: SessionDescription, suits: Callable[[MediaDescription], bool]
) -> tuple[MediaDescription, MediaDescription] | None:
    """A line of ours and the line of theirs that answers it, if both suit.

    They have the same position (RFC 3264 6). Some far ends leave refused lines out of an answer, or reorder
    them: if each side has exactly one line that suits, these two belong together.
    """
    for pair in zip(local.media, remote.media, strict=False):
        if all(map(suits, pair)):
            return pair
    ours, theirs = list(filter(suits, local.media)), list(filter(suits, remote.media))
    return (ours[0], theirs[0]) if len(ours) == len(theirs) == 1 else None


def our_parameters(settings: CallSettings) -> T38Parameters:
    """Our T.38 parameters for offers and answers. FEC is announced only if the settings ask for parity."""
    return T38Parameters(
        version=settings.t38_version,
        fill_bit_removal=settings.fill_bit_removal,
        error_correction=ErrorCorrection.FEC if settings.parity else ErrorCorrection.REDUNDANCY,
    )


def our_capabilities(settings: CallSettings, context: CallContext) -> MediaCapabilities:
    """What we can offer and answer at the media address of the call."""
    internet_aware = settings.internet_aware and settings.ecm
    return MediaCapabilities(
        context.media_port,
        our_parameters(settings),
        context.tcp,
        context.connects_to,
        Audio.NEVER if context.modems is None else settings.audio,
        context.media_address if internet_aware else None,
    )


def terminal_for(media: ImageMedia, settings: CallSettings) -> Terminal:
    """The terminal of a call: within the limits of the far end, unless the settings override them."""
    theirs = media.theirs
    syntax = Syntax.for_version(media.version)
    max_buffer = settings.max_buffer or theirs.max_buffer
    if media.setup is not None:
        return StreamTerminal(
            syntax=syntax,
            max_ifp=settings.max_ifp or theirs.max_ifp,
            max_buffer=max_buffer,
            fill_removal=media.fill_bit_removal,
            timing=_timing(settings),
        )
    correction = media.error_correction
    redundancy = 0 if correction is ErrorCorrection.NONE else settings.redundancy
    by_parity = correction is ErrorCorrection.FEC and settings.parity > 0
    return Terminal(
        syntax=syntax,
        redundancy=redundancy,
        # Not below the redundancy of images: a lost command costs seconds, a lost line of a page little.
        # Without any redundancy agreed on, none is sent.
        control_redundancy=max(redundancy, settings.control_redundancy) if redundancy else 0,
        parity=(settings.parity, settings.parity_span) if by_parity else None,
        max_datagram=settings.max_datagram or theirs.max_datagram,
        # A size set for the datagram is meant to override what was announced, so the announced IFP limit
        # does not apply either.
        max_ifp=settings.max_ifp or (theirs.max_ifp if settings.max_datagram is None else None),
        max_buffer=max_buffer,
        fill_removal=media.fill_bit_removal,
        timing=_timing(settings),
    )


def _timing(settings: CallSettings) -> Timing:
    protection = TALKER_ECHO_PROTECTION if settings.echo_protection else 0.0
    return Timing(echo_protection=protection, **given(settings, Timing))
