"""How calls end: aborts and lost lines at every moment, DCN, silence, and far ends that are no receivers."""

from __future__ import annotations

import pytest

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs_choice import choose_mode
from t38fsp.t30.frames import FCF, Frame, encode_station_id
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.options import ReceiveOptions, T30Timers, TransmitOptions
from t38fsp.t30.outputs import (
    FarEndIdentified,
    PageWanted,
    RevokeBurst,
    SendBurst,
    SessionFinished,
    T30Failure,
)
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    Coding,
    FrameReceived,
    HdlcBurst,
    Modem,
    RawBurst,
    Tone,
    ToneBurst,
)
from tests.t30.calls import FINE, STANDARD, assert_delivered, call, coded
from tests.t30.link import Link, Sender

MOMENTS = [step * 0.7 for step in range(70)]
ORDINARY_DIS = bytes.fromhex("00771f22")


def hear(machine: T30Machine, now: float, *frames: Frame) -> None:
    """One V.21 burst of the far end, all at one instant."""
    machine.receive(CarrierDetected(Modem.V21), now)
    for frame in frames:
        machine.receive(FrameReceived(Modem.V21, bytes(frame), good=True), now)
    machine.receive(CarrierLost(Modem.V21), now)


def finished(machine: T30Machine) -> SessionFinished | None:
    return next((output for output in machine.take_outputs() if isinstance(output, SessionFinished)), None)


# --- abort and lost lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("whose", ["transmitter", "receiver"])
def test_abort_at_any_moment_ends_within_three_seconds(whose: str, ecm: bool) -> None:
    seen = set()
    for moment in MOMENTS:
        link = call((FINE, STANDARD), sending=TransmitOptions(ecm=ecm))
        machine = getattr(link, whose)
        link.run(until=moment)
        before = link.of(machine, SessionFinished)
        machine.abort(link.now)
        since = link.now
        link.go_on()
        result = link.finished(machine)
        seen.add(result.error)
        assert link.finished_at[machine] <= since + 3.0
        if result.error is None:
            assert result.pages_confirmed == 2
        else:
            assert result.error is T30Failure.ABORTED
            assert not before
        assert link.said(machine).count("DCN") <= 1
        assert link.finished(link.receiver if whose == "transmitter" else link.transmitter)
    assert seen == {None, T30Failure.ABORTED}


def test_abort_revokes_what_is_on_the_line_and_says_dcn() -> None:
    link = call()
    link.run(until=10.0)
    link.transmitter.abort(link.now)
    outputs = link.transmitter.take_outputs()
    assert isinstance(outputs[-2], RevokeBurst)
    burst = outputs[-1].burst
    assert [Frame.parse(frame).fcf for frame in burst.frames] == [FCF.DCN]


def test_abort_before_anything_was_heard_needs_no_dcn() -> None:
    machine = Transmitter((FINE,), TransmitOptions())
    machine.start(0.0)
    machine.abort(1.0)
    outputs = machine.take_outputs()
    assert outputs[0] == SendBurst(ToneBurst(Tone.CNG, 0.0))
    assert isinstance(outputs[-1], SessionFinished)
    assert outputs[-1].error is T30Failure.ABORTED


def test_abort_does_not_depend_on_the_line_below() -> None:
    """DCN is never reported as sent."""
    machine = Transmitter((FINE,), TransmitOptions())
    machine.start(0.0)
    hear(machine, 1.0, Frame(FCF.DIS, ORDINARY_DIS))
    machine.abort(2.0)
    deadline = machine.next_deadline()
    assert deadline is not None
    machine.handle_deadline(deadline)
    assert finished(machine) == SessionFinished(
        T30Failure.ABORTED, "waiting for permission to send, page 1 of 1"
    )


@pytest.mark.parametrize("ecm", [True, False])
def test_a_line_that_drops_at_any_moment(ecm: bool) -> None:
    for moment in MOMENTS:
        link = call((FINE, STANDARD), sending=TransmitOptions(ecm=ecm))
        link.run(until=moment)
        for machine in (link.transmitter, link.receiver):
            machine.line_dropped(link.now)
        link.go_on()
        for machine in (link.transmitter, link.receiver):
            result = link.finished(machine)
            assert (result.error is None) is (result.pages_confirmed == 2)
            assert machine.next_deadline() is None
        sent, got = (link.finished(machine).pages_confirmed for machine in (link.transmitter, link.receiver))
        assert sent <= got


