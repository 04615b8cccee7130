"""No image burst keeps the carrier up for longer than 80 s, for gateways cut it off after 90."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.frames import FCF, Frame, PartialPageSignal, parse_image_frame, partial_page_request
from t38fsp.t30.modems import DESCENDING
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outgoing_blocks import LONGEST_BURST, BlockSender, frames_per_burst
from t38fsp.t30.outputs import SendBurst, SessionWarned
from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem
from tests.t30.alone import DIS, Alone, hears, transmitter
from tests.t30.calls import FINE, assert_delivered, coded, run
from tests.t30.link import Link

STUFFED = 65 / 64
"""What stuffed bits add to random octets, on average."""


def seconds(burst: HdlcBurst) -> float:
    """How long the carrier is up: training, 200 ms of flags, frames with FCS and two flags."""
    octets = sum((len(frame) + 2) * STUFFED + 2 for frame in burst.frames)
    return 1.6 + 0.2 + octets * 8 / burst.modem.rate


def images(link: Link) -> list[HdlcBurst]:
    return [
        burst
        for _, who, burst in link.bursts
        if who is link.transmitter and isinstance(burst, HdlcBurst) and burst.modem is not Modem.V21
    ]


def numbers(burst: Burst) -> list[int]:
    """The numbers of the frames of a block."""
    assert isinstance(burst, HdlcBurst)
    frames = [Frame.parse(octets) for octets in burst.frames]
    return [parse_image_frame(frame)[0] for frame in frames if frame.fcf is FCF.FCD]


@pytest.mark.parametrize("modem", DESCENDING)
@pytest.mark.parametrize("frame_size", [256, 64])
def test_frames_that_a_burst_may_have(modem: Modem, frame_size: int) -> None:
    most = frames_per_burst(modem, frame_size)
    if modem.rate >= 7200 or frame_size == 64:
        assert most == 256
    else:
        assert 70 < (frame_size + 4 + 2 * STUFFED + 2) * 8 / modem.rate * most < LONGEST_BURST


@pytest.mark.parametrize(("rate", "blocks"), [(2400, 7), (4800, 4), (7200, 3)])
def test_blocks_are_short_at_low_rates(rate: int, blocks: int) -> None:
    octets = 150_000
    link = run((FINE, FINE), octets=octets, sending=TransmitOptions(max_rate=rate))
    assert_delivered(link, 2, octets)
    assert len(images(link)) == 2 * blocks
    assert max(map(seconds, images(link))) <= LONGEST_BURST
    assert "PPR" not in link.said(link.receiver)


# --- receivers that take whole blocks only ------------------------------------------------------------------


def flagged(*missing: int) -> bytes:
    """A PPR; the numbers from 256 frames that the far end lacks."""
    return partial_page_request(frozenset(range(256)) - set(missing))


def bursts(alone: Alone) -> list[list[int]]:
    """The frame numbers of every block burst so far."""
    sent = [output.burst for output in alone.outputs if isinstance(output, SendBurst)]
    return [numbers(burst) for burst in sent if isinstance(burst, HdlcBurst) and burst.modem is not Modem.V21]


def announced(alone: Alone) -> list[tuple[str, int, int]]:
    """What follows, block and frames of every PPS so far."""
    sent = [output.burst for output in alone.outputs if isinstance(output, SendBurst)]
    frames = [Frame.parse(burst.frames[-1]) for burst in sent if isinstance(burst, HdlcBurst)]
    signals = [PartialPageSignal.parse(frame.fif) for frame in frames if frame.fcf is FCF.PPS]
    return [(str(signal), signal.block, signal.frames) for signal in signals]


def test_a_receiver_that_wants_whole_blocks_gets_them_in_several_bursts() -> None:
    """Its PPR asks for frames behind those of the block, and for none of them."""
    alone = transmitter(1, max_rate=2400)
    alone.octets = 120_000  # 469 frames
    most = frames_per_burst(Modem.V27TER_2400, 256)
    alone.do([hears(FCF.DIS, DIS), hears(FCF.CFR), hears(FCF.PPR, flagged(*range(most, 256)))])
    alone.do([hears(FCF.PPR, flagged(*range(2 * most, 256))), hears(FCF.MCF)])
    alone.do([hears(FCF.PPR, flagged(*range(most, 213)))])
    alone.do([hears(FCF.PPR, flagged(*range(2 * most, 213))), hears(FCF.MCF)])
    assert bursts(alone) == [
        list(range(most)),
        list(range(most, 2 * most)),
        list(range(2 * most, 256)),
        list(range(most)),
        list(range(most, 2 * most)),
        list(range(2 * most, 213)),
    ]
    assert announced(alone) == [
        ("PPS-NULL", 0, most),
        ("PPS-NULL", 0, 256),
        ("PPS-NULL", 0, 256 - 2 * most),
        ("PPS-EOP", 1, 213),
        ("PPS-EOP", 1, 213),
        ("PPS-EOP", 1, 213 - 2 * most),
    ]
    finished = alone.finished()
    assert finished is not None
    assert finished.error is None


def test_a_lower_rate_in_the_middle_of_a_block_makes_bursts_short() -> None:
    alone = transmitter(1, max_rate=4800)
    alone.octets = 40_000  # 157 frames, one burst at 4800 bit/s
    everything = hears(FCF.PPR, flagged(*range(256)))
    alone.do([hears(FCF.DIS, DIS), hears(FCF.CFR), *[everything] * 4, hears(FCF.CTR)])
    most = frames_per_burst(Modem.V27TER_2400, 256)
    assert bursts(alone)[-2:] == [list(range(157)), list(range(most))]
    assert announced(alone)[-1] == ("PPS-EOP", 0, 157)
    alone.do([hears(FCF.PPR, flagged(*range(most, 256)))])
    assert bursts(alone)[-1] == list(range(most, 157))


@given(
    octets=st.integers(1, 70_000),
    per_burst=st.integers(60, 256),
    whole=st.booleans(),
    requests=st.lists(st.frozensets(st.integers(0, 255)), max_size=20),
)
def test_any_requests(octets: int, per_burst: int, whole: bool, requests: list[frozenset[int]]) -> None:
    """Whatever is asked for, bursts are short, their frames belong to the block, and an end is in sight."""
    page = coded(0, octets)
    block = BlockSender(page, 0, 0, 256, per_burst, whole=whole)
    answers = []
    for flags in requests:
        frames = block.next_burst()
        assert 1 <= len(frames) - 3 <= per_burst
        assert max(numbers(HdlcBurst(Modem.V29_9600, frames))) < len(block.block) <= 256
        assert 1 <= block.announced <= 256
        answers.append(block.requested(flags))
    assert not all(answers[8:]) or len(answers) <= 8
    assert block.block.end <= octets


# --- without error correction -------------------------------------------------------------------------------


@pytest.mark.parametrize(("octets", "warned"), [(23_000, False), (26_000, True)])
def test_a_long_page_without_ecm_is_warned_of(octets: int, warned: bool) -> None:
    """The carrier cannot be interrupted within a page."""
    link = run((FINE,), octets=octets, sending=TransmitOptions(ecm=False, max_rate=2400))
    warnings = link.of(link.transmitter, SessionWarned)
    assert bool(warnings) is warned
    if warned:
        (warning,) = warnings
        assert "page 1 " in warning.text
        assert " 87 s " in warning.text
