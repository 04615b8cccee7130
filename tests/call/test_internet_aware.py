"""Whole faxes without the pace of a modem between two of us, and with it towards everybody else."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.values import Address
from t38fsp import events
from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.call.media import ImageMedia, MediaCapabilities, agreed_media, answer_offer, image_offer
from t38fsp.choices import Switch
from t38fsp.image import document
from t38fsp.results import FaxResult
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import PageMode, PageQuality
from t38fsp.t38 import ifp
from t38fsp.t38.attributes import MARK, T38Parameters, with_mark
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.t38.values import DataType, Indicator
from t38fsp.virtual.gateway import SimulatedGateway
from t38fsp.virtual.hooks import Gateway, Quirk
from t38fsp.virtual.network import Faults
from tests.call.gateways import NEAR, GatewayPair, Marks
from tests.call.harness import CALLEE, CALLER, SIP_PORT, FaultsFor, Scene, Sender, lossy, make_pages, names
from tests.pages import make_document
from tests.peers import libtiff

GATEWAY = "192.0.2.99"


def rates(result: FaxResult) -> set[int]:
    """bit/s of the modems that pages travelled on; 0 stands for none."""
    return {page.bit_rate for page in result.pages}


def narrow(rate: float, queue: int) -> FaultsFor:
    def faults_for(source: Address, destination: Address) -> Faults:
        return Faults() if SIP_PORT in (source[1], destination[1]) else Faults(rate=rate, queue=queue)

    return faults_for


def is_udptl(data: bytes) -> bool:
    try:
        Datagram.parse(data)
    except UdptlError:
        return False
    return not looks_like_rtp(data)


def ifp_of(data: bytes) -> ifp.Packet:
    return ifp.parse(Datagram.parse(data).primary, ifp.Syntax.Y1998)


# --- between two of us --------------------------------------------------------------------------------------


def send(scene: Scene, pages: int, *, rows: int = 1100) -> FaxResult:
    """Both ends are willing."""
    scene.answer(internet_aware=True)
    scene.send(make_pages(pages, rows=rows), internet_aware=True)
    scene.run()
    scene.assert_delivered(pages)
    return scene.sent


@pytest.mark.full
def test_twenty_pages_take_four_seconds(tmp_path: Path) -> None:
    result = send(Scene(tmp_path), 20)
    assert rates(result) == {0}
    assert result.warnings == ()
    # A page has 36 KB, which is 25 s at 14400 bit/s.
    assert result.seconds < 4.5
    assert result.pages[-1].seconds < 0.2


@pytest.mark.parametrize(("delay", "most"), [(0.0005, 2.5), (0.05, 4.0)])
def test_ten_pages_of_17_kilobytes(tmp_path: Path, delay: float, most: float) -> None:
    scene = Scene(tmp_path, faults_for=lambda source, destination: Faults(delay=delay))
    result = send(scene, 10, rows=560)
    assert all(17_000 < page.octets < 18_000 for page in result.pages)
    assert result.seconds < most


def test_nothing_is_said_at_the_pace_of_a_modem_and_no_tone_is_played(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    send(scene, 1, rows=100)
    said = [ifp_of(data) for _, source, _, data in scene.tapped if source[1] != SIP_PORT and is_udptl(data)]
    assert not {Indicator.CED, Indicator.CNG} & {
        packet.indicator for packet in said if isinstance(packet, ifp.IndicatorPacket)
    }
    # V.21 at the pace of its modem has an octet in a packet.
    v21 = [packet for packet in said if isinstance(packet, ifp.DataPacket) and packet.type is DataType.V21]
    assert all(len(packet.fields[0].data) > 1 for packet in v21)


@pytest.mark.parametrize("towards", [CALLER, CALLEE])
def test_the_first_words_are_lost(tmp_path: Path, towards: str) -> None:
    """No datagram of T.38 passes in this direction for two seconds."""
    began: list[float] = []

    def faults_for(source: Address, destination: Address) -> Faults:
        if SIP_PORT in (source[1], destination[1]) or destination[0] != towards:
            return Faults()
        began.append(scene.simulator.now)
        return Faults(loss=1.0 if began[-1] < began[0] + 2 else 0.0)

    scene = Scene(tmp_path, faults_for=faults_for)
    result = send(scene, 2)
    # A DIS comes again, and then nothing is lost; a DCS is taken to have met a modem.
    assert rates(result) == ({0} if towards == CALLER else {14400})


@pytest.mark.parametrize("reads_bit", [False, True], ids=["knows neither", "goes by the DCS"])
@pytest.mark.parametrize("who", [Transmitter, Receiver])
def test_a_far_end_that_has_the_mark_and_keeps_the_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: type[T30Machine], reads_bit: bool
) -> None:
    """It makes nothing of the mark, or only of bit 123 once the DCS has come."""

    def heed(machine: Transmitter | Receiver) -> None:
        if reads_bit:
            machine.phase_b.options = replace(machine.phase_b.options, internet_aware=True)

    monkeypatch.setattr(who, "be_internet_aware", heed)
    result = send(Scene(tmp_path), 2)
    assert rates(result) == ({0} if reads_bit else {14400})
    assert result.warnings == ()


@pytest.mark.parametrize(
    "seeds", [pytest.param(range(2), id="2"), pytest.param(range(2, 100), id="100", marks=pytest.mark.full)]
)
def test_loss_from_the_first_octet_on(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        send(Scene(tmp_path, seed=seed, faults_for=lossy(0.2)), 2)


@pytest.mark.parametrize("loss", [0.01, 0.05, pytest.param(0.1, marks=pytest.mark.full)])
def test_loss_costs_little(tmp_path: Path, loss: float) -> None:
    result = send(Scene(tmp_path, faults_for=lossy(loss)), 5)
    assert rates(result) == {0}
    assert result.seconds < 15


@pytest.mark.parametrize(
    ("rate", "queue"),
    [
        pytest.param(64_000, 32_768, marks=pytest.mark.full),
        (256_000, 32_768),
        (256_000, 262_144),
        pytest.param(300_000, 2_000_000, marks=pytest.mark.full),
        (2_000_000, 16_384),
    ],
)
def test_a_narrow_path_is_filled_and_not_flooded(tmp_path: Path, rate: float, queue: int) -> None:
    scene = Scene(tmp_path, faults_for=narrow(rate, queue))
    result = send(scene, 4)
    assert rates(result) == {0}
    media = [data for _, source, _, data in scene.tapped if source[0] == CALLER and source[1] != SIP_PORT]
    arrived = scene.received.counters["received"]
    assert arrived > 0.7 * len(media)
    # What was sent would take so long at the rate of the path, were nothing lost.
    ideal = sum(len(data) + 28 for data in media) * 8 / rate
    assert result.seconds < 10 + 1.5 * ideal


def test_a_busy_receiver_is_waited_for(tmp_path: Path) -> None:
    result = send(Scene(tmp_path, page_delay=2.5), 2)
    assert rates(result) == {0}
    assert result.warnings == ()


def test_what_was_agreed_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    send(scene, 1, rows=100)
    (trained,) = [event for event in scene.call.events if isinstance(event, events.Trained)]
    assert (trained.bit_rate, trained.ecm) == (0, True)


@pytest.mark.parametrize("towards", [CALLER, CALLEE])
def test_an_answer_that_never_comes_brings_the_pace_back(tmp_path: Path, towards: str) -> None:
    """Nothing passes for five seconds from the moment at which the first page begins."""
    began: list[float] = []

    def faults_for(source: Address, destination: Address) -> Faults:
        if not began and scene.placed and "PageStarted" in names(scene.call.events):
            began.append(scene.simulator.now)
        dead = bool(began) and scene.simulator.now < began[0] + 5
        media = SIP_PORT not in (source[1], destination[1])
        return Faults(loss=1.0) if dead and media and destination[0] == towards else Faults()

    scene = Scene(tmp_path, faults_for=faults_for)
    result = send(scene, 3)
    assert rates(result) == {14400}
    (warning,) = result.warnings
    assert "PPS-NULL" in warning


def test_a_far_end_that_is_described_anew_without_the_mark_gets_the_pace_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(internet_aware=True)
    scene.send(make_pages(3), internet_aware=True)
    scene.run(until=lambda: "PageDone" in names(scene.call.events))
    call = scene.taken.call
    assert call.line_call is not None
    # The same address and port: only the mark is gone.
    unmarked = T38Parameters().to_media(scene.call.call.remote_media[1])
    scene.callee.agent.offer(call.line_call, [unmarked], scene.simulator.now)
    scene.callee.flush()
    scene.run()
    scene.assert_delivered(3)
    assert [page.bit_rate for page in scene.sent.pages] == [0, 0, 14400]
    (warning,) = scene.sent.warnings
    assert "moved" in warning


class SlowsDown:
    """From some datagram of the caller on all are lost, 69 or for 3 s; those after them take longer."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.scene: Scene
        self._first = chance.choice([214, chance.randint(40, 700)])
        self._later = chance.choice([0.25, 0.25, 0.25, 0.2, 0.5, 0.75, 1.0, 1.5, 2.0])
        self._back = Faults(delay=chance.choice([0.001, 0.02, 0.1]))
        self._loss = chance.choice([0.0, 0.0, 0.1])
        self._sent = 0
        self._began: float | None = None

    def __call__(self, source: Address, destination: Address) -> Faults:
        if SIP_PORT in (source[1], destination[1]):
            return Faults()
        if source[0] != CALLER:
            return self._back
        self._sent += 1
        if self._sent < self._first:
            return Faults()
        now = self.scene.simulator.now
        self._began = now if self._began is None else self._began
        if self._sent < self._first + 69 and now < self._began + 3:
            return Faults(loss=1.0)
        return Faults(delay=0.02 + self._later, loss=self._loss)


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(3), id="3"),
        *(
            pytest.param(range(first, min(first + 25, 200)), id=f"from {first}", marks=pytest.mark.full)
            for first in range(3, 200, 25)
        ),
    ],
)
def test_the_end_of_a_block_is_lost_and_the_line_slows_down(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        path = SlowsDown(seed)
        scene = path.scene = Scene(tmp_path, seed=seed, faults_for=path)
        scene.answer(internet_aware=True)
        scene.send(make_pages(2, kind="noise", rows=285), internet_aware=True)
        scene.run()
        scene.assert_delivered(2)
        octets = [
            [-(-page.octets // 256) for page in result.pages] for result in (scene.sent, scene.received)
        ]
        assert octets[0] == octets[1], seed


# --- not with everybody -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "callee"),
    [
        ({"internet_aware": True}, {}),
        ({}, {"internet_aware": True}),
        ({"internet_aware": True, "ecm": False}, {"internet_aware": True}),
        ({"internet_aware": True}, {"internet_aware": True, "ecm": False}),
    ],
    ids=[
        "only the caller's route",
        "only the callee's route",
        "the caller has no ECM",
        "the callee has none",
    ],
)
def test_both_routes_have_to_allow_it(
    tmp_path: Path, caller: dict[str, bool], callee: dict[str, bool]
) -> None:
    scene = Scene(tmp_path)
    scene.answer(**callee)
    scene.send(make_pages(1, rows=100), **caller)
    scene.run()
    scene.assert_delivered(1)
    assert rates(scene.sent) == {14400}
    assert "INTERNET_AWARE" not in scene.sent.remote_capabilities


@pytest.mark.parametrize("marks", [Marks.DROPPED, Marks.COPIED])
def test_two_of_us_with_gateways_and_a_telephone_line_between_keep_the_pace(
    tmp_path: Path, marks: Marks
) -> None:
    scene = Scene(tmp_path)
    GatewayPair(scene.simulator, scene.network, (CALLEE, SIP_PORT), marks)
    scene.answer(internet_aware=True)
    scene.send(make_pages(3), to=NEAR, internet_aware=True, switch=Switch.FIRST)
    scene.run()
    scene.assert_delivered(3)
    assert rates(scene.sent) == rates(scene.received) == {14400}
    assert scene.sent.warnings == ()
    assert "INTERNET_AWARE" not in scene.sent.remote_capabilities


def test_gateways_that_lie_about_it_cost_one_dcs(tmp_path: Path) -> None:
    """The DIS bit goes through the modems; only the answer that never comes tells."""
    scene = Scene(tmp_path)
    GatewayPair(scene.simulator, scene.network, (CALLEE, SIP_PORT), Marks.FORGED)
    scene.answer(internet_aware=True)
    scene.send(make_pages(3), to=NEAR, internet_aware=True, switch=Switch.FIRST)
    scene.run()
    scene.assert_delivered(3)
    assert rates(scene.sent) == rates(scene.received) == {14400}
    assert "INTERNET_AWARE" in scene.sent.remote_capabilities
    (warning,) = scene.sent.warnings
    assert "DCS" in warning


# --- machines behind a gateway ------------------------------------------------------------------------------


class Paper:
    """Where the machine behind the gateway puts its pages."""

    def __init__(self, scene: Scene) -> None:
        self.store_page = scene.receiver.store

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        return self.store_page(index, mode, data)


@dataclass(frozen=True)
class Marked(Quirk):
    """A gateway that writes the mark, and so lies."""

    name: ClassVar[str] = "marked"

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        if media is None:
            return None
        return [with_mark(each, GATEWAY) if each.kind == "image" and each.port else each for each in media]


class SmallBuffer(Quirk):
    """Drops what comes while its modem has 400 octets to send; if ``deaf``, until that is done."""

    name: ClassVar[str] = "small-buffer"

    def __init__(self, *, deaf: bool) -> None:
        self._deaf = deaf
        self._busy_until = 0.0
        self._overrun = False
        self.dropped = 0

    def ifp_in(self, octets: bytes, gateway: Gateway) -> Iterable[bytes]:
        packet = ifp.parse(octets, gateway.syntax)
        modem = packet.type.modem if isinstance(packet, ifp.DataPacket) else None
        if modem is None or not isinstance(packet, ifp.DataPacket):
            return (octets,)
        bits = 8 * sum(len(field.data) for field in packet.fields)
        waiting = max(self._busy_until - gateway.now, 0.0)
        too_much = waiting * modem.rate > 8 * 400
        self._overrun = too_much or (self._overrun and self._deaf and waiting > 0)
        if self._overrun:
            self.dropped += 1
            return ()
        self._busy_until = gateway.now + waiting + bits / modem.rate
        return (octets,)


def to_gateway(
    scene: Scene, quirks: Sequence[Quirk], *, aware: bool, pages: int = 2, rows: int = 1100
) -> FaxResult:
    """We send to a machine behind a gateway, willing to drop the pace."""
    gateway = SimulatedGateway(scene.simulator, scene.network, (GATEWAY, SIP_PORT), random.Random(1))
    gateway.answer_calls(Paper(scene), quirks, ReceiveOptions(internet_aware=aware))
    scene.send(make_pages(pages, rows=rows), to=GATEWAY, internet_aware=True)
    scene.run()
    assert scene.sent.completed, scene.sent.reason
    assert scene.sent.pages_confirmed == pages
    assert libtiff.assert_same_pages(scene.document, scene.output) == pages
    return scene.sent


def test_the_bit_alone_changes_nothing(tmp_path: Path) -> None:
    result = to_gateway(Scene(tmp_path), [], aware=True, rows=100)
    assert rates(result) == {14400}
    assert "INTERNET_AWARE" in result.remote_capabilities
    assert result.warnings == ()


def test_the_mark_alone_changes_nothing(tmp_path: Path) -> None:
    result = to_gateway(Scene(tmp_path), [Marked()], aware=False, rows=100)
    assert rates(result) == {14400}
    assert result.warnings == ()


@pytest.mark.parametrize("deaf", [False, True], ids=["loses what is too much", "loses all until it is done"])
def test_a_gateway_that_lies_and_is_overrun_gets_its_pace(tmp_path: Path, deaf: bool) -> None:
    buffer = SmallBuffer(deaf=deaf)
    result = to_gateway(Scene(tmp_path), [Marked(), buffer], aware=True)
    assert buffer.dropped > 10
    assert rates(result) == {14400}
    (warning,) = result.warnings
    assert "modem pace" in warning


def test_a_gateway_that_calls_does_not_hear_of_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer(internet_aware=True)
    make_document(scene.document, make_pages(2))
    gateway = SimulatedGateway(scene.simulator, scene.network, (GATEWAY, SIP_PORT), random.Random(1))
    gateway.call(
        f"sip:fax@{CALLEE}",
        (CALLEE, SIP_PORT),
        Sender(scene.document),
        document.inspect(scene.document),
        machine=TransmitOptions(internet_aware=True),
    )
    scene.run()
    assert scene.received.completed
    assert rates(scene.received) == {14400}
    assert libtiff.assert_same_pages(scene.document, scene.output) == 2


# --- the mark in SDP ----------------------------------------------------------------------------------------

OURS = MediaCapabilities(5000, T38Parameters(), internet_host=CALLER)
WITHOUT = MediaCapabilities(5000, T38Parameters())


def described(host: str, media: Sequence[MediaDescription]) -> SessionDescription:
    return SessionDescription(Origin("-", "1", 1, host), host, tuple(media))


@pytest.mark.parametrize(
    ("ours", "host", "answered"),
    [
        (OURS, CALLEE, True),
        (WITHOUT, CALLEE, False),
        (OURS, GATEWAY, False),  # the mark of somebody else
    ],
)
def test_a_mark_is_answered_when_it_is_offered_and_fits(
    ours: MediaCapabilities, host: str, answered: bool
) -> None:
    theirs = MediaCapabilities(7000, T38Parameters(), internet_host=CALLEE)
    offer = described(host, image_offer(theirs))
    answer = answer_offer(ours, offer)
    assert answer is not None
    assert answer[0].has(MARK) is answered
    agreed = agreed_media(described(CALLER, answer), offer)
    assert isinstance(agreed, ImageMedia)
    assert agreed.internet_aware is answered


def test_no_mark_is_answered_when_none_is_offered() -> None:
    answer = answer_offer(OURS, described(CALLEE, image_offer(WITHOUT)))
    assert answer is not None
    assert not answer[0].has(MARK)


def test_our_own_mark_in_the_answer_is_none() -> None:
    """Some answer with every attribute of the offer."""
    offer = described(CALLER, image_offer(OURS))
    answer = described(CALLEE, image_offer(OURS))
    agreed = agreed_media(offer, answer)
    assert isinstance(agreed, ImageMedia)
    assert not agreed.internet_aware