def test_a_line_that_drops_after_the_last_confirmation_is_a_success() -> None:
    link = call((FINE,))
    link.run(until=0.0)
    while not link.outcomes(link.transmitter):
        link.go_on(until=link.now + 0.1)
    link.transmitter.line_dropped(link.now)
    link.receiver.line_dropped(link.now)
    link.go_on()
    assert_delivered(link, 1)


def test_a_line_that_drops_with_the_last_confirmation_is_a_success() -> None:
    """The far end hangs up before the carrier of its MCF is heard to end."""
    link = call((FINE,))
    link.run(until=0.0)
    while str(FCF.MCF) not in link.said(link.receiver):
        link.go_on(until=link.now + 0.1)
    mcf = bytes(Frame(FCF.MCF))
    for signal in (CarrierDetected(Modem.V21), FrameReceived(Modem.V21, mcf, True)):
        link.transmitter.receive(signal, link.now + 1.0)
    link.transmitter.line_dropped(link.now + 1.0)
    assert link.transmitter.take_outputs()[-1] == SessionFinished(None, pages_confirmed=1)


# --- silence ------------------------------------------------------------------------------------------------


def silent(machine: T30Machine, limit: float = 10_000.0) -> tuple[SessionFinished, float]:
    """Let time pass for a machine alone on the line; its bursts take two seconds each."""
    now = 0.0
    while now < limit:
        for output in machine.take_outputs():
            if isinstance(output, SessionFinished):
                return output, now
            if isinstance(output, SendBurst):
                now += 2.0
                machine.burst_sent(now)
        deadline = machine.next_deadline()
        if deadline is not None:
            now = max(now, deadline)
            machine.handle_deadline(now)
    raise AssertionError("still waiting")


def test_nobody_answers_the_transmitter() -> None:
    machine = Transmitter((FINE,), TransmitOptions())
    machine.start(0.0)
    machine.proceed(0.0)
    result, now = silent(machine)
    assert result == SessionFinished(T30Failure.NO_FAX, "waiting for DIS")
    assert now == pytest.approx(35.0, abs=2.1)


def test_nobody_answers_the_receiver() -> None:
    machine = Receiver(ReceiveOptions())
    machine.start(0.0)
    result, now = silent(machine)
    assert result.error is T30Failure.NO_COMMAND
    assert 30 < now < 45


def test_leave_that_never_comes() -> None:
    machine = Transmitter((FINE,), TransmitOptions(cng=False))
    machine.start(0.0)
    hear(machine, 5.0, Frame(FCF.DIS, ORDINARY_DIS))
    result, now = silent(machine)
    assert result.error is T30Failure.ABORTED
    assert now <= 40


def test_a_carrier_that_never_ends() -> None:
    machine = Transmitter((FINE,), TransmitOptions(cng=False))
    machine.start(0.0)
    machine.receive(CarrierDetected(Modem.V21), 1.0)
    result, now = silent(machine)
    assert result.error is T30Failure.CARRIER_STUCK
    assert now < 30


def test_an_image_that_goes_silent_is_over() -> None:
    link = call((FINE,))
    link.run(until=8.0)
    link.receiver.receive(CarrierDetected(Modem.V17_14400), 8.0)
    result, now = silent(link.receiver)
    assert result.error is T30Failure.NO_COMMAND
    assert now < 60


def test_timers_do_not_run_out_while_the_far_end_speaks() -> None:
    """T4 is over in the middle of a long DIS; DCS must not be repeated into it."""
    machine = Transmitter((FINE,), TransmitOptions(cng=False))
    machine.start(0.0)
    machine.proceed(0.0)
    hear(machine, 1.0, Frame(FCF.DIS, ORDINARY_DIS))
    machine.burst_sent(3.0)
    machine.burst_sent(5.0)
    machine.take_outputs()
    machine.receive(CarrierDetected(Modem.V21), 8.0)
    machine.handle_deadline(12.0)
    assert machine.take_outputs() == []
    machine.receive(CarrierLost(Modem.V21), 12.0)
    machine.handle_deadline(12.4)
    assert machine.take_outputs() == []
    machine.handle_deadline(12.6)
    assert isinstance(machine.take_outputs()[0], SendBurst)


# --- what the far end may be --------------------------------------------------------------------------------


