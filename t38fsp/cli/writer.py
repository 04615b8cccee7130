"""A thread that writes to one terminal, pipe or file, so that nothing else waits for it."""

from __future__ import annotations

import errno
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence

from sip.frozen import dataclass
from sip.logs import get_logger

Draw = Callable[[int, int], Sequence[str]]
"""Makes the lines at the bottom of a terminal of the given columns, at most the given number of lines."""

ROOM = 64 * 1024
"""Characters of droppable lines that wait before more are dropped."""
REDRAW = 0.5
"""Seconds between two drawings, which share the interpreter with the packets of the calls."""

_SIZE = os.terminal_size((80, 24))
"""The size assumed for a terminal that does not report one."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the octets of one stream go: below Python's buffers, whose locks a waiting write would hold until
    the interpreter ends."""

    raw: io.RawIOBase
    encoding: str
    terminal: bool

    def write(self, text: str) -> None:
        """Raises OSError. May wait for ever."""
        left = memoryview(text.encode(self.encoding, "backslashreplace"))
        while left:
            # A raw write takes as much as there is room for, which may be a part.
            taken = self.raw.write(left)
            if taken is None:  # another program has made this pipe or terminal non-blocking
                select.select([], [self.raw], [])
            else:
                left = left[taken:]

    @property
    def size(self) -> os.terminal_size:
        try:
            found = os.get_terminal_size(self.raw.fileno())
        except OSError:
            return _SIZE
        return found if found.columns and found.lines else _SIZE


@dataclass(frozen=True, slots=True)
class OutputLine:
    """``text`` is printable."""

    sink: Sink
    text: str
    droppable: bool


class Writer:
    """Writes lines in their order, and what is followed below them.

    ``on_gone`` is called, by the thread as it ends, when nothing can be written any more to these sinks.
    """

    def __init__(self, on_gone: Callable[[Writer, Sequence[Sink]], None]) -> None:
        self._on_gone = on_gone
        self._changed = threading.Condition()
        self._waiting: deque[OutputLine] = deque()
        self._droppable = 0
        """Characters of droppable lines that wait."""
        self._dropped = 0
        self._followed: tuple[Sink, Draw] | None = None
        self._redraw = False
        self._writing = False
        self._gone = False
        self._thread: threading.Thread | None = None
        self._drawn: Sequence[str] = ()
        """At the bottom of the terminal; only the thread uses it."""

    @property
    def busy(self) -> bool:
        """Something is not written yet."""
        with self._changed:
            # Without a thread nothing ever will be.
            served = self._thread is not None and not self._gone
            return served and (bool(self._waiting) or self._redraw or self._writing)

    def add(self, line: OutputLine) -> None:
        with self._changed:
            if line.droppable and self._droppable > ROOM:
                self._dropped += 1
                return
            if line.droppable:
                self._droppable += len(line.text)
            self._waiting.append(line)
            self._wake()

    def follow(self, followed: tuple[Sink, Draw] | None) -> None:
        """Keep lines at the bottom of a terminal from now on; None removes them."""
        with self._changed:
            self._followed = followed
            self._redraw = True
            self._wake()

    def _wake(self) -> None:
        if self._gone:
            self._waiting.clear()
            return
        if self._thread is None:
            # A daemon: the process ends although its output is not read.
            thread = threading.Thread(target=self._run, name="output", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # this process may have no more threads now; the next line tries again
            self._thread = thread
        self._changed.notify()

    def _run(self) -> None:
        terminal: Sink | None = None
        while True:
            with self._changed:
                self._writing = False
                if not (self._waiting or self._redraw):
                    self._changed.wait(REDRAW if self._followed else None)
                lines, followed = self._take(), self._followed
                self._redraw, self._writing = False, True
            terminal = followed[0] if followed is not None else terminal
            try:
                self._write(lines, terminal, None if followed is None else followed[1])
            except (OSError, ValueError):
                # The terminal is gone, or the reader of the pipe: no output can report it.
                with self._changed:
                    self._gone = True
                    self._waiting.clear()
                self._on_gone(
                    self, [*([] if terminal is None else [terminal]), *(line.sink for line in lines)]
                )
                return

    def _take(self) -> list[OutputLine]:
        lines = list(self._waiting)
        self._waiting.clear()
        if self._dropped:
            count = "1 line was" if self._dropped == 1 else f"{self._dropped} lines were"
            lines.append(OutputLine(lines[-1].sink, f"({count} left out, as the output was not read)", True))
        self._droppable = self._dropped = 0
        return lines

    def _write(self, lines: Sequence[OutputLine], terminal: Sink | None, draw: Draw | None) -> None:
        shown = () if terminal is None or draw is None else tuple(self._lines(draw, terminal.size))
        if not lines and shown == self._drawn:
            return
        if self._drawn and terminal is not None:
            # ECMA-48: CSI K clears to the end of the line, CSI A goes one line up. The cursor is in the last
            # drawn line.
            terminal.write("\r\x1b[K" + "\x1b[A\x1b[K" * (len(self._drawn) - 1))
        self._drawn = ()
        for line in lines:
            try:
                line.sink.write(f"{line.text}\n")
            except ValueError:
                continue  # this stream was closed; others may share the file
            except OSError as error:
                # A disk may have room again for the next line; other errors stay.
                if error.errno not in _DISK_FULL:
                    raise
        if terminal is not None and shown:
            terminal.write("\n".join(shown))
            self._drawn = shown

    def _lines(self, draw: Draw, size: os.terminal_size) -> Sequence[str]:
        try:
            # More than the terminal has could not be taken away again.
            return draw(size.columns, max(1, size.lines - 1))
        except Exception:
            _logger.exception("the state of the calls cannot be shown")
            self.follow(None)
            return ()
