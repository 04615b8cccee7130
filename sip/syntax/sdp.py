"""Session descriptions (RFC 8866): liberal in parsing, strict in writing.

Accepted: any line end, missing ``o=``, ``s=`` and ``t=``, lines in any order, unknown lines and attributes.
Media lines and attributes keep their order and spelling, because answers must mirror them (RFC 3264 6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address

from sip.syntax.errors import ParseError, UnsendableError

MAX_OCTETS = 16 * 1024
MAX_MEDIA = 32
MAX_ATTRIBUTES = 256
"""Maximum of the session and all its media together."""

_NO_FORMAT = "*"
"""Format of a line without any, as some peers write it to reject a stream; the grammar requires one."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_TOKEN = re.compile(r"\S+")
_LINE = re.compile(r"[^\r\n\0]*")
_NUMBER = re.compile(r"[0-9]{1,20}")


class Direction(StrEnum):
    """RFC 8866 6.7, seen by the side that wrote the description."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


_DIRECTIONS = frozenset(direction.value for direction in Direction)


@dataclass(frozen=True, slots=True)
class Attribute:
    """``a=name`` or ``a=name:value``. Names compare without regard to case, and keep their spelling."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One media description: an ``m=`` line and the lines after it (RFC 8866 5.14)."""

    kind: str
    """``audio``, ``image``, …"""
    port: int
    """0..65535; 0 rejects the stream (RFC 3264 6)."""
    protocol: str
    """``RTP/AVP``, ``udptl`` in the peer's spelling, …"""
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()
    address: str | None = None
    """Address of the media level ``c=`` line, which takes precedence over the session's."""

    @property
    def rejected(self) -> bool:
        return self.port == 0

    @property
    def direction(self) -> Direction | None:
        """The first direction attribute; None if the one of the session applies."""
        return _direction(self.attributes)

    def directed(self, direction: Direction) -> MediaDescription:
        """A copy with this direction; sendrecv is the default and not written."""
        if (self.direction or Direction.SENDRECV) is direction:
            return self
        others = tuple(each for each in self.attributes if each.name.lower() not in _DIRECTIONS)
        ours = () if direction is Direction.SENDRECV else (Attribute(direction.value),)
        return replace(self, attributes=others + ours)

    def get(self, name: str) -> str | None:
        """Value of the first attribute of that name; None if it is absent or has no value."""
        return next((a.value for a in self.attributes if a.name.lower() == name.lower()), None)

    def has(self, name: str) -> bool:
        return any(a.name.lower() == name.lower() for a in self.attributes)


@dataclass(frozen=True, slots=True)
class Origin:
    """The ``o=`` line (RFC 8866 5.2)."""

    username: str
    session_id: str
    version: int
    address: str


_NO_ORIGIN = Origin("-", "0", 0, "0.0.0.0")


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description.

    ``address`` is that of the session-level ``c=`` line: IPv4, IPv6 or a host name, without TTL.
    """

    origin: Origin
    address: str | None
    media: tuple[MediaDescription, ...]
    attributes: tuple[Attribute, ...] = ()
    name: str = "-"

    @classmethod
    def parse(cls, data: bytes | str) -> SessionDescription:
        """Parse a description; raises ParseError if it is invalid, or exceeds the limits above.

        Every stream that is not rejected has an address then.
        """
        octets = data.encode("utf-8", "replace") if isinstance(data, str) else data
        if len(octets) > MAX_OCTETS:
            raise ParseError(f"the SDP has {len(octets)} octets; at most {MAX_OCTETS} are read")
        # Some stacks send the NUL that ends a C string as part of the body.
        text = octets.decode("utf-8", "replace").rstrip("\0")
        # Elsewhere it would end the text for those that read it as a C string.
        if "\0" in text:
            raise ParseError("the SDP contains a NUL octet")
        reader = _Reader()
        for line in _LINE_END.split(text):
            letter, equals, value = line.strip().partition("=")
            if equals and len(letter) == 1:
                reader.line(letter, value.strip())
        return reader.result()

    def __bytes__(self) -> bytes:
        """The description with CRLF line ends; raises UnsendableError for an invalid value."""
        origin = self.origin
        lines = [
            "v=0",
            f"o={_token(origin.username)} {_token(origin.session_id)} {origin.version} "
            + _place(origin.address),
            f"s={self.name or '-'}",
        ]
        if self.address is not None:
            lines.append(f"c={_place(self.address)}")
        # RFC 3264 5: a call has no times; the line is required.
        lines.append("t=0 0")
        lines += [f"a={attribute}" for attribute in self.attributes]
        for media in self.media:
            if not 0 <= media.port <= 65535:
                raise UnsendableError(f"{media.port} is not a port for m={media.kind}; it must be 0..65535")
            if not media.rejected and self.address is None and media.address is None:
                raise UnsendableError(f"m={media.kind} has no address, neither its own nor the session's")
            formats = " ".join(_token(each) for each in media.formats) or _NO_FORMAT
            lines.append(f"m={_token(media.kind)} {media.port} {_token(media.protocol)} {formats}")
            if media.address is not None:
                lines.append(f"c={_place(media.address)}")
            lines += [f"a={attribute}" for attribute in media.attributes]
        for line in lines:
            if not _LINE.fullmatch(line):
                raise UnsendableError(f"the SDP line {line!r} contains CR, LF or NUL")
        return "".join(line + "\r\n" for line in lines).encode("utf-8", "replace")

    def address_of(self, media: MediaDescription) -> str:
        """The address where ``media`` is received: its own ``c=``, the session's, or (if rejected) ``o=``."""
        return canonical_host(media.address or self.address or self.origin.address)

    def direction_of(self, media: MediaDescription) -> Direction:
        """Its own direction, the session's, or sendrecv (RFC 8866 6.7)."""
        return media.direction or _direction(self.attributes) or Direction.SENDRECV


