"""Calls on a bad line: lost commands and answers, lost frames, failed training."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.t30.frames import FCF, Frame, PartialPageSignal
from t38fsp.t30.incoming_blocks import IncomingBlocks, Standing
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.modems import DESCENDING
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Negotiated, T30Failure
from t38fsp.t30.receive_table import State
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    HdlcBurst,
    Modem,
    PageFormat,
    PageQuality,
    RawBurst,
)
from tests.sweep import examples
from tests.t30.calls import FINE, STANDARD, assert_delivered, assert_honest, call, run
from tests.t30.link import Bad, Damage, LosesBursts, Noise, Store, fcf_of

# --- single losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        [FCF.DIS],
        [FCF.DCS],
        [FCF.CFR],
        [FCF.CFR, FCF.CFR],
        [FCF.PPS],
        [FCF.MCF],
        [FCF.MCF, FCF.MCF],
        [FCF.PPS, FCF.MCF],
        [FCF.DCN],
    ],
    ids=lambda lost: " ".join(str(fcf) for fcf in lost),
)
def test_a_lost_command_or_answer_with_ecm_is_repeated(lost: list[FCF]) -> None:
    link = run(damage=LosesBursts(list(lost)))
    assert_delivered(link, 2)
    assert [outcome.response for outcome in link.outcomes(link.receiver)] == ["MCF", "MCF"]


@pytest.mark.parametrize(
    "lost",
    [[FCF.MPS], [FCF.MCF], [FCF.MCF, FCF.MCF], [FCF.EOP], [FCF.EOP, FCF.EOP], [FCF.MPS, FCF.MCF]],
    ids=lambda lost: " ".join(str(fcf) for fcf in lost),
)
def test_a_lost_command_or_answer_without_ecm_is_repeated(lost: list[FCF]) -> None:
    link = run(sending=TransmitOptions(ecm=False), damage=LosesBursts(list(lost)))
    assert_delivered(link, 2)
    assert len(link.store.kept) == 2


class TakesCommandsForImages(Damage):
    """A gateway that hears V.29 where post-message commands and DCN begin (seen behind spandsp's gateway)."""

    def taken_for(self, sender: T30Machine, burst: HdlcBurst | RawBurst) -> Modem:
        if fcf_of(burst) in (FCF.PPS, FCF.MPS, FCF.EOP, FCF.DCN):
            return Modem.V29_9600
        return burst.modem


@pytest.mark.parametrize("ecm", [True, False])
def test_commands_on_the_wrong_modem_are_heard_at_once(ecm: bool) -> None:
    options = TransmitOptions(ecm=ecm)
    usual = run(sending=options)
    link = run(sending=options, damage=TakesCommandsForImages())
    assert_delivered(link, 2)
    assert link.finished_at[link.receiver] == pytest.approx(usual.finished_at[usual.receiver])


class LosesCommandAgain(Damage):
    """Loses the answer to a command, and then its first repetition, or only damages that."""

    def __init__(self, command: FCF, answer: FCF, *, damaged: bool) -> None:
        self.losses = [(answer, 1, False), (command, 2, damaged)]
        self.sent: Counter[FCF | None] = Counter()

    def loses_burst(self, sender: T30Machine, burst: Burst) -> bool:
        fcf = fcf_of(burst)
        self.sent[fcf] += 1
        return (fcf, self.sent[fcf], False) in self.losses

    def loses_frame(self, sender: T30Machine, modem: Modem, frame: bytes) -> bool:
        fcf = Frame.parse(frame).fcf
        return (fcf, self.sent[fcf], True) in self.losses


@pytest.mark.parametrize(
    ("pages", "command", "damaged"),
    [
        ([FINE], FCF.EOP, False),
        ([FINE], FCF.EOP, True),
        ([FINE, FINE], FCF.MPS, True),
        ([FINE, STANDARD], FCF.EOM, True),
    ],
)
def test_an_answer_and_the_repeated_command_lost(
    pages: list[PageFormat], command: FCF, damaged: bool
) -> None:
    """The third command still asks for the answer to the first, and no page comes twice."""
    damage = LosesCommandAgain(command, FCF.MCF, damaged=damaged)
    link = run(pages, sending=TransmitOptions(ecm=False), damage=damage)
    assert_delivered(link, len(pages))
    assert len(link.store.kept) == len(pages)


def test_rtn_and_the_repeated_command_lost() -> None:
    store = Store(quality=lambda index, attempt: PageQuality(100, bad_rows=50 if attempt == 1 else 0))
    damage = LosesCommandAgain(FCF.EOP, FCF.RTN, damaged=False)
    link = run([FINE], sending=TransmitOptions(ecm=False), store=store, damage=damage)
    assert_delivered(link, 1)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("echo", [0.02, 0.6, 1.2])
@pytest.mark.parametrize("lost", [None, FCF.DIS, FCF.DCS, FCF.CFR, FCF.MCF, FCF.EOP, FCF.EOM, FCF.PPS])
def test_a_line_that_echoes_and_loses(lost: FCF | None, echo: float, ecm: bool) -> None:
    """Our own preamble, heard as we begin to repeat a command, is not the answer."""
    damage = LosesBursts([] if lost is None else [lost])
    damage.echo = echo
    link = run((FINE, STANDARD), sending=TransmitOptions(ecm=ecm), damage=damage)
    assert_delivered(link, 2)
    assert len(link.store.kept) == 2


@pytest.mark.parametrize("ecm", [True, False])
def test_a_lost_answer_to_eom(ecm: bool) -> None:
    link = run((FINE, STANDARD), sending=TransmitOptions(ecm=ecm), damage=LosesBursts([FCF.MCF]))
    assert_delivered(link, 2)


@pytest.mark.parametrize(
    ("lost", "error", "confirmed"),
    [
        ([FCF.CFR] * 3, T30Failure.NO_ANSWER_TO_DCS, 0),
        ([FCF.DCS] * 3, T30Failure.NO_ANSWER_TO_DCS, 0),
        ([FCF.PPS] * 3, T30Failure.NO_ANSWER_TO_PAGE, 0),
        ([FCF.MCF] * 3, T30Failure.NO_ANSWER_TO_PAGE, 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_three_times_without_an_answer(lost: list[FCF], error: T30Failure, confirmed: int) -> None:
    link = run(damage=LosesBursts(list(lost)))
    finished = link.finished(link.transmitter)
    assert (finished.error, finished.pages_confirmed) == (error, confirmed)
    assert "waiting for the response to" in finished.detail
    assert finished.detail.endswith("page 1 of 2")
    assert link.said(link.transmitter)[-1] == "DCN"
    assert link.finished(link.receiver).error is not None
    assert_honest(link)


def test_the_page_of_which_nothing_was_heard_is_refused() -> None:
    """Its MPS must not pass for a repetition of the one before."""

    class LosesSecondPage(Damage):
        images = 0

        def loses_burst(self, sender: T30Machine, burst: object) -> bool:
            modem = getattr(burst, "modem", Modem.V21)
            LosesSecondPage.images += modem is not Modem.V21
            return modem is not Modem.V21 and LosesSecondPage.images == 3

    link = run((FINE,) * 3, sending=TransmitOptions(ecm=False), octets=12_000, damage=LosesSecondPage())
    assert_delivered(link, 3, 12_000)
    assert [outcome.response for outcome in link.outcomes(link.transmitter)] == ["MCF", "RTN", "MCF", "MCF"]


# --- error correction ---------------------------------------------------------------------------------------


class LosesFrames(Damage):
    """Each listed FCD is lost as often as listed."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.seen: list[int] = []

    def loses_frame(self, sender: T30Machine, modem: Modem, frame: bytes) -> bool:
        if modem is Modem.V21 or Frame.parse(frame).fcf is not FCF.FCD:
            return False
        number = int(f"{frame[3]:08b}"[::-1], 2)
        self.seen.append(number)
        if number not in self.numbers:
            return False
        self.numbers.remove(number)
        return True


def test_only_flagged_frames_come_again() -> None:
    damage = LosesFrames([0, 7, 23])
    link = run((FINE,), damage=damage)
    assert_delivered(link, 1)
    assert damage.seen == [*range(24), 0, 7, 23]
    assert link.said(link.receiver) == ["DIS", "CFR", "PPR", "MCF"]
    (outcome,) = link.outcomes(link.transmitter)
    assert outcome.repeats == 3


def test_after_four_requests_the_rate_falls() -> None:
    """CTC, long training once, and the requests are counted anew."""
    link = run((FINE, FINE), damage=LosesFrames([5] * 5))
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == ["DCS", *["PPS"] * 4, "CTC", "PPS", "PPS", "PPS", "DCN"]
    assert link.image_modems()[4:] == [
        (Modem.V17_14400, True),
        (Modem.V17_12000, False),
        (Modem.V17_12000, True),
        (Modem.V17_12000, True),
    ]
    assert [outcome.bit_rate for outcome in link.outcomes(link.receiver)] == [12000, 12000]
    assert [output.modem for output in link.of(link.transmitter, Negotiated)][-1] is Modem.V17_12000


class IgnoresCtc(LosesFrames):
    """A receiver that does not know CTC."""

    def loses_burst(self, sender: T30Machine, burst: Burst) -> bool:
        return fcf_of(burst) is FCF.CTC


def test_without_an_answer_to_ctc_the_page_comes_again_from_dcs_on() -> None:
    link = run((FINE, FINE), damage=IgnoresCtc([5] * 4))
    assert_delivered(link, 2)
    assert link.said(link.transmitter) == [
        *["DCS", *["PPS"] * 4, *["CTC"] * 3],
        *["DCS", "PPS", "PPS", "DCN"],
    ]
    responses = [(o.index, o.response) for o in link.outcomes(link.transmitter)]
    assert responses == [(0, "T4"), (0, "MCF"), (1, "MCF")]


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([256, 256, 256], {0, 1, 2}),
        ([256, 256, 100], {0, 1, 2}),
        ([256, 247, 256], {0, 2}),
        ([64, 64, 64], {0, 1, 2}),
        ([256, 247, 100], {0, 2}),
        ([256, 300, 256], {0, 2}),
    ],
)
def test_a_frame_that_lost_octets_in_a_gateway_is_asked_for_again(lengths: list[int], kept: set[int]) -> None:
    blocks = IncomingBlocks(256)
    for number, length in enumerate(lengths):
        blocks.add(number, bytes(length))
    standing = blocks.signal(PartialPageSignal(FCF.EOP, 0, 0, 3))
    assert blocks.present == kept
    assert (standing is Standing.COMPLETE) is (kept == {0, 1, 2})


def test_a_dis_that_says_more_when_it_is_repeated() -> None:
    """The first one was of a gateway that knew no better; nobody heard our answer to it."""
    lost = LosesBursts([FCF.DCS])
    link = call((FINE, FINE), receiving=ReceiveOptions(max_rate=4800, ecm=False), damage=lost)
    link.run(until=5.0)
    link.replace_receiver(Receiver(ReceiveOptions()))
    link.go_on()
    assert_delivered(link, 2)
    assert link.image_modems()[0][0] is Modem.V27TER_4800
    assert {modem for modem, _ in link.image_modems()[1:]} == {Modem.V17_14400}


def test_a_frame_that_never_arrives_ends_in_eor() -> None:
    link = run((FINE,), damage=LosesFrames([5] * 100))
    assert link.finished(link.transmitter).error is T30Failure.ECM_FAILED
    assert link.said(link.transmitter)[-2:] == ["EOR", "DCN"]
    assert link.said(link.receiver)[-1] == "ERR"
    assert link.image_modems()[-1][0] is Modem.V27TER_2400
    (ours,), (theirs,) = link.outcomes(link.transmitter), link.outcomes(link.receiver)
    assert (ours.confirmed, ours.response) == (theirs.confirmed, theirs.response) == (False, "ERR")
    assert link.finished(link.receiver).pages_confirmed == 0
    assert link.finished(link.receiver).error is T30Failure.ECM_FAILED


class LosesImages(Damage):
    """No frame of an image ever arrives; or the far end says so."""

    def loses_frame(self, sender: T30Machine, modem: Modem, frame: bytes) -> bool:
        return modem is not Modem.V21


@pytest.mark.parametrize(("rate", "rates"), [(2400, 1), (4800, 2), (7200, 4)])
def test_all_frames_four_times_at_the_lowest_rate_are_no_progress(rate: int, rates: int) -> None:
    link = run((FINE,), sending=TransmitOptions(max_rate=rate), damage=LosesImages())
    assert link.finished(link.transmitter).error is T30Failure.ECM_FAILED
    said = link.said(link.transmitter)
    assert (said.count("PPS"), said.count("CTC"), said[-2:]) == (4 * rates, rates - 1, ["EOR", "DCN"])


def test_one_frame_more_at_the_lowest_rate_is_progress() -> None:
    damage = LosesFrames([5] * 5)
    link = run((FINE,), sending=TransmitOptions(max_rate=2400), damage=damage)
    assert_delivered(link, 1)
    assert link.said(link.transmitter).count("CTC") == 1


def test_giving_up_at_once_when_asked_to() -> None:
    link = run((FINE,), sending=TransmitOptions(continue_to_correct=False), damage=LosesFrames([5] * 4))
    assert link.said(link.transmitter) == ["DCS", *["PPS"] * 4, "EOR", "DCN"]
    assert link.finished(link.transmitter).error is T30Failure.ECM_FAILED


def test_a_block_of_which_nothing_arrived_comes_again() -> None:
    link = run((FINE,), damage=LosesFrames(list(range(24))))
    assert_delivered(link, 1)


# --- training -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", DESCENDING)
def test_training_falls_back_to_a_modem_that_works(good: Modem) -> None:
    bad = set(DESCENDING[: DESCENDING.index(good)])
    link = run(damage=Bad(bad), octets=2000)
    assert_delivered(link, 2, 2000)
    assert {modem for modem, _ in link.image_modems()[len(bad) :]} == {good}
    assert link.said(link.receiver).count("FTT") == len(bad)


@pytest.mark.parametrize("ecm", [True, False])
def test_no_modem_works(ecm: bool) -> None:
    link = run(damage=Bad(set(DESCENDING)), sending=TransmitOptions(ecm=ecm))
    assert link.finished(link.transmitter).error is T30Failure.TRAINING_FAILED
    assert link.finished(link.receiver).error is T30Failure.DISCONNECTED


def test_the_rate_that_failed_is_not_tried_after_eom() -> None:
    link = run((FINE, STANDARD), damage=Bad({Modem.V17_14400}))
    assert_delivered(link, 2)
    assert link.said(link.receiver).count("FTT") == 1


# --- any losses ---------------------------------------------------------------------------------------------


@examples(push=20, full=60)
@given(
    seed=st.integers(0, 2**32),
    bursts=st.sampled_from([0.0, 0.03, 0.15]),
    control=st.sampled_from([0.0, 0.05, 0.2]),
    image=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_with_ecm_no_loss_makes_a_page_count_that_was_not_stored(
    seed: int, bursts: float, control: float, image: float
) -> None:
    noise = Noise(seed, bursts=bursts, control_frames=control, image_frames=image, training=0.1)
    link = run((FINE, FINE, STANDARD, FINE), damage=noise)
    assert_honest(link)
    assert link.finished(link.receiver)


@examples(push=20, full=60)
@given(
    seed=st.integers(0, 2**32), bursts=st.sampled_from([0.0, 0.05, 0.2]), control=st.sampled_from([0.0, 0.1])
)
def test_without_ecm_no_loss_makes_a_page_count_that_was_not_stored(
    seed: int, bursts: float, control: float
) -> None:
    noise = Noise(seed, bursts=bursts, control_frames=control, training=0.1)
    options = TransmitOptions(ecm=False)
    link = run((FINE, FINE, STANDARD, FINE), sending=options, damage=noise, octets=12_000)
    assert_honest(link, 12_000)
    assert link.finished(link.receiver)


def test_a_carrier_without_data_is_no_training_check() -> None:
    """A gateway announced V.27ter where the carrier of DCS ended."""
    link = call((FINE,))
    link.run(until=2.0)
    while link.receiver.state is not State.TCF:
        link.go_on(link.now)
    for signal in (CarrierDetected(Modem.V27TER_2400), CarrierLost(Modem.V27TER_2400)):
        link.receiver.receive(signal, link.now)
    link.go_on()
    assert_delivered(link, 1)
    assert link.said(link.receiver) == ["DIS", "CFR", "MCF"]
