"""A spandsp peer on a real UDP socket, in a thread of its own, in 20 ms steps of the real clock."""

from __future__ import annotations

import select
import socket
import threading
import time
from types import TracebackType

from tests.peers.endpoint import SpandspEndpoint
from tests.peers.terminal import IfpPeer

Address = tuple[str, int]


class RealTimePeer:
    """Runs a peer until its T.30 session is over or :meth:`stop` is called; a context manager.

    Args:
        peer: terminal or gateway; this object steps it and frees it.
        sock: bound UDP socket; this object closes it.
        remote: where to send. When None, the source of the first datagram that arrives; what the peer
            says before then is dropped, as it would be by a NAT.
        redundancy: earlier IFP packets behind each one sent.
    """

    def __init__(
        self, peer: IfpPeer, sock: socket.socket, remote: Address | None = None, *, redundancy: int = 3
    ) -> None:
        self.endpoint = SpandspEndpoint(peer, redundancy=redundancy)
        self.machine = peer.machine
        self.address: Address = sock.getsockname()[:2]
        self.done = threading.Event()
        """Set when the T.30 session is over."""
        self._peer = peer
        self._socket = sock
        self._remote = remote
        self._stopping = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="spandsp-peer", daemon=True)

    @property
    def remote(self) -> Address | None:
        """Where datagrams go: as told, or as latched."""
        return self._remote

    def connect(self, remote: Address) -> None:
        """Tell the peer where to send, before or after :meth:`start`."""
        self._remote = remote

    def start(self) -> None:
        """Begin to step; the call's time starts now."""
        self._thread.start()

    def stop(self) -> None:
        """The call was dropped: end the session if it still runs, stop stepping, free everything."""
        self._stopping.set()
        self._wake_writer.send(b"\0")
        if self._thread.ident is not None:
            self._thread.join()
        self.endpoint.hang_up()
        for sock in (self._socket, self._wake_reader, self._wake_writer):
            sock.close()

    def __enter__(self) -> RealTimePeer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        origin = time.monotonic()
        while not self._stopping.is_set():
            deadline = self.endpoint.next_deadline()
            wait = max(0.0, origin + deadline - time.monotonic())
            readable, _, _ = select.select([self._socket, self._wake_reader], [], [], wait)
            now = time.monotonic() - origin
            if self._socket in readable:
                datagram, source = self._socket.recvfrom(2048)
                if self._remote is None:
                    self._remote = source[:2]
                if source[:2] == self._remote:
                    self.endpoint.receive_datagram(datagram, now)
            self.endpoint.handle_deadline(now)
            for datagram in self.endpoint.take_datagrams():
                if self._remote is not None:
                    self._socket.sendto(datagram, self._remote)
            if self.endpoint.finished:
                self.done.set()


def udp_socket() -> socket.socket:
    """A loopback UDP socket on a free port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock
