"""Whatever is heard, at whatever moment: no exception, and an end in bounded time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.frames import FCF, Frame, encode_station_id, image_frame, partial_page_request
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.optional_frames import FarEnd
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    FarEndIdentified,
    Negotiated,
    Output,
    PageReceived,
    PageWanted,
    SendBurst,
    SessionFinished,
    T30Failure,
)
from t38fsp.t30.polling import Poller, PollServer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    Coding,
    DataReceived,
    FrameReceived,
    LineSignal,
    Modem,
    PageQuality,
    Tone,
    ToneHeard,
)
from tests.sweep import examples
from tests.t30.alone import DIS, hears, transmitter
from tests.t30.calls import FINE, STANDARD

_BOUND = 4000.0
"""Seconds after the last that is heard; the longest wait is that of a receiver whose page does not get on."""

_DIS = bytes.fromhex("00771f22")
_FIFS = st.one_of(
    st.just(b""),
    st.sampled_from([_DIS, bytes.fromhex("00461f22"), bytes.fromhex("00461e"), bytes.fromhex("f4000062")]),
    st.binary(max_size=40),
)
_FRAMES = st.one_of(
    st.builds(
        lambda fcf, fif, final, x: bytes(Frame(fcf, fif, final, x)),
        st.sampled_from(FCF),
        _FIFS,
        *[st.booleans()] * 2,
    ),
    st.builds(image_frame, st.integers(0, 255), st.binary(min_size=1, max_size=256)),
    st.binary(max_size=30),
)
_MODEMS = st.one_of(st.just(Modem.V21), st.sampled_from(Modem))
_SIGNALS = st.one_of(
    st.builds(ToneHeard, st.sampled_from(Tone)),
    st.builds(CarrierDetected, _MODEMS),
    st.builds(FrameReceived, _MODEMS, _FRAMES, st.booleans()),
    st.builds(DataReceived, _MODEMS, st.sampled_from([bytes(3000), b"\x55" * 100, b""]), st.booleans()),
    st.builds(CarrierLost, _MODEMS),
)


def _burst(frames: list[bytes]) -> list[LineSignal]:
    heard = [FrameReceived(Modem.V21, frame, good=True) for frame in frames]
    return [CarrierDetected(Modem.V21), *heard, CarrierLost(Modem.V21)]


_BURSTS = st.one_of(
    st.builds(_burst, st.lists(_FRAMES, max_size=3)),
    st.builds(lambda fcf, fif: _burst([bytes(Frame(fcf, fif))]), st.sampled_from(FCF), _FIFS),
    st.builds(lambda signal: [signal], _SIGNALS),
    st.just(
        [
            CarrierDetected(Modem.V17_14400),
            DataReceived(Modem.V17_14400, bytes(2700)),
            CarrierLost(Modem.V17_14400),
        ]
    ),
)
_SCRIPTS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 3.0, 8.0]), _BURSTS), max_size=40)


class Fed:
    """A machine that hears a script, while its own bursts take a second each."""

    def __init__(self, machine: T30Machine | PollServer, answer: Callable[[object, float], None]) -> None:
        self.machine = machine
        self.answer = answer
        self.now = 0.0
        self.sent_at: list[float] = []
        self.finished: list[SessionFinished] = []
        self.bursts = 0

    def pass_time(self, until: float) -> None:
        while not self.finished:
            self._drain()
            times = [time for time in (self.machine.next_deadline(), *self.sent_at[:1]) if time is not None]
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            if self.sent_at and self.sent_at[0] <= self.now:
                self.sent_at.pop(0)
                self.machine.burst_sent(self.now)
            self.machine.handle_deadline(self.now)
        self._drain()
        self.now = max(self.now, until)

    def _drain(self) -> None:
        while outputs := self.machine.take_outputs():
            for output in outputs:
                assert not self.finished, f"{output} after the end"
                if isinstance(output, SendBurst):
                    self.bursts += 1
                    self.sent_at.append(self.now + 1.0)
                elif isinstance(output, SessionFinished):
                    self.finished.append(output)
                else:
                    self.answer(output, self.now)

    def hear(self, script: list[tuple[float, list[LineSignal]]]) -> SessionFinished:
        for pause, signals in script:
            self.pass_time(self.now + pause)
            for signal in signals:
                self.machine.receive(signal, self.now)
                self._drain()
        self.pass_time(self.now + _BOUND)
        assert len(self.finished) == 1
        assert self.machine.next_deadline() is None
        return self.finished[0]


@examples(push=35, full=150)
@given(_SCRIPTS, st.booleans(), st.booleans())
def test_a_transmitter_that_hears_anything(
    script: list[tuple[float, list[LineSignal]]], ecm: bool, dis_first: bool
) -> None:
    machine = Transmitter((FINE, FINE, STANDARD), TransmitOptions("+1", ecm=ecm))

    def answer(output: object, now: float) -> None:
        if isinstance(output, PageWanted):
            machine.page_ready(output.request, bytes(range(1, 200)) * 10, now)

    machine.start(0.0)
    machine.proceed(0.0)
    if dis_first:
        script = [(1.0, _burst([bytes(Frame(FCF.DIS, _DIS))])), (4.0, []), *script]
    fed = Fed(machine, answer)
    fed.hear(script)
    assert fed.bursts < 400


@examples(push=35, full=150)
@given(_SCRIPTS, st.booleans(), st.booleans())
def test_a_receiver_that_hears_anything(
    script: list[tuple[float, list[LineSignal]]], stores: bool, trained: bool
) -> None:
    machine = Receiver(ReceiveOptions("+1"))

    def answer(output: object, now: float) -> None:
        if isinstance(output, PageReceived) and stores:
            machine.page_stored(output.index, PageQuality(1000, 40), now)

    machine.start(0.0, ced=False)
    if trained:
        dcs = _burst([bytes(Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True))])
        tcf = [DataReceived(Modem.V17_14400, bytes(2700)), CarrierLost(Modem.V17_14400)]
        script = [(1.0, dcs), (1.0, list(tcf)), (1.0, []), *script]
    result = Fed(machine, answer).hear(script)
    assert stores or result.pages_confirmed == 0


@examples(push=35, full=150)
@given(_SCRIPTS, st.booleans(), st.booleans())
def test_either_end_of_a_poll_that_hears_anything(
    script: list[tuple[float, list[LineSignal]]], calls: bool, begun: bool
) -> None:
    machine = Poller(ReceiveOptions("+1")) if calls else PollServer(ReceiveOptions("+1"), [FINE])

    def answer(output: object, now: float) -> None:
        if isinstance(output, PageReceived):
            machine.page_stored(output.index, PageQuality(1000, 40), now)
        elif isinstance(output, PageWanted) and isinstance(machine, PollServer):
            machine.page_ready(output.request, bytes(range(1, 200)) * 10, now)

    machine.start(0.0, ced=False)
    if begun:
        first = Frame(FCF.DIS, bytes.fromhex("00f71f22")) if calls else Frame(FCF.DTC, _DIS)
        script = [(4.0, _burst([bytes(first)])), (4.0, []), *script]
    Fed(machine, answer).hear(script)


@pytest.mark.parametrize(
    "answer", [FCF.PPR, FCF.RNR, FCF.FTT, FCF.CRP, FCF.RTN, FCF.RTP, FCF.DIS, FCF.CTR, FCF.ERR]
)
@pytest.mark.parametrize("ecm", [True, False])
def test_a_far_end_that_gives_one_answer_for_ever(answer: FCF, ecm: bool) -> None:
    """After CFR to the first DCS."""
    machine = Transmitter((FINE, FINE), TransmitOptions(ecm=ecm))

    def code(output: object, now: float) -> None:
        if isinstance(output, PageWanted):
            machine.page_ready(output.request, b"\x01" * 1000, now)

    machine.start(0.0)
    machine.proceed(0.0)
    fif = {FCF.PPR: b"\xff" * 32, FCF.DIS: _DIS}.get(answer, b"")
    script = [(1.0, _burst([bytes(Frame(FCF.DIS, _DIS))])), (3.0, _burst([bytes(Frame(FCF.CFR))]))]
    script += [(3.2, _burst([bytes(Frame(answer, fif))]))] * 300
    result = Fed(machine, code).hear(script)
    assert result.error is not None
    assert result.pages_confirmed <= (1 if answer is FCF.RTP else 0)


def test_a_far_end_whose_dis_is_another_each_time() -> None:
    """It answers each DCS with DIS: three trainings, as if it were the same one."""
    machine = Transmitter((FINE,), TransmitOptions())
    machine.start(0.0)
    machine.proceed(0.0)
    both = [_burst([bytes(Frame(FCF.DIS, bytes.fromhex(dis)))]) for dis in ("00771f22", "02771f22")]
    fed = Fed(machine, lambda output, now: None)
    assert fed.hear([(3.2, heard) for heard in both] * 100).error is T30Failure.NO_ANSWER_TO_DCS
    assert fed.bursts == 1 + 3 * 2 + 1  # CNG, DCS and TCF three times, DCN


def test_a_dis_that_changes_while_leave_is_awaited_has_the_page_coded_twice_at_most() -> None:
    machine = Transmitter((FINE,), TransmitOptions())
    machine.start(0.0)
    wanted: list[PageWanted] = []
    fed = Fed(machine, lambda output, now: wanted.append(output) if isinstance(output, PageWanted) else None)
    for dis in ["00771f22", "00771f20"] * 50:
        fed.pass_time(fed.now + 0.1)
        for signal in _burst([bytes(Frame(FCF.DIS, bytes.fromhex(dis)))]):
            machine.receive(signal, fed.now)
    machine.proceed(fed.now)
    fed.pass_time(fed.now + 1.0)
    assert [page.mode.coding for page in wanted] == [Coding.MMR, Coding.MR]


@pytest.mark.parametrize("command", [FCF.PPS, FCF.TNR])
def test_commands_faster_than_answers_leave_one_answer_to_be_said(command: FCF) -> None:
    """They would keep us talking for an hour, and fill the memory; one answer does for all."""
    machine = Receiver(ReceiveOptions())
    machine.start(0.0, ced=False)
    fed = Fed(machine, lambda output, now: None)
    for pause, heard in (
        (1.0, _burst([bytes(Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True))])),
        (0.1, [DataReceived(Modem.V17_14400, bytes(2700)), CarrierLost(Modem.V17_14400)]),
        (1.0, _burst([bytes(Frame(command, bytes.fromhex("f40000ff"), x=True))]) * 1000),
    ):
        fed.pass_time(fed.now + pause)
        for signal in heard:
            machine.receive(signal, fed.now)
    before = fed.bursts
    fed.pass_time(fed.now + 10.0)
    assert fed.bursts == before + 1


@pytest.mark.parametrize(
    "command", [Frame(FCF.PPS, bytes.fromhex("f4000000"), x=True), Frame(FCF.EOR, b"\xf2", x=True)]
)
def test_pages_faster_than_answers_do_not_pile_up_for_the_disk(command: Frame) -> None:
    """A far end that trains anew instead of waiting for the answer to each page."""
    machine = Receiver(ReceiveOptions())
    machine.start(0.0, ced=False)
    stores: list[object] = []
    fed = Fed(
        machine, lambda output, now: stores.append(output) if isinstance(output, PageReceived) else None
    )
    modem = Modem.V17_14400
    page = [
        *_burst([bytes(Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True))]),
        DataReceived(modem, bytes(2700)),
        CarrierLost(modem),
        FrameReceived(modem, image_frame(0, bytes(256)), good=True),
        CarrierLost(modem),
        *_burst([bytes(command)]),
    ]
    result = fed.hear([(1.0, []), *[(0.0, page)] * 100])
    assert result.error is T30Failure.PAGE_NOT_STORED
    assert len(stores) == 4


@pytest.mark.parametrize("command", [FCF.DCS, FCF.CTC])
def test_negotiations_faster_than_modems_come_to_an_end(command: FCF) -> None:
    """Each one is told to the user."""
    machine = Receiver(ReceiveOptions())
    machine.start(0.0, ced=False)
    told: list[object] = []
    fed = Fed(machine, lambda output, now: told.append(output))
    modem = Modem.V17_14400
    dcs = _burst([bytes(Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True))])
    training = [DataReceived(modem, bytes(2700)), CarrierLost(modem)]
    again = dcs + training if command is FCF.DCS else _burst([bytes(Frame(FCF.CTC, b"\0\x46", x=True))])
    result = fed.hear([(1.0, dcs + training), *[(0.001, again)] * 3000])
    assert result.error is T30Failure.PROTOCOL
    assert sum(isinstance(output, Negotiated) for output in told) == 1000


def test_names_that_change_are_told_as_they_change() -> None:
    """Only the last one is remembered, so nobody fills the memory with names."""
    far_end = FarEnd()
    told: list[Output] = []
    for name in ["A", "A", "B", "A"]:
        assert far_end.heard(Frame(FCF.TSI, encode_station_id(name)))
        told += far_end.news()
    assert told == [FarEndIdentified("A"), FarEndIdentified("B"), FarEndIdentified("A")]


@pytest.mark.parametrize(
    "command", [FCF.DCS, FCF.MPS, FCF.EOP, FCF.PPS, FCF.RR, FCF.CRP, FCF.CTC, FCF.EOR, FCF.DIS]
)
def test_a_far_end_that_gives_one_command_for_ever(command: FCF) -> None:
    machine = Receiver(ReceiveOptions())
    machine.start(0.0, ced=False)
    dcs = bytes.fromhex("00461f22")
    fif = {FCF.DCS: dcs, FCF.CTC: dcs[:2], FCF.PPS: bytes.fromhex("f4000062"), FCF.EOR: b"\xf4"}.get(
        command, b""
    )
    script = [(3.0, _burst([bytes(Frame(command, fif, x=True))]))] * 2000
    result = Fed(machine, lambda output, now: None).hear(script)
    assert result.pages_confirmed == 0


def test_a_far_end_that_asks_for_one_frame_less_each_time() -> None:
    """At the least rate it would be sent to for half a day."""
    alone = transmitter(1)
    alone.octets = 65536
    said = alone.do([hears(FCF.DIS, DIS), hears(FCF.CFR)])
    wanted = 256
    while alone.finished() is None:
        if said[-1] == "CTC":
            said = alone.do([hears(FCF.CTR)])
            wanted -= 1
        else:
            present = frozenset(range(wanted, 256))
            said = alone.do([hears(FCF.PPR, partial_page_request(present))])
    finished = alone.finished()
    assert finished is not None
    assert finished.error is T30Failure.ECM_FAILED
    assert "one block took more than 2400 s" in finished.detail
    assert alone.now < 2500
