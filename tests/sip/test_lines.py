"""The line suite over each backend: our own stack, a signalling process, PJSIP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from sip.line import Hop, Transport
from sip.network import SipLine
from sip.pjsua.line import PjsuaLine
from sip.remote.line import RemoteLine
from tests.sip.line_suite import (
    ANSWERERS,
    FIRST_INVITE,
    HOST,
    IMAGE_ONLY,
    INCOMING_BOTH,
    INCOMING_IMAGE,
    LATE_OFFER,
    UPDATE,
    LineSuite,
    MakeLine,
)
from tests.sip.signalling import signalling


class TestOwnStack(LineSuite):
    @asynccontextmanager
    async def line(self, tmp_path: Path) -> AsyncIterator[MakeLine]:
        listen = [Hop(HOST, 0, transport) for transport in (Transport.UDP, Transport.TCP)]
        yield lambda on_event: SipLine(on_event, user_agent="test", listen=listen)


class TestSignallingProcess(LineSuite):
    @asynccontextmanager
    async def line(self, tmp_path: Path) -> AsyncIterator[MakeLine]:
        async with signalling(tmp_path, ANSWERERS) as process:
            yield lambda on_event: RemoteLine(on_event, path=process.path, name="engine")


@pytest.mark.pjsua2
class TestPjsua(LineSuite):
    exempt: ClassVar[Mapping[str, str]] = {
        FIRST_INVITE: "begins every call with one audio stream",
        LATE_OFFER: "begins every call with one audio stream",
        IMAGE_ONLY: "a refused audio line stands before it",
        UPDATE: "PJSIP answers 488",
        INCOMING_IMAGE: "PJSIP answers 488 before anybody hears of the call",
        INCOMING_BOTH: "T.38 looks refused in the offer that we hear of",
    }

    @asynccontextmanager
    async def line(self, tmp_path: Path) -> AsyncIterator[MakeLine]:
        yield lambda on_event: PjsuaLine(
            on_event, answerers=ANSWERERS, user_agent="test", host=HOST, port=0, max_calls=8
        )
