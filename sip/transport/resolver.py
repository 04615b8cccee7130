"""From a target to the hops it leads to, best first (RFC 3263 4).

.. code-block:: text

    numeric host ──> that hop
    port given ──> addresses of the host
    transport given ──> SRV of that transport ──> else addresses of the host, default port
    neither ──> NAPTR ──> else SRV of each transport ──> else addresses of the host, UDP, default port

Addresses come from the system's resolver, so that ``/etc/hosts`` counts; only NAPTR and SRV are asked of the
name servers. These are a help: when they do not answer, the search goes on without them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Protocol

from sip.frozen import dataclass
from sip.logs import get_logger
from sip.syntax.errors import SipError
from sip.ua.target import Target, is_address, is_numeric
from sip.values import Hop, Transport

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as AskingResolver

_logger = get_logger(__name__)

QUERY_LIMIT = 3.0
"""Seconds for one question to the name servers."""
SEARCH_LIMIT = 8.0
"""Seconds for a whole search."""
MAX_RECORDS = 32
"""Of one answer; more are not looked at."""
MAX_HOPS = 16

ALL_FAMILIES = (socket.AF_INET, socket.AF_INET6)

_KINDS = {socket.AF_INET: ("IPv4", "0.0.0.0:0"), socket.AF_INET6: ("IPv6", "[::]:0")}

_SRV_NAMES = {Transport.UDP: "_sip._udp.", Transport.TCP: "_sip._tcp.", Transport.TLS: "_sips._tcp."}
_SERVICES = {"SIP+D2U": Transport.UDP, "SIP+D2T": Transport.TCP, "SIPS+D2T": Transport.TLS}
"""Services of NAPTR records (RFC 3263 4.1)."""


class ResolveError(SipError):
    """A target that leads nowhere; the text names it. ``transient`` when it may lead somewhere later."""

    def __init__(self, text: str, *, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


class FamilyError(ResolveError):
    """An address of a kind that the line has none of."""


@dataclass(frozen=True, slots=True)
class Service:
    """An SRV record (RFC 2782); a target of "" means that there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A NAPTR record as far as RFC 3263 uses it."""

    order: int
    preference: int
    service: str
    replacement: str


class Records(Protocol):
    """Where records come from. An answer without records is empty, whatever the reason."""

    async def services(self, name: str) -> Sequence[Service]: ...

    async def pointers(self, name: str) -> Sequence[Pointer]: ...

    async def addresses(self, host: str, families: Collection[socket.AddressFamily]) -> Sequence[str]:
        """IP addresses, best first; raises ResolveError when there are none."""


class Resolver:
    """``random`` spreads calls over the servers of a domain by their weights."""

    def __init__(self, random: Random, records: Records | None = None) -> None:
        self._random = random
        self._records = records or SystemRecords()

    async def locate(
        self, target: Target, families: Collection[socket.AddressFamily] = ALL_FAMILIES
    ) -> list[Hop]:
        """The hops in these address families, at least one; raises ResolveError, of which FamilyError."""
        if target.literal is not None:
            family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
            if family not in families:
                kind, there = _KINDS[family]
                raise FamilyError(
                    f"{target.host} is an {kind} address, and we listen at none of these; listen at {there}"
                )
            return [target.literal]
        try:
            async with asyncio.timeout(SEARCH_LIMIT):
                return await self._search(target, families)
        except TimeoutError:
            raise ResolveError(
                f"the name servers did not say within {SEARCH_LIMIT:g} s where {target} is", transient=True
            ) from None

    async def _search(self, target: Target, families: Collection[socket.AddressFamily]) -> list[Hop]:
        transport = target.transport or Transport.UDP
        if target.port is None:
            found = await self._services(target)
            if found and all(not service.target for _, service in found):
                raise ResolveError(f"{target.host} says that it offers no such service")
            hops = await self._hops_of(found, target, families)
            if hops:
                return hops
        addresses = await self._records.addresses(target.host, families)
        name = _server_name(target, transport)
        port = target.port or transport.default_port
        return [Hop(address, port, transport, name) for address in addresses[:MAX_HOPS]]

    async def _services(self, target: Target) -> list[tuple[Transport, Service]]:
        """The servers of a domain in the order to be tried."""
        if target.transport is not None:
            names = [(target.transport, _SRV_NAMES[target.transport] + target.host)]
        else:
            pointers = await self._records.pointers(target.host)
            names = [
                (_SERVICES[pointer.service.upper()], pointer.replacement)
                for pointer in sorted(pointers[:MAX_RECORDS], key=lambda each: (each.order, each.preference))
                if pointer.service.upper() in _SERVICES and pointer.replacement
            ] or [(transport, prefix + target.host) for transport, prefix in _SRV_NAMES.items()]
        answers = await asyncio.gather(*(self._records.services(name) for _, name in names))
        found: list[tuple[Transport, Service]] = []
        for (transport, _), services in zip(names, answers, strict=True):
            found += [(transport, service) for service in in_turn(services[:MAX_RECORDS], self._random)]
        return found

    async def _hops_of(
        self,
        found: Iterable[tuple[Transport, Service]],
        target: Target,
        families: Collection[socket.AddressFamily],
    ) -> list[Hop]:
        wanted = [(transport, service) for transport, service in found if service.target][:MAX_HOPS]
        answers = await asyncio.gather(
            *(self._addresses(service.target, families) for _, service in wanted),
        )
        hops: dict[Hop, None] = {}
        for (transport, service), addresses in zip(wanted, answers, strict=True):
            for address in addresses:
                hops[Hop(address, service.port, transport, _server_name(target, transport))] = None
        return list(hops)[:MAX_HOPS]

    async def _addresses(self, host: str, families: Collection[socket.AddressFamily]) -> Sequence[str]:
        try:
            return await self._records.addresses(host, families)
        except ResolveError as error:
            # The other servers of the domain may have one.
            _logger.info("%s", error)
            return ()


def in_turn(services: Iterable[Service], random: Random) -> list[Service]:
    """SRV records in the order to be tried: by priority, and by chance according to weight (RFC 2782)."""
    ordered: list[Service] = []
    by_priority = sorted(services, key=lambda each: each.priority)
    for _, group in groupby(by_priority, key=lambda each: each.priority):
        # Those without weight first, so that they have a small chance and not none.
        left = sorted(group, key=lambda each: each.weight)
        while left:
            chosen = random.randint(0, sum(each.weight for each in left))
            for each in left:
                chosen -= each.weight
                if chosen <= 0:
                    break
            left.remove(each)
            ordered.append(each)
    return ordered


def _server_name(target: Target, transport: Transport) -> str | None:
    """The domain of the URI, not the name of the server that serves it (RFC 5922 4)."""
    return target.host if transport is Transport.TLS else None


class SystemRecords:
    """The name servers and the resolver of this machine.

    dnspython takes as long to import as all of SIP, and a peer that is named by its address needs none of it.

    ``servers`` are asked instead of those that the machine names, at ``port``; for tests.
    """

    def __init__(self, servers: Sequence[str] = (), port: int = 53) -> None:
        self._servers = list(servers)
        self._port = port
        self._resolver: AskingResolver | None = None

    async def services(self, name: str) -> Sequence[Service]:
        records = await self._ask(name, "SRV")
        from dns.rdtypes.IN.SRV import SRV

        return [
            Service(record.priority, record.weight, record.port, record.target.to_text().rstrip("."))
            for record in records
            if isinstance(record, SRV)
        ]

    async def pointers(self, name: str) -> Sequence[Pointer]:
        records = await self._ask(name, "NAPTR")
        from dns.rdtypes.IN.NAPTR import NAPTR

        return [
            Pointer(
                record.order,
                record.preference,
                record.service.decode("ascii", "replace"),
                record.replacement.to_text().rstrip("."),
            )
            for record in records
            if isinstance(record, NAPTR) and record.flags.lower() == b"s"
        ]

    async def _ask(self, name: str, kind: str) -> Iterable[object]:
        if self._resolver is None:
            # In a thread, as importing it would hold up the packets of calls.
            await asyncio.to_thread(import_module, "dns.asyncresolver")
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            if self._resolver is None:
                self._resolver = self._make_resolver()
            answer = await self._resolver.resolve(name, kind, lifetime=QUERY_LIMIT, search=False)
        except (NXDOMAIN, NoAnswer):
            return ()
        except (DNSException, OSError) as error:
            _logger.info("no answer about %s of %s: %s", kind, name, error)
            return ()
        return answer

    def _make_resolver(self) -> AskingResolver:
        from dns.asyncresolver import Resolver as AskingResolver

        if not self._servers:
            return AskingResolver()
        resolver = AskingResolver(configure=False)
        resolver.nameservers = list(self._servers)
        resolver.port = self._port
        return resolver

    async def addresses(self, host: str, families: Collection[socket.AddressFamily]) -> Sequence[str]:
        if is_address(host):
            return (host,)
        if is_numeric(host):
            # A record may say so; the system would make an address of it.
            raise ResolveError(f"the host {host!r} is neither a name nor a whole IP address")
        family, kind = socket.AF_UNSPEC, ""
        if len(families) == 1:
            (family,) = families
            kind = f" of {_KINDS[family][0]}"
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except RuntimeError as error:
            # The system's resolver blocks a thread for each question.
            why = f"this process may have no thread to ask with ({error}); try again later"
            raise ResolveError(f"the host {host!r} was not looked up: {why}", transient=True) from error
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                why = "the name servers do not answer; try again later"
                raise ResolveError(f"the host {host!r} has no address now: {why}", transient=True) from error
            raise ResolveError(f"the host {host!r} has no address{kind}; check how it is spelt") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
