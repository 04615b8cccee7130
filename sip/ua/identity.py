"""Caller identity: P-Asserted-Identity, P-Preferred-Identity and Privacy (RFC 3323, RFC 3325); and what else
the maker of a call wants said in its INVITE.
"""

from __future__ import annotations

from sip.line import CallRequest
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.message import Headers, NameAddress
from sip.syntax.uri import parse_uri
from sip.values import Identity

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""From of an anonymous caller (RFC 3323 4.1.1.3)."""

_PRIVACY = frozenset({"header", "session", "user", "none", "critical", "id", "history"})
OWN_HEADERS = frozenset(
    {"allow", "authorization", "call-id", "contact", "content-length", "content-type", "cseq", "from"}
    | {"max-forwards", "min-se", "proxy-authorization", "route", "session-expires", "supported", "to"}
    | {"user-agent", "via"}
)
"""Headers that only the user agent sets."""
_MAX_ASSERTED = 8
"""Identities that are looked at; two are the most that RFC 3325 allows."""
_HIDING = frozenset({"user", "id"})
"""Values of Privacy with which the caller itself makes From anonymous."""


def hides(identity: Identity) -> bool:
    """Whether From is to be anonymous."""
    return not _HIDING.isdisjoint(identity.privacy)


def headers_of(request: CallRequest) -> list[tuple[str, str]]:
    """Additional headers of the INVITE. Raises ParseError or UnsendableError for values that cannot be
    sent."""
    identity = _identity_headers(request.identity)
    ours = OWN_HEADERS | {name.lower() for name, _ in identity}
    extra = Headers(request.headers)
    for name, _ in extra:
        if name.lower() in ours:
            raise UnsendableError(f"{name} is a header that the user agent sets itself")
    return [*identity, *extra]


def _identity_headers(identity: Identity) -> list[tuple[str, str]]:
    asserted = [_address(text) for text in identity.asserted]
    # RFC 3325 9.1: at most two values, and then one is a tel URI.
    if len({address.uri.partition(":")[0] == "tel" for address in asserted}) != len(asserted):
        raise UnsendableError("an identity is one SIP URI, one tel URI, or one of each")
    fields = [("P-Asserted-Identity", str(address)) for address in asserted]
    if identity.preferred is not None:
        fields.append(("P-Preferred-Identity", str(_address(identity.preferred))))
    if identity.privacy:
        for value in identity.privacy:
            if value not in _PRIVACY:
                raise UnsendableError(f"{value!r} is not a privacy value; use {', '.join(sorted(_PRIVACY))}")
        fields.append(("Privacy", ";".join(identity.privacy)))
    return fields


def asserted_identity(headers: Headers) -> NameAddress | None:
    """The first identity in P-Asserted-Identity that can be read; None without one."""
    for value in headers.get_all("P-Asserted-Identity")[:_MAX_ASSERTED]:
        try:
            return _address(value)
        except ParseError:
            continue
    return None


def _address(text: str) -> NameAddress:
    address = NameAddress.parse(text)
    parse_uri(address.uri)
    return address
