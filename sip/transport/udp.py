"""A UDP socket for SIP: datagrams, and which destinations refuse them."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from sip.logs import SELDOM, contained, get_logger
from sip.values import Address, Hop

_logger = get_logger(__name__)

_MAX_DATAGRAM = 65535
_RECEIVE_BUFFER = 1024 * 1024
_MAX_BURST = 64
_MAX_TURN = 0.005
"""Datagrams read, and seconds spent on them, before other work of the loop gets its turn: a hostile datagram
can take milliseconds to parse, while the packets of faxes wait."""

# On an unconnected socket Linux reports ICMP errors with their destination only through the error queue
# (ip(7), ipv6(7)). Python's socket module does not have its constants.
_HAS_ERROR_QUEUE = sys.platform == "linux"
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class UdpPort:
    """A bound socket on the loop.

    ``on_datagram`` gets each datagram and its source, ``on_pause`` is called after each burst, ``on_refused``
    gets each hop that refuses datagrams. An exception in a callback drops one datagram, not the rest of its
    burst.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Hop], None],
        on_pause: Callable[[], None],
        on_refused: Callable[[Hop], None],
    ) -> None:
        self._socket = sock
        self._on_datagram = on_datagram
        self._on_pause = on_pause
        self._on_refused = on_refused
        self._loop = asyncio.get_running_loop()
        with suppress(OSError):
            # Room for many calls at once, or a stall of the loop; the kernel may grant less.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if _HAS_ERROR_QUEUE and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        elif _HAS_ERROR_QUEUE:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        # Not asyncio's datagram transport: it reports errors without their destination, and reads one
        # datagram per turn.
        self._loop.add_reader(sock, self._readable)

    @property
    def address(self) -> Address:
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, data: bytes, destination: Hop) -> None:
        for _ in range(2):
            try:
                self._socket.sendto(data, destination.address)
            except BlockingIOError:
                # The send buffer is full: treat it as packet loss, which the transaction retransmits.
                return
            except OSError as error:
                # A pending ICMP error of an earlier datagram fails this send: read the error, and send once
                # more.
                if not self._read_errors():
                    _logger.info("cannot send to %s: %s", destination, error, extra=SELDOM)
                    self._on_refused(destination)
                    return
            else:
                return

    def _readable(self) -> None:
        try:
            self._read_burst()
        finally:
            self._on_pause()

    def _read_burst(self) -> None:
        until = self._loop.time() + _MAX_TURN
        for count in range(_MAX_BURST):
            try:
                data, source = self._socket.recvfrom(_MAX_DATAGRAM)
            except OSError as error:
                # Nothing to read: the error queue made the socket readable. Empty it, or the loop would spin.
                if count == 0 or not isinstance(error, BlockingIOError):
                    self._read_errors()
                return
            with contained(_logger, "a datagram was dropped after an internal error"):
                self._on_datagram(data, Hop(source[0], source[1]))
            if self._loop.time() >= until:
                return

    def _read_errors(self) -> bool:
        """Report the destinations that refuse datagrams; returns whether there are any."""
        found = False
        while _HAS_ERROR_QUEUE:
            try:
                _, ancillary, _, destination = self._socket.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                break
            for _, _, error in ancillary:
                # ``struct sock_extended_err`` begins with the errno.
                if len(error) >= 4 and struct.unpack_from("=I", error)[0] in _REFUSALS:
                    found = True
                    with contained(_logger, "a refused datagram was ignored after an internal error"):
                        self._on_refused(Hop(*destination[:2]))
        return found
