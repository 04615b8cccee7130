"""The part of a child process that is common to programs with an event loop and with threads.

It defines the command and environment, decodes what the child writes, detects whether it hangs, and describes
its death. It does not wait, read or kill: the two drivers, :mod:`sip.ipc.async_child` and
:mod:`sip.ipc.threaded_child`, do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

from sip.ipc.codec import Codec, MessageT, WireError
from sip.ipc.messages import Alive, Logged, Started
from sip.logs import CALL, FORWARDED, get_logger

_logger = get_logger(__name__)

END_LIMIT = 10.0
"""Seconds that a child has to exit after it has closed its output."""

_MOST_MISSED = 6
"""Heartbeats missed before a child counts as hung. An overloaded machine delays some of them; a loop that
hangs sends none."""

_BARE = (
    "PATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PYTHONUTF8",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Environment variables that an interpreter and its libraries may need."""


@dataclass(frozen=True, slots=True)
class Program:
    """A module to run with our own interpreter. ``name`` is used in messages."""

    name: str
    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    """The complete environment."""

    @property
    def command(self) -> list[str]:
        # -P: a module in the current directory must not shadow ours, unless PYTHONPATH includes it.
        return [sys.executable, "-P", "-m", self.module, *self.arguments]


def full_environment(but: str | None = None) -> dict[str, str]:
    """Our environment, for a child that does the program's own work; without variables whose names begin with
    ``but``, in upper or lower case."""
    kept = {name: value for name, value in os.environ.items() if not (but and name.upper().startswith(but))}
    return {**kept, "PYTHONPATH": _search_path()}


def bare_environment(**more: str) -> dict[str, str]:
    """A minimal environment without passwords that may be in ours, for a child that parses untrusted
    input."""
    kept = {name: os.environ[name] for name in _BARE if name in os.environ}
    return {**kept, "PYTHONPATH": _search_path(), **more}


def _search_path() -> str:
    """Our ``sys.path``, so that the child imports the same packages."""
    # An empty entry is the current directory, which the child may not share.
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)


def how_it_ended(code: int) -> str:
    """The exit status of a process as text: ``SIGKILL``, ``exit status 1``."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


class Supervision(Generic[MessageT]):
    """Decodes the messages of a child, counts its heartbeats, and describes its death.

    The driver sets ``listening`` while it waits for the child to write, and calls :meth:`tick` every
    ``heartbeat`` seconds. Heartbeats are counted instead of measuring time: a program that was itself
    suspended for a while has one tick due afterwards, and does not kill the child.
    """

    def __init__(self, name: str, codec: Codec[MessageT], heartbeat: float, start_limit: float) -> None:
        self.listening = False
        self._name = name
        self._decoder = codec.decoder()
        self._heartbeat = heartbeat
        self._start_limit = start_limit
        self._started = False
        self._heard = False
        self._missed = 0
        self._ticks = 0
        self._killed_for = ""

    @property
    def hung(self) -> bool:
        """Whether it was killed because of missed heartbeats."""
        return bool(self._killed_for) and self._started

    def read(self, data: bytes) -> Iterator[MessageT]:
        """The messages that ``data`` completes, except Alive and Logged, which are handled here. Raises
        WireError, which is logged; the child cannot be used after that.
        """
        self._heard = True
        try:
            # A child that parses what strangers sent may have been taken over: whatever it writes is checked.
            messages = self._decoder.feed(data)
        except WireError as error:
            _logger.error("the %s wrote an invalid message: %s", self._name, error)
            raise
        for message in messages:
            match message:
                case Alive():
                    continue
                case Logged(name, level, text, call):
                    extra = {**FORWARDED, CALL: dict(call)} if call else FORWARDED
                    logging.getLogger(name).log(level, "%s", text, extra=extra)
                    continue
                case Started():
                    self._started = True
            # Started goes on to the driver, which waits for it.
            yield message

    def tick(self) -> bool:
        """A heartbeat is due. True if too many were missed, or the start takes too long: then kill the
        child."""
        self._ticks += 1
        # Not while our own thread is busy with a message: then nothing could be heard.
        self._missed = self._missed + 1 if self.listening and not self._heard else 0
        self._heard = False
        if self._started:
            if self._missed >= _MOST_MISSED:
                self._killed_for = f"hung for {_MOST_MISSED * self._heartbeat:g} s and was killed"
        elif self._ticks * self._heartbeat >= self._start_limit:
            self._killed_for = f"did not start within {self._start_limit:g} s"
        return bool(self._killed_for)

    def death(self, code: int) -> str:
        """How the child died, for an exit status."""
        if self._killed_for:
            return f"the {self._name} {self._killed_for}"
        return f"the {self._name} died ({how_it_ended(code)})"
