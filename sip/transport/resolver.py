"""Resolve a target to hops, best first (RFC 3263 4).

.. code-block:: text

    numeric host ──> that hop
    port given ──> addresses of the host
    transport given ──> SRV of that transport ──> else addresses of the host, default port
    neither ──> NAPTR ──> else SRV of each transport ──> else addresses of the host, UDP, default port

Addresses come from the system's resolver, which includes ``/etc/hosts``; only NAPTR and SRV are queried from
the name servers. Without an answer about them the search continues with addresses.
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
"""Seconds for one query to the name servers."""
# NAPTR, SRV and addresses one after the other, with one query of the three going unanswered.
SEARCH_LIMIT = 8.0
"""Seconds for a whole search."""
MAX_RECORDS = 32
"""Records of one answer that are used: bounds the work that a name server can cause."""
MAX_HOPS = 16
"""Hops tried for one target; each may take the patience of ``sip.ua.failover``."""

ALL_FAMILIES = (socket.AF_INET, socket.AF_INET6)

_KINDS = {socket.AF_INET: ("IPv4", "0.0.0.0:0"), socket.AF_INET6: ("IPv6", "[::]:0")}

_SRV_NAMES = {Transport.UDP: "_sip._udp.", Transport.TCP: "_sip._tcp.", Transport.TLS: "_sips._tcp."}
_SERVICES = {"SIP+D2U": Transport.UDP, "SIP+D2T": Transport.TCP, "SIPS+D2T": Transport.TLS}
"""Services of NAPTR records (RFC 3263 4.1)."""


class ResolveError(SipError):
    """Resolution failed; the text names the target. ``transient`` is true for timeouts and the like."""

    def __init__(self, text: str, *, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


class FamilyError(ResolveError):
    """The target is of an address family that the line does not listen in."""


@dataclass(frozen=True, slots=True)
class Service:
    """An SRV record (RFC 2782); a target of "" means that the service is not available."""

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
    """Source of DNS records. Errors of SRV and NAPTR queries give an empty result."""

    async def services(self, name: str) -> Sequence[Service]: ...

    async def pointers(self, name: str) -> Sequence[Pointer]: ...

    async def addresses(self, host: str, families: Collection[socket.AddressFamily]) -> Sequence[str]:
        """IP addresses, best first; raises ResolveError when there are none."""


class Resolver:
    """Finds the servers of a target. ``random`` selects among SRV records by weight."""

    def __init__(self, random: Random, records: Records | None = None) -> None:
        self._random = random
        self._records = records or SystemRecords()

    async def locate(
        self, target: Target, families: Collection[socket.AddressFamily] = ALL_FAMILIES
    ) -> list[Hop]:
        """The hops in these address families, at least one. Raises ResolveError or its subclass
        FamilyError."""
        if target.literal is not None:
            family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
            if family not in families:
                kind, there = _KINDS[family]
                raise FamilyError(
                    f"{target.host} is an {kind} address, and we do not listen at any; listen at {there}"
                )
            return [target.literal]
        try:
            async with asyncio.timeout(SEARCH_LIMIT):
                return await self._search(target, families)
        except TimeoutError:
            raise ResolveError(
                f"the name servers did not resolve {target} within {SEARCH_LIMIT:g} s", transient=True
            ) from None

    async def _search(self, target: Target, families: Collection[socket.AddressFamily]) -> list[Hop]:
        transport = target.transport or Transport.UDP
        if target.port is None:
            found = await self._services(target)
            # RFC 2782: a single record with the target "." denies the service.
            if found and all(not service.target for _, service in found):
                raise ResolveError(f"{target.host} does not offer SIP: its SRV records have the target '.'")
            hops = await self._hops_of(found, target, families)
            if hops:
                return hops
        addresses = await self._records.addresses(target.host, families)
        name = _server_name(target, transport)
        port = target.port or transport.default_port
        return [Hop(address, port, transport, name) for address in addresses[:MAX_HOPS]]

    async def _services(self, target: Target) -> list[tuple[Transport, Service]]:
        """The servers of a domain in the order to try them."""
        if target.transport is not None:
            names = [(target.transport, _SRV_NAMES[target.transport] + target.host)]
        else:
            pointers = await self._records.pointers(target.host)
            # Without NAPTR records, SRV records of each transport are asked for (RFC 3263 4.1).
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
            # Other servers of the domain may have an address.
            _logger.info("%s", error)
            return ()


def in_turn(services: Iterable[Service], random: Random) -> list[Service]:
    """SRV records in the order to try them: by priority, then at random by weight (RFC 2782)."""
    ordered: list[Service] = []
    by_priority = sorted(services, key=lambda each: each.priority)
    for _, group in groupby(by_priority, key=lambda each: each.priority):
        # Weight 0 comes first in the running sum, so that it keeps a very small chance (RFC 2782).
        left = sorted(group, key=lambda each: each.weight)
        while left:
            # From 0 to the sum, both included, as RFC 2782 has it.
            chosen = random.randint(0, sum(each.weight for each in left))
            for each in left:
                chosen -= each.weight
                if chosen <= 0:
                    break
            left.remove(each)
            ordered.append(each)
    return ordered


def _server_name(target: Target, transport: Transport) -> str | None:
    """The name that the certificate must contain: the domain of the URI, not of the SRV target (RFC 5922
    4)."""
    return target.host if transport is Transport.TLS else None


class SystemRecords:
    """The name servers and the resolver of this machine.

    dnspython is imported at the first query: it takes as long as all of ``sip``, and a peer that is given by
    its address does not need it.

    ``servers`` at ``port`` replace the name servers of the system; for tests.
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
            # Flag "s": the replacement is the name of SRV records, the only kind that RFC 3263 4.1 uses.
            if isinstance(record, NAPTR) and record.flags.lower() == b"s"
        ]

    async def _ask(self, name: str, kind: str) -> Iterable[object]:
        if self._resolver is None:
            # In a thread, because the import would delay the packets of calls.
            await asyncio.to_thread(import_module, "dns.asyncresolver")
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            if self._resolver is None:
                self._resolver = self._make_resolver()
            # Domains of SIP URIs are complete: no search list of this machine is added to them.
            answer = await self._resolver.resolve(name, kind, lifetime=QUERY_LIMIT, search=False)
        except (NXDOMAIN, NoAnswer):
            return ()
        except (DNSException, OSError) as error:
            _logger.info("the query for %s of %s failed: %s", kind, name, error)
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
            # An SRV target may be "1.2"; getaddrinfo would accept it as 1.0.0.2.
            raise ResolveError(f"the host {host!r} is neither a name nor a whole IP address")
        family, kind = socket.AF_UNSPEC, ""
        if len(families) == 1:
            (family,) = families
            kind = f" ({_KINDS[family][0]})"
        loop = asyncio.get_running_loop()
        try:
            # With one type of socket each address comes once instead of once a type.
            found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except RuntimeError as error:
            # getaddrinfo runs in a thread; when no thread can be started, Python raises RuntimeError.
            why = f"this process cannot start another thread ({error}); try again later"
            raise ResolveError(f"the host {host!r} was not looked up: {why}", transient=True) from error
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                why = "the name servers do not answer; try again later"
                raise ResolveError(f"the host {host!r} has no address now: {why}", transient=True) from error
            raise ResolveError(f"the host {host!r} has no address{kind}; check how it is spelt") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
