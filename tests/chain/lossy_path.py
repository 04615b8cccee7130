"""A path between two UDP ports that loses datagrams, put there by changing the ports in their SDP."""

from __future__ import annotations

import re
import select
import socket
import threading
from types import TracebackType
from typing import Self

Address = tuple[str, int]

_IMAGE_PORT = re.compile(r"(?<=^m=image )\d+", re.MULTILINE)
_HOST = "127.0.0.1"


class _End:
    """A port of the path's, and the party that takes it for the other party's."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((_HOST, 0))
        self.party: Address | None = None
        self.sent = 0
        """Datagrams of the party."""


class LossyPath:
    """Carries T.38 between SIP and the gateway; a context manager that runs a thread.

    Args:
        every: of each party's datagrams, one in so many is lost.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._sip, self._gateway = _End(), _End()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lossy-path", daemon=True)

    @property
    def lost_toward_sip(self) -> int:
        return self._gateway.sent // self._every

    @property
    def lost_toward_gateway(self) -> int:
        return self._sip.sent // self._every

    def from_gateway(self, description: str) -> str:
        """What the SIP side is to be told instead of the gateway's T.38 ``description``."""
        return self._lead(description, self._gateway, self._sip)

    def from_sip(self, description: str) -> str:
        """What the gateway is to be told instead of the SIP side's T.38 ``description``."""
        return self._lead(description, self._sip, self._gateway)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for end in (self._sip, self._gateway):
            end.socket.close()

    def _lead(self, description: str, party: _End, told: _End) -> str:
        port = _IMAGE_PORT.search(description)
        if port is None:
            return description
        party.party = (_HOST, int(port[0]))
        return _IMAGE_PORT.sub(str(told.socket.getsockname()[1]), description)

    def _run(self) -> None:
        while not self._stopping.is_set():
            readable, _, _ = select.select([self._sip.socket, self._gateway.socket], [], [], 0.1)
            for one, other in ((self._sip, self._gateway), (self._gateway, self._sip)):
                if one.socket in readable:
                    datagram = one.socket.recv(2048)
                    one.sent += 1
                    if one.sent % self._every and other.party is not None:
                        other.socket.sendto(datagram, other.party)
