"""How the peers of the tests are started and stopped: nothing of them is left, whatever they do."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.peers import programs
from tests.peers.programs import PeerMissingError, Program, find, free_port, owns, started, vacant

LISTENS = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", int(sys.argv[1])))
    time.sleep(3600)
"""
HAS_A_CHILD = """
import os, sys, time
if not os.fork():
    with open(sys.argv[1], "w") as told:
        print("here", file=told, flush=True)
        time.sleep(3600)
time.sleep(3600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(3600)
"""


def program(folder: Path, text: str, *arguments: object) -> Program:
    return Program([sys.executable, "-c", text, *map(str, arguments)], folder, folder / "log")


def test_a_program_leaves_no_child(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    running = program(tmp_path, HAS_A_CHILD, pipe)
    with pipe.open() as told:
        assert told.readline() == "here\n"
        running.stop()
        assert told.read() == "", "who has the pipe lives"


def test_a_port_that_is_taken_in_between_is_exchanged_for_another(tmp_path: Path) -> None:
    tries: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as faster:
        faster.bind((programs.HOST, 0))

        def start() -> Program:
            tries.append(free_port() if tries else faster.getsockname()[1])
            return program(tmp_path, LISTENS, tries[-1])

        running = started(start, lambda running: running.listens(tries[-1]))
        assert running is not None
        running.stop()
    assert len(tries) == 2
    assert "Address already in use" in (tmp_path / "log").read_text()


def test_a_program_that_never_starts_is_told(tmp_path: Path) -> None:
    assert started(lambda: program(tmp_path, "raise SystemExit(3)"), lambda running: False) is None


def test_a_program_that_does_not_listen_to_reason_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_STOP_SECONDS", 0.1)
    running = program(tmp_path, DEAF)
    assert running.becomes(lambda _: bool((tmp_path / "log").read_text()))
    running.stop()
    assert running.status == -signal.SIGKILL


def test_what_is_missing_is_named_with_what_installs_it() -> None:
    with pytest.raises(PeerMissingError, match=r"no-such-peer is missing; \.ci/peers .*no-package"):
        find("no-such-peer", "no-package")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_at_a_vacant_address_nobody_can_listen(kind: socket.SocketKind) -> None:
    with vacant(kind) as address, socket.socket(socket.AF_INET, kind) as sock:
        with pytest.raises(OSError, match="in use"):
            sock.bind(address)
        sock.settimeout(20)
        with pytest.raises(ConnectionRefusedError):  # noqa: PT012 (UDP tells of it when asked again)
            sock.connect(address)
            sock.send(b"x")
            sock.recv(1)
    assert not owns(os.getpid(), address[1])
