"""A child process, driven from threads: one reads, one watches, and any other may write."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from sip.ipc.child import END_LIMIT, Program, Supervision
from sip.ipc.codec import READ_OCTETS, Codec, MessageT, WireError
from sip.syntax.errors import SipError


class ThreadsError(SipError):
    """This process cannot start another thread."""


@dataclass(frozen=True, slots=True)
class Death:
    reason: str
    hung: bool


class ThreadedChild(Generic[MessageT]):
    """Starts a child, and sends it ``start``.

    The child must respond to that within ``start_limit`` seconds, and then write something every
    ``heartbeat`` seconds, or it is killed. ``take`` and, at the end, ``died`` run on the thread that reads;
    while they run, no heartbeat counts as missed. Raises OSError or ThreadsError when it cannot be started.
    """

    def __init__(
        self,
        program: Program,
        codec: Codec[MessageT],
        start: MessageT,
        take: Callable[[MessageT], None],
        died: Callable[[Death], None],
        *,
        heartbeat: float,
        start_limit: float,
    ) -> None:
        self._codec = codec
        self._take = take
        self._died = died
        self._heartbeat = heartbeat
        self._supervision = Supervision(program.name, codec, heartbeat, start_limit)
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=program.environment,
            # So that Ctrl-C in the terminal reaches the program alone, which ends its calls in order.
            start_new_session=True,
        )
        try:
            # If it has died already, the reader finds the end of its output.
            with contextlib.suppress(BrokenPipeError):
                self._put(start)
            # Start the reader last: once it runs, it does the cleanup.
            _thread(self._watch, f"{program.name}: watch")
            self._reader = _thread(self._read, f"{program.name}: read")
        except BaseException:
            self._ended.set()
            self._process.kill()
            self._process.communicate()  # also closes the pipes
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, message: MessageT) -> None:
        """Send a message; no-op if the child has died, which ``died`` reports. Raises WireError."""
        with contextlib.suppress(OSError):
            self._put(message)

    def _put(self, message: MessageT) -> None:
        frame = self._codec.encode(message)
        pipe = self._process.stdin
        with self._writing:
            if pipe is not None and not pipe.closed:
                pipe.write(frame)
                pipe.flush()

    def kill(self) -> None:
        """Kill the child; returns when its threads have ended."""
        self._process.kill()
        # The reader calls ``died``, so after this nothing more comes from the child.
        self._reader.join()

    def end(self, patience: float) -> bool:
        """Wait ``patience`` seconds for the child to exit after Close, then kill it.

        Returns whether its exit status is 0.
        """
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        return self._process.returncode == 0

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while data := self._listen(pipe.fileno()):
                for message in self._supervision.read(data):
                    self._take(message)
        except WireError:
            self._process.kill()
        self._clean_up()

    def _listen(self, descriptor: int) -> bytes:
        self._supervision.listening = True
        data = os.read(descriptor, READ_OCTETS)
        self._supervision.listening = False
        return data

    def _watch(self) -> None:
        while not self._ended.wait(self._heartbeat):
            if self._supervision.tick():
                self._process.kill()
                return

    def _clean_up(self) -> None:
        """The pipe has ended: the child is dead, or has to be."""
        try:
            code = self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._ended.set()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with self._writing, contextlib.suppress(OSError):
                    pipe.close()
        self._died(Death(self._supervision.death(code), self._supervision.hung))


def _thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread. Raises ThreadsError."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ThreadsError(str(error)) from error
    return thread
