"""Digest authentication (RFC 8760, RFC 7616, RFC 2617): responses of a client, and verification by a server.

This module neither creates nor stores nonces: they are arguments.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from sip.frozen import dataclass
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.headers import TOKEN, quote_string, split_list, take_quoted

MAX_LENGTH = 4096
"""Maximum characters of a parsed header value."""

_MAX_CHALLENGES = 16
"""Maximum challenges parsed from one header field."""

_HASHES = {
    algorithm: name
    for algorithm, name in (("md5", "md5"), ("sha-256", "sha256"), ("sha-512-256", "sha512_256"))
    if name in hashlib.algorithms_available  # some builds of OpenSSL leave the last one out
}
"""Hashes of algorithms, the weakest first (RFC 8760 2.1)."""
_KNOWN = f"{', '.join(name.upper() for name in _HASHES)} with auth or auth-int"
_STRENGTHS = {name: strength for strength, name in enumerate(_HASHES.values())}
_BEGINNING = re.compile(rf"{TOKEN.pattern}[ \t]+{TOKEN.pattern}[ \t]*=")
"""A scheme and the name of its first parameter: here a challenge of a list begins."""
_NONCE_COUNT = re.compile("[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """The value of WWW-Authenticate or Proxy-Authenticate (RFC 7616 3.3)."""

    realm: str
    nonce: str
    algorithm: str | None = None
    """As received; None if absent, which means MD5."""
    qop: tuple[str, ...] = ()
    """In lower case; empty for a server of RFC 2069."""
    opaque: str | None = None
    stale: bool = False
    """The credentials were correct, but the nonce was too old: retry at once with this one."""

    @classmethod
    def parse(cls, header_value: str) -> Challenge:
        """Raises ParseError when it is not a Digest challenge, or has no realm or nonce."""
        params = _parse(header_value)
        # A list in quotes; no other parameter is one.
        qop = params.get("qop", "").lower().split(",")
        return cls(
            realm=_needed(params, "realm"),
            nonce=_needed(params, "nonce"),
            algorithm=params.get("algorithm"),
            qop=tuple(each.strip() for each in qop if each.strip()),
            opaque=params.get("opaque"),
            stale=params.get("stale", "").lower() == "true",
        )

    @classmethod
    def parse_all(cls, header_value: str) -> list[Challenge]:
        """The Digest challenges of a header field, in order; others are ignored (RFC 8760 2.4).

        Each challenge has its own field (RFC 3261 20.44), but many servers write several as in HTTP (RFC 7235
        4.1), separated by commas.
        """
        if len(header_value) > MAX_LENGTH:
            return []
        parts: list[list[str]] = []
        for part in split_list(header_value, ","):
            if _BEGINNING.match(part):
                parts.append([])
            if parts:
                parts[-1].append(part)
        challenges: list[Challenge] = []
        for each in parts[:_MAX_CHALLENGES]:
            with suppress(ParseError):
                challenges.append(cls.parse(",".join(each)))
        return challenges

    @property
    def strength(self) -> tuple[int, bool]:
        """Increases with the hash, and with a qop, which prevents a server from choosing everything that is
        hashed. Valid only if :attr:`supported`."""
        return _STRENGTHS.get(_hash_name(self.algorithm) or "", -1), bool(self.qop)

    @property
    def supported(self) -> bool:
        """Whether we know its algorithm and one of its qualities of protection."""
        return _hash_name(self.algorithm) is not None and (not self.qop or self._quality is not None)

    @property
    def _quality(self) -> str | None:
        """``auth`` before ``auth-int``, which a proxy that touches the body would break."""
        return next((each for each in ("auth", "auth-int") if each in self.qop), None)

    def __str__(self) -> str:
        parts = [f"realm={quote_string(self.realm)}", f"nonce={quote_string(self.nonce)}"]
        if self.algorithm is not None:
            parts.append(f"algorithm={_token(self.algorithm)}")
        if self.qop:
            parts.append(f"qop={quote_string(','.join(self.qop))}")
        if self.opaque is not None:
            parts.append(f"opaque={quote_string(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        return "Digest " + ", ".join(parts)


def make_challenge(
    realm: str, nonce: str, algorithm: str | None = "MD5", *, stale: bool = False
) -> Challenge:
    """A challenge with qop ``auth``, for a server that calls :func:`verify`."""
    return Challenge(realm, nonce, algorithm, ("auth",), stale=stale)


def choose(challenges: Sequence[Challenge]) -> Challenge | None:
    """The strongest supported challenge, the first of several equal ones; None if none is supported.

    RFC 8760 2.4 leaves this policy to the client: not every server lists the best first.
    """
    return max((each for each in challenges if each.supported), key=lambda each: each.strength, default=None)


def cannot_answer(challenges: Sequence[Challenge]) -> str | None:
    """Why none of the challenges is :attr:`Challenge.supported`, as a sentence; None if one is, or there are
    none."""
    if not challenges or choose(challenges) is not None:
        return None
    unknown = [each.algorithm for each in challenges if each.algorithm and not _hash_name(each.algorithm)]
    what = (
        f"algorithm {_list(unknown)}"
        if unknown
        else f"qop {_list(q for each in challenges for q in each.qop)}"
    )
    return f"it asks for the digest {what}, which is not known here; {_KNOWN} are"


def _list(names: Iterable[str]) -> str:
    return ", ".join(list(dict.fromkeys(name[:40] for name in names))[:4])


def authorization(
    challenge: Challenge,
    *,
    username: str,
    password: str,
    method: str,
    uri: str,
    body: bytes = b"",
    nonce_count: int = 1,
    cnonce: str,
) -> str:
    """The value of Authorization or Proxy-Authorization (RFC 7616 3.4).

    ``uri`` is the Request-URI as it is sent; ``nonce_count`` counts the uses of this nonce from 1 to 2**32-1;
    ``cnonce`` is a random word, new for each request. Raises UnsendableError for a challenge that is not
    :attr:`Challenge.supported`.
    """
    if not challenge.supported:
        raise UnsendableError(
            f"the challenge wants {challenge.algorithm or 'MD5'} with qop {','.join(challenge.qop) or 'none'}"
            f"; only {_KNOWN} are known"
        )
    quality = challenge._quality
    count = f"{nonce_count:08x}"
    parts = {
        "username": quote_string(username),
        "realm": quote_string(challenge.realm),
        "nonce": quote_string(challenge.nonce),
        "uri": quote_string(uri),
        "response": quote_string(
            _response(challenge, quality, username, password, method, uri, body, count, cnonce)
        ),
    }
    # Some servers of RFC 2617 refuse an algorithm that they did not name.
    if challenge.algorithm is not None:
        parts["algorithm"] = _token(challenge.algorithm)
    # RFC 2617 3.2.2 forbids a cnonce without qop, but a -sess algorithm hashes one.
    if quality is not None or _is_session(challenge.algorithm):
        parts["cnonce"] = quote_string(cnonce)
    if challenge.opaque is not None:
        parts["opaque"] = quote_string(challenge.opaque)
    if quality is not None:
        # Without quotes, as nc and algorithm (RFC 7616 3.4).
        parts["qop"] = quality
        parts["nc"] = count
    return "Digest " + ", ".join(f"{name}={value}" for name, value in parts.items())


def verify(
    authorization_value: str,
    challenge: Challenge,
    *,
    username: str,
    password: str,
    method: str,
    uri: str,
    body: bytes = b"",
    last_nonce_count: int = 0,
) -> bool:
    """Whether an Authorization value is a valid response to this challenge for this name and password.

    With qop its nonce count must exceed ``last_nonce_count``; others are replays. Never raises for invalid
    values; false for a challenge with an unknown algorithm.
    """
    try:
        params = _parse(authorization_value)
    except ParseError:
        return False
    quality = params.get("qop")
    count = params.get("nc", "")
    cnonce = params.get("cnonce", "")
    if quality is None:
        if challenge.qop:
            return False
    elif (
        quality not in challenge.qop
        or not _NONCE_COUNT.fullmatch(count)
        or int(count, 16) <= last_nonce_count
    ):
        return False
    echoed = (
        params.get("username") == username
        and params.get("realm") == challenge.realm
        and params.get("nonce") == challenge.nonce
        and params.get("uri") == uri
        and params.get("opaque") == challenge.opaque
        and params.get("algorithm", "MD5").lower() == (challenge.algorithm or "MD5").lower()
    )
    if not echoed or not challenge.supported:
        return False
    expected = _response(challenge, quality, username, password, method, uri, body, count, cnonce)
    given = params.get("response", "").lower()
    # In constant time, which does not reveal how many digits are right.
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def claim(authorization_value: str) -> tuple[str, str]:
    """The user name and the nonce of an Authorization value, empty if missing; unverified (see
    :func:`verify`)."""
    try:
        params = _parse(authorization_value)
    except ParseError:
        return "", ""
    return params.get("username", ""), params.get("nonce", "")


def _response(
    challenge: Challenge,
    quality: str | None,
    username: str,
    password: str,
    method: str,
    uri: str,
    body: bytes,
    count: str,
    cnonce: str,
) -> str:
    """RFC 7616 3.4.1 to 3.4.3; without qop the form of RFC 2069."""

    def digest(data: bytes) -> str:
        # MD5 is what most trunks still ask for; ``usedforsecurity`` lets it pass where FIPS forbids it.
        return hashlib.new(_hash_name(challenge.algorithm) or "", data, usedforsecurity=False).hexdigest()

    def joined(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))

    secret = joined(username, challenge.realm, password)
    if _is_session(challenge.algorithm):
        secret = joined(secret, challenge.nonce, cnonce)
    request = [method, uri]
    if quality == "auth-int":
        request.append(digest(body))
    # RFC 2069 hashes neither count nor cnonce.
    if quality is None:
        return joined(secret, challenge.nonce, joined(*request))
    return joined(secret, challenge.nonce, count, cnonce, quality, joined(*request))


def _hash_name(algorithm: str | None) -> str | None:
    """The hash of an algorithm; None for an unknown one."""
    return _HASHES.get((algorithm or "MD5").lower().removesuffix("-sess"))


def _is_session(algorithm: str | None) -> bool:
    return (algorithm or "").lower().endswith("-sess")


def _parse(header_value: str) -> dict[str, str]:
    """The parameters of a Digest header: names in lower case, values unquoted, the first of duplicates."""
    if len(header_value) > MAX_LENGTH:
        raise ParseError(
            f"the Digest header has {len(header_value)} characters; at most {MAX_LENGTH} are read"
        )
    scheme, rest = (*header_value.split(None, 1), "", "")[:2]
    if scheme.lower() != "digest":
        raise ParseError(f"the authentication scheme {scheme[:20]!r} is not Digest")
    params: dict[str, str] = {}
    for part in split_list(rest, ","):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        value = value.strip()
        if not equals or not TOKEN.fullmatch(name):
            continue
        params.setdefault(name, take_quoted(value)[0] if value.startswith('"') else value)
    return params


def _needed(params: dict[str, str], name: str) -> str:
    if name not in params:
        raise ParseError(f"the Digest challenge has no {name}")
    return params[name]


def _token(text: str) -> str:
    if not TOKEN.fullmatch(text):
        raise UnsendableError(f"{text!r} is not the name of a digest algorithm")
    return text
