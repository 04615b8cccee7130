"""Log lines about received messages: printable, and not one for every datagram.

Every logger of both packages comes from :func:`get_logger`. Its filter escapes what would steer a terminal or
forge a line, whatever handlers and formatters the program has installed. A record logged with
``extra=SELDOM`` is let through once per kind and minute; a *kind* is the place of the call and, for an
exception, its class and the place that raised it, so no message received can make more of them.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

INTERVAL = 60.0
"""Seconds between two records of one kind."""
SELDOM: Mapping[str, object] = {"seldom": True}
"""``extra`` of a record that strangers can cause as often as they like."""
CALL = "call"
"""Attribute of a record that belongs to a call: a mapping of what is known of it, for a log of fields."""
FORWARDED: Mapping[str, object] = {"forwarded": True}
"""``extra`` of a record of several lines that another process of ours has made printable."""

_Kind = tuple[object, ...]


def printable(text: str) -> str:
    """``text`` with everything that is not printable escaped as in a Python string.

    That covers control characters of both ranges, line ends, and the invisible ones that reverse the reading
    direction; letters of any script stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def printable_lines(text: str) -> str:
    """The same for several lines, such as a traceback, whose line ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def get_logger(name: str) -> logging.Logger:
    """The logger of that name, with the filter."""
    logger = logging.getLogger(name)
    if _FILTER not in logger.filters:
        logger.addFilter(_FILTER)
    return logger


@contextmanager
def contained(logger: logging.Logger | logging.LoggerAdapter[logging.Logger], what: str) -> Iterator[None]:
    """Log an exception raised within, and let it go no further.

    For readers and timers on the event loop, where the next message is not to pay for a fault in our handling
    of this one. ``what`` is the constant text of the record.
    """
    try:
        yield
    except Exception:
        # Of the caller, past the frame of contextlib.
        logger.exception(what, extra=SELDOM, stacklevel=3)


class _Filter(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._last: dict[_Kind, float] = {}
        self._left_out: dict[_Kind, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "seldom", False) and not self._is_due(record):
            return False
        if not getattr(record, "forwarded", False):
            _make_printable(record)
        return True

    def forget(self) -> None:
        """Reset, for tests."""
        self._last.clear()
        self._left_out.clear()

    def _is_due(self, record: logging.LogRecord) -> bool:
        kind = _kind(record)
        last = self._last.get(kind)
        # The record's own time, so that no clock is read here. It may be set back.
        if last is not None and 0 <= record.created - last < INTERVAL:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._last[kind] = record.created
        left_out = self._left_out.pop(kind, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like this since the last such line)"
        return True


def _kind(record: logging.LogRecord) -> _Kind:
    kind: _Kind = (record.pathname, record.lineno)
    if record.exc_info and (error := record.exc_info[1]) is not None:
        return (*kind, type(error), *_raised_at(error.__traceback__))
    return kind


def _raised_at(trace: TracebackType | None) -> tuple[str, int] | tuple[()]:
    if trace is None:
        return ()
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def _make_printable(record: logging.LogRecord) -> None:
    if isinstance(record.args, Mapping):
        record.args = {name: _argument(value) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(map(_argument, record.args))
    if record.exc_info and not record.exc_text:
        # Formatters take this text when it is there.
        record.exc_text = printable_lines("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))


def _argument(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return value if text.isprintable() else printable(text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_FILTER = _Filter()


def forget() -> None:
    """Let the next record of every kind through, as if none had come before (for tests)."""
    _FILTER.forget()
