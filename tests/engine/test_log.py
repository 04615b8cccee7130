"""What the log says of a call, so that it is found again in other logs."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from pathlib import Path

import pytest

from t38fsp.status import FaxStatus
from tests.engine.party import Start, hear


async def test_a_call_that_never_was_up_has_its_call_id(
    start: Start, document: Path, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "t38fsp.engine")
    party = await start()
    job = party.send(document, silent.getsockname())
    invite = await hear(silent)
    fields = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", invite, re.M)
    answer = "SIP/2.0 486 Busy Here\r\n" + "".join(fields) + "Content-Length: 0\r\n\r\n"
    await asyncio.get_running_loop().sock_sendto(silent, answer.encode(), party.address)
    assert (await party.result(job)).status is FaxStatus.BUSY
    call_id = re.search(r"^Call-ID: (\S+)", invite, re.M)
    assert call_id is not None
    assert f"call {call_id[1]} that never was up ended after " in caplog.text
