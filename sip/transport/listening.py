"""The addresses that a line listens at, and which of them a far end sees."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sip.syntax.errors import SipError, told
from sip.values import Address, Hop, Transport

_TRIES = 16
"""Ports tried to find one that is free for both UDP and TCP."""
WILDCARDS = ("0.0.0.0", "::")
_MAX_ROUTES = 256
"""Far ends whose route is cached; finding one takes a socket and three system calls."""
_BACKLOG = 128
_BIND_ERRORS = {
    errno.EADDRNOTAVAIL: "it is not an address of this machine; choose one of its own, or 0.0.0.0 for all",
    errno.EACCES: "the port is reserved for privileged users; choose one of 1024 or above",
}


class ListenError(SipError):
    """Cannot listen at an address; the text names the address and the reason."""


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A bound socket and what it is for."""

    sock: socket.socket
    hop: Hop
    """Its address and transport."""


class Listening:
    """Bound sockets, and reserved source ports for connections over transports without a listener.

    ``advertised`` are the addresses that far ends see in place of ours, at most one of each family.
    """

    def __init__(self, listeners: Sequence[BoundSocket], advertised: Sequence[str] = ()) -> None:
        self.listeners = listeners
        self.families = tuple(dict.fromkeys(listener.sock.family for listener in listeners))
        self._advertised = {family_of(host): host for host in advertised}
        self._reserved: dict[tuple[Transport, socket.AddressFamily], socket.socket] = {}
        self._routes: dict[str, str] = {}

    @classmethod
    async def bind(cls, wanted: Sequence[Hop], advertised: Sequence[str] = ()) -> Listening:
        """Bind sockets. Port 0 takes any free port, the same for UDP and TCP of a host. Raises
        ListenError."""
        # One port for UDP and TCP: the Contact has one port, which must be right for both (RFC 3261
        # 18.2.1).
        groups: dict[Hop | Address, list[Hop]] = {}
        for hop in wanted:
            groups.setdefault(hop if hop.transport is Transport.TLS else hop.address, []).append(hop)
        listeners: list[BoundSocket] = []
        try:
            for group in groups.values():
                listeners += await _bind_all(group)
            return cls(listeners, advertised)
        except BaseException:
            for listener in listeners:
                listener.sock.close()
            raise

    def close(self) -> None:
        for listener in self.listeners:
            listener.sock.close()
        for sock in self._reserved.values():
            sock.close()

    def listener(self, hop: Hop) -> BoundSocket | None:
        """The listener for the transport and address family of ``hop``, or None."""
        family = family_of(hop.host)
        return next(
            (
                listener
                for listener in self.listeners
                if listener.sock.family == family and listener.hop.transport is hop.transport
            ),
            None,
        )

    def seen_by(self, hop: Hop) -> Address:
        """Our address as ``hop`` sees it, for Via and Contact."""
        host, port = self.source(hop)
        # The zone of an IPv6 address has no meaning outside this machine (RFC 4007 11.2).
        return self._advertised.get(family_of(hop.host)) or host.partition("%")[0], port

    def source(self, hop: Hop) -> Address:
        """Our address towards ``hop``, and the port that we listen at, or that connections come from."""
        listener = self.listener(hop)
        if listener is not None:
            host, port = listener.hop.address
        else:
            family = family_of(hop.host)
            hosts = [each.hop.host for each in self.listeners if each.sock.family == family]
            host = hosts[0] if hosts else WILDCARDS[family == socket.AF_INET6]
            port = self._reserve(hop.transport, family)
        return host_towards(host, hop, self._route), port

    def connect_from(self, hop: Hop) -> Address:
        """The address to open a connection to ``hop`` from; port 0 is any."""
        host, port = self.source(hop)
        # The port of a listener is in use; without one our Contact contains the port reserved for
        # connections.
        return host, 0 if self.listener(hop) is not None else port

    def _reserve(self, transport: Transport, family: socket.AddressFamily) -> int:
        """A source port for all connections of a transport that we do not listen for.

        So our Contact can contain it before there is a connection, and a proxy that looks for a connection to
        that address finds ours.
        """
        sock = self._reserved.get((transport, family))
        if sock is None:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                # Bound and never listening: connections may still be bound to it (SO_REUSEADDR), other
                # programs get another port from the kernel.
                sock.bind((WILDCARDS[family == socket.AF_INET6], 0))
            self._reserved[transport, family] = sock
        return int(sock.getsockname()[1])

    def _route(self, peer: str) -> str:
        """Our address on the route to ``peer``, cached."""
        known = self._routes.get(peer)
        if known is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            known = self._routes[peer] = _route_to(peer)
        return known


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _route_to(peer: str) -> str:
    """The local address on the route to ``peer``; loopback if there is no route."""
    # connect() on a UDP socket sends nothing, but selects the route and thereby the source address.
    with socket.socket(family_of(peer), socket.SOCK_DGRAM) as probe:
        try:
            # Any port does; 9 is discard.
            probe.connect((peer, 9))
        except OSError:
            return "::1" if ":" in peer else "127.0.0.1"
        return str(probe.getsockname()[0])


def host_towards(bound: str, peer: Hop, route: Callable[[str], str] = _route_to) -> str:
    """``bound`` itself, or for a wildcard the address on the route to ``peer``."""
    return route(peer.host) if bound in WILDCARDS else bound


async def _bind_all(hops: Sequence[Hop]) -> list[BoundSocket]:
    """Bind hops of one host and port to one port."""
    for attempt in range(_TRIES):
        listeners: list[BoundSocket] = []
        port = hops[0].port
        try:
            for hop in hops:
                listeners.append(await _bind(replace(hop, port=port)))
                # The first socket chooses the port, the others have to get the same.
                port = listeners[0].hop.port
        except ListenError:
            for listener in listeners:
                listener.sock.close()
            if hops[0].port or not listeners or attempt == _TRIES - 1:
                raise
        except BaseException:
            for listener in listeners:
                listener.sock.close()
            raise
        else:
            return listeners
    raise AssertionError


async def _bind(hop: Hop) -> BoundSocket:
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_STREAM if hop.transport.reliable else socket.SOCK_DGRAM
    try:
        found = await loop.getaddrinfo(hop.host, hop.port, type=kind, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen at {hop}: {hop.host!r} has no address; check it") from error
    except RuntimeError as error:
        # getaddrinfo runs in a thread; when no thread can be started, Python raises a bare RuntimeError.
        if "thread" not in str(error):
            raise
        raise ListenError(f"cannot listen at {hop}: {error}") from error
    family, _, _, _, address = found[0]
    try:
        sock = socket.socket(family, kind)
    except OSError as error:
        raise ListenError(f"cannot listen at {hop}: {told(error)}") from error
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            # IPv4 has separate listeners; a dual-stack socket would report IPv4-mapped source addresses.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hop.transport.reliable:
            # Allow a restart while connections of the previous process are in TIME_WAIT.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if hop.transport.reliable:
            # With SO_REUSEADDR bind() succeeds on a port in use; only listen() reports EADDRINUSE.
            sock.listen(_BACKLOG)
        host, port = sock.getsockname()[:2]
        return BoundSocket(sock, Hop(host, port, hop.transport))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            port = f"{hop.transport.value} port {hop.port} of {hop.host}"
            raise ListenError(
                f"{port} is in use; stop the process that uses it, or choose another"
            ) from error
        why = _BIND_ERRORS.get(error.errno or 0) or told(error)
        raise ListenError(f"cannot listen at {hop}: {why}") from error
    except BaseException:
        sock.close()
        raise
