"""The receiver, from our DIS to the DCN of the far end (T.30 figure 5-2; with ECM figure A.8).

It answers a call, or it polls: the two differ only in phase B. A command that repeats the previous one, with
no image in between, means that our response was lost, which is then retransmitted. With ECM a repetition is
recognised by the counters of PPS (``t38fsp.t30.incoming_blocks``). ``t38fsp.t30.table`` defines how a table
is read; ``docs/t30.md`` has the same table as a page, with diagrams.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from t38fsp.t30.frames import FCF, PLAIN_COMMANDS
from t38fsp.t30.half_duplex import Timer
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.table import HEARD, Event, Input, Row, Table, after_burst, dcn, row, silent


class State(Enum):
    """The states of the receiver; the value is what it waits for."""

    IDLE = "the start"
    WAIT_DIS = "DIS"
    """Only of a caller that polls."""
    R = "DCS"
    TCF = "the training check"
    C_WAIT = "the image"
    STORE = "the page to be stored"
    BUSY = "RR, or the command again"
    AFTER_EOM = "the end of the silence after EOM"
    WAIT_DCN = "DCN"
    DISCONNECT = "the end of our DCN"
    END = "nothing"
    # steps
    CHECK_DIS = "a DIS was read"
    CHECK_DIS_AGAIN = "a DIS was read after our DTC"
    SEND_DIS = "DIS is due"
    SEND_DTC = "DTC is due"
    CHECK_DTC = "a DTC was read"
    CHECK_DCS = "a DCS was read"
    TCF_OVER = "the training check is over"
    POST_NON = "a command came after a page without ECM"
    POST_ECM = "a PPS was read"
    BLOCK_GIVEN_UP = "an EOR was read"
    PAGE_OVER = "the page is complete"
    ANSWER_PAGE = "the page was stored or refused"

    __hash__ = object.__hash__  # in C; looked up for every packet


S = State
_ANY = (S.IDLE, S.WAIT_DIS, S.R, S.TCF, S.C_WAIT, S.STORE, S.BUSY, S.AFTER_EOM, S.WAIT_DCN)
"""Before the end."""
_STARTED = _ANY[1:]
_UNCONFIRMED = _ANY[:-1]
_AFTER_CFR = (S.C_WAIT, S.AFTER_EOM, S.WAIT_DCN)
_POST_MESSAGE = (FCF.MPS, FCF.EOM, FCF.EOP, *PLAIN_COMMANDS)


def _repeats(
    states: Enum | Iterable[Enum], inputs: Input | Iterable[Input], guard: str, action: str, clause: str
) -> tuple[Row, Row]:
    """The answer again; a bound keeps two confused ends from going on for ever."""
    also = f"{guard} and " if guard else ""
    endless = dcn(T30Failure.PROTOCOL, "the far end never took our answer")
    return (
        row(states, inputs, f"{also}answer.repeated_too_often", "", endless, "a bound"),
        row(states, inputs, guard, action, None, clause),
    )


# fmt: off
_ANSWERING = (
    # 5.3.6.1.1 identification by the called end
    row(S.IDLE, Event.START, "",
        "phase_b.answer_call, phase_b.begin_identification", S.SEND_DIS, "5.3.6.1.1"),
    row(S.SEND_DIS, Event.AT_ONCE, "", "phase_b.send_dis", S.R, "5.3.6.1.1"),
    # T4 after a DIS, T2 after FTT, RTN or RTP
    row(S.R, (Timer.T4, Timer.T2), "", "", S.SEND_DIS, "5.4.3.1"),
    row(S.R, FCF.DIS, "", "phase_b.note_dis", None, "an echo, or two receivers"),
    row(S.AFTER_EOM, Timer.T2, "", "phase_b.begin_identification", S.SEND_DIS, "5.3.6.1.6"),
    # 5.3.6.1.2 a caller that polls
    row(S.R, FCF.DTC, "polls.dtc_valid", "polls.read_dtc", S.CHECK_DTC, "5.3.6.1.2"),
    row(S.CHECK_DTC, Event.AT_ONCE, "not polls.offered", "",
        dcn(T30Failure.PROTOCOL, "it wants to poll a document (DTC), and none is offered"), "5.3.6.1.2"),
    # FNV only where the DTC allows it (bit 33)
    row(S.CHECK_DTC, Event.AT_ONCE, "polls.wrong and polls.may_refuse", "polls.send_fnv", S.R, "5.3.6.1.8"),
    row(S.CHECK_DTC, Event.AT_ONCE, "polls.wrong", "",
        dcn(T30Failure.FIELD_REFUSED, detail_from="polls.refusal"), "5.3.6.1.8"),
    row(S.CHECK_DTC, Event.AT_ONCE, "", "polls.hand_over, conclude", S.END, "5.3.6.1.2"),
    row(S.R, FCF.DCN, "polls.refused", "",
        silent(T30Failure.FIELD_REFUSED, detail_from="polls.refusal"), "5.3.6.1.8"),
    # ours may come back as an echo
    row(S.R, FCF.FNV, "not polls.refused", "",
        dcn(T30Failure.FIELD_REFUSED, detail_from="phase_b.refusal"), "5.3.6.1.8"),
)

_POLLING = (
    # 5.3.6.1.2 identification by a caller that polls
    row(S.IDLE, Event.START, "", "polls.call, phase_b.begin_identification", S.WAIT_DIS, "5.3.6.1.1"),
    row(S.WAIT_DIS, FCF.DIS, "polls.dis_valid", "polls.read_dis", S.CHECK_DIS, "5.3.6.1.1"),
    row(S.WAIT_DIS, Timer.T1, "line.far_end_spoke", "", dcn(T30Failure.NO_FAX), "5.4.3.1"),
    row(S.WAIT_DIS, Timer.T1, "", "", silent(T30Failure.NO_FAX), "5.4.3.1"),
    row(S.R, FCF.DIS, "polls.dis_valid", "polls.read_dis", S.CHECK_DIS_AGAIN, "5.4.2"),
    row((S.CHECK_DIS, S.CHECK_DIS_AGAIN), Event.AT_ONCE, "not polls.has_document", "",
        dcn(T30Failure.NO_DOCUMENT), "table 2, bit 9"),
    row(S.CHECK_DIS, Event.AT_ONCE, "", "phase_b.begin_identification", S.SEND_DTC, "5.3.6.1.2"),
    row(S.CHECK_DIS_AGAIN, Event.AT_ONCE, "line.sending", "", None, "the DTC crosses it"),
    row(S.CHECK_DIS_AGAIN, Event.AT_ONCE, "", "", S.SEND_DTC, "5.4.2"),
    row(S.SEND_DTC, Event.AT_ONCE, "polls.tries_left", "polls.send_dtc", S.R, "5.3.6.1.2"),
    row(S.SEND_DTC, Event.AT_ONCE, "", "", dcn(T30Failure.NO_ANSWER_TO_DTC), "5.4.2"),
    # T4 after a DTC, T2 after FTT, RTN or RTP; DTC is a command, and goes out three times
    row(S.R, (Timer.T4, Timer.T2), "", "", S.SEND_DTC, "5.4.2"),
    row(S.AFTER_EOM, Timer.T2, "", "phase_b.begin_identification", S.SEND_DTC, "5.3.6.1.6"),
    row(S.R, FCF.FNV, "", "", dcn(T30Failure.FIELD_REFUSED, detail_from="phase_b.refusal"), "5.3.6.1.8"),
)

_PHASE_B = (
    # 5.3.6.1.3 DCS restarts phase B from any state: our CFR, or everything since, was lost
    row(_STARTED, FCF.DCS, "phase_b.dcs_valid", "phase_b.read_dcs", S.CHECK_DCS, "5.3.6.1.3"),
    row(S.CHECK_DCS, Event.AT_ONCE, "not phase_b.acceptable", "",
        dcn(T30Failure.INCOMPATIBLE, "its DCS asks for what our DIS does not offer"), "5.3.6.1.3"),
    row(S.CHECK_DCS, Event.AT_ONCE, "phase_b.negotiated_too_often", "",
        dcn(T30Failure.PROTOCOL, "too many DCS and CTC for one page"), "a bound"),
    row(S.CHECK_DCS, Event.AT_ONCE, "phase_b.no_modem",
        "phase_b.take_dcs, ecm.begin_page, phase_b.send_cfr", S.C_WAIT, "table 2, bit 123"),
    row(S.CHECK_DCS, Event.AT_ONCE, "",
        "phase_b.take_dcs, ecm.begin_page, answer.await_training", S.TCF, "5.3.6.1.3"),
    # 5.3.6.1.4 the training check
    row(S.TCF, Event.IMAGE_OCTETS, "", "phase_b.check_training", None, "5.3.6.1.4"),
    row(S.TCF, Event.IMAGE_OVER, "phase_b.training_heard", "answer.note_image", S.TCF_OVER, "5.3.6.1.4"),
    # Some gateways announce an image carrier without data at the end of V.21: TCF may still follow.
    row(S.TCF, Event.IMAGE_OVER, "", "answer.note_image, answer.await_training", None, "5.3.6.1.4"),
    row(S.TCF, Timer.T2, "", "", S.TCF_OVER, "5.4.3.1"),
    row(S.TCF_OVER, Event.AT_ONCE, "phase_b.training_passed", "phase_b.send_cfr", S.C_WAIT, "5.3.6.1.4"),
    row(S.TCF_OVER, Event.AT_ONCE, "phase_b.trained_too_often", "",
        dcn(T30Failure.TRAINING_FAILED), "a bound"),
    row(S.TCF_OVER, Event.AT_ONCE, "", "phase_b.send_ftt", S.R, "5.3.6.1.4"),
    row(S.R, Timer.T1, "", "",
        dcn(T30Failure.NO_COMMAND, detail_from="phase_b.two_receivers", response="T2"), "5.4.3.1"),
    # 5.3.6.1.8 a transmitter that is not ready
    row((S.R, S.C_WAIT), FCF.TNR, "", "answer.send_tr", None, "5.3.6.1.8"),
    row((S.R, S.C_WAIT), Timer.T5, "", "",
        dcn(T30Failure.NO_COMMAND, "it was not ready to send (TNR) within T5"), "5.3.6.1.8"),
    *_repeats(S.R, FCF.CRP, "", "answer.repeat", "5.3.6.1.8"),
    # An image where DCS was due: the far end has missed, or misread, RTN, RTP or FTT.
    row(S.R, Event.IMAGE_OVER, "", "answer.note_image", None, "it may not have trained"),
    *_repeats(S.R, _POST_MESSAGE, "answer.is_repetition", "answer.note_repetition, answer.repeat", "5.4.2"),
    row(S.R, _POST_MESSAGE, "answer.untrained_image", "pages.send_rtn", None, "5.3.6.1.7"),
)

_PAGE = (
    # phase C
    row(S.C_WAIT, Event.IMAGE_OCTETS, "not phase_b.ecm", "pages.take_octets", None, "5.3.6.1.5"),
    row(S.C_WAIT, Event.IMAGE_FRAME, "phase_b.ecm", "ecm.take_frame", None, "A.3"),
    row((S.TCF, S.C_WAIT), Event.IMAGE_BEGINS, "", "answer.image_begins", None, "5.4.3.1"),
    row(S.C_WAIT, Event.IMAGE_OVER, "",
        "answer.note_image, pages.note_end, answer.await_late_command", None, "5.4.3.1"),
    # 5.3.6.1.6 phase D without ECM
    row(S.C_WAIT, _POST_MESSAGE, "not phase_b.ecm", "", S.POST_NON, "5.3.6.1.6"),
    # After an image it ends a page; without one it repeats the previous command, or its page was lost
    # entirely.
    row(S.POST_NON, Event.AT_ONCE, "pages.begun",
        "answer.note_command, pages.note_following", S.PAGE_OVER, "5.3.6.1.6"),
    *_repeats(S.POST_NON, Event.AT_ONCE, "answer.is_repetition and answer.came_in_time",
              "answer.note_repetition, answer.repeat", "5.4.2"),
    row(S.POST_NON, Event.AT_ONCE, "", "answer.note_command, pages.send_rtn", S.R, "5.3.6.1.7"),
    *_repeats((S.AFTER_EOM, S.WAIT_DCN), _POST_MESSAGE, "answer.is_repetition",
              "answer.note_repetition, ecm.repeat_answer", "5.4.2"),
    # storage of the page; a page that is not stored must not be confirmed
    row(S.PAGE_OVER, Event.AT_ONCE, "pages.store_full", "",
        dcn(T30Failure.PAGE_NOT_STORED, "pages come faster than they can be stored"), "a bound"),
    row(S.PAGE_OVER, Event.AT_ONCE, "", "pages.store", S.STORE, "5.3.6.1.7"),
    row(S.STORE, Event.STORED, "", "pages.judge", S.ANSWER_PAGE, "5.3.6.1.7"),
    row(S.STORE, Timer.STORE, "phase_b.ecm", "pages.wait_for_store, pages.send_rnr", S.BUSY, "A.5.4.1"),
    # Without ECM there is no RNR: silence makes the transmitter repeat its command.
    row(S.STORE, Timer.STORE, "", "pages.wait_for_store, answer.await_late_command", S.BUSY, "5.4.2"),
    # Without ECM a late response is sent unasked, unless the far end may be repeating its command already.
    row(S.BUSY, Event.STORED, "not phase_b.ecm and answer.in_time", "pages.judge", S.ANSWER_PAGE, "5.4.2"),
    row(S.BUSY, Event.STORED, "", "pages.judge", None, "A.5.4.1"),
    row(S.BUSY, (FCF.RR, FCF.PPS, FCF.CRP, *_POST_MESSAGE), "pages.judged",
        "answer.note_repetition", S.ANSWER_PAGE, "A.5.4.1"),
    row(S.BUSY, (FCF.RR, FCF.PPS, FCF.CRP, *_POST_MESSAGE), "phase_b.ecm",
        "answer.note_repetition, pages.send_rnr", None, "A.5.4.1"),
    row(S.BUSY, (FCF.RR, FCF.PPS, FCF.CRP, *_POST_MESSAGE), "",
        "answer.note_repetition, answer.await_late_command", None, "5.4.2"),
    row(S.BUSY, Timer.T5, "", "",
        dcn(T30Failure.PAGE_NOT_STORED, "storing it took longer than the far end waits", response="RNR"),
        "A.5.4.1"),
    row(S.ANSWER_PAGE, Event.AT_ONCE, "pages.bad", "pages.refuse", S.R, "5.3.6.1.7"),
    row(S.ANSWER_PAGE, Event.AT_ONCE, "pages.last", "pages.confirm, pages.answer", S.WAIT_DCN, "5.3.6.1.7"),
    row(S.ANSWER_PAGE, Event.AT_ONCE, "pages.mode_changes",
        "pages.confirm, pages.answer_before_dis", S.AFTER_EOM, "5.3.6.1.7"),
    # RTP asks for training only where another page of the same mode follows.
    row(S.ANSWER_PAGE, Event.AT_ONCE, "pages.poor",
        "pages.confirm, pages.answer_before_dcs", S.R, "5.3.6.1.7"),
    row(S.ANSWER_PAGE, Event.AT_ONCE, "", "pages.confirm, pages.answer", S.C_WAIT, "5.3.6.1.7"),
)

_BLOCKS = (
    # A.4.3 PPS
    row(_AFTER_CFR, FCF.PPS, "phase_b.ecm and ecm.pps_valid", "ecm.read_pps", S.POST_ECM, "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.incomplete and ecm.request_on_its_way",
        "ecm.keep_request", None, "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.incomplete", "ecm.send_ppr", S.C_WAIT, "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.complete and ecm.page_goes_on",
        "ecm.take_block, ecm.confirm_block", S.C_WAIT, "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.complete", "ecm.take_block", S.PAGE_OVER, "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.skipped", "", dcn(
        T30Failure.PROTOCOL,
        "it continued although a block was incomplete, or its counters (PPS) did not advance",
    ), "A.4.3"),
    row(S.POST_ECM, Event.AT_ONCE, "ecm.repeated and ecm.answer_on_its_way",
        "ecm.forget_empty_page, ecm.count_request, ecm.wait_on", None, "A.4.3"),
    *_repeats(S.POST_ECM, Event.AT_ONCE, "ecm.repeated",
              "ecm.forget_empty_page, ecm.repeat_answer", "A.4.3"),
    # for the last taken block, but the next one has begun: no response is expected
    row(S.POST_ECM, Event.AT_ONCE, "", "ecm.wait_on", None, "A.4.3"),
    # A.4.3 EOR: the transmitter gave up on the block; it continues after ERR
    *_repeats(_AFTER_CFR, FCF.EOR, "phase_b.ecm and ecm.eor_repeated", "ecm.repeat_answer", "5.4.2"),
    row(_AFTER_CFR, FCF.EOR, "phase_b.ecm and ecm.eor_valid", "ecm.give_up_block", S.BLOCK_GIVEN_UP, "A.4.3"),
    # The page is never confirmed then, and the fax ends as ECM_FAILED even if DCN comes instead.
    row(S.BLOCK_GIVEN_UP, Event.AT_ONCE, "ecm.page_goes_on", "ecm.send_err", S.C_WAIT, "A.4.3"),
    row(S.BLOCK_GIVEN_UP, Event.AT_ONCE, "pages.begun and pages.store_full", "",
        dcn(T30Failure.PAGE_NOT_STORED, "pages come faster than they can be stored"), "a bound"),
    row(S.BLOCK_GIVEN_UP, Event.AT_ONCE, "pages.last", "pages.give_up, ecm.send_err", S.WAIT_DCN, "A.4.3"),
    row(S.BLOCK_GIVEN_UP, Event.AT_ONCE, "pages.mode_changes",
        "pages.give_up, ecm.send_err_before_dis", S.AFTER_EOM, "A.4.3"),
    row(S.BLOCK_GIVEN_UP, Event.AT_ONCE, "", "pages.give_up, ecm.send_err", S.C_WAIT, "A.4.3"),
    # A.4.3 CTC
    row(S.C_WAIT, FCF.CTC, "phase_b.ecm and phase_b.ctc_valid and phase_b.negotiated_too_often", "",
        dcn(T30Failure.PROTOCOL, "too many DCS and CTC for one page"), "a bound"),
    row(S.C_WAIT, FCF.CTC, "phase_b.ecm and phase_b.ctc_valid",
        "phase_b.send_ctr, ecm.count_ctr", None, "A.4.3"),
    # A.5.4.1 RR, 5.3.6.1.8 CRP
    *_repeats(_AFTER_CFR, (FCF.RR, FCF.CRP), "", "ecm.repeat_answer", "A.5.4.1"),
)

_WAITS = (
    # 5.4.3.1 from the end of our answer to the next command
    row(S.TCF, Event.SENT, "not answer.image_carrier and not answer.asks_for_command",
        "answer.await_training", None, "5.4.3.1"),
    # If the image began before our response was over, the carrier timers watch it instead.
    row(S.C_WAIT, Event.SENT, "not answer.image_carrier", "answer.await_command", None, "5.4.3.1"),
    row((S.R, S.BUSY, S.AFTER_EOM, S.WAIT_DCN), Event.SENT, "", "answer.await_command", None, "5.4.3.1"),
    row(S.AFTER_EOM, Event.UNREADABLE, "", "answer.await_command", None, "EOM will come again"),
    row((S.C_WAIT, S.BUSY), Timer.T2, "", "",
        dcn(T30Failure.NO_COMMAND, detail_from="phase_b.two_receivers", response="T2"), "5.4.3.1"),
    row(_ANY, Timer.STALL, "", "", dcn(T30Failure.NO_COMMAND, detail_from="phase_b.stalled"), "a bound"),
)

_ENDINGS = (
    # Every page is confirmed in WAIT_DCN: without DCN it was lost, or not sent.
    row(S.WAIT_DCN, (FCF.DCN, Timer.T2, Event.LINE_DROPPED), "", "", silent(None), "5.3.6.1.8"),
    # Finish the response that confirms the last page.
    row(S.WAIT_DCN, Event.ABORT, "line.sending", "", after_burst(None), "5.3.6.1.8"),
    row(S.WAIT_DCN, Event.ABORT, "", "", silent(None), "5.3.6.1.8"),
    row(_UNCONFIRMED, FCF.DCN, "", "", silent(T30Failure.DISCONNECTED, response=HEARD), "5.3.6.1.8"),
    row(_ANY, Timer.CARRIER, "", "", dcn(T30Failure.CARRIER_STUCK), "5.4.3.1"),
    row(_ANY, Event.NOT_STORED, "", "",
        dcn(T30Failure.PAGE_NOT_STORED, detail_from="pages.store_error"), "5.3.6.1.7"),
    row(_UNCONFIRMED, Event.ABORT, "line.far_end_spoke", "",
        dcn(T30Failure.ABORTED, response="abort"), "5.3.6.1.8"),
    row(_UNCONFIRMED, Event.ABORT, "", "", silent(T30Failure.ABORTED, response="abort"), "no far end"),
    row(_UNCONFIRMED, Event.LINE_DROPPED, "", "",
        silent(T30Failure.LINE_DROPPED, response="no line"), "5.3.6.1.8"),
    row(S.DISCONNECT, (Event.SENT, Timer.DISCONNECT, Event.LINE_DROPPED), "", "conclude", S.END, "5.3.6.1.8"),
)
# fmt: on


def _table(*phase_b: Row) -> Table:
    return Table(
        rows=(*phase_b, *_PHASE_B, *_PAGE, *_BLOCKS, *_WAITS, *_ENDINGS),
        start=S.IDLE,
        disconnect=S.DISCONNECT,
        end=S.END,
        reported_as={S.PAGE_OVER: S.STORE},
    )


RECEIVE_TABLE = _table(*_ANSWERING)
POLL_TABLE = _table(*_POLLING)
