"""Calls over TLS: versions, certificates, and sentences about what is wrong with them."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from sip.line import Answered, Failed
from sip.line_settings import TlsSettings
from sip.transport.tls import TlsError
from sip.values import Hop, NetworkFault, Transport
from tests.peers.programs import Daemon, Program, find, free_port
from tests.sip.certificates import Authority
from tests.sip.peer import Peer, at, running


async def fails(alice: Peer, bob: Peer, name: str) -> str:
    """Why a call over TLS to ``name`` fails, which Bob claims to be."""
    async with running(alice, bob):
        alice.call(bob.hop(Transport.TLS, name))
        failed = await alice.expect(Failed)
        assert (failed.status, failed.local) == (503, True)
        assert not bob.events
        return str(NetworkFault(failed.reason, failed.advice))


@pytest.mark.parametrize("name", ["trunk.example", "TRUNK.example", "a.pool.example", "uri.example"])
async def test_a_certificate_for_the_name(authority: Authority, trunk: TlsSettings, name: str) -> None:
    alice, bob = Peer(tls=authority.trusted), Peer(*at("127.0.0.1", Transport.TLS), tls=trunk)
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(Transport.TLS, name), target=f"sips:+15550100@{name}")
        await alice.expect(Answered)


async def test_a_certificate_for_another_name(authority: Authority, trunk: TlsSettings) -> None:
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=trunk)
    why = await fails(Peer(tls=authority.trusted), bob, "other.example")
    assert why == (
        "the certificate is for trunk.example, *.pool.example, uri.example and not for other.example"
    )


async def test_a_name_that_a_certificate_has_twice_is_told_once(authority: Authority) -> None:
    twice = authority.issue("twice", "DNS:trunk.example", "URI:sip:trunk.example")
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=twice)
    why = await fails(Peer(tls=authority.trusted), bob, "other.example")
    assert why == "the certificate is for trunk.example and not for other.example"


async def test_a_certificate_of_an_unknown_authority(trunk: TlsSettings, tmp_path: Path) -> None:
    alice = Peer(tls=Authority(tmp_path / "other").trusted)
    why = await fails(alice, Peer(*at("127.0.0.1", Transport.TLS), tls=trunk), "trunk.example")
    assert why == ("the certificate of trunk.example is not signed by a trusted CA; set the file of the CA")


async def test_by_default_the_authorities_of_the_system_count(trunk: TlsSettings) -> None:
    why = await fails(Peer(), Peer(*at("127.0.0.1", Transport.TLS), tls=trunk), "trunk.example")
    assert "not signed by a trusted CA" in why


async def test_an_expired_certificate(authority: Authority) -> None:
    expired = authority.issue("expired", "DNS:trunk.example", days=-1)
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=expired)
    why = await fails(Peer(tls=authority.trusted), bob, "trunk.example")
    assert why == "the certificate of trunk.example has expired; its owner has to renew it"


async def test_without_verification_anybody_is_believed(trunk: TlsSettings) -> None:
    alice = Peer(tls=TlsSettings(verify=False))
    bob = Peer(*at("127.0.0.1", Transport.TLS), tls=trunk)
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(Transport.TLS, "other.example"))
        await alice.expect(Answered)


async def test_a_peer_that_speaks_no_tls(authority: Authority) -> None:
    alice, bob = Peer(tls=authority.trusted), Peer()
    async with running(alice, bob):
        plain = bob.hop(Transport.TCP)
        alice.call(Hop(plain.host, plain.port, Transport.TLS, "trunk.example"))
        reason = (await alice.expect(Failed)).reason
        assert reason == f"{plain.host}:{plain.port} over TLS reset the connection"


@pytest.mark.parametrize("known", [True, False])
async def test_a_server_that_demands_a_certificate(
    authority: Authority, trunk: TlsSettings, known: bool
) -> None:
    demanding = TlsSettings(trunk.certificate, trunk.key, authorities=authority.certificate, demand=True)
    client = authority.issue("client", "DNS:client.example") if known else authority.trusted
    alice, bob = Peer(tls=client), Peer(*at("127.0.0.1", Transport.TLS), tls=demanding)
    bob.react = bob.accept
    async with running(alice, bob):
        alice.call(bob.hop(Transport.TLS, "trunk.example"))
        if known:
            await alice.expect(Answered)
        else:
            failed = await alice.expect(Failed)
            assert failed.reason.endswith("closed the connection")
            assert failed.advice == "it may require a certificate of ours"


class DemandingServer(Daemon):
    """OpenSSL's own server, which wants a certificate of its CA and says so in an alert."""

    def __init__(self, trunk: TlsSettings, version: str, directory: Path) -> None:
        super().__init__(directory / "s_server.log")
        self.hop = Hop("127.0.0.1", 0, Transport.TLS, "trunk.example")
        self._version = version
        self._files = ("-cert", trunk.certificate, "-key", trunk.key, "-CAfile", trunk.authorities)

    def _start(self) -> Program:
        self.hop = replace(self.hop, port=free_port(socket.SOCK_STREAM))
        command = [find("openssl", "openssl"), "s_server", "-accept", f"127.0.0.1:{self.hop.port}"]
        command += [
            f"-{self._version}",
            "-Verify",
            "1",
            "-verify_return_error",
            "-quiet",
            *map(str, self._files),
        ]
        return Program(command, self.log.parent, self.log)

    def _is_ready(self, program: Program) -> bool:
        return program.listens(self.hop.port)


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
@pytest.mark.parametrize(
    ("stranger", "hint"),
    [
        (False, "it may require a certificate of ours"),
        # With TLS 1.3 a reset may overtake the alert.
        (True, "it (does|may) not accept our certificate"),
    ],
)
async def test_an_alert_about_our_certificate_is_told_as_such(
    authority: Authority, trunk: TlsSettings, tmp_path: Path, version: str, *, stranger: bool, hint: str
) -> None:
    ours = authority.trusted
    if stranger:
        other = Authority(tmp_path / "other").issue("client", "DNS:client.example")
        ours = replace(other, authorities=authority.certificate)
    alice = Peer(tls=ours)
    with DemandingServer(trunk, version, tmp_path) as server:
        async with running(alice):
            alice.call(server.hop)
            failed = await alice.expect(Failed)
    assert re.fullmatch(hint, failed.advice)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (TlsSettings(), "needs a certificate"),
        (
            TlsSettings("/nowhere/a.pem", "/nowhere/a.key"),
            "/nowhere/a.pem with the key /nowhere/a.key",
        ),
        (TlsSettings("/nowhere/a.pem", authorities="/nowhere/ca.pem"), "read from /nowhere/ca.pem"),
    ],
)
async def test_listening_for_tls_says_what_it_lacks(settings: TlsSettings, why: str) -> None:
    with pytest.raises(TlsError, match=why):
        await Peer(*at("127.0.0.1", Transport.TLS), tls=settings).line.start()
