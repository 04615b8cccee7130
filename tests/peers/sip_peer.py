"""SIPp as an independent SIP side for the spandsp peers: one process, one call.

The scenarios in ``scenarios/`` say what happens by writing lines into a pipe of the test's: ``call CALL-ID``
once the dialog is up, ``image PORT`` once T.38 is agreed (the other side's UDPTL port), ``bye`` at the end.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.peers.programs import HOST, PeerError, Program, find, free_port, started
from tests.peers.sipp import PACKAGE, PATIENT, Address

SCENARIOS = Path(__file__).with_name("scenarios")
PATIENCE = 60.0
"""Seconds until what a scenario tells must have come, and until it must have ended."""
_OVERTAKEN_SECONDS = 20.0
"""Until a line that was overtaken by the one behind it must be there."""
_CALL_LIMIT_SECONDS = 300


class SippPeer:
    """Runs one SIPp process; a context manager that stops it.

    Args:
        scenario: name of a file in ``scenarios/`` without its suffix, or a path.
        directory: for the message log and the event pipe.
        udptl_port: port that the scenario puts into its T.38 offer or answer.
        remote: where to place a call; None waits for one.
        service: user part of the called URI.
        pause: seconds of the scenario's pause before it switches.
        keys: more ``-key`` values for the scenario.
    """

    def __init__(
        self,
        scenario: str | Path,
        directory: Path,
        udptl_port: int,
        *,
        remote: Address | None = None,
        service: str = "fax",
        pause: float = 0.2,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        path = scenario if isinstance(scenario, Path) else SCENARIOS / f"{scenario}.xml"
        self.address: Address = (HOST, 0)
        self.call_id = ""
        self._messages = directory / f"{path.stem}-messages.log"
        self._errors = directory / f"{path.stem}-errors.log"
        pipe = directory / f"{path.stem}-events"
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR)  # also as writer, so that it never ends
        self._told: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self._overtook: list[str] | None = None
        """A line that came before the one that was expected."""
        self._reader = threading.Thread(target=self._read_pipe, name="sipp-events", daemon=True)
        self._reader.start()
        values = {"udptl_port": str(udptl_port), "audio_port": str(free_port()), "events": str(pipe)}
        values |= {"bye_reason": "Q.850;cause=16"} | dict(keys or {})
        command = [find("sipp", PACKAGE), "-sf", str(path), "-i", HOST, "-m", "1", "-nostdin", *PATIENT]
        command += ["-s", service, "-d", str(round(pause * 1000))]
        command += ["-timeout", f"{_CALL_LIMIT_SECONDS}s", "-timeout_error"]
        command += ["-trace_msg", "-message_file", str(self._messages)]
        command += ["-trace_err", "-error_file", str(self._errors)]
        for name, value in values.items():
            command += ["-key", name, value]
        if remote is not None:
            command.append(f"{remote[0]}:{remote[1]}")

        def start() -> Program:
            self.address = (HOST, free_port())
            return Program([*command, "-p", str(self.address[1])], directory)

        program = started(start, lambda program: program.listens(self.address[1]))
        if program is None:
            self._close_pipe()
            raise PeerError(f"SIPp did not start{self._why()}")
        self._program = program

    def expect(self, word: str, timeout: float = PATIENCE) -> list[str]:
        """Wait for the scenario to tell ``word``; return what follows it on the line.

        Raises:
            PeerError: it told something else, or nothing in time.
        """
        line = self.listen(word, timeout)
        if line[0] != word:
            self._overtook, following = line, self._told_next(_OVERTAKEN_SECONDS)
            if following is None or following[0] != word:
                raise PeerError(f"SIPp told {line} where {word!r} was expected{self._why()}")
            line = following
        rest = line[1:]
        if word == "call":
            self.call_id = rest[0]
        return rest

    def listen(self, word: str, timeout: float = PATIENCE) -> list[str]:
        """The next line that the scenario tells, in words. ``word`` is what is hoped for.

        Two lines that are told within milliseconds may change places, for a shell of its own writes each;
        ``expect`` puts them right.

        Raises:
            PeerError: it told nothing in time.
        """
        if self._overtook is not None:
            line, self._overtook = self._overtook, None
            return line
        told = self._told_next(timeout)
        if told is None:
            raise PeerError(f"SIPp did not tell {word!r} within {timeout:.0f} s{self._why()}")
        return told

    def _told_next(self, timeout: float) -> list[str] | None:
        try:
            return self._told.get(timeout=timeout)
        except queue.Empty:
            return None

    def hang_up(self) -> None:
        """Make the scenario send BYE; it waits for an INFO with the Call-ID of its call."""
        self.inform("")

    def inform(self, body: str) -> None:
        """Send the INFO with the Call-ID of the call that the scenario waits for, with what it is to say."""
        info = (
            f"INFO sip:sipp@{HOST}:{self.address[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:9;branch=z9hG4bK-hang-up\r\n"
            f"From: <sip:test@{HOST}>;tag=test\r\nTo: <sip:sipp@{HOST}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: 1 INFO\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(info.encode("ascii"), self.address)

    def wait(self, timeout: float = PATIENCE) -> None:
        """Wait for the process to end.

        Raises:
            PeerError: the call did not go as the scenario says, or goes on.
        """
        status = self._program.wait(timeout)
        if status is None:
            raise PeerError(f"SIPp still runs after {timeout:.0f} s{self._why()}")
        if status:
            raise PeerError(f"SIPp ended with status {status}{self._why()}")

    @property
    def messages(self) -> str:
        """SIPp's log of every message so far."""
        return self._messages.read_text("utf-8", "replace") if self._messages.exists() else ""

    def stop(self) -> None:
        """End the process if it still runs, the shells that tell its events, and the event pipe."""
        self._program.stop(at_once=True)
        self._close_pipe()

    def __enter__(self) -> SippPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_pipe(self) -> None:
        with os.fdopen(os.dup(self._pipe), encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("\0"):
                    return
                self._told.put(line.split())

    def _close_pipe(self) -> None:
        os.write(self._pipe, b"\0\n")
        self._reader.join()
        os.close(self._pipe)

    def _why(self) -> str:
        errors = self._errors.read_text("utf-8", "replace").strip() if self._errors.exists() else ""
        return f": {errors[-2000:]}" if errors else ""


def answerer(
    directory: Path, udptl_port: int, *, pause: float = 0.2, bye_reason: str | None = None
) -> SippPeer:
    """A called party that answers with audio and switches to T.38 after ``pause`` seconds. ``bye_reason`` is
    the Reason header of its BYE.
    """
    keys = None if bye_reason is None else {"bye_reason": bye_reason}
    return SippPeer("answers_and_switches", directory, udptl_port, pause=pause, keys=keys)


def caller(
    directory: Path, udptl_port: int, remote: Address, *, switches: bool = False, service: str = "fax"
) -> SippPeer:
    """A calling party with audio that either switches to T.38 itself or accepts the other side's switch."""
    scenario = "calls_and_switches" if switches else "calls_and_is_switched"
    return SippPeer(scenario, directory, udptl_port, remote=remote, service=service)
