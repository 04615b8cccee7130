"""Parses what a person dials, and addresses of peers, into the URIs of the INVITE."""

from __future__ import annotations

import re

from sip.syntax.errors import ParseError, SipError
from sip.syntax.headers import NameAddress
from sip.syntax.uri import Uri, is_host, parse_host_port, parse_request_uri, parse_uri
from sip.ua.target import Target
from t38fsp.errors import FaxError

_SEPARATORS = re.compile(r"[\s().\-/]")
# More than the 15 digits of E.164, as access codes and prefixes of a PBX come before them.
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,63}")
"""An extension made of letters. A dot is not allowed, so that a file name given as the number is detected;
two characters are the minimum, so that a dial prefix without a number is."""
# A fax service may put T (tone) or P (pulse) in front of the number (TAPI dialling rules).
_DIAL_PREFIX = re.compile(r"[TtPp](?=[0-9+( ])")
_SHOWN = 80
"""Characters of the input that a message repeats."""


class AddressError(FaxError, ValueError):
    """A number, URI or peer address that cannot be called; the message shows a valid form."""


class NoPeerError(AddressError):
    """A number alone, with no SIP peer to call it through."""

    def __init__(self, number: str) -> None:
        super().__init__(
            f"{number} needs a SIP peer to call it through; name one as via, or write sip:{number}@HOST"
        )
        self.number = number


def peer_address(text: str) -> str:
    """Normalise a peer to ``HOST[:PORT]``, followed by ``;transport=tcp`` or ``tls`` if it names one.

    The peer may be written in that form, as a SIP URI, or (TLS) as a SIPS URI. Raises AddressError.
    """
    bare = text.strip()
    try:
        if bare.lower().startswith(("sip:", "sips:")):
            uri = _callable(bare)
        elif is_host(bare):
            # Also an IPv6 address without its brackets.
            uri = Uri("sip", None, bare)
        else:
            uri = _callable(f"sip:{bare}")
        transport = Target.of(uri).transport
    except SipError as error:
        raise AddressError(f"{text[:_SHOWN]!r} is not a SIP peer: {error}") from error
    # Also for SIPS: in the result the parameter alone tells that TLS is used.
    params = {} if transport is None else {"transport": transport.value.lower()}
    return str(Uri("sip", None, uri.host, uri.port, params)).removeprefix("sip:")


def listen_address(text: str) -> tuple[str, int]:
    """Parse a local address, ``HOST:PORT`` or ``[IPv6]:PORT``; port 0 is any. Raises AddressError."""
    # The parser rejects port 0, which is not valid in an address on the wire but means "any" here.
    host_text, _, port_text = text.rpartition(":")
    try:
        host, port = parse_host_port(host_text if port_text == "0" else text)
    except ParseError as error:
        raise AddressError(f"{text!r}: {error}") from error
    if port_text == "0":
        port = 0
    if port is None:
        raise AddressError(f"{text!r} has no port; write it as HOST:PORT, with port 0 for any")
    return host, port


def host_and_port(peer: str) -> tuple[str, int | None]:
    """Host and port of a result of :func:`peer_address`."""
    uri = parse_uri(f"sip:{peer}")
    return uri.host, uri.port


def target_uri(number_or_uri: str, via: str | None) -> str:
    """The Request-URI for a number (sent to ``via``, a peer address) or a SIP URI. Raises AddressError."""
    dialled = number_or_sip_uri(number_or_uri)
    if isinstance(dialled, Uri):
        return str(dialled)
    if via is None:
        raise NoPeerError(dialled)
    return str(Uri("sip", dialled, *host_and_port(via)))


def number_or_sip_uri(dialled: str) -> Uri | str:
    """Parse what a person wrote: a SIP URI, or a number, returned without separators. Raises AddressError.

    A number may be written with blanks, dots, hyphens, slashes and parentheses, and as a tel URI. The name of
    a PBX extension (2 to 64 letters, digits, ``-`` and ``_``, a letter first) is treated like a number.
    """
    text = dialled.strip()
    scheme = text.partition(":")[0].lower()
    try:
        if scheme in ("sip", "sips"):
            return _callable(text)
        # NAME@HOST is what people write for a SIP address.
        if "@" in text:
            return _callable(f"sip:{text}")
        if scheme == "tel":
            text = parse_uri(text).user or ""
    except SipError as error:
        raise AddressError(str(error)) from error
    # An extension of letters could be a misspelt number with a T or P before it: those are read as
    # dial prefixes.
    # A tel URI holds a number (RFC 3966 3); a name in it is an error.
    if scheme != "tel" and _NAME.fullmatch(text) and not _DIAL_PREFIX.match(text):
        return text
    number = _SEPARATORS.sub("", _DIAL_PREFIX.sub("", text) if _DIAL_PREFIX.match(text) else text)
    if not _NUMBER.fullmatch(number):
        raise AddressError(
            f"{dialled[:_SHOWN]!r} is neither a number nor a SIP URI; write +15550100 or sip:NAME@HOST"
        )
    return number


def caller_address(text: str) -> str:
    """The caller in From: a SIP or tel URI, also as ``Name <URI>``. Raises AddressError."""
    bare = text.strip()
    try:
        named = NameAddress.parse(bare) if "<" in bare else NameAddress("", bare)
        uri = parse_request_uri(named.uri)
        if not bare.isprintable():
            raise ParseError("it has control characters, which are not allowed")
        return str(NameAddress(named.display_name, str(uri)) if named.display_name else uri)
    except SipError as error:
        raise AddressError(
            f"{text[:_SHOWN]!r} is not a caller: {error}; write it like sip:+15550199@trunk.example"
        ) from error


def _callable(text: str) -> Uri:
    """Parse a URI that can be called. Raises ParseError, AddressError."""
    uri = parse_request_uri(text)
    Target.of(uri)
    return uri
