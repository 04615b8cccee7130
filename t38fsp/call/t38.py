"""The T.38 of a call: what we say of ourselves, and the terminal that both descriptions settle."""

from __future__ import annotations

from t38fsp.call.environment import CallEnvironment
from t38fsp.call.media import ImageMedia, MediaCapabilities
from t38fsp.jobs import CallSettings
from t38fsp.t38.attributes import ErrorCorrection, T38Parameters
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.stream_terminal import StreamTerminal
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import TALKER_ECHO_PROTECTION, Timing


def our_parameters(settings: CallSettings) -> T38Parameters:
    """For offers and answers. Parity is named only where the settings ask for it."""
    return T38Parameters(
        version=settings.t38_version,
        fill_bit_removal=settings.fill_bit_removal,
        error_correction=ErrorCorrection.FEC if settings.parity else ErrorCorrection.REDUNDANCY,
    )


def our_capabilities(settings: CallSettings, environment: CallEnvironment) -> MediaCapabilities:
    """What we offer and answer at the media address of the call."""
    internet_aware = settings.internet_aware and settings.ecm
    return MediaCapabilities(
        environment.media_port,
        our_parameters(settings),
        environment.tcp,
        environment.connects_to,
        environment.media_address if internet_aware else None,
    )


def terminal_for(media: ImageMedia, settings: CallSettings) -> Terminal:
    """The terminal of a call: the limits of the far end, unless the settings know better."""
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
        control_redundancy=max(redundancy, settings.control_redundancy) if redundancy else 0,
        parity=(settings.parity, settings.parity_span) if by_parity else None,
        max_datagram=settings.max_datagram or theirs.max_datagram,
        max_ifp=settings.max_ifp or (theirs.max_ifp if settings.max_datagram is None else None),
        max_buffer=max_buffer,
        fill_removal=media.fill_bit_removal,
        timing=_timing(settings),
    )


def _timing(settings: CallSettings) -> Timing:
    return Timing(
        preamble=settings.preamble,
        echo_protection=TALKER_ECHO_PROTECTION if settings.echo_protection else 0.0,
        whole_frames=settings.whole_frames,
        copies=settings.copies,
        keep_alive=settings.keep_alive,
    )
