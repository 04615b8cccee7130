"""A virtual gateway in the background that cannot start, or whose thread fails, keeps nobody waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from sip.syntax.errors import SipError
from t38fsp.virtual import background
from t38fsp.virtual.background import BackgroundGateway
from t38fsp.virtual.sockets import SocketGateway
from tests.starts import FAULT, NO_DESCRIPTORS, Belongings, fails_at_each_step, nothing_left

LIMIT = 60.0
HOST = "127.0.0.1"


@pytest.mark.parametrize("step", ["start", "answer_calls"])
@pytest.mark.parametrize("error", [FAULT, NO_DESCRIPTORS, KeyboardInterrupt()], ids=repr)
async def test_a_fault_in_its_start_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    """The constructor waited for ever."""

    def broken(*arguments: object) -> None:
        raise error

    before = await Belongings.settled()
    monkeypatch.setattr(SocketGateway, step, broken)
    with pytest.raises((type(error), SipError)):
        BackgroundGateway(tmp_path)
    await nothing_left(before)


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        before = await Belongings.settled()
        with pytest.raises(SipError, match="is in use"):
            BackgroundGateway(tmp_path, listen=taken.getsockname())
        await nothing_left(before)


async def test_without_threads_there_is_no_loop_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = await Belongings.settled()
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(SipError, match="can't start new thread"):
        BackgroundGateway(tmp_path)
    await nothing_left(before)


@pytest.mark.parametrize("error", [NO_DESCRIPTORS, FAULT, KeyboardInterrupt()], ids=repr)
async def test_whatever_step_of_the_constructor_fails(tmp_path: Path, error: BaseException) -> None:
    async def start() -> object:
        gateway = BackgroundGateway(tmp_path)
        return lambda: asyncio.to_thread(gateway.close)

    await fails_at_each_step(
        start,  # type: ignore[arg-type]
        BackgroundGateway.__init__,
        [background],
        error,
        (type(error), SipError),
    )


async def test_a_fault_in_its_end_lets_those_go_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: SocketGateway) -> None:
        await close(self)
        raise FAULT

    close = SocketGateway.close
    monkeypatch.setattr(SocketGateway, "close", broken)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    before = await Belongings.settled()
    gateway = BackgroundGateway(tmp_path)
    fax = gateway.next_fax()
    await asyncio.to_thread(gateway.close)
    with pytest.raises(CancelledError):
        fax.result(LIMIT)
    await nothing_left(before)