def after_dis(*frames: Frame, options: TransmitOptions | None = None) -> Transmitter:
    machine = Transmitter((FINE,), options or TransmitOptions("+1", cng=False))
    machine.start(0.0)
    machine.proceed(0.0)
    hear(machine, 2.0, *frames)
    return machine


def test_dcs_carries_the_x_bit_and_comes_after_tsi() -> None:
    machine = after_dis(Frame(FCF.DIS, ORDINARY_DIS))
    bursts = [output.burst for output in machine.take_outputs() if isinstance(output, SendBurst)]
    assert [burst.hex()[4:6] for burst in bursts[0].frames] == ["c2", "c1"]
    assert [burst.hex()[2:4] for burst in bursts[0].frames] == ["c0", "c8"]
    machine.burst_sent(4.0)
    (tcf,) = machine.take_outputs()
    assert tcf == SendBurst(RawBurst(Modem.V17_14400, bytes(2700)))


def test_the_far_end_says_who_it_is() -> None:
    machine = after_dis(
        Frame(FCF.NSF, b"\xb5\x00\x2a", final=False),
        Frame(FCF.CSI, encode_station_id("+44 20"), final=False),
        Frame(FCF.DIS, ORDINARY_DIS),
    )
    assert FarEndIdentified("+44 20", b"\xb5\x00\x2a") in machine.take_outputs()


def test_a_far_end_that_cannot_receive() -> None:
    machine = after_dis(Frame(FCF.DIS, bytes.fromhex("00371f22")))
    machine.burst_sent(4.0)
    result = finished(machine)
    assert result is not None
    assert result.error is T30Failure.NOT_A_RECEIVER


def test_a_far_end_that_polls() -> None:
    machine = after_dis(Frame(FCF.DTC, ORDINARY_DIS))
    machine.burst_sent(4.0)
    result = finished(machine)
    assert result is not None
    assert result.error is T30Failure.NOT_A_RECEIVER
    assert "DTC" in result.detail


def test_a_far_end_without_a_coding_in_common() -> None:
    options = TransmitOptions(cng=False, codings=(Coding.MMR,))
    machine = after_dis(Frame(FCF.DIS, bytes.fromhex("00701800")), options=options)
    machine.burst_sent(4.0)
    result = finished(machine)
    assert result is not None
    assert result.error is T30Failure.INCOMPATIBLE


def test_an_answer_that_began_before_our_command_ended_does_not_count() -> None:
    machine = after_dis(Frame(FCF.DIS, ORDINARY_DIS))
    machine.receive(CarrierDetected(Modem.V21), 3.0)
    machine.burst_sent(4.0)
    machine.burst_sent(6.0)
    machine.take_outputs()
    machine.receive(FrameReceived(Modem.V21, bytes(Frame(FCF.CFR)), good=True), 6.5)
    machine.receive(CarrierLost(Modem.V21), 6.6)
    assert machine.take_outputs() == []


def test_a_frame_with_a_bad_fcs_does_not_count() -> None:
    machine = Transmitter((FINE,), TransmitOptions(cng=False))
    machine.start(0.0)
    machine.receive(CarrierDetected(Modem.V21), 1.0)
    machine.receive(FrameReceived(Modem.V21, bytes(Frame(FCF.DIS, ORDINARY_DIS)), good=False), 2.0)
    machine.receive(CarrierLost(Modem.V21), 2.1)
    assert machine.take_outputs() == []


def test_an_answer_cancels_the_repeat_that_begins_at_the_same_time() -> None:
    machine = after_dis(Frame(FCF.DIS, ORDINARY_DIS))
    machine.burst_sent(4.0)
    machine.burst_sent(6.0)
    machine.handle_deadline(9.46)
    machine.take_outputs()
    machine.receive(CarrierDetected(Modem.V21), 9.5)
    assert machine.take_outputs() == [RevokeBurst()]
    machine.receive(FrameReceived(Modem.V21, bytes(Frame(FCF.FTT)), good=True), 10.8)
    machine.receive(CarrierLost(Modem.V21), 10.9)
    (dcs,) = [output for output in machine.take_outputs() if isinstance(output, SendBurst)]
    choice = choose_mode(Capabilities.parse(ORDINARY_DIS), FINE, TransmitOptions(), Modem.V17_12000)
    assert choice is not None
    assert Frame.parse(dcs.burst.frames[-1]).fif == choice.fif


