"""Header fields of SIP messages (RFC 3261 7.3, 20) and the values that a user agent reads and writes.

Values are kept as received, including octets that are not UTF-8 (as surrogate escapes), so that they can be
echoed exactly. The typed values show such octets as U+FFFD. Every layer parses some of the same values, so
the results are cached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache

from sip.frozen import dataclass
from sip.syntax.errors import ParseError, UnsendableError

COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
}
"""RFC 3261 7.3.3 and the IANA registry of header fields."""

# Authorization and its like are missing here: commas separate the parameters of one value there
# (RFC 3261 7.3.1).
_LISTS = frozenset(
    [
        "accept",
        "accept-contact",
        "accept-encoding",
        "accept-language",
        "alert-info",
        "allow",
        "allow-events",
        "call-info",
        "contact",
        "content-encoding",
        "content-language",
        "diversion",
        "error-info",
        "history-info",
        "in-reply-to",
        "p-asserted-identity",
        "p-preferred-identity",
        "path",
        "proxy-require",
        "reason",
        "record-route",
        "require",
        "route",
        "service-route",
        "supported",
        "unsupported",
        "via",
        "warning",
    ]
)
"""Header fields whose grammar is a comma-separated list; in any other a comma is part of the value."""

MAX_PARAMS = 64
"""Parameters of one value."""

_TOKEN_CHARS = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = re.compile(rf"[{_TOKEN_CHARS}]+")
"""RFC 3261 25.1."""
# A token, or a host with the brackets and colons of IPv6, as in maddr and received (RFC 3261 25.1).
_BARE_VALUE = re.compile(rf"[{_TOKEN_CHARS}\[\]:]+")
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+"
# Of any version: a request of another one is answered, too (RFC 3261 21.5.6).
# Blanks around the slashes and the colon are legal (RFC 3261 25.1, SLASH and COLON), and some write them.
_VIA = re.compile(
    rf"SIP ?/ ?[0-9]{{1,3}}\.[0-9]{{1,3}} ?/ ?({TOKEN.pattern}) ({_HOST}) ?(?:: ?([0-9]{{1,5}}))?",
    re.IGNORECASE,
)
_CSEQ = re.compile(rf"([0-9]{{1,10}})[ \t]+({TOKEN.pattern})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE_IN_URI = re.compile(r'[\s<>"\x00-\x1f\x7f-\x9f]')
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
# What is never closed shields all that follows.
_SHIELDED = {
    separator: re.compile(rf'"[^"\\]*(?:\\.[^"\\]*)*"?|<[^>]*>?|{separator}', re.DOTALL) for separator in ",;"
}
_SHIELD = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*("?)|<[^>]*(>?)', re.DOTALL)


class Headers:
    """An ordered multi-map of header fields; names compare without regard to case.

    Compact names are expanded. No value with CR or LF gets in: it would end its header and begin another.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = [_checked(name, value) for name, value in fields]

    def get(self, name: str) -> str | None:
        """The complete value of the first field of that name, including commas."""
        wanted = _key(name)
        return next((value for each, value in self._fields if each.lower() == wanted), None)

    def get_all(self, name: str) -> list[str]:
        """Every value in order; comma-separated lists are split where the grammar has them. Never raises."""
        values = self.lines(name)
        if _key(name) not in _LISTS:
            return values
        return [element for value in values for element in split_list(value, ",") if element]

    def lines(self, name: str) -> list[str]:
        """The complete value of every field (line) of that name."""
        wanted = _key(name)
        return [value for each, value in self._fields if each.lower() == wanted]

    def count(self, name: str) -> int:
        """Number of fields (lines) of that name."""
        wanted = _key(name)
        return sum(each.lower() == wanted for each, _ in self._fields)

    def add(self, name: str, value: str) -> None:
        """Append a field; raises UnsendableError for a bad name or a value with CR or LF."""
        self._fields.append(_checked(name, value))

    def set(self, name: str, value: str) -> None:
        """Replace all fields of that name by one, or append it; raises as :meth:`add`."""
        new = _checked(name, value)
        wanted = _key(name)
        at = self._position(wanted)
        kept = [f for i, f in enumerate(self._fields) if i < at or f[0].lower() != wanted]
        # In the place of the first one: proxies may read Via and Route only from the top.
        self._fields = [*kept[:at], new, *kept[at:]]

    def set_first(self, name: str, value: str) -> None:
        """Replace the first field of that name, or append one; the other fields are kept.

        Raises as :meth:`add`.
        """
        at = self._position(_key(name))
        self._fields[at : at + 1] = [_checked(name, value)]

    def _position(self, wanted: str) -> int:
        return next((i for i, (each, _) in enumerate(self._fields) if each.lower() == wanted), len(self))

    def remove(self, name: str) -> None:
        """Remove every field of that name."""
        wanted = _key(name)
        self._fields = [each for each in self._fields if each[0].lower() != wanted]

    def insert_first(self, name: str, value: str) -> None:
        """Insert a field before all others, as for Via and Record-Route; raises as :meth:`add`."""
        self._fields.insert(0, _checked(name, value))

    def copy(self) -> Headers:
        twin = Headers()
        twin._fields = self._fields.copy()
        return twin

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.count(name) > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._fields == other._fields

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop (RFC 3261 20.42, rport of RFC 3581). ``host`` is without the brackets of an IPv6 reference."""

    transport: str
    host: str
    port: int | None = None
    params: Mapping[str, str | None] = field(default_factory=dict)

    # Each layer parses the same few values anew, rather than passing parsed ones along; 128 of them are kept.
    @classmethod
    @lru_cache
    def parse(cls, text: str) -> Via:
        """Parse one element of a Via header; raises ParseError."""
        sent_by, semicolon, params = _printable(text).partition(";")
        match = _VIA.fullmatch(" ".join(sent_by.split()))
        if match is None:
            raise ParseError(f"Via {text[:60]!r} is not 'SIP/2.0/transport host:port'")
        transport, host, port = match.groups()
        if port is not None and not 0 < int(port) <= 65535:
            raise ParseError(f"the port {port} in Via is not 1..65535")
        number = None if port is None else int(port)
        return cls(transport.upper(), host.strip("[]"), number, parse_params(semicolon + params))

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        value = self.params.get("received")
        # RFC 5118 4.5: IPv6 in received comes with brackets and without.
        return None if value is None else value.strip("[]")

    @property
    def rport(self) -> int | None:
        """The port filled in by the receiver; None if absent, empty (only requested) or invalid."""
        value = self.params.get("rport") or ""
        return int(value) if re.fullmatch("[0-9]{1,5}", value) and 0 < int(value) <= 65535 else None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {host}{port}{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """RFC 3261 20.16."""

    number: int
    method: str

    @classmethod
    @lru_cache
    def parse(cls, text: str) -> CSeq:
        """Parse the value of a CSeq header; raises ParseError, also for a number of more than 32 bits."""
        match = _CSEQ.fullmatch(text.strip())
        # RFC 3261 8.1.1.5 has it below 2**31 at the start, and 32 bits in all.
        if match is None or int(match[1]) >= 2**32:
            raise ParseError(f"CSeq {text[:40]!r} is not a number below 2**32 and a method")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class NameAddress:
    """From, To, Contact, Route and similar (RFC 3261 20.10). ``uri`` is the text of a URI of any scheme."""

    display_name: str
    uri: str
    params: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    @lru_cache
    def parse(cls, text: str) -> NameAddress:
        """Parse a name-addr or an addr-spec with header parameters; raises ParseError.

        Without angle brackets everything after a semicolon belongs to the header, not to the URI.
        """
        rest = _printable(text).strip()
        if rest.startswith('"'):
            name, rest = take_quoted(rest)
            rest = rest.lstrip()
            if not rest.startswith("<"):
                raise ParseError(f"no '<' follows the display name in {text[:60]!r}")
            bracketed = rest[1:]
        else:
            name, bracket, bracketed = rest.partition("<")
            name = name.strip()
            if not bracket:
                # RFC 3261 20.10: what a URI of this form seems to have as parameters belongs to the header.
                uri, semicolon, params = rest.partition(";")
                return cls("", _plausible_uri(uri.strip(), text), parse_params(semicolon + params))
        uri, bracket, params = bracketed.partition(">")
        params = params.strip()
        if not bracket or (params and not params.startswith(";")):
            raise ParseError(f"{text[:60]!r} is not 'name <uri>;parameters'")
        return cls(name, _plausible_uri(uri.strip(), text), parse_params(params))

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    def __str__(self) -> str:
        """The name-addr form; raises UnsendableError for a URI with characters that would end it early."""
        if _UNSAFE_IN_URI.search(self.uri):
            raise UnsendableError(
                f"{self.uri!r} is not a URI: it has a blank, quote, angle bracket or control character"
            )
        name = f"{quote_string(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"


def parse_params(text: str) -> dict[str, str | None]:
    """Parse ``;name=value;name`` into a dict with names in lower case and unquoted values.

    If a name occurs twice, its first value is used. Raises ParseError for a name that is not a token, an
    unclosed quote or bracket, and more than 64 parameters. So a parameter that is appended to a valid value
    is parsed as one.
    """
    params: dict[str, str | None] = {}
    parts = [part for part in split_list(text, ";") if part]
    if len(parts) > MAX_PARAMS:
        raise ParseError(f"{text[:40]!r} begins {len(parts)} parameters; at most {MAX_PARAMS} are read")
    if not _is_closed(text):
        raise ParseError(f"a quote or bracket in {text[:60]!r} is never closed")
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        value = value.strip()
        if not TOKEN.fullmatch(name):
            raise ParseError(f"{name[:40]!r} is not the name of a parameter")
        if value.startswith('"'):
            value, after = take_quoted(value)
            if after.strip():
                raise ParseError(f"text follows the quoted value of the parameter {name[:40]!r}")
        # The first one: that is what an element before us read, too.
        params.setdefault(name.lower(), value if equals else None)
    return params


def format_params(params: Mapping[str, str | None]) -> str:
    """``;name=value`` for each; values that are neither tokens nor hosts are quoted."""
    parts: list[str] = []
    for name, value in params.items():
        if not TOKEN.fullmatch(name):
            raise UnsendableError(f"{name!r} is not the name of a parameter")
        if value is None:
            parts.append(f";{name}")
        else:
            parts.append(f";{name}={value if _BARE_VALUE.fullmatch(value) else quote_string(value)}")
    return "".join(parts)


def q850_cause(headers: Headers) -> int | None:
    """The Q.850 cause (1..127) of a Reason header (RFC 3326); None without a valid one."""
    for value in headers.get_all("Reason"):
        protocol, semicolon, params = value.partition(";")
        if protocol.strip().lower() != "q.850":
            continue
        try:
            cause = parse_params(semicolon + params).get("cause") or ""
        except ParseError:
            continue
        if re.fullmatch("[0-9]{1,3}", cause) and 1 <= int(cause) <= 127:
            return int(cause)
    return None


def _key(name: str) -> str:
    lower = name.lower()
    return COMPACT_FORMS[lower].lower() if lower in COMPACT_FORMS else lower


def _checked(name: str, value: str) -> tuple[str, str]:
    if not TOKEN.fullmatch(name):
        raise UnsendableError(f"{name!r} is not the name of a header")
    if "\r" in value or "\n" in value:
        raise UnsendableError(f"the value of {name} contains CR or LF")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnsendableError(f"the value of {name} has a character that UTF-8 cannot encode") from None
    return COMPACT_FORMS.get(name.lower(), name), value.strip(" \t")


def split_list(text: str, separator: str) -> list[str]:
    """The stripped parts between separators outside quotes and angle brackets, in linear time."""
    if separator not in text:
        return [text.strip()]
    if '"' not in text and "<" not in text:
        return [part.strip() for part in text.split(separator)]
    parts: list[str] = []
    begin = 0
    for match in _SHIELDED[separator].finditer(text):
        if match[0] == separator:
            parts.append(text[begin : match.start()].strip())
            begin = match.end()
    parts.append(text[begin:].strip())
    return parts


def _is_closed(text: str) -> bool:
    """Whether every quote and angle bracket that shields text from separators has its end."""
    if '"' not in text and "<" not in text:
        return True
    return all(match[1] or match[2] for match in _SHIELD.finditer(text))


def take_quoted(text: str) -> tuple[str, str]:
    """The content of the quoted string at the beginning of ``text``, and the rest."""
    match = _QUOTED.match(text)
    if match is None:
        raise ParseError(f"the quote in {text[:60]!r} is never closed")
    # A backslash escapes any character, itself included: so split at pairs first.
    content = "\\".join(part.replace("\\", "") for part in match[1].split("\\\\"))
    return content, text[match.end() :]


def quote_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _printable(text: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _plausible_uri(uri: str, text: str) -> str:
    if not re.match("[A-Za-z][A-Za-z0-9+.-]*:.", uri) or _UNSAFE_IN_URI.search(uri):
        raise ParseError(f"no URI in {text[:60]!r}")
    return uri
