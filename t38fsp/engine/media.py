"""The media port of a call: one even UDP port, the same for RTP and UDPTL.

The port is opened before the INVITE goes out, so that an SDP answer needs nothing but its number. It sends
to the address of the far end's SDP until a datagram tells better: the source of the first *accepted*
datagram is latched (the far end sits behind a NAT, or sends from another port than it receives on). A
datagram is accepted when the call says so, that is, when it could be read. Strangers are heard only during
``latch_window``, and only one of them; it is left again as soon as the address of the SDP itself is heard,
which is final. With T.38 all this begins anew, as it need not come from where the audio came from.

asyncio's own datagram transport reads with a 256 KiB buffer for each datagram; a reader on a socket of our
own does not (``t38fsp.engine.media_reader``). A sender without the pace of a modem sends a block of 256
frames at once, which the kernel's default buffer does not hold.
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
"""Octets; no RTP or UDPTL datagram of a fax call comes near."""

_RECEIVE_BUFFER = 1024 * 1024
"""Octets, of which the kernel counts some 2,300 for a datagram with one frame and its copies."""
_MOST_AT_ONCE = 64
"""Datagrams read before other sockets get their turn; they take a millisecond or two."""
_CLOSE = 0.012
"""Seconds. What can be read so soon after the last datagram keeps no modem's pace: there may be more."""
_FORCE_RECEIVE_BUFFER = 33
"""SO_RCVBUFFORCE of Linux, which those who may administer the network can set beyond the limit of all."""

_EPHEMERAL_TRIES = 64


class MediaPortError(OSError):
    """No even UDP port could be bound."""


@dataclass(slots=True)
class MediaCounters:
    """Datagrams since the port was opened."""

    received: int = 0
    rejected: int = 0
    """Read, but the call could make nothing of them."""
    foreign: int = 0
    """From an address that is not the far end's."""
    oversize: int = 0
    sent: int = 0
    dropped: int = 0
    """Not sent: no address yet, or the kernel's buffer was full."""
    refused: int = 0
    """The far end's host said that nobody listens there (ICMP)."""
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
        """Latched by the stream before, and heard until somebody is by this one."""
        self._last_read = float("-inf")
        self._version = 6 if sock.family == socket.AF_INET6 else 4
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

        ``on_read`` is called after one or several datagrams that came at once. ``reader`` is what ports
        on one loop share; without one the port has its own. ``port_range`` is the first and the last port
        allowed (both count); without it the kernel chooses. ``latch_window`` is in seconds from
        :meth:`set_remote`.
        Raises MediaPortError when no even port is free, OSError when there are no descriptors left.
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
        """Where datagrams go at present."""
        return self._remote

    def set_remote(self, address: Address) -> bool:
        """The far end's SDP named ``address``; the same one again changes nothing.

        Returns False, and sends nothing until the far end is heard, when datagrams cannot be sent there: no
        literal address of this socket's family, the unspecified address (a call on hold), or port 0.
        """
        if address != self._announced:
            self._announced = address
            self._latched = self._former = None
            self._remote = address if self._usable(address) else None
            self._window_end = self._loop.time() + self._latch_window
        return self._remote is not None

    def expect_anew(self) -> None:
        """Another stream begins: who sends it is to be seen, even if the SDP names the same address."""
        self._former, self._latched = self._latched, None
        self._window_end = self._loop.time() + self._latch_window

    def send(self, datagram: bytes) -> None:
        """Send, or count why not: a full buffer is a lost packet, and the redundancy of UDPTL covers it."""
        if self._socket is None or self._remote is None:
            self.counters.dropped += 1
            return
        try:
            self._socket.sendto(datagram, self._remote)
        except BlockingIOError:
            self.counters.dropped += 1
        except ConnectionRefusedError:
            self.counters.refused += 1
        except OSError:
            self.counters.failed += 1
        else:
            self.counters.sent += 1

    def close(self) -> None:
        """Give the port back. Sending later is counted as dropped; closing twice is no error."""
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
        # A second attempt is in vain at the pace of a modem.
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
            _logger.exception("a media datagram was dropped on a fault of ours", extra=SELDOM)

    def _read_one(self) -> bool:
        """Read a datagram; false when there is none."""
        if self._socket is None:
            return False
        try:
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
        if len(source) > 2:
            source = source[:2]
        if source != latched and not self._welcome(source):
            counters.foreign += 1
            return True
        counters.received += 1
        if not self._on_datagram(data, source):
            counters.rejected += 1
        elif source != latched and self._announced is not None:
            self._remote = self._latched = source
            self._former = None
        return True

    def _welcome(self, source: Address) -> bool:
        if self._announced is None:
            # Early media: the answer with the address is still on its way.
            return True
        if source in (self._announced, self._former):
            return True
        if self._latched is not None:
            return source == self._latched
        return self._loop.time() < self._window_end


def _bind_even(host: str, port_range: tuple[int, int] | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Odd ones stay bound until the search is over, or the kernel would offer them again.
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
            odd.append(sock)
    finally:
        for sock in odd:
            sock.close()
    where = "of the kernel's" if port_range is None else f"from {port_range[0]} to {port_range[1]}"
    why = f" ({fault.strerror})" if fault is not None else ""
    raise MediaPortError(
        f"no even UDP port {where} could be bound on {host}{why}; free some or widen the range"
    )


def _candidates(port_range: tuple[int, int] | None) -> Iterator[int]:
    if port_range is None:
        yield from (0 for _ in range(_EPHEMERAL_TRIES))
        return
    even = range(port_range[0] + port_range[0] % 2, port_range[1] + 1, 2)
    if even:
        # Not from the bottom each time: the port of the last call may still hear its stragglers.
        first = random.randrange(len(even))
        yield from even[first:]
        yield from even[:first]


_TRIES = 16


class MediaPair:
    """As :class:`~t38fsp.engine.media.MediaPort`, for a call before it is known which of the two it needs."""

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
        """Where the port is bound that is used; until that is known, the first."""
        return self._ports[0].address

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def counters(self) -> MediaCounters:
        """Of the port that is used."""
        return self._ports[0].counters

    def set_remote(self, address: Address) -> bool:
        """As ``MediaPort.set_remote``; the port of the other family is given back."""
        used = next((port for port in self._ports if port.set_remote(address)), None)
        if used is None:
            return False
        for port in self._ports:
            if port is not used:
                port.close()
        self._ports = [used]
        return True

    def expect_anew(self) -> None:
        """As ``MediaPort.expect_anew``."""
        self._ports[0].expect_anew()

    def send(self, datagram: bytes) -> None:
        self._ports[0].send(datagram)

    def close(self) -> None:
        for port in self._ports:
            port.close()
