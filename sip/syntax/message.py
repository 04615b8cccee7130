"""SIP requests and responses as datagrams (RFC 3261 7, 18.3, 20).

Reading is liberal where field experience asks for it: LF line ends, folding, compact forms, header lines that
are not needed and malformed. What a user agent needs is checked once, by ``validate``.
"""

from __future__ import annotations

import re
from dataclasses import field

from sip.frozen import dataclass
from sip.logs import printable
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.headers import (
    MAX_PARAMS,
    TOKEN,
    CSeq,
    Headers,
    NameAddress,
    Via,
    format_params,
    parse_params,
    q850_cause,
)

__all__ = [
    "CSeq",
    "Headers",
    "Message",
    "NameAddress",
    "Request",
    "Response",
    "Via",
    "format_params",
    "parse_message",
    "parse_params",
    "q850_cause",
]

# A UDP datagram has no more; on a stream it bounds what a peer can have us hold.
MAX_OCTETS = 64 * 1024
MAX_HEAD = 32 * 1024
"""Octets of the start line and all header fields."""
MAX_HEADERS = 256
"""Header lines, including lines that are not headers and are ignored."""
MAX_LINE = 8 * 1024
"""Characters of the start line, and of one header with its continuation lines."""
MAX_ELEMENTS = 100
"""Elements of Via, or of another list that is parsed before authentication; Max-Forwards allows about 70
hops."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LINE_END = re.compile(r"\r?\n")
_LINE_ROOM = 256
_HEAD_ROOM = 2 * 1024
"""Characters and octets that the limits reserve for what a response adds: ``received`` and ``rport``, a tag,
and header fields of its own. So a response to any request that can be read can be read by the same rules."""
_COPIED = frozenset({"via", "record-route", "from", "to", "call-id", "cseq", "timestamp"})
"""Header fields that a response repeats (RFC 3261 8.2.6)."""
_VERSION = re.compile(r"SIP/([0-9]{1,3}\.[0-9]{1,3})", re.IGNORECASE)
# The space before an empty reason phrase is missing in some; the grammar has it (RFC 3261 25.1).
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?", re.IGNORECASE)
_URI = re.compile(r"[^\s<>\x00-\x1f\x7f-\x9f]+")
# RFC 3311 5.1 for UPDATE. Our other requests do not change a target.
_TARGETING = ("INVITE", "UPDATE")
"""Requests whose Contact is the target of further requests (RFC 3261 12)."""
_SINGLE = ("From", "To", "Call-ID", "CSeq")


class MalformedRequestError(ParseError):
    """A request that violates the grammar, but not in what a response has to repeat.

    ``request`` has the header fields that could be read, and the Request-URI as received; ``status`` is 400,
    or 505 for another version of SIP (RFC 3261 21.4.1, 21.5.6).
    """

    def __init__(self, text: str, request: Request, status: int) -> None:
        super().__init__(text)
        self.request = request
        self.status = status


class _Common:
    """What requests and responses share: the headers every message must have (RFC 3261 8.1.1)."""

    __slots__ = ()
    headers: Headers
    body: bytes

    @property
    def call_id(self) -> str:
        """Raises ParseError when it is missing or empty, as do the properties below when malformed."""
        value = self._needed("Call-ID")
        if any(char.isspace() for char in value):
            raise ParseError(f"Call-ID {value[:60]!r} has a blank in it")
        return value

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self._needed("CSeq"))

    @property
    def via(self) -> Via:
        """The topmost one."""
        # Hops that add a Via may use a line or a comma; both are one list (RFC 3261 7.3.1).
        values = self.headers.get_all("Via")
        if not values:
            raise ParseError("the message has no Via header")
        return Via.parse(values[0])

    @property
    def from_(self) -> NameAddress:
        return NameAddress.parse(self._needed("From"))

    @property
    def to(self) -> NameAddress:
        return NameAddress.parse(self._needed("To"))

    @property
    def contact(self) -> NameAddress:
        """The first one."""
        values = self.headers.get_all("Contact")
        if not values:
            raise ParseError("the message has no Contact header")
        return NameAddress.parse(values[0])

    def _needed(self, name: str) -> str:
        value = self.headers.get(name)
        if not value:
            raise ParseError(f"the message has no {name} header")
        return value

    def _validate(self) -> None:
        # Two values of these make a message ambiguous: an element in front of us may have judged the other.
        for name in _SINGLE:
            if self.headers.count(name) > 1:
                raise ParseError(f"the message has {name} more than once")
        # A From without a tag is a peer of RFC 2543, and legal (RFC 3261 8.2.6.2, 12.1.1).
        _ = self.call_id, self.cseq, self.from_, self.to
        for via in self._listed("Via") or [""]:
            Via.parse(via)

    def _validate_addresses(self, *names: str) -> None:
        for name in names:
            for value in self._listed(name):
                NameAddress.parse(value)

    def _listed(self, name: str) -> list[str]:
        values = self.headers.get_all(name)
        found = max(len(values), self.headers.count(name))
        if found > MAX_ELEMENTS:
            raise ParseError(f"{name} has {found} elements; at most {MAX_ELEMENTS} are read")
        return values

    def _serialise(self, start_line: str) -> bytes:
        lines = [start_line]
        # Content-Length is always written anew: what came may be of another body, or of none.
        lines += [f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}")
        head = "".join(line + "\r\n" for line in lines)
        try:
            octets = head.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UnsendableError(f"{start_line!r} has a character that UTF-8 cannot encode") from None
        return octets + b"\r\n" + self.body


@dataclass(frozen=True, slots=True)
class Request(_Common):
    """``uri`` is the Request-URI as text, of any scheme. ``headers`` may be changed in place."""

    method: str
    uri: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)

    def validate(self) -> None:
        """Check all that a user agent reads before it responds; raises ParseError (RFC 3261 8.1.1, 8.2).

        Afterwards the properties do not raise, except ``contact`` if it is missing, or if the method is
        neither INVITE nor UPDATE. Max-Forwards is not required: it matters to proxies only.
        """
        self._validate()
        self._validate_addresses("Record-Route", "Route")
        if self.method in _TARGETING:
            # A BYE does not need one, and in a REGISTER it may be "*".
            self._validate_addresses("Contact")
        if self.cseq.method != self.method:
            raise ParseError(f"CSeq names {self.cseq.method}, the request line {self.method}")
        self._leave_room()

    def _leave_room(self) -> None:
        """Check that a response, with what it repeats and what it adds, stays within the limits."""
        to = self.headers.get("To") or ""
        if len(to) > MAX_LINE - _LINE_ROOM:
            raise ParseError("To leaves no room for the tag of an answer")
        params = self.to.params
        # A tag parameter without a value would hide the one that we append, and 64 parameters leave no room
        # for it.
        doubtful = not params.get("tag") and ("tag" in params or to.count(";") >= MAX_PARAMS)
        if doubtful and NameAddress.parse(f"{to};tag=x").tag != "x":
            raise ParseError("To has a tag without a value")
        # 4: the colon, the blank and the line end.
        copied = sum(len(name) + len(value) + 4 for name, value in self.headers if name.lower() in _COPIED)
        if copied > MAX_HEAD - _HEAD_ROOM:
            raise ParseError(
                f"an answer would repeat {copied} octets of headers; at most {MAX_HEAD} are read"
            )

    def __bytes__(self) -> bytes:
        """The octets to send, with Content-Length; raises UnsendableError for an invalid method or URI."""
        if not TOKEN.fullmatch(self.method):
            raise UnsendableError(f"{self.method!r} is not a method")
        if not _URI.fullmatch(self.uri):
            raise UnsendableError(
                f"{self.uri!r} cannot be a Request-URI: it is empty or has blanks or brackets"
            )
        return self._serialise(f"{self.method} {self.uri} SIP/2.0")


@dataclass(frozen=True, slots=True)
class Response(_Common):
    """``status`` is 100..699. ``headers`` may be changed in place."""

    status: int
    reason: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)

    def validate(self) -> None:
        """Check everything that a user agent needs of a response; raises ParseError.

        Contact is not checked: a refusal is one whatever its Contact, invalid bindings of others must not
        invalidate ours, and a dialog works without one (``sip.ua.dialog``).
        """
        self._validate()
        if self.status < 300:
            self._validate_addresses("Record-Route")

    def __bytes__(self) -> bytes:
        """The octets to send, with Content-Length; raises UnsendableError for an invalid status or reason."""
        if not 100 <= self.status <= 699:
            raise UnsendableError(f"{self.status} is not a SIP status; it must be 100..699")
        if "\r" in self.reason or "\n" in self.reason:
            raise UnsendableError("the reason phrase contains CR or LF")
        return self._serialise(f"SIP/2.0 {self.status} {self.reason}")


Message = Request | Response


def parse_message(data: bytes) -> Request | Response:
    """Parse one datagram; raises ParseError for anything but a complete SIP message within the limits.

    The error is a MalformedRequestError if the sender of a request can be sent a response. Content-Length is
    applied and removed: a smaller one truncates the body, a larger one is an error (RFC 3261 18.3). A
    datagram of line ends alone is a keep-alive; it is an error here, as any other non-message.
    """
    if len(data) > MAX_OCTETS:
        raise ParseError(f"the datagram has {len(data)} octets; at most {MAX_OCTETS} are read")
    # RFC 3261 7.5: line ends before the start line are ignored.
    data = data.lstrip(b"\r\n")
    end = _HEAD_END.search(data)
    if end is None:
        raise ParseError("the datagram is not a SIP message: no empty line ends the headers")
    if end.end() > MAX_HEAD:
        raise ParseError(f"the headers of a message are longer than {MAX_HEAD} octets")
    start_line, _, rest = data[: end.start()].decode("utf-8", "surrogateescape").partition("\n")
    start_line = start_line.removesuffix("\r")
    if len(start_line) > MAX_LINE:
        raise ParseError(f"the start line is longer than {MAX_LINE} characters")
    headers, fault = parse_headers(rest)
    body, cut_fault = _cut(data[end.end() :], headers)
    fault = fault or cut_fault
    # A response that is wrong gets no answer (RFC 3261 18.1.2), so it needs no error of its own.
    if match := _STATUS_LINE.fullmatch(start_line):
        if fault is not None:
            raise ParseError(fault)
        return Response(int(match[1]), printable(match[2] or ""), headers, body)
    return _parse_request(start_line, headers, body, fault)


def _parse_request(start_line: str, headers: Headers, body: bytes, fault: str | None) -> Request:
    # Split at any blanks, so that the sender of a malformed request line gets a 400.
    words = start_line.split()
    match = _VERSION.fullmatch(words[-1]) if words else None
    if match is None or not TOKEN.fullmatch(words[0]):
        raise ParseError(fault or f"{start_line[:60]!r} is neither a SIP request line nor a status line")
    method, *uri = words[:-1]
    request = Request(method, " ".join(uri), headers, body)
    if match[1] != "2.0":
        raise MalformedRequestError(f"{words[-1]} is not SIP/2.0", request, 505)
    if not _URI.fullmatch(request.uri) or start_line != f"{method} {request.uri} {words[-1]}":
        fault = f"{start_line[:60]!r} is not 'method URI SIP/2.0'"
    if fault is not None:
        raise MalformedRequestError(fault, request, 400)
    return request


def parse_headers(text: str) -> tuple[Headers, str | None]:
    """The header fields in these lines, up to the first fault, and that fault or None."""
    headers = Headers()
    if text.startswith((" ", "\t")):
        return headers, "the first header line begins with a blank"
    lines = _LINE_END.split(_FOLD.sub(" ", text)) if text else []
    for number, line in enumerate(lines):
        if number == MAX_HEADERS:
            return headers, f"the message has more than {MAX_HEADERS} header lines"
        if len(line) > MAX_LINE:
            return headers, f"a header line is longer than {MAX_LINE} characters"
        # Left after the split at line ends: it would end the line for a reader that takes a bare CR for one.
        if "\r" in line:
            return headers, "a header contains a CR without LF"
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        # RFC 3261 8.2.2: malformed headers that are not needed are ignored; needed ones will be missed.
        if colon and TOKEN.fullmatch(name):
            headers.add(name, value)
    return headers, None


def _body_length(values: list[str]) -> int | None:
    """Octets of the body according to the values of all Content-Length fields; None without any.

    Raises ParseError unless they are the same number.
    """
    # The same number twice is harmless; two numbers are how one message is made to look like two to
    # different readers.
    lengths = set(values)
    if not lengths:
        return None
    text = lengths.pop()
    if lengths or not re.fullmatch("[0-9]{1,9}", text):
        raise ParseError(f"Content-Length {text[:20]!r} is not one number")
    return int(text)


def announced_length(head: bytes) -> int:
    """Octets of the body that follows ``head`` on a stream; 0 without Content-Length, which is required there
    (RFC 3261 20.14).

    ``head`` is the start line and the header fields, without the empty line. Raises ParseError if the end of
    the message cannot be determined.
    """
    _, _, rest = head.decode("utf-8", "surrogateescape").partition("\n")
    headers, fault = parse_headers(rest)
    if fault is not None:
        raise ParseError(fault)
    return _body_length(headers.lines("Content-Length")) or 0


def _cut(body: bytes, headers: Headers) -> tuple[bytes, str | None]:
    """The part of ``body`` that Content-Length covers, and a fault or None; removes that header field."""
    values = headers.lines("Content-Length")
    headers.remove("Content-Length")
    try:
        length = _body_length(values)
    except ParseError as error:
        return b"", str(error)
    if length is None:
        # Without Content-Length the body of a datagram goes to its end (RFC 3261 18.3).
        return body, None
    if length > len(body):
        return b"", f"the body has {len(body)} octets, but Content-Length is {length}"
    return body[:length], None
