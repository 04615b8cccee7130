"""SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966).

Components are stored unescaped, and escaped again when the URI is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote, unquote

from sip.frozen import dataclass
from sip.syntax.errors import ParseError, UnsendableError

MAX_LENGTH = 4096
"""Maximum characters of a parsed URI."""

# Underscores are not legal in host names, and are used in those of private networks.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_TEL_NUMBER = re.compile(r"(?=.*[0-9A-Fa-f*#])\+?[0-9A-Fa-f*#().\-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_IN_URI = re.compile(r'[\s<>"\x00-\x1f\x7f-\x9f\ud800-\udfff]')

# Characters allowed unescaped in each component (RFC 3261 25.1), beside letters, digits and "-_.~".
_MARK = "!*'()"
_USER_SAFE = _MARK + "&=+$,;?/"
_PASSWORD_SAFE = _MARK + "&=+$,"
_PARAM_SAFE = _MARK + "[]/:&+$"
_HEADER_SAFE = _MARK + "[]/?:+$"

# RFC 3261 19.1.4: of these a missing one differs from any value, its default included.
_ALWAYS_COMPARED = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class Uri:
    """A parsed URI. ``==`` compares the parts; :meth:`equivalent` compares by RFC 3261 19.1.4.

    ``host`` is without the brackets of an IPv6 reference, and empty in a tel URI, whose number is ``user``.
    Names of ``params`` are in lower case; a parameter without a value has None.
    """

    scheme: str
    """``sip``, ``sips`` or ``tel``."""
    user: str | None
    host: str
    port: int | None = None
    params: Mapping[str, str | None] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The escaped text; raises UnsendableError for an invalid scheme, host or port."""
        if self.scheme == "tel":
            if not _TEL_NUMBER.fullmatch(self.user or ""):
                raise UnsendableError(f"{self.user!r} is not a telephone number")
            return f"tel:{self.user}{self._params()}"
        if self.scheme not in ("sip", "sips"):
            raise UnsendableError(f"{self.scheme!r} is not a scheme of SIP URIs")
        if not is_host(self.host):
            raise UnsendableError(f"{self.host!r} is neither a host name nor an IP address")
        if self.port is not None and not 0 < self.port <= 65535:
            raise UnsendableError(f"{self.port} is not a port; it must be 1..65535")
        text = [self.scheme, ":"]
        if self.user is not None:
            text.append(_escape(self.user, _USER_SAFE))
            if self.password is not None:
                text += [":", _escape(self.password, _PASSWORD_SAFE)]
            text.append("@")
        text.append(f"[{self.host}]" if ":" in self.host else self.host)
        if self.port is not None:
            text.append(f":{self.port}")
        text.append(self._params())
        for mark, (name, value) in zip("?" + "&" * len(self.headers), self.headers, strict=False):
            text.append(f"{mark}{_escape(name, _HEADER_SAFE)}={_escape(value, _HEADER_SAFE)}")
        return "".join(text)

    def _params(self) -> str:
        return "".join(
            f";{_escape(name, _PARAM_SAFE)}" + ("" if value is None else f"={_escape(value, _PARAM_SAFE)}")
            for name, value in self.params.items()
        )

    def as_target(self) -> Uri:
        """Without the parts that a Contact may have but a Request-URI may not (RFC 3261 19.1.1, 19.1.5)."""
        params = {name: value for name, value in self.params.items() if name != "method"}
        return replace(self, params=params, headers=())

    def equivalent(self, other: Uri) -> bool:
        """RFC 3261 19.1.4. No equivalence relation (a parameter that one lacks is ignored), so not ``==``."""
        # The user part is compared with its case, the host without (RFC 3261 19.1.4).
        return (
            self.scheme == other.scheme
            and self.user == other.user
            and self.password == other.password
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and self._params_match(other)
            and _sorted_headers(self) == _sorted_headers(other)
        )

    def _params_match(self, other: Uri) -> bool:
        for name in _ALWAYS_COMPARED:
            if (name in self.params) != (name in other.params):
                return False
        common = self.params.keys() & other.params.keys()
        return all(_folded(self.params[name]) == _folded(other.params[name]) for name in common)


