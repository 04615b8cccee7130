"""The media port of a call: one even UDP port, the same for RTP and UDPTL.

The port is opened before the INVITE is sent, so that its number is known for the SDP. It sends to the address
in the far end's SDP, until it latches to the source of the first *accepted* datagram (the far end is behind a
NAT, or sends from another port than it receives on). The call accepts a datagram if it could be decoded.
Other sources are accepted only during ``latch_window``, and only one of them; a datagram from the address in
the SDP replaces it, and is final. For the first seconds after latching to another source, the address in the
SDP gets each datagram as well: if a stranger was latched at both ends at once, neither would otherwise hear
the other again. With T.38 latching begins again, because its source may differ from that of
audio.

asyncio's datagram transport allocates a 256 KiB buffer for each datagram; our own reader does not
(``t38fsp.engine.media_reader``). A sender without modem pacing sends a block of 256 frames at once, for which
the kernel's default buffer is too small.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from sip.logs import SELDOM, get_logger
from sip.values import Address
from t38fsp.engine.media_reader import MediaReader

_logger = get_logger(__name__)

MAX_DATAGRAM = 2048
"""Octets; RTP and UDPTL datagrams of a fax call are much smaller."""

_RECEIVE_BUFFER = 1024 * 1024
"""Octets; the kernel counts about 2,300 for a datagram with one frame and its copies."""
_MOST_AT_ONCE = 64
"""Datagrams read before other sockets get their turn; they take a millisecond or two."""
_CLOSE = 0.012
"""Seconds. A datagram this soon after the previous one is not paced as by a modem: more may be waiting."""
# Not among the constants of Python's socket module.
_FORCE_RECEIVE_BUFFER = 33
"""SO_RCVBUFFORCE of Linux, which exceeds net.core.rmem_max; needs CAP_NET_ADMIN."""

_EPHEMERAL_TRIES = 64

_BOTH = 5.0
"""Seconds of sending to the address in the SDP as well, after latching to another source."""


class MediaPortError(OSError):
    """No even UDP port is free."""


@dataclass(slots=True)
class MediaCounters:
    """Datagrams since the port was opened."""

    received: int = 0
    rejected: int = 0
    """Received, but the call could not decode them."""
    foreign: int = 0
    """From an address that is not the far end's."""
    oversize: int = 0
    sent: int = 0
    dropped: int = 0
    """Not sent: no address yet, or the kernel's buffer was full."""
    refused: int = 0
    """ICMP port unreachable from the far end's host."""
    failed: int = 0
    """Other errors of the socket."""


