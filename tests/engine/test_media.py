"""The media port on loopback. What may arrive is awaited; what must not is followed by something that may."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest

from sip.values import Address
from t38fsp.engine.media import MAX_DATAGRAM, MediaPort, MediaPortError
from t38fsp.engine.media_reader import MediaReader

HOST = "127.0.0.1"


class Ears:
    """Accepts everything that does not begin with a question mark."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def __call__(self, data: bytes, source: Address) -> bool:
        self.heard.put_nowait(data)
        return not data.startswith(b"?")


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
async def port(ears: Ears) -> AsyncIterator[MediaPort]:
    port = MediaPort.open(HOST, ears)
    yield port
    port.close()


class Far:
    """A socket of the far end."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.settimeout(60)

    @property
    def address(self) -> Address:
        host, port = self.socket.getsockname()
        return host, port

    def send(self, data: bytes, port: MediaPort) -> None:
        self.socket.sendto(data, port.address)

    def receive(self) -> bytes:
        return self.socket.recv(4096)


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.socket.close()


@pytest.fixture
def other() -> Iterator[Far]:
    other = Far()
    yield other
    other.socket.close()


async def test_ports_are_even_and_differ(ears: Ears) -> None:
    ports = [MediaPort.open(HOST, ears) for _ in range(20)]
    numbers = [port.port for port in ports]
    for port in ports:
        port.close()
    assert all(number % 2 == 0 for number in numbers)
    assert len(set(numbers)) == 20


async def test_a_range_is_kept_and_exhausted(port: MediaPort, ears: Ears) -> None:
    first, last = port.port + 1, min(port.port + 41, 65535)
    neighbour = MediaPort.open(HOST, ears, port_range=(first, last))
    assert first < neighbour.port <= last
    assert neighbour.port % 2 == 0
    neighbour.close()
    with pytest.raises(MediaPortError, match=f"from {port.port} to {first} is free on {HOST}"):
        MediaPort.open(HOST, ears, port_range=(port.port, first))
    with pytest.raises(MediaPortError, match="no even UDP port"):
        MediaPort.open(HOST, ears, port_range=(first, first))


async def test_an_address_that_is_not_ours(ears: Ears) -> None:
    with pytest.raises(MediaPortError, match=r"is free on 192\.0\.2\.1"):
        MediaPort.open("192.0.2.1", ears)


async def test_a_block_that_comes_at_once_is_held(port: MediaPort, ears: Ears, far: Far) -> None:
    """256 frames and what is around them; the default buffer holds a third of that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        granted = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    count = min(265, granted // 3000)
    for number in range(count):
        far.send(number.to_bytes(2, "big") + bytes(1074), port)
    heard = [int.from_bytes((await ears.heard.get())[:2], "big") for _ in range(count)]
    assert heard == list(range(count))


async def test_several_are_read_in_a_turn_and_others_get_theirs(far: Far, other: Far) -> None:
    reader = MediaReader(asyncio.get_running_loop())
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    count = 0
    turns = [0]

    def on_datagram(data: bytes, source: Address) -> bool:
        nonlocal count
        count += 1
        heard.put_nowait(data)
        return True

    busy, neighbour = (
        MediaPort.open(HOST, on_datagram, on_read=lambda: turns.append(count), reader=reader)
        for _ in range(2)
    )
    for number in range(200):
        far.send(bytes([number]), busy)
    other.send(b"first", neighbour)
    order = [await heard.get() for _ in range(201)]
    assert order.index(b"first") < 65
    assert max(after - before for before, after in pairwise(turns)) <= 64
    assert len(turns) < 20
    busy.close()
    neighbour.close()


@pytest.mark.parametrize("fault", [ValueError, KeyError])
async def test_a_fault_in_one_datagram_costs_no_other(fault: type[Exception], far: Far) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def on_datagram(data: bytes, source: Address) -> bool:
        if data.startswith(b"!"):
            raise fault("a fault of ours")
        heard.put_nowait(data)
        return True

    port = MediaPort.open(HOST, on_datagram)
    for data in (b"1", b"!", b"2", b"!", b"!", b"3", b"4", b"5"):
        far.send(data, port)
    assert [await heard.get() for _ in range(5)] == [b"1", b"2", b"3", b"4", b"5"]
    assert port.counters.received == 8
    port.close()


async def test_a_port_that_is_closed_by_a_datagram_reads_no_more(ears: Ears, far: Far) -> None:
    heard: list[bytes] = []
    closed = asyncio.Event()

    def on_datagram(data: bytes, source: Address) -> bool:
        heard.append(data)
        if len(heard) == 6:
            port.close()
            closed.set()
        return True

    port = MediaPort.open(HOST, on_datagram)
    for number in range(20):
        far.send(bytes([number]), port)
    await closed.wait()
    await asyncio.sleep(0.02)
    assert len(heard) == 6


async def test_it_sends_to_the_address_of_the_sdp(port: MediaPort, far: Far) -> None:
    port.send(b"too early")
    assert port.set_remote(far.address)
    port.send(b"hello")
    assert far.receive() == b"hello"
    assert (port.counters.sent, port.counters.dropped) == (1, 1)


async def test_it_follows_the_source_of_the_first_accepted_datagram(
    port: MediaPort, ears: Ears, far: Far, other: Far
) -> None:
    """The far end behind a NAT: its SDP names an address that nothing comes from."""
    port.set_remote(other.address)
    far.send(b"? noise", port)
    assert await ears.heard.get() == b"? noise"
    assert port.remote == other.address
    far.send(b"voice", port)
    assert await ears.heard.get() == b"voice"
    assert port.remote == far.address
    port.send(b"answer")
    assert far.receive() == b"answer"
    assert port.counters.rejected == 1


async def test_once_pinned_nobody_else_is_heard(port: MediaPort, ears: Ears, far: Far, other: Far) -> None:
    port.set_remote(far.address)
    far.send(b"first", port)
    assert await ears.heard.get() == b"first"
    other.send(b"intruder", port)
    far.send(b"second", port)
    assert await ears.heard.get() == b"second"
    assert port.counters.foreign == 1
    assert port.remote == far.address


async def test_the_address_of_the_sdp_comes_before_a_stranger(
    port: MediaPort, ears: Ears, far: Far, other: Far
) -> None:
    """Whoever guesses the port may be the first to say something; then the far end itself does."""
    port.set_remote(far.address)
    other.send(b"guess", port)
    assert await ears.heard.get() == b"guess"
    assert port.remote == other.address
    far.send(b"voice", port)
    assert await ears.heard.get() == b"voice"
    assert port.remote == far.address
    other.send(b"guess again", port)
    far.send(b"more", port)
    assert await ears.heard.get() == b"more"
    assert port.remote == far.address
    assert port.counters.foreign == 1


async def test_a_stranger_latched_at_both_ends_does_not_part_them(far: Far) -> None:
    one_hears, other_hears = Ears(), Ears()
    one, other = MediaPort.open(HOST, one_hears), MediaPort.open(HOST, other_hears)
    try:
        one.set_remote(other.address)
        other.set_remote(one.address)
        for port, ears in ((one, one_hears), (other, other_hears)):
            far.send(b"stranger", port)
            assert await ears.heard.get() == b"stranger"
            assert port.remote == far.address
        for port, ears in ((one, other_hears), (other, one_hears)):
            port.send(b"hello")
            assert await ears.heard.get() == b"hello"
        assert (one.remote, other.remote) == (other.address, one.address)
        assert far.receive() == b"hello"
    finally:
        one.close()
        other.close()


async def test_only_one_stranger_is_heard(port: MediaPort, ears: Ears, far: Far, other: Far) -> None:
    port.set_remote((HOST, 9))
    far.send(b"voice", port)
    assert await ears.heard.get() == b"voice"
    other.send(b"guess", port)
    far.send(b"more", port)
    assert await ears.heard.get() == b"more"
    assert port.remote == far.address


async def test_the_same_sdp_again_keeps_the_pin_and_a_new_address_lifts_it(
    port: MediaPort, ears: Ears, far: Far, other: Far
) -> None:
    port.set_remote((HOST, 9))
    far.send(b"audio", port)
    await ears.heard.get()
    port.set_remote((HOST, 9))
    assert port.remote == far.address
    port.set_remote((HOST, 11))
    assert port.remote == (HOST, 11)
    other.send(b"fax", port)
    assert await ears.heard.get() == b"fax"
    assert port.remote == other.address


async def test_a_new_stream_may_come_from_elsewhere(
    port: MediaPort, ears: Ears, far: Far, other: Far
) -> None:
    """Some send T.38 from another port than audio, and name one for both."""
    port.set_remote(far.address)
    far.send(b"audio", port)
    assert await ears.heard.get() == b"audio"
    port.expect_new_source()
    assert port.remote == far.address
    other.send(b"? more audio", port)
    assert await ears.heard.get() == b"? more audio"
    assert port.remote == far.address
    other.send(b"fax", port)
    assert await ears.heard.get() == b"fax"
    assert port.remote == other.address


async def test_a_new_stream_may_come_late_from_where_the_last_one_came(
    port: MediaPort, ears: Ears, far: Far, other: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From behind a NAT: the SDP has an address that nothing comes from."""
    port.set_remote((HOST, 9))
    far.send(b"audio", port)
    assert await ears.heard.get() == b"audio"
    port.expect_new_source()
    loop = asyncio.get_running_loop()
    later = loop.time() + 60
    monkeypatch.setattr(loop, "time", lambda: later)
    other.send(b"guess", port)
    far.send(b"fax", port)
    assert await ears.heard.get() == b"fax"
    assert port.remote == far.address


async def test_after_the_window_only_the_address_of_the_sdp_is_heard(
    ears: Ears, far: Far, other: Far
) -> None:
    port = MediaPort.open(HOST, ears, latch_window=0.0)
    port.set_remote(far.address)
    other.send(b"stranger", port)
    far.send(b"friend", port)
    assert await ears.heard.get() == b"friend"
    assert port.counters.foreign == 1
    port.close()


async def test_early_media_is_heard_but_pins_nothing(
    port: MediaPort, ears: Ears, far: Far, other: Far
) -> None:
    other.send(b"early", port)
    assert await ears.heard.get() == b"early"
    assert port.remote is None
    port.set_remote(far.address)
    far.send(b"voice", port)
    assert await ears.heard.get() == b"voice"
    assert port.remote == far.address


@pytest.mark.parametrize(
    "address", [("0.0.0.0", 4000), (HOST, 0), ("::1", 4000), ("fax.example", 4000), ("", 4000)]
)
async def test_an_address_that_nothing_can_be_sent_to(port: MediaPort, far: Far, address: Address) -> None:
    port.set_remote(far.address)
    assert not port.set_remote(address)
    assert port.remote is None
    port.send(b"lost")
    assert port.counters.dropped == 1


async def test_datagrams_too_long_are_dropped(port: MediaPort, ears: Ears, far: Far) -> None:
    far.send(bytes(MAX_DATAGRAM + 1), port)
    far.send(bytes(MAX_DATAGRAM), port)
    far.send(b"", port)
    assert await ears.heard.get() == bytes(MAX_DATAGRAM)
    assert await ears.heard.get() == b""
    assert port.counters.oversize == 1


async def test_a_flood_is_drained_in_order(port: MediaPort, ears: Ears, far: Far) -> None:
    """More than one wake-up takes."""
    for n in range(100):
        far.send(b"%d" % n, port)
    assert [await ears.heard.get() for _ in range(100)] == [b"%d" % n for n in range(100)]


async def test_the_kernel_refuses(port: MediaPort) -> None:
    port.set_remote(("255.255.255.255", 4000))
    port.send(b"broadcast is not allowed on this socket")
    assert port.counters.failed == 1
    port.set_remote((HOST, 4000))
    port.send(bytes(70_000))
    assert port.counters.failed == 2


async def test_a_closed_port_sends_nothing_and_is_free_again(port: MediaPort, ears: Ears, far: Far) -> None:
    port.set_remote(far.address)
    port.close()
    port.close()
    port.send(b"late")
    assert port.counters.dropped == 1
    again = MediaPort.open(HOST, ears, port_range=(port.port, port.port))
    assert again.port == port.port
    again.close()


async def test_closing_in_the_middle_of_a_wake_up(far: Far) -> None:
    heard: list[bytes] = []
    closed = asyncio.Event()

    def last_words(data: bytes, source: Address) -> bool:
        heard.append(data)
        dying.close()
        closed.set()
        return True

    dying = MediaPort.open(HOST, last_words)
    far.send(b"bye", dying)
    far.send(b"too late", dying)
    await closed.wait()
    assert heard == [b"bye"]


async def test_ipv6(ears: Ears) -> None:
    port = MediaPort.open("::1", ears)
    assert port.set_remote(port.address)
    port.send(b"to myself")
    assert await ears.heard.get() == b"to myself"
    assert port.remote == port.address
    port.close()