def test_crp_has_the_command_repeated_and_counts_as_a_try() -> None:
    machine = after_dis(Frame(FCF.DIS, ORDINARY_DIS))
    now = 2.0
    for _ in range(3):
        (burst,) = [output.burst for output in machine.take_outputs() if isinstance(output, SendBurst)]
        assert Frame.parse(burst.frames[-1]).fcf is FCF.DCS
        machine.burst_sent(now + 2)
        machine.burst_sent(now + 4)
        machine.take_outputs()
        now += 5
        hear(machine, now, Frame(FCF.CRP))
    (burst,) = [output.burst for output in machine.take_outputs() if isinstance(output, SendBurst)]
    assert Frame.parse(burst.frames[-1]).fcf is FCF.DCN


def test_dis_instead_of_a_confirmation_begins_the_page_anew() -> None:
    link = call((FINE, FINE))
    link.run(until=10.0)
    restarted = Receiver(ReceiveOptions("+1 555 0199"))
    link.replace_receiver(restarted)
    link.go_on()
    outcomes = link.outcomes(link.transmitter)
    assert [(outcome.index, outcome.response) for outcome in outcomes] == [(0, "DIS"), (0, "MCF"), (1, "MCF")]
    assert link.store.pages[0][:6000] == coded(0)
    assert link.finished(link.transmitter).error is None


def test_a_lower_rate_needs_another_fill_where_lines_take_their_time() -> None:
    """20 ms per line are fewer bits at 12000 bit/s; with ECM there is no fill."""
    wanted = {}
    for ecm in (True, False):
        options = TransmitOptions(cng=False, ecm=ecm)
        machine = after_dis(Frame(FCF.DIS, bytes.fromhex("00771122")), options=options)
        machine.burst_sent(4.0)
        machine.burst_sent(6.0)
        hear(machine, 7.0, Frame(FCF.FTT))
        wanted[ecm] = [output.mode for output in machine.take_outputs() if isinstance(output, PageWanted)]
    assert [(mode.bit_rate, mode.scan_line_time) for mode in wanted[True]] == [(14400, 0.0)]
    assert [(mode.bit_rate, mode.scan_line_time) for mode in wanted[False]] == [(14400, 0.02), (12000, 0.02)]


def test_the_receiver_is_polled() -> None:
    machine = Receiver(ReceiveOptions())
    machine.start(0.0, ced=False)
    machine.burst_sent(2.0)
    hear(machine, 4.0, Frame(FCF.DTC, ORDINARY_DIS))
    machine.burst_sent(6.0)
    result = finished(machine)
    assert result is not None
    assert result.error is T30Failure.PROTOCOL


def test_a_dcs_for_what_was_never_offered() -> None:
    machine = Receiver(ReceiveOptions(ecm=False))
    machine.start(0.0, ced=False)
    machine.burst_sent(2.0)
    hear(machine, 4.0, Frame(FCF.DCS, bytes.fromhex("00461f22"), x=True))
    machine.burst_sent(6.0)
    result = finished(machine)
    assert result is not None
    assert result.error is T30Failure.INCOMPATIBLE


def test_ced_goes_before_the_dis() -> None:
    machine = Receiver(ReceiveOptions("+1"))
    machine.start(0.0)
    assert machine.take_outputs() == [SendBurst(ToneBurst(Tone.CED, 3.0))]
    machine.burst_sent(3.1)
    (output,) = machine.take_outputs()
    assert isinstance(output, SendBurst)
    assert isinstance(output.burst, HdlcBurst)
    assert [Frame.parse(frame).fcf for frame in output.burst.frames] == [FCF.CSI, FCF.DIS]


def test_patience_is_a_setting() -> None:
    machine = Transmitter((FINE,), TransmitOptions(cng=False, timers=T30Timers(t1=5.0)))
    machine.start(0.0)
    assert machine.next_deadline() == 5.0


def test_a_fax_without_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one page"):
        Transmitter((), TransmitOptions())


def test_after_the_end_nothing_happens() -> None:
    link = Link(Transmitter((FINE,), TransmitOptions()), None, Sender(lambda index, mode: coded(index)))
    link.run()
    machine = link.transmitter
    machine.receive(CarrierDetected(Modem.V21), link.now)
    machine.proceed(link.now)
    machine.abort(link.now)
    machine.line_dropped(link.now)
    machine.burst_sent(link.now)
    assert machine.take_outputs() == []
    assert machine.next_deadline() is None
