"""What is known of a child process, whoever drives it: its signs of life, its death, its environment."""

from __future__ import annotations

import asyncio
import math
import queue
import signal

import pytest

from sip.ipc.async_child import AsyncChild
from sip.ipc.child import Program, Supervision, bare_environment, full_environment, how_it_ended
from sip.ipc.codec import Codec, WireError
from sip.ipc.messages import Alive, Close, Logged, NotStarted, Start, Started
from sip.ipc.threaded_child import Death, ThreadedChild
from sip.logs import CALL, get_logger

Message = Start | Close | Started | NotStarted | Alive | Logged
CODEC: Codec[Message] = Codec(Message)
STARTED = Started(("127.0.0.1", 5060))


def supervision(heartbeat: float = 5.0, start_limit: float = 30.0) -> Supervision[Message]:
    found = Supervision("worker", CODEC, heartbeat, start_limit)
    found.listening = True
    return found


def heard(child: Supervision[Message], *messages: Message) -> list[Message]:
    return list(child.read(b"".join(map(CODEC.encode, messages))))


def test_messages_that_are_the_same_for_every_child_are_seen_to(caplog: pytest.LogCaptureFixture) -> None:
    assert heard(supervision(), Alive(), STARTED, Logged("sip.there", 30, "a word", (("job", "7"),))) == [
        STARTED
    ]
    assert caplog.record_tuples == [("sip.there", 30, "a word")]
    assert getattr(caplog.records[0], CALL) == {"job": "7"}


def test_a_child_that_misses_six_heartbeats_hangs() -> None:
    child = supervision()
    heard(child, STARTED)
    assert [child.tick() for _ in range(7)] == [False] * 6 + [True]
    assert child.hung
    assert child.death(-signal.SIGKILL) == "the worker hung for 30 s and was killed"


def test_a_sign_of_life_is_whatever_it_writes() -> None:
    child = supervision()
    heard(child, STARTED)
    for octet in CODEC.encode(Alive()):
        assert not any(child.tick() for _ in range(6))
        assert list(child.read(bytes([octet]))) == []


def test_a_child_that_nobody_listens_to_does_not_hang() -> None:
    child = supervision()
    heard(child, STARTED)
    child.listening = False
    assert not any(child.tick() for _ in range(50))


def test_a_child_that_does_not_start_in_time_is_killed_and_does_not_hang() -> None:
    child = supervision(heartbeat=5.0, start_limit=12.0)
    assert [child.tick() for _ in range(3)] == [False, False, True]
    assert not child.hung
    assert child.death(-signal.SIGKILL) == "the worker did not start within 12 s"


def test_what_is_no_report_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WireError):
        list(supervision().read(b"\0\0\0\1x"))
    assert "the worker wrote an invalid message" in caplog.text


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "SIGKILL"), (-6, "SIGABRT"), (3, "exit status 3"), (-999, "exit status -999")]
)
def test_how_it_ended(code: int, words: str) -> None:
    assert how_it_ended(code) == words
    assert supervision().death(code) == f"the worker died ({words})"


def test_a_bare_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T38FSP_PASSWORD", "secret")
    assert full_environment()["T38FSP_PASSWORD"] == "secret"
    assert "secret" not in full_environment(but="T38FSP_").values()
    bare = bare_environment(MORE="1")
    assert "secret" not in bare.values()
    assert bare["MORE"] == "1"
    assert bare["PYTHONPATH"] == full_environment()["PYTHONPATH"]


# --- both drivers, on a child that says nothing -------------------------------------------------------------


SILENT = Program(
    "worker", "timeit", ("-n", "1", "-r", "1", "import time; time.sleep(60)"), full_environment()
)


async def test_a_silent_child_of_a_loop_is_killed() -> None:
    child: AsyncChild[Message] = AsyncChild(
        SILENT,
        CODEC,
        heartbeat=0.05,
        start_limit=0.1,
    )
    child.write(Start(30, 0.05))
    await child.start()
    assert await child.receive() is None
    await child.end(math.inf)
    assert child.death == "the worker did not start within 0.1 s"


async def test_a_child_that_is_killed_before_it_runs_does_not_run_on() -> None:
    child: AsyncChild[Message] = AsyncChild(
        SILENT,
        CODEC,
    )
    child.kill()
    await child.start()
    assert await child.receive() is None
    await child.end(60.0)
    assert child.death == "the worker died (SIGKILL)"


async def test_what_a_child_says_on_standard_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = get_logger("sip.test_child")
    caplog.set_level("DEBUG", "sip.test_child")
    child: AsyncChild[Message] = AsyncChild(
        Program("worker", "sip.ipc.nothing", (), bare_environment()), CODEC, log=log
    )
    await child.start()
    assert await child.receive() is None
    await child.end(60.0)
    assert "No module named sip.ipc.nothing" in child.last_line
    assert child.death == "the worker died (exit status 1)"
    assert f"worker {child.pid}: " in caplog.text


async def test_a_silent_child_of_threads_is_killed() -> None:
    deaths: queue.SimpleQueue[Death] = queue.SimpleQueue()
    child = ThreadedChild(
        SILENT,
        CODEC,
        Start(30, 0.05),
        lambda message: None,
        deaths.put,
        heartbeat=0.05,
        start_limit=0.1,
    )
    death = await asyncio.to_thread(deaths.get)
    assert death == Death("the worker did not start within 0.1 s", hung=False)
    child.write(Close())
    assert child.end(60.0) is False
