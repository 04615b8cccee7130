"""Session refreshes, and offers of every other kind, in the middle of a fax (RFC 4028, RFC 3264 8)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from sip.agent import UserAgent
from sip.line import Answerer
from sip.line_settings import Refresher, SessionTimers
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.offer import audio_media
from t38fsp.call.media import HoldImage, hold_image
from t38fsp.t38.attributes import T38Parameters
from t38fsp.virtual.endpoint import SimulatedEndpoint
from tests.call.harness import CALLEE, CALLER, SIP_PORT, Scene, make_pages
from tests.call.test_switch import in_page

AUDIO = audio_media(10_000, (0,))
"""The simulated endpoints' first media port is 10,000."""
IMAGE = T38Parameters().to_media(10_000)

Rewrite = Callable[[str, bytes], bytes]
"""Makes what arrives from what the host with this address said."""


class KeptAlive(Scene):
    """A scene whose agents refresh their sessions, with a signalling path that may be rewritten."""

    timers: SessionTimers | None = None
    rewrite: Rewrite = staticmethod(lambda sender, data: data)

    def endpoint(self, host: str) -> SimulatedEndpoint:
        agent = UserAgent(
            contact_address=(host, SIP_PORT),
            user_agent="t38fsp test",
            random=random.Random(host),
            session_timers=self.timers if host == CALLER else None,
        )
        carry = self.network.send

        def send(source: Address, destination: Address, data: bytes) -> None:
            carry(source, destination, self.rewrite(source[0], data) if source[1] == SIP_PORT else data)

        self.network.send = send  # type: ignore[method-assign]
        return SimulatedEndpoint(
            self.simulator, self.network, agent, (host, SIP_PORT), page_delay=self.page_delay
        )

    def said(self, sender: str, start: bytes) -> list[bytes]:
        """The SIP messages of ``sender`` that begin so, copies left out."""
        found = [
            data
            for _, source, _, data in self.tapped
            if source == (sender, SIP_PORT) and data.startswith(start)
        ]
        return list(dict.fromkeys(found))

    def inject(self, data: bytes) -> None:
        """Have the caller hear this from where the callee is."""
        self.network.send((CALLEE, SIP_PORT), (CALLER, SIP_PORT), data)

    def offer(self, *media: MediaDescription) -> None:
        """The callee sends a re-INVITE."""
        assert self.taken.call.line_call is not None
        self.callee.agent.offer(self.taken.call.line_call, media, self.simulator.now)
        self.callee.flush()

    def assert_undisturbed(self, pages: int) -> None:
        """All pages at the first try after one switch, and every UDPTL number once and in order."""
        self.assert_delivered(pages)
        for call in (self.call, self.taken):
            assert sum(isinstance(event, events.SwitchedToT38) for event in call.events) == 1
        for result in (self.sent, self.received):
            assert [result.counters[name] for name in ("lost", "late", "malformed")] == [0, 0, 0]
            assert all(page.repeats == 0 for page in result.pages)
        for sender in (CALLER, CALLEE):
            numbers = [
                int.from_bytes(data[:2], "big")
                for _, source, _, data in self.tapped
                if source[0] == sender and source[1] != SIP_PORT and data[0] >> 6 != 2
            ]
            assert list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))


def body(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


def without_update(sender: str, data: bytes) -> bytes:
    """An SBC that hides UPDATE."""
    return data.replace(b", UPDATE", b"")


def refreshes(scene: KeptAlive) -> tuple[int, int]:
    """How many UPDATEs, and how many INVITEs that repeat the sender's description."""
    updates = invites = 0
    for sender in (CALLER, CALLEE):
        updates += len(scene.said(sender, b"UPDATE "))
        known = set()
        for message in scene.said(sender, b""):
            invites += message.startswith(b"INVITE ") and body(message) in known
            known.add(body(message))
    return updates, invites


# --- whole faxes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refresher", "ecm"),
    [
        (Refresher.US, True),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in ((Refresher.THEM, True), *product(Refresher, [False]))
        ),
    ],
)
def test_forty_pages_over_refreshes_of_both_kinds(tmp_path: Path, refresher: Refresher, ecm: bool) -> None:
    """By re-INVITE as long as UPDATE is not heard of, which the answer to the first one puts right."""
    KeptAlive.timers = SessionTimers(session_expires=90, refresher=refresher)
    scene = KeptAlive(tmp_path)
    sender = CALLER if refresher is Refresher.US else CALLEE
    first = 1 if sender == CALLEE else 0

    def hide(host: str, data: bytes) -> bytes:
        asked = [message for message in scene.said(sender, b"INVITE ") if b"m=image" in message]
        return data if len(asked) > first else without_update(host, data)

    scene.rewrite = hide
    scene.answer(ecm=ecm)
    scene.send(make_pages(40), ecm=ecm)
    scene.run()
    scene.assert_undisturbed(40)
    updates, invites = refreshes(scene)
    assert invites == 1
    assert updates >= 3
    scene.run_out()


