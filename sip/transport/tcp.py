"""Connections over TCP and TLS, indexed by far end.

One connection (``sip.transport.connection``) carries all calls in both directions. The far end of one that we
opened is the address that we connected to and the name that the certificate was checked for; of one opened to
us, its source address and port.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace

from sip.line_settings import TlsSettings
from sip.logs import SELDOM, contained, get_logger
from sip.syntax.stream import Stream
from sip.transport.connection import Connection
from sip.transport.tls import (
    ASKS_FOR_CERTIFICATE,
    TlsError,
    check_name,
    client_context,
    server_context,
    why_refused,
)
from sip.values import Address, Hop, NetworkFault, Transport

_logger = get_logger(__name__)

CONNECT_LIMIT = 3.0
"""Seconds to establish a connection, TLS included; less than the patience of ``sip.ua.failover``."""
HANDSHAKE_LIMIT = 10.0
"""Seconds for the TLS handshake of a connection opened to us."""
IDLE_LIMIT = 600.0
"""Seconds without a message after which a connection is closed, unless a call or registration uses it."""
MAX_INCOMING = 1024
MAX_FROM_ONE = 128
"""Connections opened to us, in total and from one address."""
MAX_OPENING = 64
"""Connections being opened by us at the same time."""

_SWEEP = 1.0
"""Seconds between checks of all connections for keep-alives and idle time."""
_RETRY_ACCEPT = 0.1
"""Seconds after a failed accept; the listener stays readable, so that without a pause the loop would spin."""


class Connections:
    """All connections of a line. Call every method on the loop's thread.

    ``on_message`` gets each message and its far end; ``on_refused`` a hop that cannot be connected to, and
    ``on_closed`` one whose connection is closed, each with the reason. ``in_use`` returns the hops whose
    connections must be kept. ``source`` returns the address to connect from; port 0 means any.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[bytes, Hop], None],
        on_refused: Callable[[Hop, NetworkFault], None],
        on_closed: Callable[[Hop, NetworkFault], None],
        in_use: Callable[[], Collection[Hop]],
        source: Callable[[Hop], Address],
        tls: TlsSettings,
    ) -> None:
        self.on_message = on_message
        self._on_refused = on_refused
        self._on_closed = on_closed
        self._in_use = in_use
        self._source = source
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._client_context: ssl.SSLContext | None = None
        self._table: dict[Hop, Connection] = {}
        self._incoming: Counter[str] = Counter()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._table)

    @property
    def now(self) -> float:
        return self._loop.time()

    def listen(self, sock: socket.socket, transport: Transport) -> None:
        """Accept connections on a listening socket. Raises TlsError."""
        context = server_context(self._tls) if transport is Transport.TLS else None
        self._spawn(self._accept(sock, transport, context))

    def send(self, data: bytes, hop: Hop) -> None:
        """Send on the connection with ``hop``; open one if there is none."""
        connection = self._find(hop)
        if connection is None:
            if self._opening == MAX_OPENING:
                busy = NetworkFault(f"{MAX_OPENING} other connections are being opened", "try again later")
                self._on_refused(hop, busy)
                return
            connection = Connection(self, hop, Stream(self.now, ours=True), ours=True)
            self._add(connection)
            self._opening += 1
            self._spawn(self._connect(connection))
        connection.write(data)

    def _find(self, hop: Hop) -> Connection | None:
        found = self._table.get(hop)
        if found is None and hop.server_name is None:
            # A hop without a name to check accepts a connection whose certificate was checked for any name.
            found = next((each for each in self._table.values() if _unnamed(each.hop) == hop), None)
        return found

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sweep is not None:
            self._sweep.cancel()
        connections, self._table = self._table, {}
        await asyncio.gather(*(connection.finish() for connection in connections.values()))

    # --- connections that we open ---------------------------------------------------------------------------

    async def _connect(self, connection: Connection) -> None:
        hop = connection.hop
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                await self._open(connection)
        except Exception as error:
            # Not only OSError: the IDNA codec raises UnicodeError for a server name such as "a..b".
            fault = self._fault(error, hop)
        else:
            if connection.refusal is None:
                return
            fault = NetworkFault(str(connection.refusal))
        finally:
            # Whatever became of it: this bounds the attempts in progress.
            self._opening -= 1
        if self._forget(connection):
            _logger.info("cannot connect to %s: %s", hop, fault, extra=SELDOM)
            self._on_refused(hop, fault)

    async def _open(self, connection: Connection) -> None:
        hop = connection.hop
        context = self._context() if hop.transport is Transport.TLS else None
        sock = await self._connected_socket(hop)
        try:
            await self._loop.create_connection(
                lambda: connection,
                sock=sock,
                ssl=context,
                # For SNI; the name is checked by ourselves (check_name).
                server_hostname=None if context is None else hop.server_name or hop.host,
                ssl_handshake_timeout=None if context is None else CONNECT_LIMIT,
            )
        except BaseException:
            sock.close()
            raise

    def _context(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = client_context(self._tls)
        return self._client_context

    async def _connected_socket(self, hop: Hop) -> socket.socket:
        host, port = self._source(hop)
        try:
            return await self._connected_from((host, port), hop)
        except OSError as error:
            # A previous connection with this pair of ports may be in TIME_WAIT: use any port.
            if not port or error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
            return await self._connected_from((host, 0), hop)

    async def _connected_from(self, source: Address, hop: Hop) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in hop.host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            # The source port is the one that ``Listening`` has reserved, and several connections share it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
            await self._loop.sock_connect(sock, hop.address)
        except BaseException:
            sock.close()
            raise
        return sock

    def check(self, hop: Hop, transport: asyncio.BaseTransport, *, ours: bool) -> None:
        """Raises TlsError when the certificate is not for the expected far end."""
        if ours and hop.transport is Transport.TLS and self._tls.verify:
            check_name(transport.get_extra_info("peercert") or {}, hop.server_name or hop.host)

    # --- connections that are opened to us ------------------------------------------------------------------

    async def _accept(
        self, listener: socket.socket, transport: Transport, context: ssl.SSLContext | None
    ) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(listener)
            except OSError as error:
                if listener.fileno() < 0:
                    return
                # Usually the process is out of file descriptors, and every accept fails until one is closed.
                _logger.warning("cannot accept a connection: %s", error, extra=SELDOM)
                await asyncio.sleep(_RETRY_ACCEPT)
                continue
            with contained(_logger, "a connection was not accepted after an internal error"):
                self._taken(sock, Hop(address[0], address[1], transport), context)

    def _taken(self, sock: socket.socket, hop: Hop, context: ssl.SSLContext | None) -> None:
        try:
            if not self._make_room(hop):
                sock.close()
                return
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        connection = Connection(self, hop, Stream(self.now, ours=False), ours=False)
        self._add(connection)
        self._spawn(self._take(connection, sock, context))

    async def _take(
        self, connection: Connection, sock: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=context,
                ssl_handshake_timeout=None if context is None else HANDSHAKE_LIMIT,
            )
        except Exception as error:
            _logger.info("the TLS handshake with %s failed: %s", connection.hop, error, extra=SELDOM)
            sock.close()
            self._forget(connection)

    def _make_room(self, hop: Hop) -> bool:
        """Whether one more connection is accepted; at the limit, closes the one that is idle the longest."""
        # A second connection from the same port would be a reused socket of a peer that we have not seen
        # close.
        if self._incoming[hop.host] >= MAX_FROM_ONE or hop in self._table:
            return False
        if self._incoming.total() < MAX_INCOMING:
            return True
        kept = self._in_use()
        idle = [each for each in self._table.values() if not each.ours and each.hop not in kept]
        if not idle:
            return False
        idlest = min(idle, key=lambda each: each.stream.heard_at)
        idlest.close("the limit of connections is reached")
        return True

    # --------------------------------------------------------------------------------------------------------

    def _add(self, connection: Connection) -> None:
        self._table[connection.hop] = connection
        if not connection.ours:
            self._incoming[connection.hop.host] += 1
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP, self._sweep_due)

    def _forget(self, connection: Connection) -> bool:
        """Remove the connection; false if it was not in the table."""
        if self._table.get(connection.hop) is not connection:
            return False
        del self._table[connection.hop]
        if not connection.ours:
            self._incoming[connection.hop.host] -= 1
            if not self._incoming[connection.hop.host]:
                del self._incoming[connection.hop.host]
        return True

    def drop(self, connection: Connection, why: str) -> None:
        """Forget a connection that is not used any more."""
        if self._forget(connection):
            # Never call back from within ``send``.
            self._loop.call_soon(self._on_closed, connection.hop, NetworkFault(why))

    def lost(self, connection: Connection, error: Exception | None) -> None:
        """An established connection was closed or broke."""
        if connection.refusal is not None or not self._forget(connection):
            return
        hop = connection.hop
        fault = NetworkFault(f"{hop} closed the connection") if error is None else self._fault(error, hop)
        unheard = connection.ours and not connection.heard
        if unheard and hop.transport is Transport.TLS and not isinstance(error, ssl.SSLError):
            # In TLS 1.3 the server checks our certificate after we consider the handshake finished and a TCP
            # reset may arrive before its alert.
            missed = self._tls.certificate is None
            fault = replace(
                fault, advice=ASKS_FOR_CERTIFICATE if missed else "it may not accept our certificate"
            )
        # Refused rather than closed: the requests sent on it were never answered, so the agent
        # tries the next hop.
        if unheard:
            self._on_refused(hop, fault)
        else:
            self._on_closed(hop, fault)

    def _fault(self, error: BaseException, hop: Hop) -> NetworkFault:
        """The reason why a connection could not be opened, or broke."""
        if isinstance(error, ssl.SSLError):
            return why_refused(
                error, hop.server_name or hop.host, certificate=self._tls.certificate is not None
            )
        return NetworkFault(self._sentence(error, hop))

    @staticmethod
    def _sentence(error: BaseException, hop: Hop) -> str:
        if isinstance(error, TlsError):
            return str(error)
        if isinstance(error, TimeoutError):
            return f"{hop} did not accept a connection within {CONNECT_LIMIT:g} s"
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {hop}"
        if isinstance(error, ConnectionError):
            return f"{hop} reset the connection"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"{hop} cannot be reached: {reason}"

    def _sweep_due(self) -> None:
        """Check all connections at once, which is cheaper than a timer for each."""
        with contained(_logger, "connections were not checked after an internal error"):
            self._check_all()
        self._sweep = self._loop.call_later(_SWEEP, self._sweep_due) if self._table else None

    def _check_all(self) -> None:
        now = self.now
        kept = self._in_use()
        for connection in list(self._table.values()):
            due = connection.stream.next_deadline()
            if due is not None and due <= now:
                connection.stream.handle_deadline(now)
                connection.settle()
            if now - connection.stream.heard_at > IDLE_LIMIT and connection.hop not in kept:
                connection.close(f"idle for {IDLE_LIMIT:g} s")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unnamed(hop: Hop) -> Hop:
    return replace(hop, server_name=None)
