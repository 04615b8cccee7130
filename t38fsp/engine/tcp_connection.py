"""The TCP connection of a call whose T.38 goes over one (T.38 over TPKT; RFC 4145)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sip.logs import get_logger
from sip.values import Address
from t38fsp.engine.call_log import CallLog
from t38fsp.t38.attributes import Setup

logger = get_logger(__name__)

CONNECT_LIMIT = 10.0
"""Seconds to establish a connection; T1 of T.30 is 35."""
_MOST_WAITING = 64 * 1024
"""Octets queued before the connection is closed; a fax at modem speed writes two thousand in a second."""
_MOST_READ = 4096
"""Octets read at once: more could be thousands of minimal packets, which would delay other calls of the
loop."""


class MediaStream(asyncio.BufferedProtocol):
    """One connection, opened by us or accepted at ``local``. Data written before it is established is queued.

    ``on_data`` gets received octets. If no connection is established, or it ends, nothing more is sent or
    received, and the timers of T.30 end the call.
    """

    def __init__(
        self, local: Address, on_data: Callable[[bytes], object], log: CallLog | None = None
    ) -> None:
        self._local = local
        self._log = logger if log is None else log.under(logger)
        self._on_data = on_data
        self._remote_host = ""
        self._waiting = bytearray()
        self._read = memoryview(bytearray(_MOST_READ))
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._closed = False

    def open(self, remote: Address, setup: Setup) -> None:
        """Connect to ``remote``, or, as the passive side, accept the first connection from its host."""
        self._remote_host = remote[0]
        self._opening = asyncio.get_running_loop().create_task(self._open(remote, setup))

    async def _open(self, remote: Address, setup: Setup) -> None:
        loop = asyncio.get_running_loop()
        try:
            if setup is Setup.ACTIVE:
                async with asyncio.timeout(CONNECT_LIMIT):
                    # From the address that the SDP names, with any port: a firewall there may know the
                    # address only.
                    await loop.create_connection(lambda: self, *remote, local_addr=(self._local[0], 0))
            else:
                self._server = await loop.create_server(lambda: _Visitor(self), *self._local)
        except (OSError, TimeoutError) as error:
            self._log.warning("cannot open a TCP connection with %s:%d for T.38: %s", *remote, error)

    def send(self, octets: bytes) -> None:
        """Write in order; the connection to a far end that does not read is closed at a limit."""
        if self._closed:
            return
        if self._transport is None:
            # Then octets are lost, and with them the stream: its length prefixes no longer fit, and T.30
            # ends by its timers.
            if len(self._waiting) < _MOST_WAITING:
                self._waiting += octets
        # Half a minute of a fax at modem pace: the far end has stopped reading.
        elif self._transport.get_write_buffer_size() > _MOST_WAITING:
            self._transport.abort()
        else:
            self._transport.write(octets)

    def close(self) -> None:
        """Close the connection once the queue is written. Idempotent."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
        if self._server is not None:
            self._server.close()
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.BufferedProtocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(bytes(self._waiting))
        self._waiting.clear()
        if self._server is not None:
            # One connection for each call; another one may be a stranger's.
            self._server.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closed:
            self._on_data(bytes(self._read[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._log.warning("the TCP connection with %s for T.38 ended before the call", self._remote_host)
        self._closed = True

    def accepts(self, host: str) -> bool:
        """Whether a connection from ``host`` is the expected one."""
        return not self._closed and self._transport is None and host == self._remote_host


class _Visitor(asyncio.BufferedProtocol):
    """Accept a connection of the far end; close one of any other host."""

    def __init__(self, stream: MediaStream) -> None:
        self._stream = stream
        self._welcome = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._welcome = self._stream.accepts(transport.get_extra_info("peername")[0])
        if self._welcome:
            self._stream.connection_made(transport)
        else:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._stream.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        if self._welcome:
            self._stream.buffer_updated(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._welcome:
            self._stream.connection_lost(exc)
