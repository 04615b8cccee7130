"""``-v`` and ``--log-format``: what a command logs to standard error, and how."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest

from sip.logs import CALL
from t38fsp.cli.app import app
from t38fsp.cli.log_output import JsonFormatter, begin_log
from t38fsp.cli.option_groups import LogFormat, LogOptions
from t38fsp.cli.output import drain, log_to
from tests.cli.commands import Run


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "sip", "t38fsp")]
    levels = [logger.level for logger in loggers]
    yield
    log_to(None, logging.Formatter())
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def logged(options: LogOptions, capsys: pytest.CaptureFixture[str], least: int = 0) -> list[str]:
    """What is written of records of every level, of ours and of others."""
    begin_log(options, least=least)
    for name in ("t38fsp.x", "sip.x", "asyncio"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "%s", "said")
    drain(5.0)
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("verbose", "least", "lines"),
    [(0, 0, 3), (1, 0, 5), (2, 0, 7), (9, 0, 7), (0, 1, 5), (2, 1, 7)],
)
def test_each_v_shows_more_of_ours_and_none_of_others(
    verbose: int, least: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = logged(LogOptions(verbose), capsys, least)
    assert len(found) == lines
    assert len([line for line in found if "asyncio" in line]) == (1 if verbose or least else 0)


def test_without_v_a_warning_is_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert logged(LogOptions(), capsys) == ["said"] * 3


def test_with_v_a_line_has_time_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING) (t38fsp.x|sip.x|asyncio): said"
    assert all(re.fullmatch(form, line) for line in logged(LogOptions(2), capsys))


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for line in logged(LogOptions(1, LogFormat.JSON), capsys):
        record = json.loads(line)
        assert list(record) == ["time", "level", "logger", "message"]
        assert datetime.fromisoformat(record["time"]).tzinfo is not None


def test_json_has_the_fields_of_the_call_and_the_trace() -> None:
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        record = logging.LogRecord("t38fsp", logging.ERROR, "x.py", 1, "bad \x1b %d", (1,), sys.exc_info())
    setattr(record, CALL, {"job": "7", "level": "not theirs"})
    text = JsonFormatter().format(record)
    found = json.loads(text)
    assert text.isprintable()
    assert (found["job"], found["level"], found["message"]) == ("7", "ERROR", "bad \x1b 1")
    assert "RuntimeError: first\nsecond" in found["trace"]


@pytest.mark.parametrize("command", [each.name or each.callback.__name__ for each in app.registered_commands])
def test_every_command_has_the_options(run: Run, command: str) -> None:
    text = run(command, "-h").stdout
    assert "--verbose" in text
    assert "--log-format <text|json>" in text
