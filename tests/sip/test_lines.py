"""The line suite over each backend: our own stack, a signalling process, PJSIP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from sip.pjsua.line import PjsuaLine
from sip.remote.line import RemoteLine
from sip.transport.agent_on_network import AgentLine
from sip.values import Transport
from tests.sip.line_suite import (
    FIRST_INVITE,
    HOST,
    IMAGE_ONLY,
    INCOMING_BOTH,
    INCOMING_IMAGE,
    IPV6,
    UPDATE,
    LineSuite,
    MakeLine,
)
from tests.sip.link import ANSWERERS
from tests.sip.peer import at
from tests.sip.signalling import Signalling, lasting_signalling, signalling
from tests.sip.trunk_suite import TrunkSuite


class TestOwnStack(LineSuite, TrunkSuite):
    @asynccontextmanager
    async def line(self, tmp_path: Path, host: str = HOST) -> AsyncIterator[MakeLine]:
        listen = at(host, Transport.UDP, Transport.TCP)
        yield lambda on_event, on_registration: AgentLine(
            on_event, user_agent="test", listen=listen, on_registration=on_registration
        )


class TestSignallingProcess(LineSuite, TrunkSuite):
    process: ClassVar[Signalling]
    """One for all tests: it must be as good as new when an engine has left it."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def lasting(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with lasting_signalling(tmp_path_factory.mktemp("signalling"), ANSWERERS) as cls.process:
            yield

    @asynccontextmanager
    async def line(self, tmp_path: Path, host: str = HOST) -> AsyncIterator[MakeLine]:
        async with AsyncExitStack() as stack:
            process = self.process
            if host != HOST:
                own = signalling(tmp_path, ANSWERERS, "--listen", f"[{host}]:0")
                process = await stack.enter_async_context(own)
            yield lambda on_event, on_registration: RemoteLine(
                on_event, path=process.path, name="engine", max_incoming=64, on_registration=on_registration
            )


@pytest.mark.pjsua2
class TestPjsua(LineSuite, TrunkSuite):
    exempt: ClassVar[Mapping[str, str]] = {
        FIRST_INVITE: "begins every call with one audio stream",
        IMAGE_ONLY: "a refused audio line stands before it",
        UPDATE: "PJSIP answers 488",
        INCOMING_IMAGE: "PJSIP answers 488 before anybody hears of the call",
        IPV6: "pjsua2 was built without IPv6",
        INCOMING_BOTH: "T.38 looks refused in the offer that we hear of",
    }
    at_push: ClassVar = frozenset(
        {
            "test_a_call",
            "test_a_call_comes_in",
            "test_a_caller_over_ipv6",
            "test_a_caller_switches_to_t38",
            "test_a_hop_without_service_leads_to_the_next",
            "test_a_redirection_is_followed",
            "test_a_registration",
            "test_both_switch_at_once",
            "test_identity_and_privacy",
            "test_it_rings_and_we_give_up",
            "test_more_calls_than_one_process_of_pjsip_has",
            "test_no_offer_in_the_first_invite",
            "test_sipp_challenges",
            "test_sipp_switches_to_t38_by_update",
            "test_t38_in_the_first_invite",
            "test_the_far_end_refuses_our_switch",
            "test_the_far_end_switches_to_t38_and_back",
            "test_we_switch_to_t38",
        }
    )

    @asynccontextmanager
    async def line(self, tmp_path: Path, host: str = HOST) -> AsyncIterator[MakeLine]:
        yield lambda on_event, on_registration: PjsuaLine(
            on_event,
            answerers=ANSWERERS,
            user_agent="test",
            host=host,
            port=0,
            max_incoming=4,
            max_calls=8,
            on_registration=on_registration,
        )