def canonical_host(host: str) -> str:
    """The canonical form (RFC 5952) of an IP address, as sockets return it; a name in lower case."""
    try:
        return ip_address(host).compressed
    except ValueError:
        return host.lower()


@dataclass(slots=True)
class _OpenMedia:
    """An ``m=`` line whose attributes are still being read."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: list[Attribute] = field(default_factory=list)
    address: str | None = None

    def close(self) -> MediaDescription:
        return MediaDescription(
            self.kind, self.port, self.protocol, self.formats, tuple(self.attributes), self.address
        )


class _Reader:
    """Collects the lines of one description."""

    def __init__(self) -> None:
        self.version_seen = False
        self.origin = _NO_ORIGIN
        self.name = "-"
        self.address: str | None = None
        self.attributes: list[Attribute] = []
        self.attribute_count = 0
        self.media: list[_OpenMedia] = []

    def line(self, letter: str, value: str) -> None:
        if letter == "v":
            if value != "0":
                raise ParseError(f"v={value[:20]} is not a version of SDP that exists; only v=0 does")
            self.version_seen = True
        elif letter == "o":
            self.origin = _parse_origin(value)
        elif letter == "s":
            self.name = value or "-"
        elif letter == "c":
            self._connection(value)
        elif letter == "a":
            self._attribute(value)
        elif letter == "m":
            if len(self.media) == MAX_MEDIA:
                raise ParseError(f"the SDP has more than {MAX_MEDIA} m= lines")
            self.media.append(_parse_media(value))

    def _connection(self, value: str) -> None:
        fields = value.split()
        if len(fields) < 3 or fields[0].upper() != "IN" or fields[1].upper() not in ("IP4", "IP6"):
            raise ParseError(f"c={value[:60]} is not 'IN IP4 address' or 'IN IP6 address'")
        # After the slash: TTL and number of addresses of multicast (RFC 8866 5.7), which is not for us.
        address = fields[2].partition("/")[0]
        if not address:
            raise ParseError(f"c={value[:60]} has no address")
        # Further c= lines of one stream are for multicast layers (RFC 8866 5.7).
        if self.media:
            self.media[-1].address = self.media[-1].address or address
        else:
            self.address = self.address or address

    def _attribute(self, value: str) -> None:
        name, colon, rest = value.partition(":")
        name = name.strip()
        if not name:
            return
        self.attribute_count += 1
        if self.attribute_count > MAX_ATTRIBUTES:
            raise ParseError(f"the SDP has more than {MAX_ATTRIBUTES} attributes")
        attributes = self.media[-1].attributes if self.media else self.attributes
        attributes.append(Attribute(name, rest.strip() if colon else None))

    def result(self) -> SessionDescription:
        if not self.version_seen and not self.media:
            raise ParseError("the body is not SDP: it has neither a v= nor an m= line")
        for media in self.media:
            # A rejected stream needs no address, and some leave it out there.
            if media.port and not (media.address or self.address):
                raise ParseError(f"no c= line gives an address for m={media.kind[:20]}")
        return SessionDescription(
            self.origin,
            self.address,
            tuple(media.close() for media in self.media),
            tuple(self.attributes),
            self.name,
        )


def _parse_origin(value: str) -> Origin:
    """Lenient: little depends on ``o=`` of the far end, so an invalid one does not fail the description."""
    fields = value.split()
    if len(fields) < 6:
        return _NO_ORIGIN
    version = int(fields[2]) if _NUMBER.fullmatch(fields[2]) else 0
    return Origin(fields[0], fields[1], version, fields[5])


def _parse_media(value: str) -> _OpenMedia:
    fields = value.split()
    if len(fields) < 3:
        raise ParseError(f"m={value[:60]} is not 'media port protocol formats'")
    # ``port/number of ports`` (RFC 8866 5.14): the further ones are of layers that we do not use.
    port_text = fields[1].partition("/")[0]
    # -1 is out of range, and gets the message below.
    port = int(port_text) if _NUMBER.fullmatch(port_text) else -1
    if not 0 <= port <= 65535:
        raise ParseError(f"the port of m={value[:60]} is not 0..65535")
    return _OpenMedia(fields[0], port, fields[2], tuple(fields[3:]) or (_NO_FORMAT,))


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    for attribute in attributes:
        name = attribute.name.lower()
        if name in _DIRECTIONS:
            return Direction(name)
    return None


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise UnsendableError(f"{text!r} cannot be part of an SDP line; it must be one word")
    return text


def _place(address: str) -> str:
    return f"IN {'IP6' if ':' in address else 'IP4'} {_token(address)}"