def parse_uri(text: str) -> Uri:
    """Parse a sip, sips or tel URI; raises ParseError, whose message names the remedy."""
    if len(text) > MAX_LENGTH:
        raise ParseError(f"the URI has {len(text)} characters; at most {MAX_LENGTH} are read")
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    # Other schemes cannot be routed by us, and only appear where the text is enough.
    if not colon or scheme not in ("sip", "sips", "tel"):
        raise ParseError(f"{text[:80]!r} is not a SIP URI; write it as sip:number@host")
    if _NOT_IN_URI.search(text):
        raise ParseError(f"{text[:80]!r} has a blank, quote or other character that no URI has; leave it out")
    if _BAD_ESCAPE.search(text):
        raise ParseError(f"a percent sign in {text[:80]!r} is not followed by two hexadecimal digits")
    if scheme == "tel":
        number, _, params = rest.partition(";")
        if not _TEL_NUMBER.fullmatch(number):
            raise ParseError(f"{number[:40]!r} is not a telephone number; write it as tel:+15550100")
        return Uri("tel", number, "", params=_parse_params(params))
    # An "@" elsewhere than before the host must be escaped, so the first one ends the user part.
    userinfo, at, place = rest.partition("@")
    user = password = None
    if at:
        name, colon, secret = userinfo.partition(":")
        user = _unescape(name)
        password = _unescape(secret) if colon else None
        if not user:
            raise ParseError(f"{text[:80]!r} has nothing before the '@'; write it as sip:number@host")
    else:
        place = rest
    place, question, header_text = place.partition("?")
    place, _, params = place.partition(";")
    host, port = parse_host_port(place)
    return Uri(
        scheme,
        user,
        host,
        port,
        _parse_params(params),
        _parse_headers(header_text) if question else (),
        password,
    )


def parse_request_uri(text: str) -> Uri:
    """Parse the target or the caller of a request of ours, as :func:`parse_uri`.

    Raises UnsendableError for parts that such a URI must not have: headers, and a method (RFC 3261 19.1.1).
    """
    uri = parse_uri(text)
    if uri.headers:
        raise UnsendableError(f"{text[:80]!r} has headers after a '?'; leave them out")
    if "method" in uri.params:
        raise UnsendableError(f"{text[:80]!r} names a method; leave it out")
    return uri


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Parse ``host``, ``host:port`` or ``[IPv6]:port``; raises ParseError. Brackets are removed."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        good = bool(bracket) and ":" in host and is_host(host) and colon in ("", ":")
    else:
        host, colon, port = text.partition(":")
        good = is_host(host)
    if not good:
        raise ParseError(f"{text[:80]!r} is not a host; write a name, an IPv4 address or [IPv6]")
    if not colon:
        return host, None
    if not _PORT.fullmatch(port) or not 0 < int(port) <= 65535:
        raise ParseError(f"{port[:20]!r} is not a port; it must be 1..65535")
    return host, int(port)


def is_host(text: str) -> bool:
    """Whether this is a host name, an IPv4 address or an IPv6 address without brackets and zone."""
    if ":" not in text:
        return len(text) <= 253 and _HOST_NAME.fullmatch(text) is not None
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    # A zone (fe80::1%eth0) means something on one machine only.
    return "%" not in text


def _parse_params(text: str) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    for part in filter(None, text.split(";")):
        name, equals, value = part.partition("=")
        key = _unescape(name).lower()
        if not key or key in params:
            raise ParseError(f"the URI parameter {part[:40]!r} has no name or comes twice")
        params[key] = _unescape(value) if equals else None
    return params


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        if not name:
            raise ParseError(f"the URI header {part[:40]!r} has no name")
        pairs.append((_unescape(name), _unescape(value)))
    return tuple(pairs)


def _escape(text: str, safe: str) -> str:
    try:
        return quote(text, safe, errors="surrogateescape")
    except UnicodeEncodeError:
        raise UnsendableError(f"{text!r} has a character that UTF-8 cannot encode") from None


def _unescape(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _folded(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _sorted_headers(uri: Uri) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in uri.headers)