class MediaPort:
    """One non-blocking UDP socket on a loop. ``on_datagram`` returns whether it accepted the datagram."""

    def __init__(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Address], bool],
        on_read: Callable[[], None],
        reader: MediaReader,
        loop: asyncio.AbstractEventLoop,
        latch_window: float,
    ) -> None:
        self._socket: socket.socket | None = sock
        self._on_datagram = on_datagram
        self._on_read = on_read
        self._reader = reader
        self._loop = loop
        self._latch_window = latch_window
        self._window_end = 0.0
        self._announced: Address | None = None
        self._remote: Address | None = None
        self._latched: Address | None = None
        self._former: Address | None = None
        """Latched by the previous stream, and accepted until this stream has latched."""
        self._last_read = float("-inf")
        self._version = 6 if sock.family == socket.AF_INET6 else 4
        self._second: Address | None = None
        """The address in the SDP, while it gets each datagram as well."""
        self._second_until = 0.0
        self.counters = MediaCounters()
        host, port = sock.getsockname()[:2]
        self.address: Address = (host, port)
        """Where the socket is bound; its port is even."""
        reader.add(sock, self._readable)

    @classmethod
    def open(
        cls,
        host: str,
        on_datagram: Callable[[bytes, Address], bool],
        *,
        on_read: Callable[[], None] = lambda: None,
        reader: MediaReader | None = None,
        port_range: tuple[int, int] | None = None,
        latch_window: float = 15.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> MediaPort:
        """Bind an even port of ``host``, a literal IP address.

        ``on_read`` is called after one or several datagrams received at once. ``reader`` is shared by the
        ports of one loop; without one the port has its own. ``port_range`` is the first and the last port
        allowed (both count); without it the kernel chooses. ``latch_window`` is in seconds from
        :meth:`set_remote`.
        Raises MediaPortError when no even port is free, OSError when the process is out of file descriptors.
        """
        sock = _bind_even(host, port_range)
        try:
            loop = loop or asyncio.get_running_loop()
            return cls(sock, on_datagram, on_read, reader or MediaReader(loop), loop, latch_window)
        except BaseException:
            sock.close()
            raise

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def remote(self) -> Address | None:
        """The address that datagrams are sent to at present."""
        return self._remote

    def set_remote(self, address: Address) -> bool:
        """Set the address in the far end's SDP; no-op for the same one.

        Returns False if datagrams cannot be sent there: not a literal address of this socket's family, the
        unspecified address (a call on hold), or port 0. Then nothing is sent until a source is latched.
        """
        if address != self._announced:
            self._announced = address
            self._latched = self._former = self._second = None
            self._remote = address if self._usable(address) else None
            # A window rather than once and for all: early media of another device may come first.
            self._window_end = self._loop.time() + self._latch_window
        return self._remote is not None

    def expect_new_source(self) -> None:
        """Another stream begins: latch again, even if the SDP contains the same address."""
        self._former, self._latched = self._latched, None
        self._window_end = self._loop.time() + self._latch_window

    def send(self, datagram: bytes) -> None:
        """Send, or count why not: a full buffer is packet loss, which the redundancy of UDPTL repairs."""
        if self._socket is None or self._remote is None:
            self.counters.dropped += 1
            return
        if self._second is not None:
            self._send_to_second(datagram)
        try:
            self._socket.sendto(datagram, self._remote)
        # Not waited for: a media packet that is late is of less use than the next one.
        except BlockingIOError:
            self.counters.dropped += 1
        # An ICMP port unreachable for an earlier datagram, which Linux reports at the next call; this
        # datagram was not sent.
        except ConnectionRefusedError:
            self.counters.refused += 1
        except OSError:
            self.counters.failed += 1
        else:
            self.counters.sent += 1

    def _send_to_second(self, datagram: bytes) -> None:
        assert self._socket is not None
        assert self._second is not None
        if self._loop.time() < self._second_until:
            # Counted by the main address only.
            with suppress(OSError):  # often a private address, which cannot be reached from here
                self._socket.sendto(datagram, self._second)
        else:
            self._second = None

    def close(self) -> None:
        """Close the port. Datagrams sent later are counted as dropped. Idempotent."""
        if self._socket is not None:
            self._reader.remove(self._socket)
            self._socket.close()
            self._socket = None

    def _usable(self, address: Address) -> bool:
        host, port = address
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            return False
        return literal.version == self._version and not literal.is_unspecified and 0 < port < 65536

    def _readable(self, now: float) -> None:
        # With modem pacing a second read never finds a datagram.
        at_once = _MOST_AT_ONCE if now - self._last_read < _CLOSE else 1
        self._last_read = now
        try:
            try:
                for _ in range(at_once):
                    if not self._read_one():
                        break
            finally:
                self._on_read()
        except Exception:  # sip.logs.contained costs as much as all the rest
            _logger.exception("a media datagram was dropped after an internal error", extra=SELDOM)

    def _read_one(self) -> bool:
        """Read a datagram; false when there is none."""
        if self._socket is None:
            return False
        try:
            # One octet more than we take, to tell a datagram that was cut from one that just fits.
            data, source = self._socket.recvfrom(MAX_DATAGRAM + 1)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            self.counters.refused += 1
            return True
        except OSError:
            self.counters.failed += 1
            return False
        counters = self.counters
        latched = self._latched
        if len(data) > MAX_DATAGRAM:
            counters.oversize += 1
            return True
        # IPv6 adds flow and scope, which the SDP does not have.
        if len(source) > 2:
            source = source[:2]
        if source != latched and not self._welcome(source):
            counters.foreign += 1
            return True
        counters.received += 1
        if not self._on_datagram(data, source):
            counters.rejected += 1
        elif source != latched and self._announced is not None:
            self._latch(source)
        return True

    def _latch(self, source: Address) -> None:
        announced = self._announced
        assert announced is not None
        self._remote = self._latched = source
        self._former = None
        self._second = announced if source != announced and self._usable(announced) else None
        self._second_until = self._loop.time() + _BOTH

    def _welcome(self, source: Address) -> bool:
        if self._announced is None:
            # Early media: the SDP answer with the address has not arrived yet.
            return True
        # The address of the SDP always may speak, also after another one was latched: it then replaces that.
        if source in (self._announced, self._former):
            return True
        if self._latched is not None:
            return source == self._latched
        return self._loop.time() < self._window_end


def _bind_even(host: str, port_range: tuple[int, int] | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Odd ports stay bound until the search is over, or the kernel would return them again.
    odd: list[socket.socket] = []
    fault: OSError | None = None
    try:
        for port in _candidates(port_range):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.bind((host, port))
                sock.setblocking(False)
                is_even = sock.getsockname()[1] % 2 == 0
                for option in (socket.SO_RCVBUF, _FORCE_RECEIVE_BUFFER):
                    with suppress(OSError):  # the kernel may grant less, or refuse
                        sock.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER)
            except BaseException as error:
                sock.close()
                if not isinstance(error, OSError):
                    raise
                fault = error
                continue
            if is_even:
                return sock
            # RFC 3550 11 and many far ends want RTP at an even port, and its RTCP, which we do not use, at
            # the next one.
            odd.append(sock)
    finally:
        for sock in odd:
            sock.close()
    where = "of the kernel's" if port_range is None else f"from {port_range[0]} to {port_range[1]}"
    why = f" ({fault.strerror})" if fault is not None else ""
    raise MediaPortError(f"no even UDP port {where} is free on {host}{why}; free some or widen the range")


def _candidates(port_range: tuple[int, int] | None) -> Iterator[int]:
    if port_range is None:
        yield from (0 for _ in range(_EPHEMERAL_TRIES))
        return
    even = range(port_range[0] + port_range[0] % 2, port_range[1] + 1, 2)
    if even:
        # Not always the lowest port: late packets of the previous call may still arrive there.
        first = random.randrange(len(even))
        yield from even[first:]
        yield from even[:first]


_TRIES = 16


class MediaPair:
    """As :class:`~t38fsp.engine.media.MediaPort`, for a call whose address family is not yet known."""

    def __init__(self, ports: Sequence[MediaPort]) -> None:
        self._ports = list(ports)

    @classmethod
    def open(
        cls,
        hosts: tuple[str, str],
        on_datagram: Callable[[bytes, Address], bool],
        *,
        on_read: Callable[[], None] = lambda: None,
        reader: MediaReader | None = None,
        port_range: tuple[int, int] | None = None,
    ) -> MediaPair:
        """Bind one even port of both hosts, an IPv4 and an IPv6 address; the rest as of MediaPort.

        Raises MediaPortError when there is none.
        """
        first, second = hosts
        # The kernel chooses the first port; the other family may have it in use, so try with another one.
        for attempt in range(_TRIES):
            with ExitStack() as undo:
                port = MediaPort.open(
                    first, on_datagram, on_read=on_read, reader=reader, port_range=port_range
                )
                undo.callback(port.close)
                try:
                    other = MediaPort.open(
                        second,
                        on_datagram,
                        on_read=on_read,
                        reader=reader,
                        port_range=(port.port, port.port),
                    )
                except MediaPortError:
                    if attempt == _TRIES - 1:
                        raise
                    continue
                undo.callback(other.close)
                pair = cls([port, other])
                undo.pop_all()
                return pair
        raise AssertionError

    @property
    def address(self) -> Address:
        """The local address of the port in use; until that is known, of the first."""
        return self._ports[0].address

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def counters(self) -> MediaCounters:
        """The counters of the port in use."""
        return self._ports[0].counters

    def set_remote(self, address: Address) -> bool:
        """As ``MediaPort.set_remote``; closes the port of the other family."""
        used = next((port for port in self._ports if port.set_remote(address)), None)
        if used is None:
            return False
        for port in self._ports:
            if port is not used:
                port.close()
        self._ports = [used]
        return True

    def expect_new_source(self) -> None:
        """As ``MediaPort.expect_new_source``."""
        self._ports[0].expect_new_source()

    def send(self, datagram: bytes) -> None:
        self._ports[0].send(datagram)

    def close(self) -> None:
        for port in self._ports:
            port.close()
