"""Output that is not read, or cannot be written, costs lines of progress and nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import pty
import re
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from t38fsp import events
from t38fsp.cli import sentences
from t38fsp.cli.exits import Exit
from t38fsp.cli.output import drain, follow, log_to, print_line
from t38fsp.cli.report import Reporter, print_json
from t38fsp.cli.writer import ROOM
from t38fsp.image.compare import differing_pages
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from tests.cli.commands import names, port_of, t38fsp
from tests.engine.party import bound
from tests.peers.realtime import udp_socket
from tests.sip.peer import until

FULL = 2000
"""Lines that fill a pipe many times over."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The end to read, and the one to write."""
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        yield reading, stream
        os.close(reading)
        drain(10.0)


@contextmanager
def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """The person's side, and the program's."""
    monkeypatch.setenv("TERM", "xterm")
    person, program = pty.openpty()
    tty.setraw(program)
    with open(program, "w") as stream:
        try:
            yield person, stream
        finally:
            with suppress(OSError):
                os.close(person)


def read_all(reading: int) -> str:
    """What is in a pipe once everything has been written to it."""
    seen = bytearray()
    done = threading.Event()

    def read() -> None:
        os.set_blocking(reading, True)
        while not done.is_set() or _waits(reading):
            seen.extend(os.read(reading, 65536) if _waits(reading) else b"")

    reader = threading.Thread(target=read)
    reader.start()
    assert drain(30.0)
    done.set()
    reader.join()
    return seen.decode()


def _waits(reading: int) -> bool:
    return bool(select.select([reading], [], [], 0.02)[0])


# --- who does not read --------------------------------------------------------------------------------------


