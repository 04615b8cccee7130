"""TLS over PJSIP: version 1.2, and the far end is who it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sip.line import Answered, Ended, Failed, Incoming, MediaChanged
from sip.line_settings import TlsSettings
from sip.values import Hop, Transport
from tests.sip.certificates import Authority
from tests.sip.line_suite import HOST, request_to
from tests.sip.link import AUDIO, IMAGE
from tests.sip.peer import Peer, at, running
from tests.sip.test_pjsua import Pjsua

pytestmark = pytest.mark.pjsua2

TLS = Transport.TLS


@asynccontextmanager
async def both(
    ours: TlsSettings, theirs: TlsSettings, **settings: object
) -> AsyncIterator[tuple[Pjsua, Peer]]:
    us, them = Pjsua(tls=ours, **settings), Peer(*at(HOST, *Transport), tls=theirs)
    async with running(us, them):
        yield us, them


async def fails(ours: TlsSettings, theirs: TlsSettings, name: str) -> str:
    """Why a call over TLS to ``name`` fails, which the far end claims to be."""
    async with both(ours, theirs) as (us, them):
        them.react = them.accept
        us.line.place(request_to(them, destination=[them.hop(TLS, name)]), us.now)
        failed = await us.expect(Failed)
        assert them.events == []
        assert (failed.status, failed.local) == (503, True)
        return failed.reason


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("trunk.example", marks=pytest.mark.full),
        "one.pool.example",
        pytest.param("uri.example", marks=pytest.mark.full),
    ],
)
async def test_a_call(authority: Authority, trunk: TlsSettings, name: str) -> None:
    async with both(authority.trusted, trunk) as (us, them):
        them.react = them.accept
        call = us.line.place(request_to(them, destination=[them.hop(TLS, name)]), us.now)
        await us.expect(Answered)
        assert (await them.expect(Incoming)).source.transport is TLS
        them.line.offer((await them.expect(Answered)).call, [IMAGE], them.now)
        await us.expect(MediaChanged)
        us.line.hang_up(call, us.now)
        await them.expect(Ended)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("other.example", marks=pytest.mark.full),
        "two.levels.pool.example",
        pytest.param(HOST, marks=pytest.mark.full),
    ],
)
async def test_a_certificate_for_others(authority: Authority, trunk: TlsSettings, name: str) -> None:
    reason = await fails(authority.trusted, trunk, name)
    assert reason == f"the certificate is for trunk.example, *.pool.example, uri.example and not for {name}"


async def test_a_certificate_that_nobody_vouches_for(trunk: TlsSettings) -> None:
    reason = await fails(TlsSettings(), trunk, "trunk.example")
    assert "the certificate of trunk.example cannot be trusted" in reason


@pytest.mark.full
async def test_a_certificate_that_has_expired(authority: Authority) -> None:
    expired = authority.issue("expired", "DNS:trunk.example", days=-1)
    reason = await fails(authority.trusted, expired, "trunk.example")
    assert "the certificate of trunk.example cannot be trusted" in reason


@pytest.mark.full
async def test_whoever_answers_is_believed_if_wanted(trunk: TlsSettings) -> None:
    async with both(TlsSettings(verify=False), trunk) as (us, them):
        them.react = them.accept
        us.line.place(request_to(them, destination=[them.hop(TLS, "other.example")]), us.now)
        await us.expect(Answered)


async def test_one_address_has_one_name(authority: Authority, trunk: TlsSettings) -> None:
    """PJSIP would use the connection that it has, for whomever it was checked."""
    async with both(authority.trusted, trunk, max_incoming=0) as (us, them):
        them.react = them.accept
        us.line.place(request_to(them, destination=[them.hop(TLS, "trunk.example")]), us.now)
        await us.expect(Answered)
        us.line.place(request_to(them, destination=[them.hop(TLS, "other.example")]), us.now)
        failed = await us.expect(Failed)
        assert "use the backend 'own' for other.example there" in failed.reason
        assert failed.local


async def test_a_caller(authority: Authority) -> None:
    """The BYE goes to the Contact of the INVITE over a connection of ours: the certificate names it, too."""
    ours, theirs = authority.issue("ours", f"IP:{HOST}"), authority.issue("theirs", f"IP:{HOST}")
    async with both(ours, theirs, tls_listen=(HOST, 0)) as (us, them):
        assert us.line.tls_address is not None
        them.call(Hop(*us.line.tls_address, TLS))
        incoming = await us.expect(Incoming)
        assert incoming.source.transport is TLS
        us.answer(incoming.call, [AUDIO])
        await us.expect(Answered)
        us.line.hang_up(incoming.call, us.now)
        assert (await them.expect(Ended)).remote
