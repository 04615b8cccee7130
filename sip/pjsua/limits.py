"""What PJSIP cannot do as it is bound in ``pjsua2-python`` 2.15.1, said before anything goes out.

The table in :mod:`sip.pjsua` tells all of it; here is what can be seen from the arguments of a verb.
"""

from __future__ import annotations

from collections.abc import Sequence

from sip.line import CallRequest
from sip.syntax.errors import UnsupportedError
from sip.syntax.message import NameAddress
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.syntax.uri import parse_request_uri
from sip.ua import registration_messages
from sip.ua.identity import headers_of
from sip.ua.registration_messages import RegistrationRequest

MOST_SDP = 1023
"""Octets of a description that the bindings take."""
MOST_REGISTRATIONS = 6
"""PJSIP has room for eight accounts, and calls need one."""


def check_request(request: CallRequest) -> None:
    """Raises UnsupportedError for a call that cannot be placed over PJSIP, ParseError or UnsendableError for
    one that no stack can place."""
    parse_request_uri(NameAddress.parse(request.caller).uri)
    if any(media.kind.lower() != "audio" for media in request.media) or len(request.media) > 1:
        raise UnsupportedError(
            "pjsua2 begins every call with one audio stream; T.38 in the first INVITE needs the own stack, "
            "or another switch policy"
        )
    if not request.destination:
        raise UnsupportedError("pjsua2 looks nobody up; say which hop takes the INVITE")
    headers_of(request)
    if parse_request_uri(request.target).scheme == "sips":
        raise UnsupportedError("pjsua2 keeps no sips: all the way; write sip: and take a hop over TLS")
    for hop in request.destination:
        check_host(hop.host)
        check_host(request.media_address_for(hop))
    _check_size(request.media)


def check_registration(request: RegistrationRequest, others: int) -> None:
    """Raises UnsupportedError for a registration that PJSIP cannot keep, beside so many others, ParseError or
    UnsendableError for one that no stack can keep."""
    if others >= MOST_REGISTRATIONS:
        raise UnsupportedError(
            f"pjsua2 keeps {MOST_REGISTRATIONS} registrations at a time; use the own stack"
        )
    registration_messages.check_request(request)
    for hop in request.destination:
        check_host(hop.host)


def check_accept(media: Sequence[MediaDescription]) -> None:
    """Raises UnsupportedError for an answer to a first INVITE that cannot be given."""
    if not any(each.kind.lower() == "audio" and not each.rejected for each in media):
        raise UnsupportedError(
            "pjsua2 answers a first INVITE with audio only; T.38 in it needs the own stack"
        )
    _check_size(media)


def check_offer(media: Sequence[MediaDescription]) -> None:
    """Raises UnsupportedError for an offer within a call that cannot be sent."""
    if len(media) != 1 or media[0].kind.lower() != "image":
        raise UnsupportedError("pjsua2 offers one T.38 stream within a call, and nothing else")
    _check_size(media)


def check_host(host: str) -> None:
    """Raises UnsupportedError for an IPv6 address."""
    if ":" in host:
        raise UnsupportedError(
            f"pjsua2 was built without IPv6; use an IPv4 address in place of {host}, or the own stack"
        )


def _check_size(media: Sequence[MediaDescription]) -> None:
    origin = Origin("-", str(2**62), 99, "255.255.255.255")
    octets = len(bytes(SessionDescription(origin, origin.address, tuple(media))))
    if octets > MOST_SDP:
        raise UnsupportedError(
            f"pjsua2 takes descriptions of {MOST_SDP} octets; this one may have {octets}; describe less"
        )
