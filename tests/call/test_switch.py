"""Every way from audio to T.38, with either side asking, and calls on which nobody does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sip.line import Answerer, Incoming
from sip.syntax.sdp import MediaDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.offer import audio_media
from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.choices import Switch
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.t38.attributes import T38Parameters
from t38fsp.t38.udptl import Datagram
from t38fsp.virtual.network import Faults
from tests.call.harness import CALLEE, CALLER, SIP_PORT, Scene, make_pages
from tests.call.phone import MEDIA_PORT, PHONE, Phone, audio_only
from tests.sweep import sweep

T1 = 35.0
"""Seconds after which a call that stays in audio is given up."""


def switched(scene: Scene) -> tuple[bool, bool]:
    """Whose offer it was, as caller and callee tell it."""
    told = [
        [event.ours for event in call.events if isinstance(event, events.SwitchedToT38)]
        for call in (scene.call, scene.taken)
    ]
    assert [len(each) for each in told] == [1, 1]
    return told[0][0], told[1][0]


def when(scene: Scene) -> float:
    """Virtual seconds of the first UDPTL datagram."""
    return next(
        at
        for at, source, destination, data in scene.tapped
        if 5060 not in (source[1], destination[1]) and data[0] >> 6 != 2
    )


@pytest.mark.parametrize(
    ("caller", "callee", "caller_asks"),
    [
        (Switch.CALLEE, Switch.CALLEE, False),
        (Switch.CALLER, Switch.CALLER, True),
        (Switch.CALLEE, Switch.EITHER, False),
        (Switch.EITHER, Switch.CALLEE, False),
        (Switch.EITHER, Switch.CALLER, True),
        (Switch.CALLER, Switch.EITHER, True),
        (Switch.FIRST, Switch.CALLEE, True),
        (Switch.FIRST, Switch.CALLER, True),
        (Switch.FIRST, Switch.EITHER, True),
        (Switch.CALLEE, Switch.FIRST, False),
    ],
)
@pytest.mark.parametrize("ecm", [True, False])
def test_one_side_asks(tmp_path: Path, caller: Switch, callee: Switch, caller_asks: bool, ecm: bool) -> None:
    scene = Scene(tmp_path)
    scene.answer(switch=callee, ecm=ecm, switch_wait=8.0)
    scene.send(make_pages(1, rows=100), switch=caller, ecm=ecm, switch_wait=4.0)
    scene.run()
    scene.assert_delivered(1)
    assert switched(scene) == (caller_asks, not caller_asks)
    scene.run_out()


def test_either_waits_for_the_other_side_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(switch=Switch.CALLER)
    scene.send(make_pages(1, rows=100), switch=Switch.EITHER, switch_wait=6.0)
    scene.run()
    scene.assert_delivered(1)
    assert switched(scene) == (True, False)
    assert 6.0 < when(scene) < 6.3


@sweep(push=4, seed=range(10))
def test_both_ask_at_once(tmp_path: Path, seed: int) -> None:
    """Glare: 491 to both, and one of them asks again (RFC 3261 14.1)."""
    scene = Scene(tmp_path, seed=seed)
    scene.answer(switch=Switch.CALLEE)
    scene.send(make_pages(1, rows=100), switch=Switch.CALLER)
    scene.run()
    scene.assert_delivered(1)
    assert any(data.startswith(b"SIP/2.0 491 ") for _, _, _, data in scene.tapped)
    caller, callee = switched(scene)
    assert caller is not callee
    scene.run_out()


@pytest.mark.parametrize("seed", range(5))
def test_both_wait_equally_long(tmp_path: Path, seed: int) -> None:
    scene = Scene(tmp_path, seed=seed)
    scene.answer(switch=Switch.EITHER, switch_wait=5.0)
    scene.send(make_pages(1, rows=100), switch=Switch.EITHER, switch_wait=5.0)
    scene.run()
    scene.assert_delivered(1)
    scene.run_out()


@pytest.mark.parametrize("switch", [Switch.CALLEE, Switch.CALLER, Switch.FIRST])
def test_packets_that_overtake_the_signalling(tmp_path: Path, switch: Switch) -> None:
    """Some T.38 comes before the 200 that agrees to it: it is kept, and audio that comes late is not."""

    def faults_for(source: Address, destination: Address) -> Faults:
        return Faults(delay=0.7 if SIP_PORT in (source[1], destination[1]) else 0.01)

    scene = Scene(tmp_path, faults_for=faults_for)
    scene.answer(switch=switch)
    scene.send(make_pages(1, rows=100), switch=switch)
    scene.run()
    scene.assert_delivered(1)
    for result in (scene.sent, scene.received):
        assert (result.counters["lost"], result.counters["late"], result.counters["malformed"]) == (0, 0, 0)


def test_a_stranger_who_guesses_the_port_before_the_switch(tmp_path: Path) -> None:
    """What it says in T.38 is not taken for the far end's, and leaves room for it."""

    def faults_for(source: Address, destination: Address) -> Faults:
        return Faults(delay=0.7 if SIP_PORT in (source[1], destination[1]) else 0.01)

    scene = Scene(tmp_path, faults_for=faults_for)
    scene.answer(switch=Switch.CALLER)
    scene.send(make_pages(1, rows=100), switch=Switch.CALLER)
    scene.run(until=lambda: any(looks_like_rtp(data) for *_, data in scene.tapped))
    ports = {source for _, source, _, data in scene.tapped if looks_like_rtp(data)}
    for port in range(30_000, 30_010):
        for number in range(100):
            datagram = bytes(Datagram(number, b"\x02"))
            for target in ports:
                scene.network.send(("198.51.100.7", port), target, datagram)
    scene.run()
    scene.assert_delivered(1)
    for result in (scene.sent, scene.received):
        assert (result.counters["lost"], result.counters["late"], result.counters["malformed"]) == (0, 0, 0)