@pytest.mark.parametrize("refresher", list(Refresher))
def test_a_fax_over_refreshes_by_the_same_offer(tmp_path: Path, refresher: Refresher) -> None:
    KeptAlive.timers = SessionTimers(session_expires=90, refresher=refresher)
    scene = KeptAlive(tmp_path)
    scene.rewrite = without_update
    scene.answer()
    scene.send(make_pages(20))
    scene.run()
    scene.assert_undisturbed(20)
    updates, invites = refreshes(scene)
    assert updates == 0
    assert invites >= 2
    # Neither side's description changed after the switch: same ports, attributes and version of o=.
    for sender in (CALLER, CALLEE):
        images = [data for data in scene.said(sender, b"") if b"m=image" in data]
        assert len({body(data) for data in images}) == 1
    scene.run_out()


# --- offers of other kinds in a page ------------------------------------------------------------------------


def in_a_page(tmp_path: Path) -> KeptAlive:
    """A fax whose first page has been on the line for a second."""
    KeptAlive.timers = None
    scene = KeptAlive(tmp_path)
    scene.answer()
    scene.send(make_pages(2))
    scene.run(until=in_page(scene, 1))
    return scene


def answer_to_last_invite(scene: KeptAlive) -> bytes:
    """What the caller said to the callee's last INVITE."""
    (sequence,) = re.findall(rb"CSeq: (\d+) INVITE", scene.said(CALLEE, b"INVITE ")[-1])
    answers = [
        data
        for data in scene.said(CALLER, b"SIP/2.0 ")
        if b"CSeq: " + sequence + b" INVITE" in data and not data.startswith(b"SIP/2.0 100")
    ]
    return answers[-1]


def test_a_second_t38_offer_with_other_parameters_keeps_those_that_run(tmp_path: Path) -> None:
    scene = in_a_page(tmp_path)
    (first,) = (data for data in scene.said(CALLER, b"SIP/2.0 200 ") if b"m=image" in data)
    scene.offer(T38Parameters(max_bit_rate=9600, max_datagram=200, boolean_values=True).to_media(10_000))
    scene.run()
    scene.assert_undisturbed(2)
    assert body(answer_to_last_invite(scene)) == body(first)


def test_t38_beside_a_refused_audio_line_is_answered_line_by_line(tmp_path: Path) -> None:
    scene = in_a_page(tmp_path)
    scene.offer(MediaDescription("audio", 0, "RTP/AVP", ("0",)), IMAGE)
    scene.run()
    scene.assert_undisturbed(2)
    answer = SessionDescription.parse(body(answer_to_last_invite(scene)))
    assert [(media.kind, media.port) for media in answer.media] == [("audio", 0), ("image", 10_000)]


def test_the_wish_to_go_back_to_audio_in_a_page_is_refused(tmp_path: Path) -> None:
    scene = in_a_page(tmp_path)
    scene.offer(AUDIO)
    scene.run()
    scene.assert_undisturbed(2)
    assert answer_to_last_invite(scene).startswith(b"SIP/2.0 488 ")


def test_a_refresh_with_the_audio_of_the_beginning_gets_the_image_that_holds(tmp_path: Path) -> None:
    """Some far ends refresh with what they offered first: the version of o= tells that it is old."""
    scene = in_a_page(tmp_path)
    (first,) = (data for data in scene.said(CALLER, b"SIP/2.0 200 ") if b"m=image" in data)
    scene.rewrite = lambda sender, data: (
        re.sub(rb"(o=- \d+) \d ", rb"\1 1 ", data) if data.startswith(b"INVITE ") else data
    )
    scene.offer(AUDIO)
    scene.run()
    scene.assert_undisturbed(2)
    assert body(answer_to_last_invite(scene)) == body(first)


