"""An engine whose start fails, at whichever step, leaves nothing behind, and raises EngineError."""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sip.ipc import threaded_child
from sip.line_settings import TlsSettings
from t38fsp.engine import child, engine, media, media_reader, process, remote, sip_lines
from t38fsp.engine.engine import FaxEngine
from t38fsp.engine.media import MediaPair, MediaPort
from t38fsp.engine.remote import EngineProcess
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import EngineError, EngineSettings
from t38fsp.provider import FaxProvider
from tests.starts import CANCELLED, FAULT, NO_DESCRIPTORS, Belongings, fails_at_each_step, nothing_left

HOST = "127.0.0.1"
ERRORS = pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(NO_DESCRIPTORS, EngineError, id="descriptors"),
        pytest.param(FAULT, RuntimeError, id="fault", marks=pytest.mark.full),
        pytest.param(CANCELLED, asyncio.CancelledError, id="cancelled"),
    ],
)
SETTINGS = EngineSettings(listen=(HOST, 0))


@ERRORS
async def test_an_engine_that_cannot_start(error: BaseException, expected: type[BaseException]) -> None:
    async def start() -> Callable[[], Awaitable[object]]:
        it = FaxEngine(SETTINGS, lambda call: None)
        await it.start()
        return it.close

    await fails_at_each_step(start, FaxEngine.start, [engine, sip_lines], error, expected, least=10)


@ERRORS
async def test_a_provider_that_cannot_start(error: BaseException, expected: type[BaseException]) -> None:
    async def start() -> Callable[[], Awaitable[object]]:
        it = FaxProvider((HOST, 0))
        await it.__aenter__()
        return lambda: it.__aexit__(None, None, None)

    await fails_at_each_step(start, FaxEngine.start, [engine], error, expected)


async def test_a_provider_without_its_certificate_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    before = await Belongings.settled()
    missing = TlsSettings(certificate="/none.pem", key="/none.pem")
    with pytest.raises(EngineError, match=r"/none\.pem"):
        async with FaxProvider((HOST, 0), settings=EngineSettings(tls_listen=(HOST, 0), tls=missing)):
            pass
    await nothing_left(before)
    assert caplog.text == ""


async def test_image_workers_that_cannot_start_give_the_address_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        address = probe.getsockname()

    async def fails(self: ImagePool) -> None:
        raise NO_DESCRIPTORS

    before = await Belongings.settled()
    with monkeypatch.context() as broken:
        broken.setattr(ImagePool, "start", fails)
        with pytest.raises(EngineError, match="Too many open files; allow this process more"):
            async with FaxProvider(address):
                pass
    await nothing_left(before)
    async with FaxProvider(address) as it:
        assert it.address == address


@contextmanager
def descriptors(number: int) -> Iterator[None]:
    """No more than these many beside those that are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    free = (each for each in itertools.count() if each not in taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, number, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors by /proc")
async def test_a_provider_with_too_few_descriptors_raises_engine_error_and_leaves_none() -> None:
    async with FaxProvider((HOST, 0)):
        pass
    before = await Belongings.settled()
    for number in range(40):
        with descriptors(number):
            it = FaxProvider((HOST, 0))
            try:
                await it.__aenter__()
            except EngineError:
                pass
            else:
                await it.__aexit__(None, None, None)
                break
        await nothing_left(before)
    else:
        raise AssertionError("never enough")
    assert number > 3


# --- parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [NO_DESCRIPTORS, FAULT, CANCELLED], ids=["descriptors", "fault", "cancelled"]
)
@pytest.mark.parametrize("pair", [False, True], ids=["one family", "two families"])
async def test_a_media_port_that_cannot_be_opened(error: BaseException, pair: bool) -> None:
    async def start() -> Callable[[], Awaitable[object]]:
        port = (
            MediaPair.open((HOST, "::1"), lambda data, source: True)
            if pair
            else MediaPort.open(HOST, lambda data, source: True)
        )

        async def close() -> None:
            port.close()

        return close

    root = MediaPair.open if pair else MediaPort.open
    await fails_at_each_step(start, root.__func__, [media, media_reader], error, type(error))  # type: ignore[attr-defined]


# --- an engine in a process of its own ----------------------------------------------------------------------

FAKE = "tests.faxdev.fake_engine:FakeEngine"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NO_DESCRIPTORS, EngineError),
        (RuntimeError("can't start new thread"), (EngineError, RuntimeError)),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["descriptors", "threads", "interrupted"],
)
async def test_an_engine_process_that_cannot_start(
    error: BaseException, expected: type[BaseException] | tuple[type[BaseException], ...]
) -> None:
    async def start() -> Callable[[], Awaitable[object]]:
        it = EngineProcess(SETTINGS, lambda call: None, factory=FAKE)
        it.start()

        async def close() -> None:
            it.close()

        return close

    await fails_at_each_step(
        start, EngineProcess._start, [child, process, threaded_child, remote], error, expected, least=10
    )


async def test_engine_processes_that_cannot_start_leave_no_signalling_process() -> None:
    before = await Belongings.settled()
    it = EngineProcess(replace(SETTINGS, workers=2), lambda call: None, factory="tests.faxdev:nothing")
    for _ in range(2):
        with pytest.raises(EngineError, match="while it started"):
            await asyncio.to_thread(it.start)
        assert it.signalling_pid is None
        await nothing_left(before)
    it.close()


async def test_an_engine_process_without_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = await Belongings.settled()
    it = EngineProcess(SETTINGS, lambda call: None, factory=FAKE)
    with monkeypatch.context() as none:
        none.setattr(threading.Thread, "start", refused)
        with pytest.raises(EngineError, match="cannot be used: can't start new thread"):
            it.start()
    await nothing_left(before)
    it.start()
    it.close()
    await nothing_left(before)
