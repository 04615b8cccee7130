"""Calls through Kamailio as a record-routing proxy: all transports, IPv4 and IPv6, also mixed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sip.line import Answered, Ended, Incoming, MediaChanged
from sip.line_settings import RegistrationSettings, TlsSettings
from sip.syntax.headers import Headers
from sip.ua.registration_messages import Registered, RegistrationRequest, Unregistered
from sip.values import Credentials, Hop, Transport
from tests.peers.kamailio import Kamailio
from tests.sip.certificates import Authority
from tests.sip.link import IMAGE
from tests.sip.peer import Peer, at, running

pytestmark = pytest.mark.kamailio

HOSTS = ["127.0.0.1", "::1"]
NAME = "trunk.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def trunk(authority: Authority) -> TlsSettings:
    """Kamailio's certificate: its name for callers, its addresses for whoever follows its Record-Route."""
    return authority.issue("trunk", f"DNS:{NAME}", "IP:127.0.0.1", "IP:::1")


@pytest.fixture(scope="module")
def party(authority: Authority) -> TlsSettings:
    return authority.issue("party", "IP:127.0.0.1", "IP:::1")


def proxy(
    folder: Path, bob: Hop, trunk: TlsSettings, *, tls: bool, users: Mapping[str, str] | None = None
) -> Kamailio:
    """Sends calls for the user bob to ``bob``; speaks UDP, and TLS or TCP beside it.

    Over TLS it wants to see certificates, ours as well.
    """
    host = f"[{bob.host}]" if ":" in bob.host else bob.host
    target = f"sip:{host}:{bob.port};transport={bob.transport.value.lower()}"
    parameters = {
        "tls_method": '"TLSv1.2+"',
        "certificate": f'"{trunk.certificate}"',
        "private_key": f'"{trunk.key}"',
        "ca_list": f'"{trunk.authorities}"',
        "verify_certificate": "1",
        "require_certificate": "1",
    }
    lines = [f'modparam("tls", "{name}", {value})' for name, value in parameters.items()]
    return Kamailio(
        folder,
        users=users,
        targets={"bob": target},
        host=bob.host,
        listen=("udp", "tls") if tls else ("udp", "tcp"),
        modules="\n".join(["enable_tls=yes", 'loadmodule "tls.so"', *lines]) if tls else "",
    )


def hop_to(kamailio: Kamailio, transport: Transport) -> Hop:
    name = NAME if transport is Transport.TLS else None
    return Hop(kamailio.host, kamailio.port, transport, name)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("transport", Transport)
async def test_a_call_through_the_proxy(
    tmp_path: Path, host: str, transport: Transport, trunk: TlsSettings, party: TlsSettings
) -> None:
    alice, bob = (Peer(*at(host, transport), tls=party) for _ in range(2))
    bob.react = bob.accept
    async with running(alice, bob):
        with proxy(tmp_path, bob.hop(transport), trunk, tls=transport is Transport.TLS) as kamailio:
            call = alice.call(hop_to(kamailio, transport), target=f"sip:bob@{NAME}")
            await alice.expect(Answered)
            incoming = await bob.expect(Incoming)
            assert incoming.source.transport is transport
            headers = Headers(incoming.headers)
            assert headers.lines("Via")[0].startswith(f"SIP/2.0/{transport.value} {kamailio.place}")
            assert kamailio.place in headers.lines("Record-Route")[0]
            theirs = await bob.expect(Answered)
            # Both ways within the dialog, through the proxy again.
            bob.line.offer(theirs.call, [IMAGE], bob.now)
            assert (await alice.expect(MediaChanged)).remote.media == (IMAGE,)
            await bob.expect(MediaChanged)
            alice.line.hang_up(call, alice.now)
            assert (await bob.expect(Ended)).remote
            await alice.expect(Ended)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        (Transport.TCP, Transport.UDP),
        (Transport.UDP, Transport.TCP),
        (Transport.UDP, Transport.TLS),
        (Transport.TLS, Transport.UDP),
    ],
)
async def test_a_proxy_between_two_transports(
    tmp_path: Path, near: Transport, far: Transport, trunk: TlsSettings, party: TlsSettings
) -> None:
    alice, bob = Peer(*at(HOSTS[0], near), tls=party), Peer(*at(HOSTS[0], far), tls=party)
    bob.react = bob.accept
    async with running(alice, bob):
        with proxy(tmp_path, bob.hop(far), trunk, tls=Transport.TLS in (near, far)) as kamailio:
            alice.call(hop_to(kamailio, near), target=f"sip:bob@{NAME}")
            await alice.expect(Answered)
            theirs = await bob.expect(Answered)
            assert (await bob.expect(Incoming)).source.transport is far
            bob.line.offer(theirs.call, [IMAGE], bob.now)
            await alice.expect(MediaChanged)
            await bob.expect(MediaChanged)
            bob.line.hang_up(theirs.call, bob.now)
            assert (await alice.expect(Ended)).remote
            await bob.expect(Ended)


async def test_calls_come_by_the_connection_of_a_registration(
    tmp_path: Path, trunk: TlsSettings, party: TlsSettings
) -> None:
    """Alice listens by UDP only and registers over TLS; Bob calls her by UDP."""
    alice, bob = Peer(*at(HOSTS[0], Transport.UDP), tls=party), Peer()
    alice.react = alice.accept
    async with running(alice, bob):
        with proxy(tmp_path, bob.hop(), trunk, tls=True, users={"alice": "secret"}) as kamailio:
            aor = f"sip:alice@{kamailio.place}"
            hop = hop_to(kamailio, Transport.TLS)
            number = alice.line.register(
                RegistrationRequest(
                    RegistrationSettings(f"sip:{kamailio.place}", aor, Credentials("alice", "secret")), [hop]
                ),
                alice.now,
            )
            assert isinstance(await alice.registered(), Registered)
            assert hop in alice.line.agent.flows()
            call = bob.call(hop_to(kamailio, Transport.UDP), target=aor)
            await bob.expect(Answered)
            assert (await alice.expect(Incoming)).source == hop
            bob.line.hang_up(call, bob.now)
            assert (await alice.expect(Ended)).remote
            alice.line.unregister(number, alice.now)
            assert await alice.registered() == Unregistered(number)


async def test_a_caller_without_a_port_of_its_own_is_reached_by_its_connection(
    tmp_path: Path, trunk: TlsSettings, party: TlsSettings
) -> None:
    """Alice only connects. Her Contact names the port that her connection comes from."""
    alice, bob = Peer(*at(HOSTS[0], Transport.UDP), tls=party), Peer(tls=party)
    bob.react = bob.accept
    async with running(alice, bob):
        with proxy(tmp_path, bob.hop(), trunk, tls=True) as kamailio:
            alice.call(hop_to(kamailio, Transport.TLS), target=f"sip:bob@{NAME}")
            await alice.expect(Answered)
            theirs = await bob.expect(Answered)
            bob.line.offer(theirs.call, [IMAGE], bob.now)
            await alice.expect(MediaChanged)
            await bob.expect(MediaChanged)
            bob.line.hang_up(theirs.call, bob.now)
            assert (await alice.expect(Ended)).remote
