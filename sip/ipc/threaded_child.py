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
    """This process may have no more threads."""


@dataclass(frozen=True, slots=True)
class Death:
    reason: str
    hung: bool


class ThreadedChild(Generic[MessageT]):
    """Runs from the beginning, and has been sent ``start``.

    It has to answer that within ``start_limit`` seconds, and to give a sign of life each ``heartbeat``
    seconds from then on, or it is killed. ``take`` and, at the end, ``died`` run on the thread that reads;
    while they do, no sign of life is missed. Raises OSError or ThreadsError when it cannot be had.
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
            start_new_session=True,
        )
        try:
            # One that has died tells by the end of its output.
            with contextlib.suppress(BrokenPipeError):
                self._put(start)
            # The reader comes last: once it runs it sees to the end of everything.
            _thread(self._watch, f"{program.name}: watch")
            self._reader = _thread(self._read, f"{program.name}: read")
        except BaseException:
            self._ended.set()
            self._process.kill()
            self._process.communicate()  # closes the pipes, too
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, message: MessageT) -> None:
        """To a child that has died it does nothing: ``died`` tells. Raises WireError."""
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
        """At once; returns when everything that it began is over."""
        self._process.kill()
        self._reader.join()

    def end(self, patience: float) -> bool:
        """Give it ``patience`` seconds to leave, as it was told to, then kill it.

        False if it did not leave in good order.
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
        self._bury()

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

    def _bury(self) -> None:
        """The pipe has ended: it is dead, or is of no use any more."""
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
    """One that runs. Raises ThreadsError."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ThreadsError(str(error)) from error
    return thread
