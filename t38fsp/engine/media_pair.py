"""A call whose far end may be reached in either address family: a media port in each of them, of one number.

Which of them the call uses shows when the far end says where its own is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sip.line import Address
from t38fsp.engine.media import MediaCounters, MediaPort, MediaPortError

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
        port_range: tuple[int, int] | None = None,
    ) -> MediaPair:
        """Bind one even port of both hosts, an IPv4 and an IPv6 address; ``port_range`` as of MediaPort.

        Raises MediaPortError when there is none.
        """
        first, second = hosts
        for attempt in range(_TRIES):
            with ExitStack() as undo:
                port = MediaPort.open(first, on_datagram, port_range=port_range)
                undo.callback(port.close)
                try:
                    other = MediaPort.open(second, on_datagram, port_range=(port.port, port.port))
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
