"""Log lines about what strangers sent: printable, and once per kind and minute."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from sip.logs import FORWARDED, INTERVAL, SELDOM, contained, get_logger, printable

LOGGER = get_logger("sip.test_logs")


class Lines(logging.Handler):
    """A handler that a program may have installed, with a formatter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    yield handler.lines
    LOGGER.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcödé, 大停電", "plain, ünïcödé, 大停電"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\n2026-01-01 forged", "a\\x0d\\x0a2026-01-01 forged"),
        ("abc\u202edcba\u2028", "abc\\u202edcba\\u2028"),
        ("\udcff\U000e0001", "\\udcff\\U000e0001"),
    ],
)
def test_what_is_printable(text: str, shown: str, lines: list[str]) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    LOGGER.warning("heard %s, %d", text, 7)
    LOGGER.warning("heard %(what)s", {"what": text})
    assert lines == [f"heard {shown}, 7", f"heard {shown}"]


def test_an_exception_is_printable_and_keeps_its_lines(lines: list[str]) -> None:
    try:
        raise ValueError("\x1b[2J\r")
    except ValueError:
        LOGGER.exception("a fault")
    (told,) = lines
    assert told.isascii()
    assert "\x1b" not in told
    assert told.startswith("a fault\nTraceback")
    assert told.endswith("\nValueError: \\x1b[2J\\x0d")


def test_a_forwarded_record_keeps_its_lines(lines: list[str]) -> None:
    LOGGER.error("%s", "a fault\nTraceback", extra=FORWARDED)
    assert lines == ["a fault\nTraceback"]


def strike(error: type[Exception]) -> None:
    with contained(LOGGER, "a message met a fault"):
        raise error("boom")


def strike_elsewhere() -> None:
    with contained(LOGGER, "a message met a fault"):
        raise KeyError("boom")


def test_a_fault_is_logged_once_per_kind(lines: list[str]) -> None:
    for _ in range(1000):
        strike(KeyError)
        strike(ValueError)
        strike_elsewhere()
    with contained(LOGGER, "another reader met a fault"):
        raise ZeroDivisionError
    assert len(lines) == 4


def test_a_fault_is_logged_where_it_was_contained(caplog: pytest.LogCaptureFixture) -> None:
    strike(KeyError)
    (record,) = caplog.records
    assert (record.filename, record.funcName) == ("test_logs.py", "strike")


def test_after_a_minute_it_is_logged_again_with_the_number_left_out(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter((1000.0, 1001.0, 999.0 + INTERVAL, 1000.0 + INTERVAL, 1001.0 + INTERVAL, 5.0, 6.0))
    make = logging.LogRecord

    def at(*arguments: object, **more: object) -> logging.LogRecord:
        record = make(*arguments, **more)  # type: ignore[arg-type]
        record.created = next(times)
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", at)
    for _ in range(7):
        LOGGER.info("cannot send to %s", "there", extra=SELDOM)
    assert lines == [
        "cannot send to there",
        "cannot send to there (and 2 more like this since the last such line)",
        # The clock was set back.
        "cannot send to there (and 1 more like this since the last such line)",
    ]


def test_records_of_one_place_are_one_kind_whatever_they_say(lines: list[str]) -> None:
    for number in range(1000):
        LOGGER.info("closed the connection with %s", number, extra=SELDOM)
    assert lines == ["closed the connection with 0"]
    for number in range(3):
        LOGGER.info("call %d is up", number)
    assert len(lines) == 4
