"""A child process, as far as it is the same for a program with an event loop and for one with threads.

Here are the command and the environment that it is started with, what is made of the octets that it writes,
whether it hangs, and in which words its death is told. Nothing here waits, reads or kills: that is for the
two drivers, :mod:`sip.ipc.async_child` and :mod:`sip.ipc.threaded_child`.
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
"""Seconds that a child gets to end once it has closed its output."""

_MOST_MISSED = 6
"""Heartbeats, after which a child is taken for hung. A machine under load delays some; a loop that hangs
gives none."""

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
"""What an interpreter and its libraries may need of the environment."""


@dataclass(frozen=True, slots=True)
class Program:
    """A module of ours, run by the interpreter that runs us. ``name`` stands in what is said of it."""

    name: str
    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole of it."""

    @property
    def command(self) -> list[str]:
        # -P keeps the current directory out, unless it is on the path that the environment gives.
        return [sys.executable, "-P", "-m", self.module, *self.arguments]


def full_environment(but: str | None = None) -> dict[str, str]:
    """Ours, for a child that does what the program does; without variables whose names begin with ``but``, in
    letters of either case."""
    kept = {name: value for name, value in os.environ.items() if not (but and name.upper().startswith(but))}
    return {**kept, "PYTHONPATH": _search_path()}


def bare_environment(**more: str) -> dict[str, str]:
    """Without the passwords that may be in ours, for a child that decodes what strangers wrote."""
    kept = {name: os.environ[name] for name in _BARE if name in os.environ}
    return {**kept, "PYTHONPATH": _search_path(), **more}


def _search_path() -> str:
    """The child must find the packages that this process found, wherever that was."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)


def how_it_ended(code: int) -> str:
    """The exit status of a process, in words: ``SIGKILL``, ``exit status 1``."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


class Supervision(Generic[MessageT]):
    """What is known of one child: its messages, its signs of life, its death.

    The driver sets ``listening`` while it waits for the child to write, and calls :meth:`tick` each
    ``heartbeat`` seconds. Missed heartbeats are counted, and no time is measured: a program that was itself
    stopped for a while has one tick due afterwards, and kills nobody.
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
        """It was found to give no signs of life."""
        return bool(self._killed_for) and self._started

    def read(self, data: bytes) -> Iterator[MessageT]:
        """The messages that ``data`` completes, but for those that are the same for every child: they are
        seen to here. Raises WireError, once it is logged; the child is of no use any more then.
        """
        self._heard = True
        try:
            messages = self._decoder.feed(data)
        except WireError as error:
            _logger.error("the %s wrote what is no report: %s", self._name, error)
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
            yield message

    def tick(self) -> bool:
        """A heartbeat is due. True when too many were missed, or the start takes too long: kill it."""
        self._ticks += 1
        self._missed = self._missed + 1 if self.listening and not self._heard else 0
        self._heard = False
        if self._started:
            if self._missed >= _MOST_MISSED:
                self._killed_for = f"hung for {_MOST_MISSED * self._heartbeat:g} s and was killed"
        elif self._ticks * self._heartbeat >= self._start_limit:
            self._killed_for = f"did not answer within {self._start_limit:g} s"
        return bool(self._killed_for)

    def death(self, code: int) -> str:
        """How it died, with this exit status."""
        if self._killed_for:
            return f"the {self._name} {self._killed_for}"
        return f"the {self._name} died ({how_it_ended(code)})"
