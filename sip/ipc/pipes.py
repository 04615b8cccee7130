"""The child's ends of its pipes: messages read, messages written from a thread, log records sent along."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Generic

from sip.ipc.codec import READ_OCTETS, Codec, MessageT
from sip.ipc.messages import Logged, Start
from sip.logs import CALL, printable_lines


def read_messages(descriptor: int, codec: Codec[MessageT]) -> Iterator[MessageT]:
    """What comes over a pipe, until its end. Raises OSError, WireError."""
    decoder = codec.decoder()
    while data := os.read(descriptor, READ_OCTETS):
        yield from decoder.feed(data)


class PipeWriter(Generic[MessageT]):
    """Writes messages from a thread of its own, so that a program that reads slowly never stalls a call."""

    def __init__(self, descriptor: int, codec: Codec[MessageT]) -> None:
        self._descriptor = descriptor
        self._codec = codec
        self._frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="reports", daemon=True)
        self._thread.start()

    def __call__(self, message: MessageT) -> None:
        self._frames.put(self._codec.encode(message))

    def close(self) -> None:
        """Write what waits, then stop."""
        self._frames.put(b"")
        self._thread.join()

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError), open(self._descriptor, "wb") as pipe:
            while frame := self._frames.get():
                pipe.write(frame)
                if self._frames.empty():
                    pipe.flush()


class PipeHandler(logging.Handler):
    """Sends log records to the program, whose ``logging`` decides what becomes of them."""

    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        # Records of others, such as asyncio's, have not been through our filter.
        call = tuple(getattr(record, CALL, {}).items())
        self._send(Logged(record.name, record.levelno, printable_lines(self.format(record)), call))


def log_to_the_program(start: Start, report: Callable[[Logged], None]) -> None:
    """Have what is logged in this process sent to the program, as far as that wants it."""
    logging.basicConfig(level=start.log_level, format="%(message)s", handlers=[PipeHandler(report)])


def take_standard_streams() -> tuple[int, int]:
    """The descriptors of standard input and output for our own use, not inherited by further processes.

    What else is written to standard output goes to standard error from now on.
    """
    commands, reports = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return commands, reports


def leave_signals_to_the_program() -> None:
    """Ignore what a terminal (SIGINT, SIGHUP) or a service manager (SIGTERM) sends to every process.

    The program decides what it means for the calls. When that dies of it, the worker's input ends.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)