# --- nobody switches ----------------------------------------------------------------------------------------


def test_nobody_ever_asks(tmp_path: Path) -> None:
    """The callee plays CED, so there is a fax, which the reason tells."""
    scene = Scene(tmp_path)
    scene.answer(switch=Switch.CALLER)
    scene.send(make_pages(1), switch=Switch.CALLEE)
    scene.run()
    assert scene.sent.status is FaxStatus.NOT_FAX_CALL
    assert "the far end never switched to T.38" in scene.sent.reason
    assert "'either'" in scene.sent.reason
    assert "a fax machine was heard in the audio (CED)" in scene.sent.reason
    assert (scene.sent.outcome, scene.sent.retry) == (Outcome.NO_T38, False)
    assert T1 < scene.sent.seconds < T1 + 1
    assert (scene.sent.sip_status, scene.sent.t30_error) == (200, None)
    assert [page.confirmed for page in scene.sent.pages] == [False]
    # The callee gives the call up at the same moment, or hears the BYE just before.
    assert scene.received.status in (FaxStatus.NOT_FAX_CALL, FaxStatus.DISCONNECTED)
    assert "(CNG)" in scene.received.reason
    assert not scene.output.exists()
    scene.run_out()


@pytest.mark.parametrize(
    ("switch", "why", "seconds"),
    [
        (Switch.CALLEE, "the far end never switched to T.38", T1),
        (Switch.CALLER, "the far end refused T.38 (SIP 488 Not Acceptable Here)", 15.0),
        (Switch.EITHER, "the far end refused T.38 (SIP 488 Not Acceptable Here)", 10.0 + 15.0),
    ],
)
def test_a_telephone_answers(tmp_path: Path, switch: Switch, why: str, seconds: float) -> None:
    """It takes audio and refuses T.38: the call goes on in audio as long as the far end may yet ask."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE, switch=switch)
    scene.run()
    assert scene.sent.status is FaxStatus.NOT_FAX_CALL
    assert (scene.sent.outcome, scene.sent.retry) == (Outcome.NO_FAX, True)
    assert scene.sent.reason.startswith(why)
    assert scene.sent.reason.endswith("; no fax tone was heard in the audio")
    assert seconds < scene.sent.seconds < seconds + 1
    scene.run_out()
    assert phone.agent.idle


@pytest.mark.parametrize(
    "answer",
    [
        (MediaDescription("image", 0, "udptl", ("t38",)),),
        (MediaDescription("audio", 0, "RTP/AVP", ("0",)),),
    ],
)
def test_a_200_that_refuses_t38(tmp_path: Path, answer: tuple[MediaDescription, ...]) -> None:
    """A 200 with port 0 is a refusal too."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(lambda offer: answer)
    scene.send(make_pages(1), to=PHONE, switch=Switch.CALLER)
    scene.run()
    assert scene.sent.status is FaxStatus.NOT_FAX_CALL
    assert "the far end did not agree to T.38" in scene.sent.reason
    assert scene.sent.seconds < 16.0
    scene.run_out()


