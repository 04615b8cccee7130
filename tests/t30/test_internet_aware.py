"""The internet-aware mode of T.30: who may choose it (bit 123), and what ends it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial

import pytest

from t38fsp.t30.capabilities import Capabilities, capabilities_of
from t38fsp.t30.dcs import Bit
from t38fsp.t30.dcs_choice import Choice, choose_mode
from t38fsp.t30.frames import FCF
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Negotiated, RoundTripMeasured, SessionWarned
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import Burst, HdlcBurst, Modem, RawBurst
from tests.t30.calls import FINE, assert_delivered, run
from tests.t30.calls import call as ready
from tests.t30.link import Damage, Link, LosesBursts, Machine, fcf_of

SENDING = TransmitOptions(internet_aware=True)
RECEIVING = ReceiveOptions(internet_aware=True)


def call(**conditions: object) -> Link:
    """Both ends are willing, and nothing but packets is between them."""
    return run(**({"sending": SENDING, "receiving": RECEIVING, "modems": False} | conditions))


def image_paces(link: Link) -> list[bool]:
    """Of every burst on a fast modem, in order."""
    return [
        isinstance(burst, RawBurst) or burst.modem_paced
        for _, _, burst in link.bursts
        if isinstance(burst, RawBurst | HdlcBurst) and burst.modem is not Modem.V21
    ]


def warnings(link: Link) -> list[str]:
    return [warned.text for warned in link.of(link.transmitter, SessionWarned)]


def has_left(link: Link, why: str) -> bool:
    """Whether the transmitter has left the mode, with one warning that names the reason."""
    (text,) = warnings(link)
    return why in text


# --- who may choose it --------------------------------------------------------------------------------------


def test_the_dcs_has_bit_123_and_no_modem() -> None:
    choice = choose_mode(capabilities_of(RECEIVING), FINE, SENDING, Modem.V29_9600)
    assert choice is not None
    assert choice.dcs.number(11, 14) == "0000"
    assert Bit.INTERNET_AWARE in choice.dcs
    assert (choice.modem_paced, choice.mode.bit_rate) == (False, 0)
    assert Choice.parse(choice.dcs) == choice


def test_a_modem_ends_it() -> None:
    choice = choose_mode(capabilities_of(RECEIVING), FINE, SENDING, Modem.V29_9600)
    assert choice is not None
    slower = choice.at(Modem.V29_9600)
    assert (slower.modem_paced, slower.modem, slower.mode.bit_rate) == (True, Modem.V29_9600, 9600)
    assert slower == choose_mode(capabilities_of(RECEIVING), FINE, TransmitOptions(), Modem.V29_9600)


@pytest.mark.parametrize(
    ("sending", "receiving"),
    [
        (TransmitOptions(), RECEIVING),
        (SENDING, ReceiveOptions()),
        (TransmitOptions(internet_aware=True, ecm=False), RECEIVING),
        (SENDING, ReceiveOptions(internet_aware=True, ecm=False)),
    ],
    ids=["the sender will not", "the receiver will not", "the sender has no ECM", "the receiver has no ECM"],
)
def test_it_takes_both_ends_and_ecm(sending: TransmitOptions, receiving: ReceiveOptions) -> None:
    link = call(sending=sending, receiving=receiving)
    assert_delivered(link, 2)
    assert all(image_paces(link))
    (negotiated, *_) = link.of(link.transmitter, Negotiated)
    assert negotiated.mode.bit_rate == 14400


def test_without_ecm_no_dis_has_the_bit() -> None:
    dis = capabilities_of(ReceiveOptions(internet_aware=True, ecm=False))
    assert Bit.INTERNET_AWARE not in dis.others
    assert Bit.INTERNET_AWARE in Capabilities.parse(bytes(capabilities_of(RECEIVING))).others


# --- what it does -------------------------------------------------------------------------------------------


def test_pages_take_no_time_and_nothing_is_trained() -> None:
    link = call()
    assert_delivered(link, 2)
    assert image_paces(link) == [False, False, False]
    assert link.said(link.transmitter) == ["DCS", "PPS", "PPS", "PPS", "DCN"]
    assert not any(isinstance(burst, RawBurst) for _, _, burst in link.bursts)
    modem_paced = run(sending=TransmitOptions(), receiving=ReceiveOptions())
    assert link.now < 4 < 15 < modem_paced.now
    assert warnings(link) == []


@dataclass
class LosesImage(Damage):
    """Every second frame of the image is lost, in the first bursts."""

    frames: int

    def loses_frame(self, sender: Machine, modem: Modem, frame: bytes) -> bool:
        if modem is Modem.V21 or self.frames == 0:
            return False
        self.frames -= 1
        return self.frames % 2 == 0


def test_what_each_answer_tells_of_the_path_is_told() -> None:
    link = call(damage=LosesImage(24))
    assert_delivered(link, 2)
    turns = link.of(link.transmitter, RoundTripMeasured)
    assert [(turn.frames, turn.missing, turn.stored) for turn in turns] == [
        (0, 0, False),  # DCS
        (16, 8, False),
        (8, 3, False),
        (3, 0, False),
        (8, 0, True),
        (24, 0, True),
    ]
    assert all(0.09 < turn.seconds < 0.2 for turn in turns)


def test_the_first_block_is_a_short_one() -> None:
    link = call(octets=70_000)
    assert_delivered(link, 2, 70_000)
    turns = link.of(link.transmitter, RoundTripMeasured)
    assert [turn.frames for turn in turns] == [0, 16, 256, 2, 256, 18]


# --- from the first octet -----------------------------------------------------------------------------------


class Aware(enum.Flag):
    """Which end knows by the SDP that there is no modem between."""

    TRANSMITTER = enum.auto()
    RECEIVER = enum.auto()
    BOTH = TRANSMITTER | RECEIVER


def marked(who: Aware = Aware.BOTH, *, tones: bool = True, **conditions: object) -> Link:
    """Neither end has been set so that it would drop the pace by itself."""
    link = ready(**({"modems": False} | conditions))
    assert isinstance(link.transmitter, Transmitter)
    assert isinstance(link.receiver, Receiver)
    if Aware.TRANSMITTER in who:
        link.transmitter.be_internet_aware()
    if Aware.RECEIVER in who:
        link.receiver.be_internet_aware()
    link.transmitter.start(0.0)
    link.transmitter.proceed(0.0)
    link.receiver.start(0.0, ced=tones)
    link.go_on()
    return link


def paces(link: Link, machine: Machine, fcf: FCF) -> list[bool]:
    """Of every burst with this command or response, in order."""
    return [
        burst.modem_paced
        for _, sender, burst in link.bursts
        if isinstance(burst, HdlcBurst) and sender is machine and fcf_of(burst) is fcf
    ]


def test_between_two_who_know_it_nothing_keeps_a_pace_and_nobody_plays_a_tone() -> None:
    link = marked()
    assert_delivered(link, 2)
    assert all(isinstance(burst, HdlcBurst) and not burst.modem_paced for _, _, burst in link.bursts)
    assert link.said(link.receiver)[:2] == ["DIS", "CFR"]
    assert link.now < 2


def test_a_dis_that_is_lost_comes_again_at_the_pace_of_a_modem() -> None:
    link = marked(damage=LosesBursts([FCF.DIS]))
    assert_delivered(link, 2)
    assert paces(link, link.receiver, FCF.DIS) == [False, True]
    # It was lost, and no more: there is no modem.
    assert image_paces(link) == [False] * 3
    assert link.now < 8


def test_a_dcs_that_is_lost_brings_the_pace_back() -> None:
    link = marked(damage=LosesBursts([FCF.DCS]))
    assert_delivered(link, 2)
    assert all(image_paces(link))
    assert has_left(link, "DCS")


@pytest.mark.parametrize("who", [Aware.TRANSMITTER, Aware.RECEIVER])
@pytest.mark.parametrize("modems", [False, True])
def test_a_far_end_that_keeps_the_pace_all_the_same_is_heard_and_answered_so(
    who: Aware, modems: bool
) -> None:
    link = marked(who, modems=modems)
    assert_delivered(link, 2)
    assert all(image_paces(link))
    assert all(paces(link, link.transmitter, FCF.DCS))
    assert all(paces(link, link.receiver, FCF.CFR))
    assert warnings(link) == []


def test_modems_between_two_who_believe_that_there_are_none() -> None:
    link = marked(modems=True)
    assert_delivered(link, 2)
    assert all(image_paces(link))


# --- what ends it -------------------------------------------------------------------------------------------


def test_a_line_with_modems_is_known_by_the_time_it_takes() -> None:
    link = call(modems=True)
    assert_delivered(link, 2)
    assert all(image_paces(link))
    assert link.said(link.transmitter) == ["DCS", "DCS", "PPS", "PPS", "DCN"]
    assert has_left(link, "DCS")


def test_a_dcs_without_an_answer_is_said_again_with_a_modem() -> None:
    link = call(damage=LosesBursts([FCF.CFR]))
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == ["DCS", "DCS", "PPS", "PPS", "DCN"]
    assert image_paces(link) == [True, True, True]  # TCF and two blocks
    assert has_left(link, "DCS")


def test_a_block_without_an_answer_goes_on_with_a_modem() -> None:
    link = call(damage=LosesBursts([FCF.MCF]), octets=4000)
    assert_delivered(link, 2, 4000)
    assert link.said(link.transmitter) == ["DCS", "PPS", "PPS", "DCS", "PPS", "DCN"]
    assert image_paces(link) == [False, True, True]
    assert len(link.store.kept) == 2, "a page that was confirmed is not sent again"


def test_a_command_at_the_pace_of_a_modem_is_answered_at_it() -> None:
    link = call(damage=LosesBursts([FCF.MCF] * 3), octets=4000)
    assert_delivered(link, 2, 4000)
    answers = [burst for _, who, burst in link.bursts if who is link.receiver and fcf_of(burst) is FCF.MCF]
    assert [isinstance(answer, HdlcBurst) and answer.modem_paced for answer in answers] == [False] + [
        True
    ] * 4
    assert link.said(link.transmitter) == ["DCS", "PPS", "PPS", "PPS", "PPS", "DCS", "PPS", "DCN"]


class LosesFastImages(Damage):
    """Whoever must replay what comes as fast as that loses it, with the command behind it."""

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        fast = isinstance(burst, HdlcBurst) and not burst.modem_paced
        return fast and (burst.modem is not Modem.V21 or fcf_of(burst) is FCF.PPS)


@pytest.mark.parametrize("octets", [6000, 150_000])
def test_a_far_end_that_is_overrun_gets_the_rest_of_the_page_at_a_rate(octets: int) -> None:
    link = call(damage=LosesFastImages(), octets=octets)
    assert_delivered(link, 2, octets)
    said = link.said(link.transmitter)
    assert said[:5] == ["DCS", "PPS", "PPS", "CTC", "PPS"]
    assert said.count("CTC") == 1
    assert image_paces(link).count(False) == 1
    assert {mode.bit_rate for mode in link.store.modes.values()} == {14400}


class LosesAllImages(Damage):
    """No frame of an image that goes faster than a modem arrives; commands do."""

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        return isinstance(burst, HdlcBurst) and burst.modem is not Modem.V21 and not burst.modem_paced


def test_the_loss_of_most_of_a_block_ends_it() -> None:
    link = call(pages=(FINE,), damage=LosesAllImages())
    assert_delivered(link, 1)
    assert link.said(link.transmitter) == ["DCS", "PPS", "CTC", "PPS", "PPS", "DCN"]
    assert image_paces(link) == [False, True, True]
    assert has_left(link, "block")


class LosesFrameZero(Damage):
    """The first frame of a block never arrives without the pace of a modem."""

    def __init__(self) -> None:
        self._paced = False

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        self._paced = not isinstance(burst, HdlcBurst) or burst.modem_paced
        return False

    def loses_frame(self, sender: Machine, modem: Modem, frame: bytes) -> bool:
        return not self._paced and modem is not Modem.V21 and frame[2:4] == b"\x60\x00"


def test_the_fourth_request_in_a_row_ends_it() -> None:
    link = call(pages=(FINE,), damage=LosesFrameZero())
    assert_delivered(link, 1)
    assert link.said(link.receiver).count("PPR") == 4
    assert image_paces(link) == [False] * 4 + [True, True]
    assert link.said(link.transmitter).count("CTC") == 1


def test_a_far_end_that_moved_gets_modems() -> None:
    link = ready((FINE,) * 3, octets=4000, sending=SENDING, receiving=RECEIVING, modems=False)
    for machine in (link.transmitter, link.receiver):
        assert machine is not None
        link.at(2.0, partial(machine.leave_internet_aware_mode, 2.0))
    link.run()
    assert_delivered(link, 3, 4000)
    assert image_paces(link) == [False, False, True, True]  # two pages, TCF and the third
