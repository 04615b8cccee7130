"""Which frames belong to which block, whatever is lost, late or repeated (T.30 A.4.3)."""

from __future__ import annotations

import random
import string
from collections import deque
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from t38fsp.t30.frames import FCF, Frame, PartialPageSignal, image_frame, parse_partial_page_request
from t38fsp.t30.incoming_blocks import IncomingBlocks, Standing
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import (
    PageBegun,
    PageData,
    PageOutcome,
    PageReceived,
    RevokeBurst,
    SendBurst,
    SessionFinished,
    T30Failure,
)
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    PageQuality,
)
from tests.sweep import examples
from tests.t30.alone import DCS_ECM

SIZE = 64
MODEM = Modem.V17_14400


def octets(letter: str) -> bytes:
    return letter.encode() * SIZE


def add(blocks: IncomingBlocks, frames: str, first: int = 0) -> None:
    """Frames whose content is a letter each, numbered from ``first``."""
    for position, letter in enumerate(frames):
        blocks.add(first + position, octets(letter))


def pps(page: int, block: int, frames: int, following: FCF | None = None) -> PartialPageSignal:
    return PartialPageSignal(following, page, block, frames)


@pytest.fixture
def blocks() -> IncomingBlocks:
    """Block 0 of page 0, with the frames ABCD, was taken."""
    blocks = IncomingBlocks(SIZE)
    add(blocks, "ABCD")
    assert blocks.signal(pps(0, 0, 4)) is Standing.COMPLETE
    assert blocks.take(None) == b"".join(map(octets, "ABCD"))
    return blocks


def test_a_repetition_drops_the_frames_that_came_with_it(blocks: IncomingBlocks) -> None:
    add(blocks, "CD", 2)
    assert blocks.signal(pps(0, 0, 2)) is Standing.REPEATED
    assert blocks.untouched
    assert blocks.take_repeats() == 2
    add(blocks, "ab")
    assert blocks.signal(pps(0, 1, 2)) is Standing.COMPLETE
    assert blocks.take(None) == octets("a") + octets("b")
    assert blocks.take_repeats() == 0


def test_frames_of_the_block_before_whose_pps_was_lost_do_not_count(blocks: IncomingBlocks) -> None:
    add(blocks, "BCD", 1)
    blocks.break_off()
    add(blocks, "ab")
    assert blocks.signal(pps(0, 1, 4)) is Standing.INCOMPLETE
    assert blocks.present == {0, 1}


def test_nor_do_they_with_the_next_burst_lost_up_to_some_frame(blocks: IncomingBlocks) -> None:
    add(blocks, "ABC")
    blocks.break_off()
    add(blocks, "d", 3)
    assert blocks.signal(pps(0, 1, 4)) is Standing.INCOMPLETE
    assert blocks.present == {3}


def test_nor_do_they_with_the_whole_next_burst_lost(blocks: IncomingBlocks) -> None:
    add(blocks, "ABCD")
    blocks.break_off()
    assert blocks.signal(pps(0, 1, 4)) is Standing.INCOMPLETE
    assert blocks.present == frozenset()


def test_frames_behind_the_end_of_a_shorter_block_are_not_of_it(blocks: IncomingBlocks) -> None:
    add(blocks, "CD", 2)
    add(blocks, "ab")
    assert blocks.signal(pps(0, 1, 2)) is Standing.COMPLETE
    assert blocks.take(None) == octets("a") + octets("b")


def test_a_gap_costs_nothing_that_differs_from_the_block_before(blocks: IncomingBlocks) -> None:
    add(blocks, "ab")
    blocks.break_off()
    add(blocks, "d", 3)
    assert blocks.signal(pps(0, 1, 4)) is Standing.INCOMPLETE
    assert blocks.present == {0, 1, 3}
    add(blocks, "c", 2)
    assert blocks.signal(pps(0, 1, 1)) is Standing.COMPLETE
    assert blocks.take_repeats() == 1


def test_a_page_like_the_one_before_is_taken_at_once(blocks: IncomingBlocks) -> None:
    add(blocks, "ABCD")
    assert blocks.signal(pps(0, 1, 4)) is Standing.COMPLETE


def test_a_late_pps_of_the_block_before_changes_nothing(blocks: IncomingBlocks) -> None:
    add(blocks, "ab")
    assert blocks.signal(pps(0, 1, 3)) is Standing.INCOMPLETE
    assert blocks.signal(pps(0, 0, 4)) is Standing.OUTDATED
    assert blocks.present == {0, 1}


@pytest.mark.parametrize("counters", [(0, 2), (1, 0)])
def test_a_block_that_was_skipped_shows_when_two_confirmations_were_said(
    blocks: IncomingBlocks, counters: tuple[int, int]
) -> None:
    blocks.answered_again()
    add(blocks, "ab")
    assert blocks.signal(pps(*counters, 2)) is Standing.SKIPPED


