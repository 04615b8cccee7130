"""The engine process: its start, its death, and what survives it."""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from t38fsp.engine import child, process, remote_job
from t38fsp.engine.channels import all_taken
from t38fsp.engine.remote import EngineProcess
from t38fsp.engine.remote_job import RemoteJob
from t38fsp.events import Connected, Dialing, FaxEvent, Finished, PageDone, RegistrationChanged
from t38fsp.jobs import EngineError, EngineRoute, EngineSettings, PollJob, ReceiveJob, SendJob, WaitingCall
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.options import PollOptions

FAKE_ENGINE = "tests.faxdev.fake_engine:FakeEngine"
PATIENCE = 60.0
ROOT = Path(__file__).parents[2]


def send(engine: EngineProcess, script: str) -> RemoteJob:
    return engine.send(SendJob(("letter.tif",), f"sip:{script}@peer.example", "sip:us@here"))


def wait_for(job: RemoteJob, kind: type) -> FaxEvent:
    while not isinstance(event := job.next_event(PATIENCE), kind):
        pass
    return event


def result_of(job: RemoteJob) -> FaxResult:
    event = wait_for(job, Finished)
    assert isinstance(event, Finished)
    return event.result


@pytest.fixture
def calls() -> queue.SimpleQueue[WaitingCall]:
    return queue.SimpleQueue()


@pytest.fixture
def engine(calls: queue.SimpleQueue[WaitingCall]) -> Iterator[EngineProcess]:
    process = EngineProcess(EngineSettings(("127.0.0.1", 5060)), calls.put, factory=FAKE_ENGINE)
    yield process
    process.close()


def test_a_document_is_polled(engine: EngineProcess) -> None:
    what = PollJob(("fetched.tif",), "sip:completed@far", poll=PollOptions(selective_address="7"))
    assert result_of(engine.poll(what)).reason == "completed as 'polls 7'"


def test_it_starts_once_and_tells_its_address(engine: EngineProcess) -> None:
    assert engine.pid is None
    assert engine.start() == ("127.0.0.1", 5060)
    first = engine.pid
    assert engine.start() == ("127.0.0.1", 5060)
    assert engine.pid == first != os.getpid()


