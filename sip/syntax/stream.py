"""SIP on a stream: where each message ends (RFC 3261 18.3), keep-alive (RFC 5626 3.5.1), and how long a peer
may take. Sans-IO: one :class:`Stream` for each connection.

Any number of line ends may come between messages. Two are a ping, to which we respond with one, the pong.
Octets that cannot begin a SIP message, or a message that exceeds the limits, are a *fault*: the beginning of
the next message cannot be found, so the connection has to be closed. A message must be complete within a
fixed time from its first octet; a peer that sends it in drops does not get longer.
"""

from __future__ import annotations

import re

from sip.syntax.errors import ParseError
from sip.syntax.message import MAX_HEAD, MAX_OCTETS, announced_length

MESSAGE_LIMIT = 10.0
"""Seconds from the first octet of a message to its last, and from the opening of a connection by the peer to
its first message."""
KEEP_ALIVE = 25.0
"""Seconds without any octet of ours after which a connection that we opened gets a ping (RFC 5626 4.4.1 asks
for at most 120; some NATs forget a binding after 30)."""

PING = b"\r\n\r\n"
PONG = b"\r\n"

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_METHOD = rb"[A-Za-z0-9\-.!%*_+`'~]+"
_START = re.compile(
    rb"SIP/2\.0 [1-6][0-9]{2}|" + _METHOD + rb"[ \t][^\r\n\0]*SIP/[0-9]{1,3}\.[0-9]{1,3}[ \t]*(?=\r?\n)",
    re.IGNORECASE,
)
"""Also a malformed request line, and one of another version: their senders get a response."""
_START_MAY_COME = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~/]+([ \t][^\r\n\0]*\r?)?")
"""A start line whose end has not arrived yet."""


class Framer:
    """Splits a stream into messages; buffers at most MAX_OCTETS."""

    def __init__(self) -> None:
        self.pings = 0
        """Pings received so far."""
        self._messages: list[bytes] = []
        self._buffer = bytearray()
        self._line_ends = 0
        self._scanned = 0
        self._whole: int | None = None
        """Length of the message being received, once its headers are complete."""

    @property
    def within(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def take_messages(self) -> list[bytes]:
        """The messages that are complete."""
        taken, self._messages = self._messages, []
        return taken

    def feed(self, data: bytes) -> None:
        """Add received octets.

        Raises ParseError at a fault; do not call it again after that.
        """
        self._buffer += data
        while self._skip_line_ends():
            if self._whole is None:
                self._whole = self._find_whole()
            if self._whole is None or len(self._buffer) < self._whole:
                break
            self._messages.append(bytes(self._buffer[: self._whole]))
            del self._buffer[: self._whole]
            self._whole = None
            self._scanned = 0

    def _skip_line_ends(self) -> bool:
        """Remove the line ends before a message; returns whether anything follows them."""
        if self._whole is not None or self._scanned:
            return True
        end = 0
        for octet in self._buffer:
            if octet not in b"\r\n":
                break
            end += 1
            if octet == 0x0A:
                # Counted by LF, so that a CR that was cut off from its LF by the network does no harm.
                self._line_ends += 1
                if self._line_ends == 2:
                    self.pings += 1
                    self._line_ends = 0
        del self._buffer[:end]
        if self._buffer:
            self._line_ends = 0
        return bool(self._buffer)

    def _find_whole(self) -> int | None:
        """Octets of the message at the beginning of the buffer; None while its headers are incomplete."""
        if self._scanned == 0:
            self._check_start()
        # The blank line may have begun with what came before.
        # Each octet is looked at once, however small the pieces in which it comes.
        end = _HEAD_END.search(self._buffer, max(self._scanned - 3, 0))
        self._scanned = len(self._buffer)
        if (end.end() if end else self._scanned) > MAX_HEAD:
            raise ParseError(f"the headers of a message are longer than {MAX_HEAD} octets")
        if end is None:
            return None
        # The start line was complete only now, or had its end beyond what was there at first.
        self._check_start()
        try:
            whole = end.end() + announced_length(bytes(self._buffer[: end.start()]))
        except ParseError:
            # The last message that can be delimited: its sender can still be answered with an error.
            self._messages.append(bytes(self._buffer[: end.end()]))
            raise
        if whole > MAX_OCTETS:
            raise ParseError(f"a message has {whole} octets; at most {MAX_OCTETS} are read")
        return whole

    def _check_start(self) -> None:
        line_end = self._buffer.find(b"\n")
        good = _START.match(self._buffer) if line_end >= 0 else _START_MAY_COME.fullmatch(self._buffer)
        if good is None:
            raise ParseError(f"{bytes(self._buffer[:40])!r} does not begin a SIP message")


class Stream:
    """The received messages of one connection, and its keep-alive, on the caller's clock (seconds).

    ``ours`` is true if we opened the connection: then we keep it alive.
    """

    def __init__(self, now: float, *, ours: bool) -> None:
        self.fault: str | None = None
        """Why the connection must be closed; further octets are ignored."""
        self.heard_at = now
        """When the last message, or ping, was complete."""
        self._framer = Framer()
        self._ours = ours
        self._messages: list[bytes] = []
        self._octets = b""
        self._due: float | None = None if ours else now + MESSAGE_LIMIT
        self._ping_at: float | None = now + KEEP_ALIVE if ours else None

    def receive(self, data: bytes, now: float) -> None:
        if self.fault is not None:
            return
        within, pings = self._framer.within, self._framer.pings
        try:
            self._framer.feed(data)
        except ParseError as error:
            self.fault = str(error)
        messages = self._framer.take_messages()
        self._messages += messages
        pinged = self._framer.pings > pings
        if pinged:
            self._octets += PONG
        if messages or pinged:
            self.heard_at = now
            self._due = None
        # A new message has begun. Otherwise the limit stays that of its first octet: drops must not
        # extend it.
        if self._framer.within and (messages or not within):
            self._due = now + MESSAGE_LIMIT

    def sent(self, now: float) -> None:
        """Something was sent: postpone the next ping."""
        if self._ours:
            self._ping_at = now + KEEP_ALIVE

    def take_messages(self) -> list[bytes]:
        taken, self._messages = self._messages, []
        return taken

    def take_octets(self) -> bytes:
        """Pings and pongs to send."""
        taken, self._octets = self._octets, b""
        return taken

    def next_deadline(self) -> float | None:
        return min((when for when in (self._due, self._ping_at) if when is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        if self._due is not None and now >= self._due:
            self.fault = f"no whole message came within {MESSAGE_LIMIT:g} s"
        if self._ping_at is not None and now >= self._ping_at:
            self._octets += PING
            self._ping_at = now + KEEP_ALIVE