REFUSALS = [None, (MediaDescription("image", 0, "udptl", ("t38",)),)]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("switch", [Switch.EITHER, Switch.CALLER])
def test_the_far_end_refuses_our_offer_and_makes_its_own(
    tmp_path: Path, switch: Switch, refusal: tuple[MediaDescription, ...] | None
) -> None:
    """Gateways that want to ask themselves do so after a refusal, when they hear the fax."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept(lambda offer: refusal)
    scene.send(make_pages(1), to=PHONE, switch=switch, switch_wait=1.0)
    scene.run(seconds=11.0)
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=5.0)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [False]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("switch", [Switch.CALLEE, Switch.EITHER, Switch.FIRST])
def test_the_carrier_refuses_the_switch_of_the_called_side_and_makes_its_own(
    tmp_path: Path, switch: Switch, refusal: tuple[MediaDescription, ...] | None
) -> None:
    """Up to 10 s after it has refused ours."""
    scene = Scene(tmp_path)
    scene.answer(switch=switch, switch_wait=1.0)
    phone = Phone(scene)
    phone.dial([audio_media(MEDIA_PORT, (0,))], answerer=lambda offer: refusal)
    scene.run(seconds=12.0)
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=5.0)
    assert [event.ours for event in scene.taken.events if isinstance(event, events.SwitchedToT38)] == [False]


def test_a_refusal_late_in_the_call_makes_it_no_longer(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.accept()
    scene.send(make_pages(1), to=PHONE, switch=Switch.EITHER, switch_wait=34.0)
    scene.run()
    assert T1 < scene.sent.seconds < T1 + 1


class Fussy(Phone):
    """A far end that takes no call with T.38 in its INVITE; others it accepts."""

    def __init__(self, scene: Scene, *, rings: bool = False, answerer: Answerer = audio_only) -> None:
        super().__init__(scene)
        self.kinds: list[list[str]] = []
        """What was offered to it in each INVITE."""
        self._rings = rings
        self._answerer = answerer
        self.on_incoming = self._decide

    def _decide(self, incoming: Incoming) -> None:
        assert incoming.offer is not None
        self.kinds.append([media.kind for media in incoming.offer.media])
        if self._rings:
            self.ring()
        if self.kinds[-1] == ["audio"]:
            self.accept(self._answerer)
        else:
            self.refuse(488)


def test_t38_in_the_first_invite_is_refused_and_audio_in_the_second_taken(tmp_path: Path) -> None:
    """From then on either side may ask."""
    scene = Scene(tmp_path)
    phone = Fussy(scene, answerer=lambda offer: (T38Parameters().to_media(MEDIA_PORT),))
    scene.send(make_pages(1), to=PHONE, switch=Switch.FIRST, switch_wait=3.0)
    scene.run(seconds=2.9)
    assert phone.kinds == [["image"], ["audio"]]
    assert not any(isinstance(event, events.SwitchedToT38) for event in scene.call.events)
    scene.run(seconds=1.0)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [True]


def test_after_the_second_invite_the_far_end_may_ask(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Fussy(scene)
    scene.send(make_pages(1), to=PHONE, switch=Switch.FIRST)
    scene.run(seconds=1.0)
    phone.offer(T38Parameters().to_media(MEDIA_PORT))
    scene.run(seconds=1.0)
    assert [event.ours for event in scene.call.events if isinstance(event, events.SwitchedToT38)] == [False]


def test_a_far_end_that_has_rung_is_not_called_again_with_audio(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Fussy(scene, rings=True)
    scene.send(make_pages(1), to=PHONE, switch=Switch.FIRST)
    scene.run()
    assert phone.kinds == [["image"]]
    assert scene.sent.sip_status == 488


def test_t38_in_the_first_invite_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.refuse(488)
    scene.send(make_pages(1), to=PHONE, switch=Switch.FIRST)
    scene.run()
    assert scene.sent.status is FaxStatus.FATAL_ERROR
    assert "another switch policy" in scene.sent.retry_reason
    assert not scene.sent.retry
    assert scene.sent.sip_status == 488
    scene.run_out()


def test_the_caller_refuses_our_switch(tmp_path: Path) -> None:
    """As the called side: a telephone calls the fax number."""
    scene = Scene(tmp_path)
    scene.answer()
    phone = Phone(scene)
    phone.dial([audio_media(MEDIA_PORT, (0,))])
    scene.run()
    assert scene.received.status is FaxStatus.NOT_FAX_CALL
    assert "the far end refused T.38 (SIP 488 Not Acceptable Here)" in scene.received.reason
    assert scene.received.pages == ()
    scene.run_out()
    assert phone.agent.idle


def test_an_offer_that_is_no_fax_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    phone = Phone(scene)
    phone.dial([MediaDescription("video", 6000, "RTP/AVP", ("96",))])
    scene.run()
    assert scene.received.status is FaxStatus.NOT_FAX_CALL
    assert "neither T.38" in scene.received.reason
    scene.run_out()


# --- further offers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ecm", [True, False])
def test_the_same_offer_again_in_a_page(tmp_path: Path, ecm: bool) -> None:
    """A refresh gets the same answer, and the fax goes on undisturbed."""
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send(make_pages(2))
    for part in ("caller", "callee"):
        scene.run(until=in_page(scene, 1 if part == "caller" else 2))
        endpoint, call = (scene.caller, scene.call) if part == "caller" else (scene.callee, scene.taken)
        assert call.call.line_call is not None
        port = 10_000
        endpoint.agent.offer(call.call.line_call, [T38Parameters().to_media(port)], scene.simulator.now)
        endpoint.flush()
    scene.run()
    scene.assert_delivered(2)
    switches = [event for event in scene.call.events if isinstance(event, events.SwitchedToT38)]
    assert len(switches) == 1
    offers = [data for _, _, _, data in scene.tapped if data.startswith(b"INVITE ") and b"m=image" in data]
    assert len(offers) == 3
    scene.run_out()


@pytest.mark.parametrize("ecm", [True, False])
def test_the_far_end_moves_to_another_port_in_a_page(tmp_path: Path, ecm: bool) -> None:
    scene = Scene(tmp_path)
    scene.answer(ecm=ecm)
    scene.send(make_pages(2))
    scene.run(until=in_page(scene, 1))
    # What the old port gets is what the new one gets: an SBC moved the stream.
    assert scene.taken.call.line_call is not None
    scene.network.bind((CALLEE, 30_000), scene.taken.receive)
    media = [T38Parameters().to_media(30_000)]
    scene.callee.agent.offer(scene.taken.call.line_call, media, scene.simulator.now)
    scene.callee.flush()
    asked = scene.simulator.now
    scene.run()
    scene.assert_delivered(2)
    late = [to for at, source, to, _ in scene.tapped if source == (CALLER, 10_000) and at > asked + 1.0]
    assert late
    assert set(late) == {(CALLEE, 30_000)}


def in_page(scene: Scene, number: int) -> Callable[[], bool]:
    """Whether page ``number`` has been on the line for a second."""
    since: list[float] = []

    def reached() -> bool:
        started = [event.number for event in scene.call.events if isinstance(event, events.PageStarted)]
        if not since and number in started:
            since.append(scene.simulator.now)
        return bool(since) and scene.simulator.now >= since[0] + 1.0

    return reached
