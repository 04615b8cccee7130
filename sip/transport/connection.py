"""One connection over TCP or TLS: asyncio's protocol around ``sip.syntax.stream``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from sip.logs import SELDOM, contained, get_logger
from sip.syntax.stream import Stream
from sip.transport.tls import TlsError
from sip.values import Hop

_logger = get_logger(__name__)

MAX_UNSENT = 256 * 1024
"""Octets queued for a peer that does not read before the connection is closed."""
MAX_WAITING = 128 * 1024
"""Octets queued until a connection is established: some hundred calls."""

_BUFFER = 8 * 1024
"""Octets read before other work of the loop gets its turn."""
_GOODBYE_LIMIT = 0.5
"""Seconds for queued data and the TLS close_notify to go out before the connection is aborted."""


class ConnectionOwner(Protocol):
    """What a connection needs of the table that it is in."""

    on_message: Callable[[bytes, Hop], None]

    @property
    def now(self) -> float: ...

    def check(self, hop: Hop, transport: asyncio.BaseTransport, *, ours: bool) -> None:
        """Raises TlsError when the certificate is not for the expected far end."""

    def drop(self, connection: Connection, why: str) -> None:
        """Forget a connection that is not used any more."""

    def lost(self, connection: Connection, error: Exception | None) -> None:
        """An established connection was closed or broke."""


class Connection(asyncio.BufferedProtocol):
    """One connection; ``hop`` is its far end."""

    def __init__(self, owner: ConnectionOwner, hop: Hop, stream: Stream, *, ours: bool) -> None:
        self.hop = hop
        self.ours = ours
        self.stream = stream
        self.heard = False
        self.gone = asyncio.Event()
        self.refusal: TlsError | None = None
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._closed = False
        # asyncio's TLS writes into slices of it: a slice of a memoryview is not a copy, one of a bytearray
        # is.
        self._buffer = memoryview(bytearray(_BUFFER))

    # --- asyncio's calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._closed:
            # close() was called during the handshake, when there was no transport to abort yet.
            self._transport.abort()
            return
        try:
            # With TLS asyncio calls this after the handshake: the certificate is there, and nothing has been
            # sent yet.
            self._owner.check(self.hop, transport, ours=self.ours)
        except TlsError as error:
            self.refusal = error
            self._transport.abort()
            return
        except Exception:
            # Fail closed: an unchecked far end must not get any message.
            _logger.exception("the certificate of a far end could not be checked", extra=SELDOM)
            self.refusal = TlsError(f"the certificate of {self.hop} could not be checked")
            self._transport.abort()
            return
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self.write(data)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._closed or self.refusal is not None:
            return
        with contained(_logger, "received octets were dropped after an internal error"):
            # A copy, for the buffer is used again.
            self.stream.receive(bytes(self._buffer[:nbytes]), self._owner.now)
        self.settle()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        self._owner.lost(self, error)

    # --------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send now, or once the connection is established."""
        # Keep-alives are due only after a while without traffic (RFC 5626 4.4.1).
        self.stream.sent(self._owner.now)
        if self._transport is None:
            self._unsent.append(data)
            if sum(map(len, self._unsent)) > MAX_WAITING:
                self.close(f"too many octets are waiting for a connection with {self.hop}")
        else:
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > MAX_UNSENT:
                self.close(f"{self.hop} does not read what we send")

    def settle(self) -> None:
        """Deliver the complete messages, and send the stream's keep-alives."""
        for message in self.stream.take_messages():
            self.heard = True
            with contained(_logger, "a message was dropped after an internal error"):
                self._owner.on_message(message, self.hop)
        if octets := self.stream.take_octets():
            self.write(octets)
        if self.stream.fault is not None:
            self.close(self.stream.fault, at_once=False)

    def close(self, why: str, *, at_once: bool = True) -> None:
        """Stop using the connection; unless ``at_once``, send what is queued before closing it."""
        if self._closed:
            return
        _logger.info("closed the connection with %s: %s", self.hop, why, extra=SELDOM)
        self._closed = True
        self._unsent.clear()
        self._owner.drop(self, why)
        if self._transport is None:
            self.gone.set()
        elif at_once:
            self._transport.abort()
        else:
            self._transport.close()
            asyncio.get_running_loop().call_later(_GOODBYE_LIMIT, self._transport.abort)

    async def finish(self) -> None:
        """Close gracefully: send what is queued, and the TLS close_notify."""
        if self._transport is not None:
            self._transport.close()
            try:
                async with asyncio.timeout(_GOODBYE_LIMIT):
                    await self.gone.wait()
            except TimeoutError:
                self._transport.abort()