def test_an_unread_pipe_drops_progress_and_keeps_results(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    for number in range(FULL):
        print_line(f"progress {number} {'.' * 100}", stream, droppable=True)
        print_line(f"result {number}", stream)
    assert not drain(0.0)
    lines = read_all(reading).splitlines()
    assert [line for line in lines if line.startswith("result")] == [f"result {n}" for n in range(FULL)]
    progress = [line for line in lines if line.startswith("progress")]
    assert progress == sorted(progress, key=lambda line: int(line.split()[1]))
    left_out = sum(int(found[1]) for line in lines if (found := re.match(r"\((\d+) lines? w", line)))
    assert len(progress) + left_out == FULL
    assert left_out > 0
    assert sum(map(len, progress)) < 3 * ROOM + 65536


def test_a_pipe_that_is_read_again_shows_progress_again(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    for _ in range(FULL):
        print_line("." * 100, stream, droppable=True)
    read_all(reading)
    print_line("page 1 of 3", stream, droppable=True)
    assert read_all(reading) == "page 1 of 3\n"


def test_one_that_is_not_read_holds_up_no_other(pipe: tuple[int, TextIO]) -> None:
    reading, writing = os.pipe()
    for _ in range(FULL):
        print_line("." * 100, pipe[1])
    with open(writing, "w") as other:
        print_line("listening", other)
        assert os.read(reading, 100) == b"listening\n"
    os.close(reading)
    read_all(pipe[0])


def test_a_pipe_that_another_program_made_non_blocking_loses_nothing(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    for number in range(FULL):
        print_line(f"{number} {'.' * 100}", stream)
    assert not drain(0.1)
    assert read_all(reading).splitlines() == [f"{n} {'.' * 100}" for n in range(FULL)]


def test_waiting_for_a_reader_can_be_given_up(pipe: tuple[int, TextIO]) -> None:
    for _ in range(FULL):
        print_line("." * 100, pipe[1])
    assert not drain(None, given_up=lambda: True)
    read_all(pipe[0])


def test_the_log_does_not_wait_either(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    logger = logging.getLogger()
    level = logger.level
    try:
        log_to(stream, logging.Formatter())
        for _ in range(FULL):
            logger.warning("a stranger wrote %s", "\x1b[2J" + "." * 100)
        assert not drain(0.0)
        assert "a stranger wrote \\x1b[2J..." in read_all(reading)
    finally:
        log_to(None, logging.Formatter(), level)


# --- what cannot be written ---------------------------------------------------------------------------------


def test_a_reader_that_goes_away_in_the_middle_fails_nothing() -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        for _ in range(FULL):
            print_line("." * 100, stream)
        assert not drain(0.0)
        os.close(reading)
        assert drain(30.0)
        print_line("more", stream)
        print("the interpreter writes, too", file=stream, flush=True)
        assert drain(30.0)


def test_a_terminal_that_is_gone_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch) as (person, stream):
        monkeypatch.setattr(sys, "stdout", stream)
        with Reporter() as reporter:
            call = reporter.call()
            os.close(person)
            for number in range(1, 100):
                call.event(events.PageStarted(number, 100))
                drain(0.05)
            call.event(events.Finished(FaxResult(FaxStatus.COMPLETED, "done")))
    assert call.result is not None
    assert drain(30.0)


def test_a_full_disk_takes_lines_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    with open("/dev/full", "w") as full, open(tmp_path / "log", "w") as log:
        print_line("lost", full)
        print_line("lost as well", full)
        assert drain(30.0)
        os.dup2(log.fileno(), full.fileno())
        print_line("kept", full)
        assert drain(30.0)
    assert (tmp_path / "log").read_text() == "kept\n"


def test_a_process_without_threads_writes_when_it_may_have_one(pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reading, stream = pipe
    with monkeypatch.context() as none:
        none.setattr(threading.Thread, "start", refused)
        print_line("one", stream)
        assert drain(0.0)
    print_line("two", stream)
    assert drain(10.0)
    assert os.read(reading, 100) == b"one\ntwo\n"


def test_a_closed_stream_takes_nothing(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w") as file, StringIO() as in_memory:
        pass
    for stream in (None, in_memory, file):
        print_line("page 1 of 3", stream)
        follow(stream, lambda columns, room: [])
    assert drain(30.0)
    assert (tmp_path / "file").read_text() == ""


def test_an_event_that_cannot_be_told_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: events.FaxEvent) -> str:
        raise RuntimeError("no words")

    monkeypatch.setattr(sentences, "of_event", broken)
    with Reporter() as reporter:
        call = reporter.call()
        call.event(events.PageStarted(1, 1))
        call.event(events.Finished(FaxResult(FaxStatus.COMPLETED, "done")))
    assert call.result is not None


# --- on a terminal ------------------------------------------------------------------------------------------


def test_results_and_progress_share_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--json`` on a terminal both streams are the same: what is followed stays below."""
    with a_terminal(monkeypatch) as (person, stream):
        monkeypatch.setattr(sys, "stdout", stream)
        with open(os.dup(stream.fileno()), "w") as errors:
            monkeypatch.setattr(sys, "stderr", errors)
            with Reporter(as_json=True) as reporter:
                call = reporter.call("[1] ")
                call.event(events.PageStarted(1, 2, 60.0))
                assert drain(30.0)
                print_json(FaxResult(FaxStatus.BUSY, "busy"), exit_status=3)  # type: ignore[arg-type]
                assert drain(30.0)
            assert drain(30.0)
        shown = os.read(person, 65536).decode()
    erased = "\r\x1b[K"
    followed = "[1] page 1 of 2 [--------------------]   0% 0:00"
    assert f"[1] page 1 of 2\n{followed}{erased}" in shown
    assert re.search(re.escape(erased) + r'\{"status": "BUSY".*\}\n' + re.escape(followed), shown)
    assert shown.endswith(f"{followed}{erased}")


def test_a_terminal_that_can_only_print_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_terminal(monkeypatch) as (person, stream):
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(sys, "stdout", stream)
        with Reporter() as reporter:
            reporter.call().event(events.PageStarted(1, 2))
        assert drain(30.0)
        assert re.fullmatch(rb"\d\d:\d\d:\d\d page 1 of 2\n", os.read(person, 65536))


def test_progress_moves_within_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("t38fsp.cli.report.time.monotonic", lambda: clock[0])
    call = Reporter().call("[1] ")
    call.event(events.PageStarted(1, 2, 60.0))
    seen = []
    for seconds in (0.0, 30.0, 30.0, 300.0):
        clock[0] += seconds
        seen.append(call.drawn(60, clock[0]))
    assert seen == [
        "[1] page 1 of 2 [--------------------]   0% 0:00",
        "[1] page 1 of 2 [#####---------------]  25% 0:30",
        "[1] page 1 of 2 [#########-----------]  48% 1:00",
        "[1] page 1 of 2 [#########-----------]  48% 6:00",
    ]


def test_the_bar_cuts_nothing_off_a_page_that_is_over() -> None:
    call = Reporter().call("[1] ")
    call.event(events.PageStarted(1, 2, 60.0))
    call.event(events.PageDone(PageRecord(1, confirmed=True, octets=17_853, seconds=12.3, response="MCF")))
    assert re.fullmatch(
        r"\[1\] page 1 confirmed \(MCF\) \[#{10}-{10}\]  50% 0:0\d", call.drawn(80, call._began + 1)
    )


def test_more_calls_than_the_terminal_has_lines() -> None:
    reporter = Reporter()
    calls = [reporter.call(f"[{number}] ") for number in range(1, 31)]
    drawn = reporter._draw(40, 10)
    assert len(drawn) == 10
    assert (drawn[0], drawn[-1]) == ("[1] starting 0:00", "and 21 more")
    for call in calls[:20]:
        call.close()
    assert [line.split()[0] for line in reporter._draw(40, 10)] == [f"[{n}]" for n in range(21, 31)]


def test_a_page_of_unknown_length_shows_its_time() -> None:
    call = Reporter().call()
    call.event(events.PageStarted(1, 0))
    assert re.fullmatch(r"page 1 0:0\d", call.drawn(40, call._began + 1.0))


@pytest.mark.parametrize("columns", [1, 5, 20, 40, 200])
def test_a_line_stays_within_the_terminal(columns: int) -> None:
    call = Reporter().call("[1] ")
    call.event(events.Identified("電話" * 30))
    call.event(events.PageStarted(1, 3, 60.0))
    drawn = call.drawn(columns, call._began)
    assert len(drawn) < max(columns, 1) or not drawn


# --- whole commands -----------------------------------------------------------------------------------------


@pytest.mark.full
async def test_a_receiver_outlives_its_terminal(tmp_path: Path, letter: Path) -> None:
    """Left behind with ``setsid``: the terminal goes in the middle of a page, and no signal comes."""
    person, program = pty.openpty()
    receive = ("receive", "--output", tmp_path, "--listen", "127.0.0.1:0", "--count", "1")
    async with t38fsp(*receive, stdout=program, session=True) as receiver:
        os.close(program)
        port = port_of(await asyncio.to_thread(line_of, person, "listening"))
        async with t38fsp("send", letter, "--to", f"sip:1@127.0.0.1:{port}", "--json") as send:
            await send.progress("page 1 of 1")
            os.close(person)
            sent = await send.end()
        received = await receiver.end()
    assert (sent.status, received.status) == (0, 0), sent.output + received.progress
    assert received.progress == ""
    (name,) = names(tmp_path)
    assert differing_pages(letter, tmp_path / name) == []


@pytest.mark.parametrize("as_json", [False, pytest.param(True, marks=pytest.mark.full)])
async def test_nobody_reads_and_the_calls_go_on(tmp_path: Path, letter: Path, as_json: bool) -> None:
    """Neither what a receiver prints nor its JSON: calls come and go, and SIGTERM ends it."""
    reading, writing = os.pipe()
    options = ["--json"] if as_json else []
    receive = ("receive", "--output", tmp_path, "--listen", "127.0.0.1:0", *options)
    async with t38fsp(*receive, stdout=writing) as receiver:
        if as_json:
            port = port_of(await receiver.progress("listening"))
        else:
            port = port_of(await asyncio.to_thread(line_of, reading, "listening"))
        fill(writing)
        async with t38fsp("send", letter, "--to", f"sip:1@127.0.0.1:{port}", "--json") as send:
            sent = await send.end()
        assert sent.status == 0, sent.output
        receiver.process.send_signal(signal.SIGTERM)
        received = await receiver.end()
    assert received.status == 0, received.progress
    assert [differing_pages(letter, tmp_path / name) for name in names(tmp_path)] == [[]]
    os.close(reading)
    os.close(writing)


async def test_a_stopped_terminal_costs_no_fax(tmp_path: Path, letter: Path) -> None:
    """Ctrl-S in the middle of a fax, Ctrl-Q when it is long over: the result is there."""
    person, program = pty.openpty()
    receive = ("receive", "--output", tmp_path, "--listen", "127.0.0.1:0", "--count", "1")
    async with t38fsp(*receive) as receiver:
        port = port_of(await receiver.printed("listening"))
        send = ("send", letter, "--to", f"sip:1@127.0.0.1:{port}")
        async with t38fsp(*send, stdout=program, session=True) as sender:
            await asyncio.to_thread(line_of, person, "switched to T.38")
            termios.tcflow(program, termios.TCOOFF)
            received = await receiver.end()
            assert received.status == 0, received.output
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sender.process.wait(), 3.0)
            termios.tcflow(program, termios.TCOON)
            told = await asyncio.to_thread(line_of, person, "COMPLETED")
            assert "1 page was sent" in told
            assert (await sender.end()).status == 0
    os.close(person)
    os.close(program)


async def test_a_signalling_process_that_nobody_reads_ends_with_a_signal(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fill(writing)
    path = tmp_path / "sip.sock"
    async with t38fsp("signalling", path, "--listen", "127.0.0.1:0", stdout=writing) as process:
        await until(path.is_socket)
        process.process.send_signal(signal.SIGTERM)
        ended = await process.end()
    assert ended.status == 0, ended.progress
    os.close(reading)
    os.close(writing)


async def test_a_result_that_is_not_read_ends_with_a_signal(letter: Path) -> None:
    """Not before there is one: the call was refused, and the engine has given its port back."""
    reading, writing = os.pipe()
    fill(writing)
    with udp_socket() as peer:
        to = "sip:1@{}:{}".format(*peer.getsockname())
        send = ("send", letter, "--to", to, "--listen", "127.0.0.1:0", "--json")
        async with t38fsp(*send, stdout=writing) as sender:
            invite, source = await asyncio.to_thread(peer.recvfrom, 9999)
            peer.sendto(not_found(invite), source)
            await until(lambda: not bound(source[1]))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sender.process.wait(), 3.0)
            sender.process.send_signal(signal.SIGTERM)
            ended = await sender.end()
    assert ended.status == Exit.BAD_NUMBER
    os.close(reading)
    os.close(writing)


def not_found(invite: bytes) -> bytes:
    """What refuses this INVITE for good."""
    lines = invite.decode().partition("\r\n\r\n")[0].split("\r\n")
    kept = [line for line in lines if line.startswith(("Via:", "From:", "Call-ID:", "CSeq:"))]
    (to,) = (line for line in lines if line.startswith("To:"))
    return "\r\n".join(["SIP/2.0 404 Not Found", *kept, f"{to};tag=x", "Content-Length: 0", "", ""]).encode()


def line_of(reading: int, part: str) -> str:
    """Read up to a line with ``part``."""
    seen = b""
    while True:
        octet = os.read(reading, 1)
        assert octet, seen
        seen += octet
        if octet == b"\n":
            line = seen.rpartition(b"\n")[0].rpartition(b"\n")[2].decode().rstrip("\r")
            if part in line:
                return line


def fill(writing: int) -> None:
    """A pipe, until it takes no more."""
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 65536)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b".")
    os.set_blocking(writing, True)
