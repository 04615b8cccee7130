"""A media port in both address families, on loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sip.values import Address
from t38fsp.engine.media import MediaPair, MediaPort, MediaPortError

HOSTS = ("::1", "127.0.0.1")
LIMIT = 60.0
"""Seconds after which a test is stuck."""


class Ears:
    """Accepts everything."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def __call__(self, data: bytes, source: Address) -> bool:
        self.heard.put_nowait(data)
        return True


def far_socket(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(LIMIT)
    return sock


@pytest.mark.parametrize("host", HOSTS)
async def test_the_family_of_the_far_end_is_used_and_the_other_port_given_back(host: str) -> None:
    ears = Ears()
    pair = MediaPair.open(HOSTS, ears)
    number = pair.port
    assert number % 2 == 0
    with far_socket(host) as far:
        # Before the answer is here, both are heard.
        far.sendto(b"early", (host, number))
        async with asyncio.timeout(LIMIT):
            assert await ears.heard.get() == b"early"
        assert pair.set_remote(far.getsockname()[:2])
        assert pair.address == (host, number)
        pair.send(b"hello")
        assert far.recv(100) == b"hello"
        far.sendto(b"well", (host, number))
        async with asyncio.timeout(LIMIT):
            assert await ears.heard.get() == b"well"
    (other,) = {*HOSTS} - {host}
    MediaPort.open(other, ears, port_range=(number, number)).close()
    pair.close()
    MediaPort.open(host, ears, port_range=(number, number)).close()


async def test_a_far_end_that_is_nowhere_yet_decides_nothing() -> None:
    pair = MediaPair.open(HOSTS, Ears())
    assert not pair.set_remote(("0.0.0.0", 4000))
    with far_socket("127.0.0.1") as far:
        assert pair.set_remote(far.getsockname())
        pair.send(b"hello")
        assert far.recv(100) == b"hello"
    pair.close()


async def test_no_pair_where_one_family_has_no_address_of_ours() -> None:
    with pytest.raises(MediaPortError, match=r"is free on 192\.0\.2\.1"):
        MediaPair.open(("::1", "192.0.2.1"), Ears())
