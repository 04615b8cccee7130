"""Rows whose work is that something is not said, or not said too early: what would follow without them.

Such a row can be lost without a scenario of the other tables ending differently.
"""

from __future__ import annotations

from t38fsp.t30.capabilities import capabilities_of
from t38fsp.t30.dcs_choice import choose_mode
from t38fsp.t30.frames import FCF, Frame, PartialPageSignal, image_frame
from t38fsp.t30.options import ReceiveOptions, T30Timers, TransmitOptions
from t38fsp.t30.outputs import PageOutcome, SendBurst
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    Modem,
)
from tests.t30.alone import (
    DCS_ECM,
    Alone,
    at_once,
    hears,
    hears_block,
    hears_nothing,
    hears_training,
    partial_page,
    poller,
    receiver,
    said,
    transmitter,
    waits,
)
from tests.t30.calls import FINE

DIS = bytes.fromhex("00771f22")
DIS_WITH_DOCUMENT = bytes.fromhex("00f71f22")
DCS = hears(FCF.DCS, DCS_ECM, x=True)
TO_BLOCK = [DCS, hears_training()]
MODEM = Modem.V17_14400


def pps(following: FCF | None, frames: int, *, block: int = 0) -> Frame:
    return Frame(FCF.PPS, PartialPageSignal(following, 0, block, frames).to_fif(x=True), x=True)


def late_training(alone: Alone) -> None:
    """TCF whose octets come after T2, longer after it than a carrier holds that timer."""
    alone.machine.receive(CarrierDetected(MODEM), alone.now)
    for _ in range(4):
        alone.wait(T30Timers().silent_carrier - 5.0)
        alone.machine.receive(DataReceived(MODEM, b"\0"), alone.now)
    alone.machine.receive(DataReceived(MODEM, bytes(2700)), alone.now)
    alone.machine.receive(CarrierLost(MODEM), alone.now)


def next_block(alone: Alone) -> None:
    """A frame that cannot be one of the block before."""
    alone.hear_image(MODEM, [FrameReceived(MODEM, image_frame(0, b"\x55" * 256), good=True)])


def test_t2_does_not_run_out_in_the_training_check() -> None:
    assert receiver([DCS]).do([late_training]) == said("CFR")


def test_one_ppr_answers_a_pps_that_was_sent_twice() -> None:
    alone = receiver([*TO_BLOCK, hears_block(0)])
    assert alone.do([at_once(pps(FCF.EOP, 2), pps(FCF.EOP, 2))]) == said("PPR")
    # So there is none too many, whose answer would cross ours to the PPS that follows.
    assert alone.do([hears_block(1), partial_page(FCF.EOP)]) == said("MCF")
    assert alone.do([hears_block(1), partial_page(FCF.EOP)]) == said("MCF")


def test_t2_runs_from_an_outdated_pps() -> None:
    to_second_block = [hears_block(0, 1), partial_page(None), next_block, partial_page(None, block=1)]
    alone = receiver([*TO_BLOCK, *to_second_block])
    patience = T30Timers().last_command
    assert alone.do([waits(patience - 2.0), partial_page(None), waits(patience - 1.0)]) == said()
    assert alone.do([waits(2.0)]) == said("DCN", "END NO_COMMAND")


def test_one_dtc_answers_a_dis_that_was_sent_twice() -> None:
    dis = Frame(FCF.DIS, DIS_WITH_DOCUMENT)
    crossing = [at_once(dis, dis)]
    assert poller().do(crossing) == said("DTC")
    # It was one try of three.
    assert poller(crossing).do([hears_nothing] * 2) == said("DTC")
    assert poller(crossing).do([hears_nothing] * 3) == said("DCN", "END NO_ANSWER_TO_DTC")


# --- lines that no scenario misses --------------------------------------------------------------------------


def test_a_far_end_that_may_be_another_is_answered_at_the_pace_of_modems() -> None:
    """Even where the one that agreed on none comes without a preamble."""
    choice = choose_mode(
        capabilities_of(ReceiveOptions(internet_aware=True)),
        FINE,
        TransmitOptions(internet_aware=True),
        MODEM,
    )
    dcs = Frame(FCF.DCS, choice.fif, x=True)
    for moves, at_modem_pace in ((False, False), (True, True)):
        alone = receiver([at_once(dcs)], internet_aware=True)
        if moves:
            alone.machine.leave_internet_aware_mode(alone.now)
        alone.outputs.clear()
        alone.do([at_once(pps(FCF.EOP, 1))])
        bursts = [output.burst for output in alone.outputs if isinstance(output, SendBurst)]
        assert [burst.modem_paced for burst in bursts if isinstance(burst, HdlcBurst)] == [at_modem_pace]


def test_a_page_took_until_the_line_dropped() -> None:
    alone = transmitter(ecm=False, events=[hears(FCF.DIS, DIS), hears(FCF.CFR)])
    alone.wait(2.0)
    until = alone.now
    alone.machine.line_dropped(until)
    alone.take()
    (page,) = (output for output in alone.outputs if isinstance(output, PageOutcome))
    # A second for the page and one for MPS, then two of silence.
    assert page.seconds == 4.0
