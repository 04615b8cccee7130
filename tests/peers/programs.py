"""Programs of others: found or missed, started at ports that were free, and stopped with their children."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
TRIES = 5
"""Somebody else may take a port that was found free."""
START_SECONDS = 60.0
"""Until a program must be ready."""
_RUN_SECONDS = 120.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


class PeerError(RuntimeError):
    """A peer did not start, or did not do what was expected of it."""


class PeerMissingError(PeerError):
    """A peer is not on this machine."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(f"{name} is missing; .ci/peers installs it (the Debian package {package})")


def find(name: str, package: str) -> str:
    """The path of a program; raises PeerMissingError. Daemons are outside of an ordinary user's PATH."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        raise PeerMissingError(name, package)
    return path


def run(name: str, *arguments: str | Path, package: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its status; raises PeerMissingError."""
    command = [find(name, package), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_RUN_SECONDS)


class Program:
    """A program that runs until it is stopped, in a process group of its own.

    Args:
        command: its path, and its arguments.
        directory: where it runs.
        log: takes all that it prints, behind what is there; None leaves that out.
    """

    def __init__(self, command: Sequence[str | Path], directory: Path, log: Path | None = None) -> None:
        with Path(os.devnull if log is None else log).open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """The exit status; None when it still runs after so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode

    def listens(self, port: int) -> bool:
        """Whether it has bound this port."""
        return owns(self._process.pid, port)

    def becomes(self, ready: Callable[[Program], bool]) -> bool:
        """Ask until it is ready; False when it has ended, or the time is over."""
        deadline = time.monotonic() + START_SECONDS
        while self.wait(_POLL_SECONDS) is None and time.monotonic() < deadline:
            if ready(self):
                return True
        return False

    def stop(self, *, at_once: bool = False) -> None:
        """End it, and whatever it has started and left behind; ``at_once``: without a word before."""
        if not at_once:
            self._process.terminate()
            self.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def started(start: Callable[[], Program], ready: Callable[[Program], bool]) -> Program | None:
    """What ``start`` starts, with other ports each time, as soon as it is ready; None when it never is."""
    for _ in range(TRIES):
        program = start()
        try:
            is_ready = program.becomes(ready)
        except BaseException:
            program.stop()
            raise
        if is_ready:
            return program
        program.stop()
    return None


class Daemon(ABC):
    """A program that serves while this context manager is open; what it prints is kept in ``log``."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._program: Program | None = None

    def __enter__(self) -> Self:
        self._program = started(self._start, self._is_ready)
        if self._program is None:
            raise PeerError(f"{self.log.stem} does not start: {self.log.read_text()[-2000:]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._program is not None:
            self._program.stop()

    @abstractmethod
    def _start(self) -> Program:
        """Start it at free ports."""

    @abstractmethod
    def _is_ready(self, program: Program) -> bool:
        """Whether it answers."""


def free_port(*kinds: socket.SocketKind, host: str = HOST) -> int:
    """A port that is free for all these kinds of sockets; for UDP when none is given."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = 0
        with suppress(OSError):
            for kind in kinds or (socket.SOCK_DGRAM,):
                with socket.socket(family, kind) as sock:
                    sock.bind((host, port))
                    port = int(sock.getsockname()[1])
            return port


@contextmanager
def vacant(kind: socket.SocketKind = socket.SOCK_DGRAM) -> Iterator[tuple[str, int]]:
    """An address where nobody listens, nor can anybody else: what is sent there is refused."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((HOST, 0))
        if kind is socket.SOCK_DGRAM:
            sock.connect((HOST, 9))  # it hears nobody else any more
        yield sock.getsockname()


def owns(pid: int, port: int) -> bool:
    """Whether a process has bound this port, by UDP or TCP: another one may have been faster."""
    try:
        sockets = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    tables = [Path("/proc/net", name) for name in ("udp", "udp6", "tcp", "tcp6")]
    rows = (
        row.split()
        for table in tables
        if table.exists()  # without IPv6 there are two
        for row in table.read_text("ascii").splitlines()[1:]
    )
    return any(row[1].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in sockets for row in rows)
