"""Standard output and standard error, which no call waits for.

A write to a terminal that was stopped (Ctrl-S), or to a pipe that is not read, takes as long as they like. So
a thread for each terminal, pipe or file does the writing (:mod:`t38fsp.cli.writer`). Lines of progress are
dropped while too many wait, results never; what is followed live needs no queue, as it is drawn when the
terminal can take it.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from sip.logs import printable
from t38fsp.cli.writer import Draw, OutputLine, Sink, Writer

_writers: dict[tuple[int, int], Writer] = {}
"""By device and inode: both standard streams are often one terminal, where the order counts."""
_lock = threading.Lock()


def print_line(text: str, stream: TextIO | None, *, droppable: bool = False) -> None:
    """Have a line written. Never waits, never raises.

    A stream that is closed, full or has lost its reader takes nothing; a ``droppable`` line is left out while
    too many others wait.
    """
    if stream is None:
        return
    # Display names, reason phrases and file names come from elsewhere: none of them may move the cursor,
    # or forge a line of ours.
    text = printable(text)
    try:
        sink = _sink(stream)
        if sink is None:
            _print(text, stream)
        else:
            _writer(sink).add(OutputLine(sink, text, droppable))
    except (OSError, ValueError):
        return


def is_terminal(stream: TextIO | None) -> bool:
    """Whether lines can be followed there."""
    try:
        sink = None if stream is None else _sink(stream)
    except (OSError, ValueError):
        return False
    return sink is not None and sink.terminal


def follow(stream: TextIO | None, draw: Draw | None) -> None:
    """Keep the lines of ``draw`` at the bottom of a terminal; None removes them.

    The thread calls ``draw``, at once, after each line, and twice a second. Never waits, never raises.
    """
    try:
        sink = None if stream is None else _sink(stream)
        if sink is not None and sink.terminal:
            _writer(sink).follow(None if draw is None else (sink, draw))
    except (OSError, ValueError):
        return


def drain(limit: float | None, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Wait until all is written; false if that took ``limit`` seconds, or ``given_up`` said so before."""
    until = None if limit is None else time.monotonic() + limit
    while any(writer.busy for writer in _known()):
        if given_up() or (until is not None and time.monotonic() >= until):
            return False
        # Polled, because a thread that is stuck in a write cannot notify; a signal handler runs between
        # two looks.
        time.sleep(0.01)
    return True


def log_to(stream: TextIO | None, formatter: logging.Formatter, level: int = logging.WARNING) -> None:
    """Have the log of this process written as progress is: logging's own handlers would wait.

    ``level`` is that of loggers that have none.
    """
    handler = _LogHandler(stream)
    handler.setFormatter(formatter)
    root = logging.root
    # A command may begin its log again with another level (t38fsp signalling).
    for earlier in [each for each in root.handlers if isinstance(each, _LogHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level)


class _LogHandler(logging.Handler):
    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = self.format(record).splitlines()
        except Exception:
            self.handleError(record)
            return
        for line in lines:
            print_line(line, self._stream, droppable=True)


def _sink(stream: TextIO) -> Sink | None:
    """None for a stream that is not a file. Raises OSError or ValueError for one that is closed."""
    # Under pytest, and in programs that replace the streams, there may be no file below.
    binary = getattr(stream, "buffer", None)
    raw = getattr(binary, "raw", binary)
    if not isinstance(raw, io.RawIOBase):
        return None
    # These terminals cannot move the cursor (ECMA-48), so nothing can be kept at their bottom.
    dumb = os.name != "posix" or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return Sink(raw, stream.encoding or "ascii", not dumb and os.isatty(raw.fileno()))


def _print(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _writer(sink: Sink) -> Writer:
    status = os.fstat(sink.raw.fileno())
    with _lock:
        # setdefault under the lock: loops, workers' threads and log handlers of several threads write.
        return _writers.setdefault((status.st_dev, status.st_ino), Writer(_forget))


def _known() -> list[Writer]:
    with _lock:
        return list(_writers.values())


def _forget(gone: Writer, sinks: Sequence[Sink]) -> None:
    """What is written from now on goes nowhere, also what the interpreter writes at its end."""
    with _lock:
        for key in [key for key, writer in _writers.items() if writer is gone]:
            del _writers[key]
    # Not closed: the next socket would get the number of the descriptor, and with it what is still
    # written there.
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        for sink in sinks:
            with suppress(ValueError):
                os.dup2(nowhere.fileno(), sink.raw.fileno())
