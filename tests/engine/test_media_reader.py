"""The sockets of many ports on one loop. What may arrive is awaited."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from t38fsp.engine.media_reader import TICK, MediaReader

HOST = "127.0.0.1"


class Ear:
    """A socket that a reader watches, and what was heard on it."""

    def __init__(self, reader: MediaReader) -> None:
        self.reader = reader
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        reader.add(self.socket, self.read)

    def read(self, now: float) -> None:
        self.heard.put_nowait(self.socket.recv(100))

    def tell(self, data: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.sendto(data, self.socket.getsockname())

    def close(self) -> None:
        self.reader.remove(self.socket)
        self.socket.close()


@pytest.fixture
async def reader() -> MediaReader:
    return MediaReader(asyncio.get_running_loop())


@pytest.fixture
def ears(reader: MediaReader) -> Iterator[list[Ear]]:
    ears = [Ear(reader) for _ in range(8)]
    yield ears
    for ear in ears:
        if ear.socket.fileno() >= 0:
            ear.close()


async def test_what_comes_alone_and_what_comes_close_together_is_heard(ears: list[Ear]) -> None:
    for pause in (0.0, TICK / 5, 10 * TICK, 0.0, TICK, 10 * TICK):
        for count in (1, 7):
            for number in range(count):
                for ear in ears:
                    ear.tell(bytes([number]))
            for ear in ears:
                assert [await ear.heard.get() for _ in range(count)] == [bytes([n]) for n in range(count)]
            await asyncio.sleep(pause)


async def test_others_of_the_loop_get_their_turn(ears: list[Ear], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.engine.media_reader._LONGEST_TURN", 0.0)
    for number in range(4):
        for ear in ears:
            ear.tell(bytes([number]))
    heard = 0
    while heard < 32:
        await asyncio.sleep(0)
        now = sum(ear.heard.qsize() for ear in ears)
        assert now - heard <= 1
        heard = now


@pytest.mark.parametrize("close_together", [False, True])
async def test_a_socket_that_another_one_removes_is_not_read_any_more(
    reader: MediaReader, ears: list[Ear], close_together: bool
) -> None:
    """All of them in the callback of the first; a new one is watched all the same."""
    if close_together:
        for ear in ears[:2]:
            ear.tell(b"before")
            await ear.heard.get()
    new: list[Ear] = []
    closed = asyncio.Event()

    def close_all(now: float) -> None:
        assert not new
        for ear in ears:
            ear.close()
        new.append(Ear(reader))
        closed.set()

    for ear in ears:
        reader.remove(ear.socket)
        reader.add(ear.socket, close_all)
        ear.tell(b"x")
    await closed.wait()
    for count in range(3):
        new[0].tell(bytes([count]))
        assert await new[0].heard.get() == bytes([count])
    new[0].close()


async def test_nothing_is_left_when_the_last_socket_is_removed(reader: MediaReader, ears: list[Ear]) -> None:
    for ear in ears:
        ear.tell(b"x")
    for ear in ears:
        await ear.heard.get()
        ear.close()
    assert reader.idle