def test_threads_that_start_it_at_once_share_one(engine: EngineProcess) -> None:
    jobs: queue.SimpleQueue[RemoteJob] = queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: jobs.put(send(engine, "completed"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert [result_of(jobs.get(timeout=PATIENCE)).status for _ in threads] == [FaxStatus.COMPLETED] * 8


def test_events_arrive_in_order(engine: EngineProcess) -> None:
    job = send(engine, "dial-answer-page-done-bye-completed")
    seen = [type(job.next_event(PATIENCE)).__name__ for _ in range(2)]
    job.proceed(True)
    seen += [type(job.next_event(PATIENCE)).__name__ for _ in range(4)]
    assert seen == ["Dialing", "Connected", "PageStarted", "PageDone", "Disconnected", "Finished"]


def test_a_job_waits_for_its_verdict(engine: EngineProcess) -> None:
    job = send(engine, "answer-completed")
    wait_for(job, Connected)
    assert result_of(send(engine, "busy")).status is FaxStatus.BUSY
    with pytest.raises(queue.Empty):
        job.next_event(0)
    job.proceed(False)
    assert result_of(job).status is FaxStatus.USER_ABORT


def test_an_engine_that_cannot_start_says_why() -> None:
    engine = EngineProcess(EngineSettings(("203.0.113.1", 5060)), print, factory=FAKE_ENGINE)
    with pytest.raises(EngineError, match=r"listen on 0\.0\.0\.0"):
        engine.start()
    with pytest.raises(EngineError, match=r"listen on 0\.0\.0\.0"):
        send(engine, "completed")


def test_an_engine_that_breaks_as_it_starts_is_an_error() -> None:
    engine = EngineProcess(EngineSettings(), print, factory="tests.faxdev.fake_engine:Missing")
    with pytest.raises(EngineError, match="exit status 1"):
        engine.start()


def test_a_callback_that_fails_harms_no_job() -> None:
    def broken(call: WaitingCall) -> None:
        raise RuntimeError("a fault of the program")

    engine = EngineProcess(EngineSettings(("127.0.0.1", 5060)), broken, factory=FAKE_ENGINE)
    try:
        assert result_of(send(engine, "call-completed")).completed
        assert result_of(send(engine, "completed")).completed
    finally:
        engine.close()


class TestWorkers:
    """Two processes, whose engines are scripts; the signalling process beside them is real."""

    @pytest.fixture
    def engine(self, calls: queue.SimpleQueue[WaitingCall]) -> Iterator[EngineProcess]:
        route = EngineRoute("office", "127.0.0.1:9", channels=2)
        settings = EngineSettings(("127.0.0.1", 0), workers=2, routes=(route,))
        process = EngineProcess(settings, calls.put, factory=FAKE_ENGINE, restart_pause=0.0)
        yield process
        assert process.close()

    def test_jobs_go_to_the_one_that_has_fewer(self, engine: EngineProcess) -> None:
        held = [send(engine, "dial-hold") for _ in range(4)]
        for job in held:
            wait_for(job, Dialing)
        assert [child.calls for child in engine._live] == [2, 2]

    @pytest.mark.full
    def test_jobs_do_not_go_to_one_that_has_too_much_to_do(self, engine: EngineProcess) -> None:
        assert result_of(send(engine, "full")).completed
        held = [send(engine, "dial-hold") for _ in range(3)]
        for job in held:
            wait_for(job, Dialing)
        assert [child.calls for child in engine._live] == [0, 3]

    @pytest.mark.full
    def test_the_channels_of_a_route_are_those_of_all(
        self, engine: EngineProcess, calls: queue.SimpleQueue[WaitingCall]
    ) -> None:
        def sent(script: str) -> RemoteJob:
            return engine.send(SendJob(("letter.tif",), f"sip:{script}@peer.example", route="office"))

        held = [sent("dial-hold") for _ in range(2)]
        refused = result_of(sent("dial-hold"))
        assert (refused.status, refused.retry) == (FaxStatus.LINE_UNAVAILABLE, True)
        assert refused.reason == all_taken("office")
        held[0].abort()
        assert result_of(held[0]).status is FaxStatus.USER_ABORT
        assert result_of(sent("completed")).completed

    def test_one_that_dies_takes_its_jobs_and_is_replaced(self, engine: EngineProcess) -> None:
        held = [send(engine, "dial-hold") for _ in range(2)]
        for job in held:
            wait_for(job, Dialing)
        first, second = engine.pids
        os.kill(first, signal.SIGKILL)
        assert result_of(held[0]).reason == "the engine process died (SIGKILL)"
        assert engine.start()
        assert second in engine.pids
        assert len(engine.pids) == 2
        assert result_of(send(engine, "completed")).completed
        held[1].abort()
        assert result_of(held[1]).reason == "aborted"

    def test_a_registration_is_told_by_one(self, calls: queue.SimpleQueue[WaitingCall]) -> None:
        told: queue.SimpleQueue[RegistrationChanged] = queue.SimpleQueue()
        settings = EngineSettings(("127.0.0.1", 0), workers=2, routes=(EngineRoute("office", "127.0.0.1:9"),))
        engine = EngineProcess(settings, calls.put, on_registration=told.put, factory=FAKE_ENGINE)
        engine.start()
        assert engine.close()
        assert told.qsize() == 1

    def test_the_signalling_process_is_replaced_at_its_address(self, engine: EngineProcess) -> None:
        engine.start()
        before = engine.signalling_pid
        assert before is not None
        listening = engine._signalling._settings.listen
        os.kill(before, signal.SIGKILL)
        while (pid := engine.signalling_pid) in (None, before):
            time.sleep(0.01)
        assert pid is not None
        assert engine._signalling._settings.listen == listening
        assert listening[1] != 0

    def test_nothing_is_left_in_the_folder_of_temporary_files(
        self, calls: queue.SimpleQueue[WaitingCall], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        settings = EngineSettings(("127.0.0.1", 0), workers=2)
        engine = EngineProcess(settings, calls.put, factory=FAKE_ENGINE)
        engine.start()
        assert len(list(tmp_path.iterdir())) == 1
        assert engine.close()
        assert not list(tmp_path.iterdir())


class TestDeath:
    def test_the_job_ends_with_what_was_known(self, engine: EngineProcess) -> None:
        job = send(engine, "dial-answer-switch-page-done-hold")
        connected = wait_for(job, Connected)
        job.proceed(True)
        wait_for(job, PageDone)
        os.kill(engine.pid, signal.SIGKILL)
        result = result_of(job)
        assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, True)
        assert result.reason == "the engine process died (SIGKILL)"
        assert (result.dialog, result.remote_id) == (connected.dialog, "+15550123")
        assert [page.number for page in result.pages] == [1]

    def test_the_next_job_starts_another(self, engine: EngineProcess) -> None:
        held = send(engine, "hold")
        first = engine.pid
        os.kill(first, signal.SIGKILL)
        assert result_of(held).status is FaxStatus.FATAL_ERROR
        assert result_of(send(engine, "completed")).completed
        assert engine.pid != first

    def test_a_fault_of_the_engine_is_its_death(self, engine: EngineProcess) -> None:
        engine.start()
        faulty = engine.receive(ReceiveJob((1 << 40) + 99, "none.tif"))  # the scripted engine has no call 99
        assert result_of(faulty).reason == "the engine process died (exit status 1)"

    def test_verbs_on_jobs_of_the_dead_do_nothing(self, engine: EngineProcess) -> None:
        held = send(engine, "hold")
        os.kill(engine.pid, signal.SIGKILL)
        result_of(held)
        held.proceed(True)
        held.abort()
        engine.refuse((1 << 40) + 1)
        assert result_of(send(engine, "completed")).completed

    def test_a_waiting_call_dies_with_it(
        self, engine: EngineProcess, calls: queue.SimpleQueue[WaitingCall]
    ) -> None:
        result_of(send(engine, "call-completed"))
        call = calls.get(timeout=PATIENCE)
        held = send(engine, "hold")
        os.kill(engine.pid, signal.SIGKILL)
        result_of(held)
        result_of(send(engine, "call-completed"))
        assert calls.get(timeout=PATIENCE).call != call.call
        assert "has died" in result_of(engine.receive(ReceiveJob(call.call, "none.tif"))).reason

    def test_calls_that_wait_are_gone_and_those_that_were_taken_or_refused_are_not(
        self, calls: queue.SimpleQueue[WaitingCall]
    ) -> None:
        gone: queue.SimpleQueue[int] = queue.SimpleQueue()
        engine = EngineProcess(EngineSettings(("127.0.0.1", 5060)), calls.put, gone.put, factory=FAKE_ENGINE)
        try:
            for _ in range(3):
                result_of(send(engine, "call-hold"))
            taken, refused, waiting = (calls.get(timeout=PATIENCE).call for _ in range(3))
            held = engine.receive(ReceiveJob(taken, "none.tif"))
            engine.refuse(refused)
            os.kill(engine.pid, signal.SIGKILL)
            assert gone.get(timeout=PATIENCE) == waiting
            assert result_of(held).status is FaxStatus.FATAL_ERROR
            result_of(send(engine, "completed"))
        finally:
            engine.close()
        assert gone.empty()

    def test_an_engine_that_takes_calls_is_started_again_at_once(self) -> None:
        settings = EngineSettings(("127.0.0.1", 5060), accept_calls=True)
        starts: queue.SimpleQueue[str] = queue.SimpleQueue()
        handler = logging.Handler()
        handler.emit = lambda record: starts.put(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("t38fsp.fake")
        logger.addHandler(handler)
        engine = EngineProcess(settings, print, factory=FAKE_ENGINE, restart_pause=0.0)
        try:
            engine.start()
            assert starts.get(timeout=PATIENCE) == "started"
            os.kill(engine.pid, signal.SIGKILL)
            assert starts.get(timeout=PATIENCE) == "started"
        finally:
            engine.close()
            logger.removeHandler(handler)


class TestHang:
    """Signs of life are due each 50 ms here, so that a process which is stopped is soon found out."""

    @pytest.fixture
    def engine(self, calls: queue.SimpleQueue[WaitingCall]) -> Iterator[EngineProcess]:
        settings = EngineSettings(("127.0.0.1", 5060))
        process = EngineProcess(settings, calls.put, factory=FAKE_ENGINE, heartbeat=0.05)
        yield process
        process.close()

    def test_a_process_that_stands_still_is_killed_and_its_jobs_end(self, engine: EngineProcess) -> None:
        job = send(engine, "dial-answer-hold")
        connected = wait_for(job, Connected)
        os.kill(engine.pid, signal.SIGSTOP)
        result = result_of(job)
        assert (result.status, result.retry) == (FaxStatus.FATAL_ERROR, True)
        assert "0.3 s" in result.reason
        assert result.dialog == connected.dialog
        assert result_of(send(engine, "completed")).completed

    @pytest.mark.parametrize("waits_first", [True, False])
    def test_an_abort_does_not_wait_for_a_process_that_stands_still(
        self, calls: queue.SimpleQueue[WaitingCall], monkeypatch: pytest.MonkeyPatch, waits_first: bool
    ) -> None:
        monkeypatch.setattr(remote_job, "ABORT_LIMIT", 0.2)
        engine = EngineProcess(EngineSettings(("127.0.0.1", 5060)), calls.put, factory=FAKE_ENGINE)
        try:
            job = send(engine, "dial-answer-hold")
            connected = wait_for(job, Connected)
            os.kill(engine.pid, signal.SIGSTOP)
            results: queue.SimpleQueue[FaxResult] = queue.SimpleQueue()
            waiting = threading.Thread(target=lambda: results.put(result_of(job)))
            if waits_first:
                waiting.start()
            job.abort()
            if not waits_first:
                waiting.start()
            result = results.get(timeout=PATIENCE)
            assert (result.status, result.retry) == (FaxStatus.USER_ABORT, False)
            assert "did not confirm the end within 0.2 s" in result.reason
            assert result.dialog == connected.dialog
        finally:
            os.kill(engine.pid, signal.SIGKILL)
            engine.close()

    def test_an_abort_that_is_confirmed_ends_as_the_engine_says(self, engine: EngineProcess) -> None:
        job = send(engine, "dial-answer-hold")
        wait_for(job, Connected)
        job.abort()
        assert result_of(job).reason == "aborted"

    def test_a_loop_that_stands_still_is_found_out_too(self, engine: EngineProcess) -> None:
        """Its other threads go on: only the loop is blocked."""
        assert "hung" in result_of(send(engine, "block")).reason

    def test_a_callback_that_takes_long_kills_no_process(self) -> None:
        """While the program keeps the reader, nobody hears the signs of life."""
        busy = threading.Event()

        def slow(call: WaitingCall) -> None:
            assert not busy.wait(1.0)

        settings = EngineSettings(("127.0.0.1", 5060))
        engine = EngineProcess(settings, slow, factory=FAKE_ENGINE, heartbeat=0.05)
        try:
            assert result_of(send(engine, "call-completed")).completed
        finally:
            engine.close()


class TestRestart:
    """What ``restart`` makes of a start that fails."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "_LEAST_PAUSE", 0.01)

    def test_it_is_tried_again_until_it_works(self) -> None:
        done = threading.Event()
        tries: list[int] = []

        def start() -> None:
            tries.append(1)
            if len(tries) < 3:
                raise EngineError("the address is in use")
            done.set()

        process.restart(start, lambda: True, lived=10.0, pause=0.0)
        assert len(tries) == 1
        assert done.wait(PATIENCE)
        assert len(tries) == 3

    def test_it_is_not_tried_when_nobody_wants_it_any_more(self) -> None:
        wanted = [True]

        def start() -> None:
            wanted[0] = False
            raise EngineError("the engine is closed; create another")

        before = threading.active_count()
        process.restart(start, lambda: wanted[0], lived=10.0, pause=0.0)
        assert threading.active_count() == before
        process.restart(start, lambda: False, lived=10.0, pause=0.0)

    def test_one_that_died_young_is_started_after_a_pause(self) -> None:
        done = threading.Event()
        process.restart(done.set, lambda: True, lived=0.0, pause=0.01)
        assert done.wait(PATIENCE)


class TestClose:
    def test_an_engine_that_hangs_is_not_waited_for(
        self, engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would have 20 s if it only heard what it is asked."""
        monkeypatch.setattr(child, "ANSWER_LIMIT", 0.1)
        engine.start()
        os.kill(engine.pid, signal.SIGSTOP)
        assert engine.close() is False

    def test_settings_of_the_environment_stay_with_the_program(
        self, engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("T38FSP_PASSWORD", "secret")
        monkeypatch.setenv("TZ", "UTC")
        engine.start()
        told = Path(f"/proc/{engine.pid}/environ").read_bytes().split(b"\0")
        assert b"TZ=UTC" in told
        assert not [each for each in told if each.startswith(b"T38FSP_")]

    def test_live_jobs_are_aborted(self, engine: EngineProcess) -> None:
        job = send(engine, "dial-hold")
        wait_for(job, Dialing)
        assert engine.close() is True
        assert result_of(job).status is FaxStatus.USER_ABORT

    def test_a_drain_lets_them_end(self, engine: EngineProcess) -> None:
        job = send(engine, "answer-completed")
        wait_for(job, Connected)
        closing = threading.Thread(target=engine.close, args=(PATIENCE,))
        closing.start()
        job.proceed(True)
        assert result_of(job).completed
        closing.join(PATIENCE)
        assert not closing.is_alive()

    def test_a_call_that_is_taken_during_a_drain_has_its_result_at_once(
        self, engine: EngineProcess, calls: queue.SimpleQueue[WaitingCall]
    ) -> None:
        job = send(engine, "answer-completed")
        wait_for(job, Connected)
        assert result_of(send(engine, "call-completed")).completed
        call = calls.get(timeout=PATIENCE)
        (process,) = engine._live
        closing = threading.Thread(target=engine.close, args=(PATIENCE,))
        closing.start()
        assert process._hears.wait(PATIENCE)
        assert result_of(engine.receive(ReceiveJob(call.call, "received.tif"))).completed
        job.proceed(True)
        assert result_of(job).completed
        closing.join(PATIENCE)
        assert not closing.is_alive()

    def test_nothing_starts_after_it(self, engine: EngineProcess) -> None:
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            send(engine, "completed")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_signals_are_left_to_the_program(self, engine: EngineProcess, number: int) -> None:
        """A service manager sends SIGTERM to every process of the service; nobody has cancelled a fax."""
        job = send(engine, "answer-completed")
        wait_for(job, Connected)
        assert os.getpgid(engine.pid) != os.getpgid(0)
        os.kill(engine.pid, number)
        job.proceed(True)
        assert result_of(job).completed
        assert result_of(send(engine, "completed")).completed

    def test_a_process_that_died_before_has_nothing_to_end(self, engine: EngineProcess) -> None:
        job = send(engine, "dial-hold")
        wait_for(job, Dialing)
        os.kill(engine.pid, signal.SIGKILL)
        assert result_of(job).status is FaxStatus.FATAL_ERROR
        assert engine.close() is True


PROGRAM = f"""
import os
from t38fsp.engine.remote import EngineProcess
from t38fsp.events import Dialing
from t38fsp.jobs import EngineSettings, SendJob
engine = EngineProcess(EngineSettings(("127.0.0.1", 5060)), print, factory={FAKE_ENGINE!r})
job = engine.send(SendJob(("letter.tif",), "sip:dial-hold@peer.example", "sip:us@here"))
assert isinstance(job.next_event(), Dialing)
os.kill(os.getpid(), 9)
"""


def test_it_ends_with_the_program() -> None:
    # The engine process holds the program's standard error open: its end is the end of both.
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert program.returncode == -signal.SIGKILL
    assert "closed with 1 jobs" in program.stderr
