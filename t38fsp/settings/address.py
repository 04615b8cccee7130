"""From what a person dials to the URIs of the INVITE."""

from __future__ import annotations

import re

from sip.syntax.errors import ParseError, SipError
from sip.syntax.headers import NameAddress
from sip.syntax.uri import Uri, is_host, parse_host_port, parse_request_uri, parse_uri
from sip.ua.target import Target
from t38fsp.errors import FaxError

_SEPARATORS = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,63}")
"""An extension of letters. No dot, so that a file name given as the number is noticed; two characters at
least, so that a dial prefix without its number is."""
# A fax service may put T (tone) or P (pulse) in front of the number (TAPI dialling rules).
_DIAL_PREFIX = re.compile(r"[TtPp](?=[0-9+( ])")
_SHOWN = 80
"""Characters of what was given that a message repeats."""


class AddressError(FaxError, ValueError):
    """A number, URI or peer address that cannot be called; the message says what would do."""


class NoPeerError(AddressError):
    """A number alone, and nothing that says through whom it is called."""

    def __init__(self, number: str) -> None:
        super().__init__(
            f"{number} needs a SIP peer to call it through: name one as via, or write sip:{number}@HOST"
        )
        self.number = number


def peer_address(text: str) -> str:
    """The ``HOST[:PORT]``, with ``;transport=tcp`` or ``tls`` behind it if it is said, of a peer.

    It may be written so, as a SIP URI, or (TLS) as a SIPS URI. Raises AddressError.
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
        raise AddressError(f"{text[:_SHOWN]!r} is no SIP peer: {error}") from error
    params = {} if transport is None else {"transport": transport.value.lower()}
    return str(Uri("sip", None, uri.host, uri.port, params)).removeprefix("sip:")


def listen_address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` of ours, ``[IPv6]:PORT``; port 0 is any. Raises AddressError."""
    # Port 0 is no port of an address, but means something here.
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
    """Of what :func:`peer_address` returned."""
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
    """The SIP URI, or the number without separators, that a person wrote. Raises AddressError.

    A number may be written with blanks, dots, hyphens, slashes and parentheses, and as a tel URI. The name of
    an extension of a PBX (2 to 64 letters, digits, ``-`` and ``_``, a letter first) stands for a number.
    """
    text = dialled.strip()
    scheme = text.partition(":")[0].lower()
    try:
        if scheme in ("sip", "sips"):
            return _callable(text)
        if "@" in text:
            return _callable(f"sip:{text}")
        if scheme == "tel":
            text = parse_uri(text).user or ""
    except SipError as error:
        raise AddressError(str(error)) from error
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
            raise ParseError("it has control characters, which no caller has")
        return str(NameAddress(named.display_name, str(uri)) if named.display_name else uri)
    except SipError as error:
        raise AddressError(
            f"{text[:_SHOWN]!r} is no caller: {error}; an example is sip:+15550199@trunk.example"
        ) from error


def _callable(text: str) -> Uri:
    """Read the URI of something to call. Raises ParseError, AddressError."""
    uri = parse_request_uri(text)
    Target.of(uri)
    return uri