def test_a_block_that_was_skipped_half_way_shows_as_well(blocks: IncomingBlocks) -> None:
    blocks.answered_again()
    add(blocks, "ab")
    assert blocks.signal(pps(0, 1, 3)) is Standing.INCOMPLETE
    add(blocks, "xyz")
    assert blocks.signal(pps(0, 2, 3)) is Standing.SKIPPED


def test_odd_counters_do_no_harm_where_nothing_can_have_been_skipped(blocks: IncomingBlocks) -> None:
    add(blocks, "ab")
    assert blocks.signal(pps(0, 7, 3)) is Standing.INCOMPLETE
    add(blocks, "c", 2)
    assert blocks.signal(pps(0, 8, 1)) is Standing.COMPLETE


def test_counters_that_stand_still_do_not_lose_a_page(blocks: IncomingBlocks) -> None:
    add(blocks, "abcd")
    assert blocks.signal(pps(0, 0, 4)) is Standing.SKIPPED


def test_the_counters_count_modulo_256() -> None:
    blocks = IncomingBlocks(SIZE)
    add(blocks, "AB")
    assert blocks.signal(pps(255, 255, 2)) is Standing.COMPLETE
    blocks.take(None)
    blocks.answered_again()
    add(blocks, "ab")
    assert blocks.signal(pps(255, 0, 2)) is Standing.COMPLETE
    blocks.take(FCF.MPS)
    blocks.answered_again()
    add(blocks, "cd")
    assert blocks.signal(pps(0, 0, 2)) is Standing.COMPLETE


# --- any order, delay, loss and repetition ------------------------------------------------------------------


@dataclass
class Caller:
    """A transmitter that takes the next answer that it hears for the answer to its last PPS, late or not."""

    pages: list[list[str]]
    """Blocks of pages; a letter is a frame."""
    counts_all: bool
    """Its PPS tells the frames of the block, not those of the last burst."""
    page: int = 0
    block: int = 0
    wanted: list[int] = field(default_factory=list)
    over: bool = False

    def begin(self) -> list[LineSignal]:
        self.wanted = list(range(len(self.pages[self.page][self.block])))
        return self.frames() + self.command()

    def frames(self) -> list[LineSignal]:
        block = self.pages[self.page][self.block]
        return [
            CarrierDetected(MODEM),
            *(FrameReceived(MODEM, image_frame(n, octets(block[n])), good=True) for n in self.wanted),
            CarrierLost(MODEM),
        ]

    def command(self) -> list[LineSignal]:
        blocks = self.pages[self.page]
        last_page = self.page + 1 == len(self.pages)
        following = None if self.block + 1 < len(blocks) else FCF.EOP if last_page else FCF.MPS
        count = len(blocks[self.block]) if self.counts_all else len(self.wanted)
        signal = PartialPageSignal(following, self.page, self.block, count)
        frame = bytes(Frame(FCF.PPS, signal.to_fif(x=True), x=True))
        return [CarrierDetected(Modem.V21), FrameReceived(Modem.V21, frame, True), CarrierLost(Modem.V21)]

    def hear(self, answer: Frame) -> list[LineSignal]:
        if answer.fcf is FCF.PPR:
            asked = parse_partial_page_request(answer.fif)
            size = len(self.pages[self.page][self.block])
            self.wanted = [number for number in range(size) if number in asked] or [size - 1]
            return self.frames() + self.command()
        if answer.fcf is not FCF.MCF:
            return []
        if self.block + 1 < len(self.pages[self.page]):
            self.block += 1
        elif self.page + 1 < len(self.pages):
            self.page, self.block = self.page + 1, 0
        else:
            self.over = True
            return []
        return self.begin()


class Called:
    """A receiver after its CFR; an answer takes 1.2 s. What it confirms has to be what the caller has."""

    def __init__(self, caller: Caller) -> None:
        self.machine = Receiver(ReceiveOptions(ecm_frame_size=SIZE))
        self.caller = caller
        self.now = 0.0
        self.answers: deque[Frame] = deque()
        self.playing: tuple[float, HdlcBurst] | None = None
        self.pages: dict[int, bytes] = {}
        self.confirmed: list[int] = []
        self.finished: SessionFinished | None = None
        self.machine.start(0.0, ced=False)
        self.wait(2.0)
        dcs = bytes(Frame(FCF.DCS, DCS_ECM[:-1] + bytes((DCS_ECM[-1] | 0x10,)), x=True))
        self.hear(CarrierDetected(Modem.V21), FrameReceived(Modem.V21, dcs, True), CarrierLost(Modem.V21))
        self.hear(CarrierDetected(MODEM), DataReceived(MODEM, bytes(2700)), CarrierLost(MODEM))
        self.wait(5.0)
        assert self.playing is None
        self.answers.clear()

    def hear(self, *signals: LineSignal) -> None:
        for signal in signals:
            self.machine.receive(signal, self.now)
            self._drain()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            times = [self.machine.next_deadline(), self.playing and self.playing[0]]
            due = min((time for time in times if time is not None), default=None)
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            if self.playing is not None and self.playing[0] <= self.now:
                burst, self.playing = self.playing[1], None
                self.answers.append(Frame.parse(burst.frames[-1]))
                self.machine.burst_sent(self.now)
            self.machine.handle_deadline(self.now)
            self._drain()

    def _drain(self) -> None:
        while outputs := self.machine.take_outputs():
            for output in outputs:
                match output:
                    case SendBurst(HdlcBurst() as burst):
                        self.playing = (self.now + 1.2, burst)
                    case RevokeBurst():
                        self.playing = None
                    case PageBegun(index):
                        self.pages[index] = b""
                    case PageData(index, data):
                        self.pages[index] += data
                    case PageReceived(index):
                        self.machine.page_stored(index, PageQuality(100), self.now)
                    case PageOutcome(index=index, confirmed=True):
                        self.confirmed.append(index)
                        sent = b"".join(map(octets, "".join(self.caller.pages[index])))
                        assert self.pages[index] == sent
                    case SessionFinished():
                        self.finished = output


