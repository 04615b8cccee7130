"""The child's end of the pipes: reading and writing messages, and forwarding log records."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Generic

from sip.ipc.codec import READ_OCTETS, Codec, MessageT
from sip.ipc.messages import Logged, Start
from sip.logs import CALL, printable_lines


def read_messages(descriptor: int, codec: Codec[MessageT]) -> Iterator[MessageT]:
    """The messages from a pipe, until its end. Raises OSError, WireError."""
    decoder = codec.decoder()
    while data := os.read(descriptor, READ_OCTETS):
        yield from decoder.feed(data)


class PipeWriter(Generic[MessageT]):
    """Writes messages from a separate thread, so that a program that reads slowly never stalls a call."""

    def __init__(self, descriptor: int, codec: Codec[MessageT]) -> None:
        self._descriptor = descriptor
        self._codec = codec
        self._frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="reports", daemon=True)
        self._thread.start()

    def __call__(self, message: MessageT) -> None:
        self._frames.put(self._codec.encode(message))

    def close(self) -> None:
        """Write what is queued, then stop."""
        self._frames.put(b"")
        self._thread.join()

    def _write(self) -> None:
        # A program that has died no longer reads; the end of our input ends this process.
        with contextlib.suppress(BrokenPipeError), open(self._descriptor, "wb") as pipe:
            while frame := self._frames.get():
                pipe.write(frame)
                # One system call for all that is queued.
                if self._frames.empty():
                    pipe.flush()


class PipeHandler(logging.Handler):
    """Sends log records to the program, whose ``logging`` handles them."""

    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        # Records of other loggers, such as asyncio's, have not passed the filter of ``sip.logs``.
        call = tuple(getattr(record, CALL, {}).items())
        self._send(Logged(record.name, record.levelno, printable_lines(self.format(record)), call))


def log_to_the_program(start: Start, report: Callable[[Logged], None]) -> None:
    """Send this process's log records of ``start.log_level`` or above to the program."""
    logging.basicConfig(level=start.log_level, format="%(message)s", handlers=[PipeHandler(report)])


def take_standard_streams() -> tuple[int, int]:
    """Descriptors of standard input and output for our messages, not inherited by further processes.

    Anything else written to standard output, such as by a library, goes to standard error from now on.
    """
    commands, reports = os.dup(0), os.dup(1)
    # A library that reads standard input must not take our commands from the pipe.
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return commands, reports


def leave_signals_to_the_program() -> None:
    """Ignore what a terminal (SIGINT, SIGHUP) or a service manager (SIGTERM) sends to every process.

    The program decides how calls end. If the signal ends the program, our input ends, and we exit.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)


def limit_this_process(memory: int = 0, niceness: int = 0, *, with_children: bool = False) -> None:
    """Allow at most ``memory`` octets of address space (0 for no limit of ours; a lower one stays), and lower
    the priority by ``niceness``. ``with_children`` makes that the limit of programs that it runs, too.

    No-op on Windows.
    """
    if sys.platform == "win32":
        return
    import resource

    if memory:
        # Only a privileged process can raise its hard limit.
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            memory = min(memory, most)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory if with_children else most))
    if niceness:
        os.nice(niceness)
