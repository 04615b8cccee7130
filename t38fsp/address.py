"""From what a person dials to the URI of the INVITE."""

from __future__ import annotations

import re

from sip.errors import ParseError
from sip.uri import Uri, parse_host_port, parse_uri

_SEPARATORS = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
# A fax service may put T (tone) or P (pulse) in front of the number (TAPI dialling rules).
_DIAL_PREFIX = re.compile(r"[TtPp](?=[0-9+( ])")


class AddressError(ValueError):
    """A number, URI or peer address that cannot be called; the message says what would do."""


def peer_address(text: str) -> str:
    """The ``host[:port]`` of ``--via``: ``sip:HOST[:PORT]`` or ``HOST[:PORT]``. Raises AddressError."""
    bare = text.strip()
    try:
        if bare.lower().startswith(("sip:", "sips:")):
            uri = parse_uri(bare)
            if uri.scheme == "sips" or uri.params.get("transport", "udp") not in (None, "udp", "UDP"):
                raise AddressError(
                    f"{text!r} asks for TLS or TCP; this version calls over UDP: sip:HOST[:PORT]"
                )
            host, port = uri.host, uri.port
        else:
            host, port = parse_host_port(bare)
    except ParseError as error:
        raise AddressError(f"{text!r} is no SIP peer: {error}") from error
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def target_uri(number_or_uri: str, via: str | None) -> str:
    """The Request-URI for a number (sent to ``via``, ``host[:port]``) or a SIP URI. Raises AddressError."""
    text = number_or_uri.strip()
    if text.lower().startswith(("sip:", "sips:")):
        try:
            uri = parse_uri(text)
        except ParseError as error:
            raise AddressError(str(error)) from error
        if uri.scheme == "sips" or (uri.params.get("transport") or "udp").lower() != "udp":
            raise AddressError(f"{text!r} asks for TLS or TCP; this version calls over UDP: sip:NUMBER@HOST")
        return str(uri)
    if "@" in text:
        return target_uri(f"sip:{text}", via)
    number = _SEPARATORS.sub("", _DIAL_PREFIX.sub("", text) if _DIAL_PREFIX.match(text) else text)
    if not _NUMBER.fullmatch(number):
        raise AddressError(
            f"{number_or_uri!r} is neither a number nor a SIP URI; write +15550100 or sip:NAME@HOST"
        )
    if via is None:
        raise AddressError(
            f"the number {number} needs a SIP peer to call it through: --via sip:HOST, or sip:{number}@HOST"
        )
    host, port = parse_host_port(via)
    return str(Uri("sip", number, host, port))