class Line:
    """Both ways between them. Whatever it does comes from ``seed``; it never changes the order."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        # Each frame has its own letter, but for some that are alike in every block.
        letters = iter(string.ascii_letters)
        pages = [
            [
                "".join(chance.choice([next(letters)] * 5 + ["-"]) for _ in range(chance.randint(1, 4)))
                for _ in range(chance.randint(1, 3))
            ]
            for _ in range(chance.randint(1, 3))
        ]
        self.caller = Caller(pages, counts_all=chance.random() < 0.5)
        self.called = Called(self.caller)
        self.on_way = deque(self.caller.begin())
        self.lost = False
        self.loss, self.haste = chance.choice([0.05, 0.3]), chance.choice([0.05, 0.3])

    def step(self) -> None:
        """Something arrives, is lost, or is said again, and time passes."""
        chance, called, caller = self.chance, self.called, self.caller
        draw = chance.random()
        if draw < 0.25:
            for _ in range(chance.choice([1, 2, 8, 20])):
                self.hear()
        elif draw < 0.25 + self.loss / 4 and self.on_way:
            self.lose()
        elif draw < 0.5 and called.answers:
            answer = called.answers.popleft()
            if chance.random() >= self.loss:
                self.on_way += caller.hear(answer)
        elif draw < 0.5 + self.haste / 4 and not caller.over:
            self.on_way += caller.command()
        elif draw > 0.75:
            called.wait(chance.choice([0.05, 0.3, 0.7, 1.3]))

    def lose(self) -> None:
        """Some signals, or all to the end of the next command, and perhaps some of the frames after it."""
        count = self.chance.randint(1, 12)
        if self.chance.random() < 0.7:
            ends = [n for n, signal in enumerate(self.on_way, 1) if signal == CarrierLost(Modem.V21)]
            count = (ends[0] if ends else 0) + self.chance.choice([0, 0, 1, 2, 3, 4])
        for _ in range(min(count, len(self.on_way))):
            self.on_way.popleft()
            self.lost = True

    def hear(self) -> None:
        if not self.on_way:
            return
        signal = self.on_way.popleft()
        if isinstance(signal, FrameReceived):
            signal = replace(signal, after_gap=self.lost)
            self.lost = False
        self.called.hear(signal)

    def get_better(self) -> None:
        """Nothing is lost any more, and nobody hurries."""
        called, caller = self.called, self.caller
        for _ in range(100):
            while self.on_way:
                self.hear()
            called.wait(1.5)
            if called.answers:
                self.on_way += caller.hear(called.answers.popleft())
            elif not caller.over:
                called.wait(3.0)
                self.on_way += [] if called.answers else caller.command()


@examples(push=100, full=300)
@given(seed=st.integers(0, 2**32))
@example(seed=490)
@example(seed=1279)
def test_a_page_that_is_confirmed_is_the_page_that_was_sent(seed: int) -> None:
    """Whatever is lost, late or said again: of frames, carriers, commands and answers."""
    line = Line(seed)
    for _ in range(300):
        line.step()
    line.get_better()
    confirmed = line.called.confirmed
    assert confirmed == list(range(len(confirmed)))
    finished = line.called.finished
    if finished is None or finished.error is None:
        assert len(confirmed) == len(line.caller.pages)


def test_a_far_end_that_skips_a_block_is_told_so() -> None:
    """The second MCF to the first block came when the second one had been sent, and lost."""
    caller = Caller([["AB", "CD", "EF"]], counts_all=True)
    called = Called(caller)
    called.hear(*caller.begin())
    called.wait(1.3)
    called.hear(*caller.command())
    called.wait(1.3)
    for answer in list(called.answers):
        lost = caller.hear(answer)
    called.hear(*lost)
    assert called.finished is None
    called.wait(6.0)
    assert called.finished is not None
    assert called.finished.error is T30Failure.PROTOCOL
    assert called.confirmed == []
