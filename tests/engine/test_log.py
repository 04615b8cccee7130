"""What the log says of a call, so that it is found again in other logs."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from pathlib import Path

import pytest

from sip.ipc.messages import Logged
from sip.ipc.pipes import PipeHandler
from sip.logs import CALL, get_logger
from t38fsp.choices import LogNumbers
from t38fsp.engine.call_log import CallFacts, CallLog, masked
from t38fsp.status import FaxStatus
from tests.engine.party import Start, hear

pytestmark = pytest.mark.usefixtures("page_threads")


async def busy(
    start: Start, document: Path, silent: socket.socket, numbers: LogNumbers = LogNumbers.FULL
) -> str:
    """Send to an end that is busy; returns the Call-ID."""
    party = await start(log_numbers=numbers)
    job = party.send(document, silent.getsockname())
    invite = await hear(silent)
    fields = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", invite, re.M)
    answer = "SIP/2.0 486 Busy Here\r\n" + "".join(fields) + "Content-Length: 0\r\n\r\n"
    await asyncio.get_running_loop().sock_sendto(silent, answer.encode(), party.address)
    assert (await party.result(job)).status is FaxStatus.BUSY
    call_id = re.search(r"^Call-ID: (\S+)", invite, re.M)
    assert call_id is not None
    return call_id[1]


async def test_a_call_that_never_was_up_has_its_call_id(
    start: Start, document: Path, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "t38fsp.engine")
    call_id = await busy(start, document, silent)
    prefix = f"fax 1 to +15550199, {document.name}, {call_id}: "
    (ended,) = [each for each in caplog.records if each.getMessage().startswith(f"{prefix}the call ended ")]
    assert getattr(ended, CALL) == {
        "job": "1",
        "number": "+15550199",
        "document": document.name,
        "dialog": call_id,
    }


async def test_numbers_can_be_masked(
    start: Start, document: Path, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "t38fsp.engine")
    await busy(start, document, silent, LogNumbers.MASKED)
    assert "fax 1 to ******199, " in caplog.text
    assert "15550199" not in caplog.text
    numbers = {getattr(each, CALL)["number"] for each in caplog.records if hasattr(each, CALL)}
    assert numbers == {"******199"}


@pytest.mark.parametrize(
    ("number", "shown"), [("", ""), ("100", "***"), ("12345", "*****"), ("123456", "***456")]
)
def test_of_a_short_number_nothing_is_shown(number: str, shown: str) -> None:
    assert masked(number) == shown


def log_of(numbers: LogNumbers) -> CallLog:
    facts = CallFacts(7, "+15550100", "+15550199", "100%s.tif", numbers)
    return CallLog(get_logger("t38fsp.test_log"), facts)


def test_a_number_in_an_error_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    log_of(LogNumbers.MASKED).warning("%d of %s", 3, ValueError("sip:+15550100@gate"))
    assert caplog.messages == ["fax 7 from ******199 to ******100, 100%s.tif: 3 of sip:******100@gate"]


def test_a_record_belongs_to_the_place_that_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    """The filter tells kinds of records apart by their places."""
    log_of(LogNumbers.FULL).error("broken")
    (record,) = caplog.records
    assert (record.filename, record.funcName) == (
        "test_log.py",
        "test_a_record_belongs_to_the_place_that_logs_it",
    )


def test_another_process_sends_the_fields_along() -> None:
    sent: list[Logged] = []
    logger = get_logger("t38fsp.test_log")
    logger.addHandler(handler := PipeHandler(sent.append))
    try:
        log_of(LogNumbers.FULL).warning("late")
    finally:
        logger.removeHandler(handler)
    (record,) = sent
    assert record.text == "fax 7 from +15550199 to +15550100, 100%s.tif: late"
    assert dict(record.call) == {
        "job": "7",
        "number": "+15550100",
        "caller": "+15550199",
        "document": "100%s.tif",
    }
