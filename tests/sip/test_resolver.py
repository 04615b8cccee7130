"""From URIs to hops (RFC 3263): records that the test makes up, and a name server of its own."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import dns.flags
import dns.message
import dns.rrset
import pytest

from sip.line import Answered
from sip.syntax.uri import parse_uri
from sip.transport.resolver import (
    ALL_FAMILIES,
    Pointer,
    ResolveError,
    Resolver,
    Service,
    SystemRecords,
    in_turn,
)
from sip.ua.target import Target
from sip.values import Hop, Transport
from tests.sip.peer import Peer, running


class Zone:
    """Records as in a name server; ``asked`` are the names of SRV and NAPTR that were asked for."""

    def __init__(
        self,
        *,
        services: Mapping[str, Sequence[Service]] | None = None,
        pointers: Mapping[str, Sequence[Pointer]] | None = None,
        addresses: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._services = services or {}
        self._pointers = pointers or {}
        self._addresses = addresses or {}
        self.asked: list[str] = []

    async def services(self, name: str) -> Sequence[Service]:
        self.asked.append(name)
        return self._services.get(name, ())

    async def pointers(self, name: str) -> Sequence[Pointer]:
        self.asked.append(name)
        return self._pointers.get(name, ())

    async def addresses(self, host: str, families: Collection[socket.AddressFamily]) -> Sequence[str]:
        found = [
            address
            for address in self._addresses.get(host, ())
            if (socket.AF_INET6 if ":" in address else socket.AF_INET) in families
        ]
        if not found:
            raise ResolveError(f"the host {host!r} has no address")
        return found


ADDRESSES = {
    "trunk.example": ["192.0.2.1", "2001:db8::1"],
    "one.trunk.example": ["192.0.2.11"],
    "two.trunk.example": ["192.0.2.12", "192.0.2.13"],
}


async def find(uri: str, zone: Zone, families: Collection[socket.AddressFamily] = ALL_FAMILIES) -> list[Hop]:
    return await Resolver(Random(1), zone).locate(Target.of(parse_uri(uri)), families)


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:1@192.0.2.7", Hop("192.0.2.7", 5060)),
        ("sip:1@192.0.2.7:5070;transport=tcp", Hop("192.0.2.7", 5070, Transport.TCP)),
        ("sips:1@192.0.2.7", Hop("192.0.2.7", 5061, Transport.TLS)),
        ("sip:1@[2001:DB8:0::7]", Hop("2001:db8::7", 5060)),
    ],
)
async def test_addresses_are_not_looked_up(uri: str, hop: Hop) -> None:
    zone = Zone()
    assert await find(uri, zone) == [hop]
    assert zone.asked == []


async def test_with_a_port_only_the_host_is_looked_up() -> None:
    zone = Zone(addresses=ADDRESSES)
    assert await find("sip:1@trunk.example:5070;transport=tls", zone) == [
        Hop("192.0.2.1", 5070, Transport.TLS, "trunk.example"),
        Hop("2001:db8::1", 5070, Transport.TLS, "trunk.example"),
    ]
    assert zone.asked == []


async def test_without_records_a_name_leads_to_its_addresses() -> None:
    zone = Zone(addresses=ADDRESSES)
    assert await find("sip:1@Trunk.example", zone) == [Hop("192.0.2.1", 5060), Hop("2001:db8::1", 5060)]
    assert zone.asked == [
        "trunk.example",
        "_sip._udp.trunk.example",
        "_sip._tcp.trunk.example",
        "_sips._tcp.trunk.example",
    ]


async def test_servers_are_tried_by_priority_with_all_their_addresses() -> None:
    zone = Zone(
        addresses=ADDRESSES,
        services={
            "_sip._udp.trunk.example": [
                Service(20, 0, 5062, "one.trunk.example"),
                Service(10, 0, 5061, "two.trunk.example"),
            ],
            "_sip._tcp.trunk.example": [Service(0, 0, 5060, "one.trunk.example")],
        },
    )
    assert await find("sip:1@trunk.example", zone) == [
        Hop("192.0.2.12", 5061),
        Hop("192.0.2.13", 5061),
        Hop("192.0.2.11", 5062),
        Hop("192.0.2.11", 5060, Transport.TCP),
    ]


async def test_a_transport_asks_for_its_own_servers() -> None:
    zone = Zone(
        addresses=ADDRESSES,
        services={"_sips._tcp.trunk.example": [Service(0, 0, 5099, "one.trunk.example")]},
    )
    tls = Hop("192.0.2.11", 5099, Transport.TLS, "trunk.example")
    assert await find("sip:1@trunk.example;transport=tls", zone) == [tls]
    assert await find("sips:1@trunk.example", zone) == [tls]
    assert set(zone.asked) == {"_sips._tcp.trunk.example"}


async def test_pointers_choose_the_transport() -> None:
    zone = Zone(
        addresses=ADDRESSES,
        pointers={
            "trunk.example": [
                Pointer(20, 0, "SIP+D2U", "_sip._udp.trunk.example"),
                Pointer(10, 20, "SIP+D2T", "_sip._tcp.trunk.example"),
                Pointer(10, 10, "sips+d2t", "_sips._tcp.elsewhere.example"),
                Pointer(0, 0, "E2U+sip", "ignored.example"),
            ]
        },
        services={
            "_sips._tcp.elsewhere.example": [Service(0, 0, 5061, "one.trunk.example")],
            "_sip._tcp.trunk.example": [Service(0, 0, 5060, "one.trunk.example")],
        },
    )
    assert await find("sip:1@trunk.example", zone) == [
        Hop("192.0.2.11", 5061, Transport.TLS, "trunk.example"),
        Hop("192.0.2.11", 5060, Transport.TCP),
    ]


async def test_a_server_without_address_is_left_out() -> None:
    zone = Zone(
        addresses=ADDRESSES,
        services={
            "_sip._udp.trunk.example": [
                Service(0, 0, 5060, "gone.trunk.example"),
                Service(1, 0, 5060, "one.trunk.example"),
            ]
        },
    )
    assert await find("sip:1@trunk.example", zone) == [Hop("192.0.2.11", 5060)]


async def test_a_domain_that_says_it_has_no_such_service() -> None:
    zone = Zone(addresses=ADDRESSES, services={"_sip._tcp.trunk.example": [Service(0, 0, 0, "")]})
    with pytest.raises(ResolveError, match="does not offer SIP"):
        await find("sip:1@trunk.example;transport=tcp", zone)


async def test_only_families_that_we_listen_in() -> None:
    zone = Zone(addresses=ADDRESSES)
    assert await find("sip:1@trunk.example", zone, [socket.AF_INET6]) == [Hop("2001:db8::1", 5060)]
    with pytest.raises(ResolveError, match=r"192\.0\.2\.7 is an IPv4 address.*; listen at 0"):
        await find("sip:1@192.0.2.7", zone, [socket.AF_INET6])


async def test_more_records_than_anybody_needs() -> None:
    servers = [Service(0, 1, port, "one.trunk.example") for port in range(1, 2000)]
    zone = Zone(addresses=ADDRESSES, services={"_sip._udp.trunk.example": servers})
    assert len(await find("sip:1@trunk.example;transport=udp", zone)) == 16


def test_weights_share_the_load() -> None:
    servers = [Service(0, 60, 1, "a"), Service(0, 30, 2, "b"), Service(0, 10, 3, "c"), Service(1, 99, 4, "d")]
    random = Random(7)
    first: Counter[str] = Counter()
    for _ in range(1000):
        order = in_turn(servers, random)
        assert sorted(each.target for each in order) == ["a", "b", "c", "d"]
        assert order[-1].target == "d"
        first[order[0].target] += 1
    assert 550 < first["a"] < 650
    assert 250 < first["b"] < 350
    assert 50 < first["c"] < 150


def test_a_weight_of_zero_has_a_small_chance() -> None:
    servers = [Service(0, 10, 1, "a"), Service(0, 0, 2, "b")]
    random = Random(7)
    first = Counter(in_turn(servers, random)[0].target for _ in range(1000))
    assert 40 < first["b"] < 150


# --- the system's resolver, and a name server of our own ----------------------------------------------------


async def test_a_name_of_this_machine() -> None:
    resolver = Resolver(Random(1), SystemRecords(["127.0.0.1"], port=1))
    place = Target("localhost", 5070)
    assert await resolver.locate(place, [socket.AF_INET]) == [Hop("127.0.0.1", 5070)]


async def test_a_host_without_address_is_named() -> None:
    resolver = Resolver(Random(1), SystemRecords(["127.0.0.1"], port=1))
    with pytest.raises(ResolveError) as refused:
        await resolver.locate(Target("no-such-host.invalid", 5060))
    assert str(refused.value).startswith("the host 'no-such-host.invalid' has no address")
    assert "Errno" not in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "families", "sentence", "passing"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            ALL_FAMILIES,
            "the host 'gw.example' has no address; check how it is spelt",
            False,
        ),
        (
            socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"),
            (socket.AF_INET6,),
            "the host 'gw.example' has no address (IPv6); check how it is spelt",
            False,
        ),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            ALL_FAMILIES,
            "the host 'gw.example' has no address now: the name servers do not answer; try again later",
            True,
        ),
        (
            RuntimeError("can't start new thread"),
            ALL_FAMILIES,
            "the host 'gw.example' was not looked up: this process cannot start another thread",
            True,
        ),
        (UnicodeError("label too long"), ALL_FAMILIES, "the host 'gw.example' has no address; check", False),
    ],
)
async def test_what_the_system_says_of_a_host_becomes_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    families: Collection[socket.AddressFamily],
    sentence: str,
    passing: bool,
) -> None:
    async def no_address(*args: object, **more: object) -> object:
        raise fault

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_address)
    with pytest.raises(ResolveError) as refused:
        await SystemRecords().addresses("gw.example", families)
    assert str(refused.value).startswith(sentence)
    assert refused.value.transient is passing


class NameServer(asyncio.DatagramProtocol):
    """Answers from a zone file, and counts the questions."""

    def __init__(self, zone: str) -> None:
        self._records = [
            dns.rrset.from_text(name, 60, "IN", kind, data)
            for name, kind, data in (line.split(maxsplit=2) for line in zone.strip().splitlines())
        ]
        self.questions: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        self.questions.append(f"{question.name} {question.rdtype.name}")
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        response.answer += [
            each for each in self._records if (each.name, each.rdtype) == (question.name, question.rdtype)
        ]
        self._transport.sendto(response.to_wire(), source)


@asynccontextmanager
async def name_server(zone: str) -> AsyncIterator[tuple[Resolver, NameServer]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        yield Resolver(Random(1), SystemRecords(["127.0.0.1"], port)), server
    finally:
        transport.close()


async def test_records_come_from_the_name_server() -> None:
    zone = """
    trunk.example. NAPTR 10 0 "s" "SIP+D2T" "" _sip._tcp.trunk.example.
    trunk.example. NAPTR 20 0 "s" "SIP+D2U" "" _sip._udp.trunk.example.
    _sip._tcp.trunk.example. SRV 0 0 5070 localhost.
    _sip._udp.trunk.example. SRV 0 0 5080 127.0.0.2.
    """
    async with name_server(zone) as (resolver, server):
        hops = await resolver.locate(Target("trunk.example"), [socket.AF_INET])
        assert hops == [Hop("127.0.0.1", 5070, Transport.TCP), Hop("127.0.0.2", 5080)]
        assert server.questions == [
            "trunk.example. NAPTR",
            "_sip._tcp.trunk.example. SRV",
            "_sip._udp.trunk.example. SRV",
        ]


async def test_the_first_server_is_dead_and_the_second_takes_the_call() -> None:
    alice, bob = Peer(), Peer()
    bob.react = bob.accept
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with running(alice, bob):
            zone = f"""
            _sip._udp.trunk.example. SRV 0 0 {silent.getsockname()[1]} localhost.
            _sip._udp.trunk.example. SRV 1 0 {bob.hop().port} localhost.
            """
            async with name_server(zone) as (resolver, _):
                place = Target("trunk.example", None, Transport.UDP)
                hops = await resolver.locate(place, [socket.AF_INET])
                begin = alice.now
                alice.call(*hops)
                await alice.expect(Answered)
                assert alice.now - begin >= 4.0
                # Avoided by the next call.
                alice.call(*hops)
                await alice.expect_several(Answered, 2)
        # At 0, 0.5, 1.5 and 3.5 s, all of the first call.
        heard = {silent.recv(2000) for _ in range(4)}
        assert len(heard) == 1
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(2000)
