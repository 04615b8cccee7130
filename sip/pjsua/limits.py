"""Checks for what PJSIP, as bound by ``pjsua2-python`` 2.15.1, cannot do, before anything is sent.

The table in :mod:`sip.pjsua` is complete; this module checks what can be known from arguments.
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
"""Octets of a session description that the bindings accept."""
MOST_REGISTRATIONS = 6
"""PJSIP has room for eight accounts, and calls need one."""


def check_request(request: CallRequest) -> None:
    """Raises UnsupportedError for a call that cannot be placed over PJSIP, ParseError or UnsendableError for
    one that no stack can place."""
    parse_request_uri(NameAddress.parse(request.caller).uri)
    if any(media.kind.lower() != "audio" for media in request.media) or len(request.media) > 1:
        raise UnsupportedError(
            "pjsua2 begins every call with one audio stream; T.38 in the first INVITE needs the backend "
            "'own', or another switch policy"
        )
    if not request.destination:
        raise UnsupportedError("pjsua2 does not look up names; set the hops of the INVITE")
    headers_of(request)
    if parse_request_uri(request.target).scheme == "sips":
        raise UnsupportedError("pjsua2 does not support sips: URIs; use sip: and a hop over TLS")
    for hop in request.destination:
        check_host(hop.host)
        check_host(request.media_address_for(hop))
    _check_size(request.media)


def check_registration(request: RegistrationRequest, others: int) -> None:
    """Raises UnsupportedError for a registration that PJSIP cannot keep besides ``others``, the number of
    present ones; ParseError or UnsendableError for one that no stack can keep."""
    if others >= MOST_REGISTRATIONS:
        raise UnsupportedError(
            f"pjsua2 keeps {MOST_REGISTRATIONS} registrations at a time; use the backend 'own'"
        )
    registration_messages.check_request(request)
    for hop in request.destination:
        check_host(hop.host)


def check_accept(media: Sequence[MediaDescription]) -> None:
    """Raises UnsupportedError for an answer to a first INVITE that cannot be given."""
    if not any(each.kind.lower() == "audio" and not each.rejected for each in media):
        raise UnsupportedError(
            "pjsua2 answers a first INVITE with audio only; T.38 in it needs the backend 'own'"
        )
    _check_size(media)


def check_offer(media: Sequence[MediaDescription]) -> None:
    """Raises UnsupportedError for an offer within a call that cannot be sent."""
    if len(media) != 1 or media[0].kind.lower() != "image":
        raise UnsupportedError("pjsua2 can offer only one T.38 stream within a call")
    _check_size(media)


def check_host(host: str) -> None:
    """Raises UnsupportedError for an IPv6 address."""
    if ":" in host:
        raise UnsupportedError(
            f"pjsua2 was built without IPv6; use an IPv4 address in place of {host}, or the backend 'own'"
        )


def _check_size(media: Sequence[MediaDescription]) -> None:
    origin = Origin("-", str(2**62), 99, "255.255.255.255")
    octets = len(bytes(SessionDescription(origin, origin.address, tuple(media))))
    if octets > MOST_SDP:
        raise UnsupportedError(
            f"pjsua2 takes session descriptions of {MOST_SDP} octets; this one may have {octets}; shorten it"
        )