def test_a_refresh_without_a_description_is_offered_the_image_that_holds(tmp_path: Path) -> None:
    scene = in_a_page(tmp_path)
    (first,) = (data for data in scene.said(CALLER, b"SIP/2.0 200 ") if b"m=image" in data)
    switch = scene.said(CALLEE, b"INVITE ")[-1]
    # As the callee's switch, with the next number and nothing in it.
    invite = re.sub(rb"CSeq: (\d+)", rb"CSeq: 7", switch.replace(b"z9hG4bK", b"z9hG4bK7"))
    invite = re.sub(rb"Content-Length: \d+", b"Content-Length: 0", invite).partition(b"\r\n\r\n")[0]
    scene.inject(invite + b"\r\n\r\n")
    scene.run(seconds=0.2)
    offer = scene.said(CALLER, b"SIP/2.0 200 ")[-1]
    assert b"CSeq: 7 INVITE" in offer
    assert body(offer) == body(first)
    ack = re.sub(rb"CSeq: (\d+) INVITE", rb"CSeq: 7 ACK", switch).replace(b"INVITE sip:", b"ACK sip:")
    scene.inject(ack.replace(b"z9hG4bK", b"z9hG4bK8"))
    scene.run()
    scene.assert_undisturbed(2)
    scene.run_out()


def test_audio_is_taken_back_at_the_end(tmp_path: Path) -> None:
    scene = in_a_page(tmp_path)
    answerers: list[Answerer] = []
    swap = scene.caller.agent.answer_with

    def answer_with(call: int, answerer: Answerer, now: float) -> None:
        answerers.append(answerer)
        swap(call, answerer, now)

    scene.caller.agent.answer_with = answer_with  # type: ignore[method-assign]
    scene.run(until=lambda: bool(answerers))
    scene.offer(AUDIO)
    scene.run()
    scene.assert_undisturbed(2)
    answer = answer_to_last_invite(scene)
    assert answer.startswith(b"SIP/2.0 200 ")
    assert b"m=audio 10000 " in answer
    scene.run_out()


def test_a_held_stream_is_not_followed_to_nowhere(tmp_path: Path) -> None:
    """An address of 0.0.0.0 is how old stacks put a stream on hold (RFC 3264 8.4)."""
    scene = in_a_page(tmp_path)
    scene.rewrite = lambda sender, data: (
        data.replace(b"c=IN IP4 192.0.2.2", b"c=IN IP4 0.0.0.0  ") if data.startswith(b"INVITE ") else data
    )
    scene.offer(IMAGE)
    scene.run()
    scene.assert_undisturbed(2)


# --- the answerer by itself ---------------------------------------------------------------------------------

THEIRS = Origin("-", "7", 4, "192.0.2.2")
NO_AUDIO = MediaDescription("audio", 0, "RTP/AVP", ("0",))
NO_IMAGE = MediaDescription("image", 0, "udptl", ("t38",))
HELD = MediaDescription("image", 4000, "udptl", ("t38",))


def described(*media: MediaDescription, version: int = 5, session_id: str = "7") -> SessionDescription:
    return SessionDescription(Origin("-", session_id, version, "192.0.2.2"), "192.0.2.2", media)


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (described(IMAGE), [HELD]),
        (described(IMAGE, version=4), [HELD]),
        (described(NO_AUDIO, IMAGE), [NO_AUDIO, HELD]),
        (described(AUDIO, IMAGE), [NO_AUDIO, HELD]),
        (described(IMAGE, IMAGE), [HELD, NO_IMAGE]),
        (described(AUDIO, version=4), [HELD]),
        (described(AUDIO, NO_IMAGE, version=1), [NO_AUDIO, HELD]),
        (described(AUDIO), None),
        (described(AUDIO, version=4, session_id="8"), None),
        (described(NO_IMAGE), None),
        (described(version=4), None),
    ],
)
def test_what_holds_is_held(offer: SessionDescription, answer: list[MediaDescription] | None) -> None:
    assert HoldImage(HELD, THEIRS)(offer) == answer


def test_what_is_held_is_our_image_line() -> None:
    local = described(NO_AUDIO, HELD)
    assert hold_image(local, described(NO_AUDIO, IMAGE, version=4)) == HoldImage(HELD, THEIRS)
