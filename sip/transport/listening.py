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
"""Ports that are tried for one that is free for UDP and for TCP."""
WILDCARDS = ("0.0.0.0", "::")
_MAX_ROUTES = 256
_BACKLOG = 128
_BIND_ERRORS = {
    errno.EADDRNOTAVAIL: "it is no address of this machine; choose one that is, or 0.0.0.0 for all of them",
    errno.EACCES: "the port is for privileged users; choose one from 1024 on",
}


class ListenError(SipError):
    """An address to listen at that cannot be had; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket and what it is for."""

    sock: socket.socket
    hop: Hop
    """Its own address and transport."""


class Listening:
    """Bound sockets, and ports for connections where we do not listen.

    ``advertised`` is the address that far ends shall see in place of ours, one of each family at most.
    """

    def __init__(self, listeners: Sequence[Listener], advertised: Sequence[str] = ()) -> None:
        self.listeners = listeners
        self.families = tuple(dict.fromkeys(listener.sock.family for listener in listeners))
        self._advertised = {family_of(host): host for host in advertised}
        self._reserved: dict[tuple[Transport, socket.AddressFamily], socket.socket] = {}
        self._routes: dict[str, str] = {}

    @classmethod
    async def bind(cls, wanted: Sequence[Hop], advertised: Sequence[str] = ()) -> Listening:
        """Bind what is wanted. Port 0 takes any free one, for UDP and TCP the same. Raises ListenError."""
        groups: dict[Hop | Address, list[Hop]] = {}
        for hop in wanted:
            groups.setdefault(hop if hop.transport is Transport.TLS else hop.address, []).append(hop)
        listeners: list[Listener] = []
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

    def listener(self, hop: Hop) -> Listener | None:
        """The one that serves the transport and address family of ``hop``."""
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
        # The zone of an IPv6 address means nothing to others (RFC 4007 11.2).
        return self._advertised.get(family_of(hop.host)) or host.partition("%")[0], port

    def source(self, hop: Hop) -> Address:
        """Our address towards ``hop``, and the port where we listen, or that connections come from."""
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
        # Where we listen the port is taken; elsewhere our Contact names the one that the connection has.
        return host, 0 if self.listener(hop) is not None else port

    def _reserve(self, transport: Transport, family: socket.AddressFamily) -> int:
        """A port for all connections of a transport that we do not listen for.

        So our Contact can name it before there is a connection, and a proxy that looks for a connection to
        that address finds ours.
        """
        sock = self._reserved.get((transport, family))
        if sock is None:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                sock.bind((WILDCARDS[family == socket.AF_INET6], 0))
            self._reserved[transport, family] = sock
        return int(sock.getsockname()[1])

    def _route(self, peer: str) -> str:
        """Our address on the route to ``peer``."""
        known = self._routes.get(peer)
        if known is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            known = self._routes[peer] = _route_to(peer)
        return known


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _route_to(peer: str) -> str:
    """The address of this machine on the way to ``peer``."""
    # Connecting a UDP socket sends nothing, but chooses the route.
    with socket.socket(family_of(peer), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, 9))
        except OSError:
            return "::1" if ":" in peer else "127.0.0.1"
        return str(probe.getsockname()[0])


def host_towards(bound: str, peer: Hop, route: Callable[[str], str] = _route_to) -> str:
    """``bound`` itself, or for a socket bound to all addresses the one on the way to ``peer``."""
    return route(peer.host) if bound in WILDCARDS else bound


async def _bind_all(hops: Sequence[Hop]) -> list[Listener]:
    """Bind hops of one host and port to one port."""
    for attempt in range(_TRIES):
        listeners: list[Listener] = []
        port = hops[0].port
        try:
            for hop in hops:
                listeners.append(await _bind(replace(hop, port=port)))
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


async def _bind(hop: Hop) -> Listener:
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_STREAM if hop.transport.reliable else socket.SOCK_DGRAM
    try:
        found = await loop.getaddrinfo(hop.host, hop.port, type=kind, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen at {hop}: {hop.host!r} has no address; check it") from error
    except RuntimeError as error:
        # The look-up takes a thread, and this process may have no more; Python has no other error for that.
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
            # IPv4 has listeners of its own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hop.transport.reliable:
            # A restart shall not wait for the connections of before.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if hop.transport.reliable:
            # Now, because only this tells whether another listens there.
            sock.listen(_BACKLOG)
        host, port = sock.getsockname()[:2]
        return Listener(sock, Hop(host, port, hop.transport))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            port = f"{hop.transport.value} port {hop.port} of {hop.host}"
            raise ListenError(f"{port} is in use; stop its owner or choose another") from error
        why = _BIND_ERRORS.get(error.errno or 0) or told(error)
        raise ListenError(f"cannot listen at {hop}: {why}") from error
    except BaseException:
        sock.close()
        raise
