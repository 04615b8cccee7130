"""What every backend of the line interface must do, with our own stack and SIPp as the far end.

A backend is a subclass of :class:`LineSuite`. What one cannot do is on its list of exemptions, with the words
in which it says so; the suite then checks those, so that a list never grows stale.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from sip.line import (
    Answered,
    Answerer,
    CallRequest,
    Ended,
    Failed,
    Incoming,
    LineEvent,
    MediaChanged,
    OfferDeclined,
    OfferRefused,
    Ringing,
)
from sip.syntax.errors import UnsupportedError
from sip.syntax.sdp import MediaDescription
from sip.ua.registration_messages import RegistrationState
from sip.values import Credentials, Hop, Transport
from t38fsp.engine.sip_lines import EngineLine
from tests.sip.link import AUDIO, CREDENTIALS, IMAGE, call_request, mirror, refuse
from tests.sip.peer import Peer, running
from tests.sip.test_sipp import sipp, with_credentials

HOST = "127.0.0.1"

FIRST_INVITE = "T.38 in our first INVITE"
IMAGE_ONLY = "T.38 alone in our re-INVITE"
UPDATE = "an offer in UPDATE"
INCOMING_IMAGE = "T.38 alone in the first INVITE of a caller"
INCOMING_BOTH = "T.38 beside audio in the first INVITE of a caller"
IPV6 = "IPv6"


MakeLine = Callable[[Callable[[LineEvent], None], Callable[[RegistrationState], None]], EngineLine]
"""Makes a line of whoever hears its events and what becomes of its registrations."""


class Party(Peer):
    """The line under test, and the events it had."""

    line: EngineLine  # type: ignore[assignment]

    def __init__(self, make: MakeLine) -> None:
        super().__init__()
        self.line = make(self._on_event, self._on_registration)

    def answer(self, call: int, media: Sequence[MediaDescription], answerer: Answerer = mirror) -> None:
        self.line.accept(call, media, HOST, answerer, self.now)


def hop_of(line: EngineLine) -> Hop:
    return Hop(*line.address)


def request_to(peer: Peer, **changes: object) -> CallRequest:
    hop = peer.hop()
    target = f"sip:+15550100@{HOST}:{hop.port}"
    return call_request(**{"target": target, "destination": [hop], "media_address": HOST, **changes})


class Suite:
    """``line`` makes the line under test, ``exempt`` lists what it cannot do and its words."""

    exempt: ClassVar[Mapping[str, str]] = {}
    at_push: ClassVar[Collection[str] | None] = None
    """Names of the tests that each push runs, where each test starts processes; the others are for the full
    tier (``conftest.py``). None stands for all."""

    @asynccontextmanager
    async def line(self, tmp_path: Path, host: str = HOST) -> AsyncIterator[MakeLine]:
        """Surroundings of the line; yields what makes one that listens at ``host``."""
        raise NotImplementedError
        yield  # makes it a generator

    @pytest.fixture
    async def us(self, tmp_path: Path) -> AsyncIterator[Party]:
        async with self.line(tmp_path) as make:
            party = Party(make)
            async with running(party):
                yield party

    @pytest.fixture
    async def them(self) -> AsyncIterator[Peer]:
        peer = Peer()
        async with running(peer):
            yield peer

    def attempt(self, feature: str, verb: Callable[[], int | None]) -> bool:
        """Do something that a backend may be exempt from; false when it was, and said so."""
        if feature in self.exempt:
            with pytest.raises(UnsupportedError, match=self.exempt[feature]):
                verb()
            return False
        verb()
        return True


class LineSuite(Suite):
    """Calls one by one; ``tests.sip.trunk_suite`` has what comes before and around them."""

    # --- calls that we place --------------------------------------------------------------------------------

    async def test_a_call(self, us: Party, them: Peer) -> None:
        """Both sides name the dialog alike, and hear why it ended."""
        them.react = them.accept
        call = us.line.place(request_to(them, headers=(("X-Fax", "7"),)), us.now)
        answered, theirs = await us.expect(Answered), await them.expect(Answered)
        ours, far = answered.dialog, theirs.dialog
        assert (answered.call, answered.status) == (call, 200)
        assert (ours.call_id, ours.local_tag, ours.remote_tag) == (far.call_id, far.remote_tag, far.local_tag)
        assert [media.kind for media in answered.remote.media] == ["audio"]
        assert (theirs.remote.media, answered.local.media) == ((AUDIO,), (AUDIO,))
        incoming = await them.expect(Incoming)
        assert dict(incoming.headers)["X-Fax"] == "7"
        assert (incoming.caller, incoming.caller_name) == ("sip:alice@a.example", "Alice")
        us.line.hang_up(call, us.now, reason="all pages sent")
        ended = await us.expect(Ended)
        assert (ended.remote, ended.reason) == (False, "all pages sent")
        heard = await them.expect(Ended)
        assert (heard.remote, heard.reason, heard.cause) == (True, "all pages sent", 16)

    async def test_a_call_over_tcp(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        call = us.line.place(request_to(them, destination=[them.hop(Transport.TCP)]), us.now)
        await us.expect(Answered)
        assert (await them.expect(Incoming)).source.transport is Transport.TCP
        us.line.hang_up(call, us.now)
        await us.expect(Ended)

    async def test_the_far_end_hangs_up(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        us.line.place(request_to(them), us.now)
        theirs = await them.expect(Answered)
        await us.expect(Answered)
        them.line.hang_up(theirs.call, them.now, reason="no paper")
        ended = await us.expect(Ended)
        assert (ended.remote, ended.reason) == (True, "no paper")

    async def test_it_rings_and_we_give_up(self, us: Party, them: Peer) -> None:
        call = us.line.place(request_to(them), us.now)
        incoming = await them.expect(Incoming)
        them.line.ring(incoming.call, them.now)
        ringing = await us.expect(Ringing)
        assert (ringing.status, ringing.reason) == (180, "Ringing")
        us.line.hang_up(call, us.now)
        failed = await us.expect(Failed)
        assert (failed.status, failed.local) == (487, True)
        assert (await them.expect(Failed)).status == 487

    async def test_the_far_end_refuses(self, us: Party, them: Peer) -> None:
        call = us.line.place(request_to(them), us.now)
        them.line.refuse((await them.expect(Incoming)).call, 486, them.now)
        failed = await us.expect(Failed)
        assert (failed.call, failed.status, failed.reason, failed.local) == (call, 486, "Busy Here", False)

    async def test_verbs_on_a_call_that_is_over_do_nothing(self, us: Party, them: Peer) -> None:
        call = us.line.place(request_to(them), us.now)
        them.line.refuse((await them.expect(Incoming)).call, 486, them.now)
        await us.expect(Failed)
        us.line.hang_up(call, us.now)
        us.line.offer(call, [IMAGE], us.now)
        us.line.answer_with(call, mirror, us.now)
        us.line.ring(call, us.now)
        them.react = them.accept
        us.line.place(request_to(them), us.now)
        await us.expect(Answered)
        assert len([event for event in us.events if event.call == call]) == 1

    async def test_t38_in_the_first_invite(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        if self.attempt(FIRST_INVITE, lambda: us.line.place(request_to(them, media=[IMAGE]), us.now)):
            assert (await us.expect(Answered)).remote.media[0].kind == "image"

    async def test_no_offer_in_the_first_invite(self, us: Party, them: Peer) -> None:
        def react(event: LineEvent) -> None:
            if isinstance(event, Incoming):
                them.line.accept(event.call, [AUDIO], HOST, mirror, them.now)

        them.react = react
        us.line.place(request_to(them, media=[]), us.now)
        assert (await us.expect(Answered)).local.media == (replace(AUDIO, port=5000),)

    async def test_nothing_that_they_offer_is_acceptable(self, us: Party, them: Peer) -> None:
        """We left the offer to them."""

        def react(event: LineEvent) -> None:
            if isinstance(event, Incoming):
                them.line.accept(event.call, [AUDIO], HOST, mirror, them.now)

        them.react = react
        us.line.place(request_to(them, media=[], answerer=refuse), us.now)
        failed = await us.expect(Failed)
        assert (failed.status, failed.local) == (488, True)
        assert failed.reason
        await them.expect(Ended)

    async def test_more_calls_than_one_process_of_pjsip_has(self, us: Party, them: Peer) -> None:
        them.react = them.accept
        calls = [us.line.place(request_to(them), us.now) for _ in range(6)]
        answered = await us.expect_several(Answered, 6)
        assert {event.call for event in answered} == set(calls)
        assert len({event.dialog.call_id for event in answered}) == 6
        for call in calls:
            us.line.hang_up(call, us.now)
        await us.expect_several(Ended, 6)
        await them.expect_several(Ended, 6)

    # --- offers within a call -------------------------------------------------------------------------------

    async def established(self, us: Party, them: Peer, **changes: object) -> tuple[int, int]:
        """A call of ours; the numbers that we and they have for it."""
        them.react = them.accept
        call = us.line.place(request_to(them, **changes), us.now)
        await us.expect(Answered)
        return call, (await them.expect(Answered)).call

    async def test_the_far_end_switches_to_t38_and_back(self, us: Party, them: Peer) -> None:
        _, theirs = await self.established(us, them)
        for count, media in enumerate((IMAGE, replace(IMAGE, port=4002), AUDIO), 1):
            them.line.offer(theirs, [media], them.now)
            ours = (await us.expect_several(MediaChanged, count))[-1]
            far = (await them.expect_several(MediaChanged, count))[-1]
            assert (ours.ours, far.ours) == (False, True)
            assert ours.remote.media == (media,)
            assert ours.local.media == (replace(media, port=5000),)
            # PJSIP leaves an audio answer one codec, the best.
            answer = far.remote.media[0]
            assert (answer.kind, answer.port, answer.formats[0]) == (media.kind, 5000, media.formats[0])
        versions = [event.local.origin.version for event in us.events if isinstance(event, MediaChanged)]
        assert versions == [2, 2, 3]  # RFC 3264 8: raised only by a change

    async def test_the_far_end_offers_t38_beside_audio(self, us: Party, them: Peer) -> None:
        call, theirs = await self.established(us, them)
        us.line.answer_with(call, mirror, us.now)
        them.line.offer(theirs, [replace(AUDIO, port=0), IMAGE], them.now)
        remote = (await us.expect(MediaChanged)).remote
        assert [media.kind for media in remote.media if not media.rejected] == ["image"]
        assert [media.kind for media in (await them.expect(MediaChanged)).remote.media] == ["audio", "image"]

    async def test_we_refuse_their_switch(self, us: Party, them: Peer) -> None:
        call, theirs = await self.established(us, them, answerer=refuse)
        them.line.offer(theirs, [IMAGE], them.now)
        assert (await them.expect(OfferRefused)).status == 488
        declined = (await us.expect(OfferDeclined)).offer
        assert declined is not None
        assert [media.kind for media in declined.media] == ["image"]
        us.line.answer_with(call, mirror, us.now)
        # It may still be on its way to another process when the next offer comes.
        while not any(isinstance(event, MediaChanged) for event in them.events):
            before = len(them.events)
            them.line.offer(theirs, [IMAGE], them.now)
            await them.expect_more(before)
        await us.expect(MediaChanged)

    async def test_we_switch_to_t38(self, us: Party, them: Peer) -> None:
        call, _ = await self.established(us, them)
        us.line.offer(call, [IMAGE], us.now)
        changed, theirs = await us.expect(MediaChanged), await them.expect(MediaChanged)
        assert (changed.ours, changed.local.media) == (True, (IMAGE,))
        assert changed.remote.media == (replace(IMAGE, port=5000),)
        on_the_wire = [(media.kind, media.port) for media in theirs.remote.media]
        before = [("audio", 0)] if IMAGE_ONLY in self.exempt else []
        assert on_the_wire == [*before, ("image", 4000)]

    async def test_the_far_end_refuses_our_switch(self, us: Party, them: Peer) -> None:
        call, theirs = await self.established(us, them)
        them.line.answer_with(theirs, refuse, them.now)
        us.line.offer(call, [IMAGE], us.now)
        assert (await us.expect(OfferRefused)).status == 488
        them.line.answer_with(theirs, mirror, them.now)
        them.line.offer(theirs, [IMAGE], them.now)
        assert (await us.expect(MediaChanged)).ours is False

    async def test_both_switch_at_once(self, us: Party, them: Peer) -> None:
        """One of them gets 491, or both do and come back later (RFC 3261 14.1)."""
        call, theirs = await self.established(us, them)
        us.line.offer(call, [IMAGE], us.now)
        them.line.offer(theirs, [IMAGE], them.now)
        changed, far = await us.expect(MediaChanged), await them.expect(MediaChanged)
        assert changed.ours is not far.ours
        assert changed.remote.media[-1].kind == far.remote.media[-1].kind == "image"

    # --- calls that come in ---------------------------------------------------------------------------------

    async def called(self, us: Party, them: Peer, **changes: object) -> Incoming:
        hop = hop_of(us.line)
        target = f"sip:+15550199@{HOST}:{hop.port}"
        them.call(hop, **{"target": target, **changes})
        return await us.expect(Incoming)

    async def test_a_call_comes_in(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them, headers=(("X-Fax", "8"),))
        assert (incoming.caller, incoming.caller_name) == ("sip:alice@a.example", "Alice")
        assert incoming.request_uri.startswith("sip:+15550199@")
        assert dict(incoming.headers)["X-Fax"] == "8"
        assert incoming.offer is not None
        assert incoming.offer.media == (AUDIO,)
        assert incoming.source == them.hop()
        us.line.ring(incoming.call, us.now)
        assert (await them.expect(Ringing)).status == 180
        us.answer(incoming.call, mirror(incoming.offer))
        answered, theirs = await us.expect(Answered), await them.expect(Answered)
        assert answered.dialog.local_tag == theirs.dialog.remote_tag
        assert answered.dialog.remote_tag == theirs.dialog.local_tag
        them.line.hang_up(theirs.call, them.now)
        assert (await us.expect(Ended)).remote

    async def test_a_caller_switches_to_t38(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them)
        us.answer(incoming.call, [AUDIO])
        them.line.offer((await them.expect(Answered)).call, [IMAGE], them.now)
        assert (await us.expect(MediaChanged)).remote.media == (IMAGE,)

    async def test_we_switch_a_caller_to_t38(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them)
        us.answer(incoming.call, [AUDIO])
        await us.expect(Answered)
        us.line.offer(incoming.call, [IMAGE], us.now)
        assert (await us.expect(MediaChanged)).ours
        us.line.hang_up(incoming.call, us.now)
        assert (await them.expect(Ended)).remote

    async def test_a_caller_leaves_the_offer_to_us(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them, media=[])
        assert incoming.offer is None
        us.answer(incoming.call, [AUDIO])
        assert (await us.expect(Answered)).remote.media == (replace(AUDIO, port=5000),)

    async def test_a_caller_is_refused(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them)
        us.line.refuse(incoming.call, 486, us.now)
        assert (await them.expect(Failed)).status == 486
        assert (await us.expect(Failed)).local

    async def test_a_caller_gives_up(self, us: Party, them: Peer) -> None:
        hop = hop_of(us.line)
        call = them.call(hop)
        incoming = await us.expect(Incoming)
        us.line.ring(incoming.call, us.now)
        await them.expect(Ringing)
        them.line.hang_up(call, them.now)
        failed = await us.expect(Failed)
        assert (failed.call, failed.status, failed.local) == (incoming.call, 487, False)

    async def test_a_caller_begins_with_t38(self, us: Party, them: Peer) -> None:
        them.call(hop_of(us.line), media=[IMAGE])
        if INCOMING_IMAGE in self.exempt:
            assert (await them.expect(Failed)).status == 488
            assert us.events == []
            return
        incoming = await us.expect(Incoming)
        us.answer(incoming.call, [IMAGE])
        assert (await us.expect(Answered)).remote.media == (IMAGE,)

    async def test_a_caller_offers_audio_and_t38(self, us: Party, them: Peer) -> None:
        incoming = await self.called(us, them, media=[AUDIO, IMAGE])
        assert incoming.offer is not None
        usable = [media.kind for media in incoming.offer.media if not media.rejected]
        assert usable == (["audio"] if INCOMING_BOTH in self.exempt else ["audio", "image"])
        us.answer(incoming.call, [AUDIO, replace(IMAGE, port=0)])
        await us.expect(Answered)
        assert [media.port for media in (await them.expect(Answered)).remote.media] == [4000, 0]

    # --- SIPp as the called party ---------------------------------------------------------------------------

    @pytest.mark.sipp
    async def test_sipp_answers(self, us: Party, tmp_path: Path) -> None:
        async with sipp("answers", tmp_path) as called:
            call = us.line.place(called.request, us.now)
            await us.expect(Answered)
            us.line.hang_up(call, us.now, reason="done")
            assert not (await us.expect(Ended)).remote
            await called.satisfied()

    @pytest.mark.sipp
    async def test_sipp_switches_to_t38(self, us: Party, tmp_path: Path) -> None:
        async with sipp("switches", tmp_path) as called:
            call = us.line.place(called.request, us.now)
            (image,) = (await us.expect(MediaChanged)).remote.media
            assert (image.kind, image.get("T38FaxMaxDatagram")) == ("image", "400")
            us.line.hang_up(call, us.now)
            await us.expect(Ended)
            await called.satisfied()

    @pytest.mark.sipp
    async def test_sipp_switches_to_t38_by_update(self, us: Party, tmp_path: Path) -> None:
        async with sipp("updates", tmp_path) as called:
            call = us.line.place(called.request, us.now)
            if UPDATE in self.exempt:
                assert (await us.expect(Ended)).remote
                assert not any(isinstance(event, MediaChanged) for event in us.events)
            else:
                await us.expect(MediaChanged)
                us.line.hang_up(call, us.now)
            await called.satisfied()

    @pytest.mark.sipp
    async def test_sipp_hangs_up(self, us: Party, tmp_path: Path) -> None:
        async with sipp("hangs_up", tmp_path) as called:
            us.line.place(called.request, us.now)
            assert (await us.expect(Ended)).remote
            await called.satisfied()

    @pytest.mark.sipp
    @pytest.mark.parametrize(
        ("status", "reason", "cause"),
        [(486, "Busy Here", 17), (404, "Not Found", None), (480, "Temporarily Unavailable", None)],
    )
    async def test_sipp_refuses(
        self, us: Party, tmp_path: Path, status: int, reason: str, cause: int | None
    ) -> None:
        async with sipp(f"refuses_{status}", tmp_path) as called:
            us.line.place(called.request, us.now)
            failed = await us.expect(Failed)
            assert (failed.status, failed.reason, failed.cause) == (status, reason, cause)
            assert not failed.local
            await called.satisfied()

    @pytest.mark.sipp
    @pytest.mark.parametrize("status", [401, 407])
    async def test_sipp_challenges(self, us: Party, tmp_path: Path, status: int) -> None:
        async with sipp(f"challenges_{status}", tmp_path) as called:
            call = us.line.place(with_credentials(called, CREDENTIALS), us.now)
            await us.expect(Answered)
            us.line.hang_up(call, us.now)
            await us.expect(Ended)
            await called.satisfied()

    @pytest.mark.sipp
    async def test_sipp_refuses_wrong_credentials(self, us: Party, tmp_path: Path) -> None:
        async with sipp("challenges_401", tmp_path) as called:
            us.line.place(with_credentials(called, Credentials("alice", "wrong")), us.now)
            assert (await us.expect(Failed)).status == 403
            await called.satisfied()

    @pytest.mark.sipp
    async def test_sipp_never_answers(self, us: Party, tmp_path: Path) -> None:
        async with sipp("never_answers", tmp_path) as called:
            call = us.line.place(called.request, us.now)
            await us.expect(Ringing)
            us.line.hang_up(call, us.now)
            failed = await us.expect(Failed)
            assert (failed.status, failed.local) == (487, True)
            await called.satisfied()
