"""The transmitter, from the DIS of the far end to our DCN (T.30 figure 5-2; with ECM figure A.7).

A response counts only if its carrier began after the end of our command. ``t38fsp.t30.table`` defines how a
table is read; ``docs/t30.md`` has the same table as a page, with diagrams.
"""

from __future__ import annotations

from enum import Enum

from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import Timer
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.table import HEARD, Event, Table, dcn, row, silent


class State(Enum):
    """The states of the transmitter; the value is what it waits for."""

    IDLE = "the start"
    WAIT_DIS = "DIS"
    WAIT_PROCEED = "permission to send"
    WAIT_CFR = "the response to DCS"
    WAIT_PAGE = "the page to be prepared"
    C_NON = "the end of the page"
    WAIT_PM = "the response to the post-message command"
    C_ECM = "the end of the frames"
    WAIT_PPS = "the response to PPS"
    WAIT_RR = "the end of RNR"
    WAIT_CTR = "the response to CTC"
    WAIT_ERR = "the response to EOR"
    WAIT_RR_EOR = "the end of RNR after EOR"
    DISCONNECT = "the end of DCN"
    END = "nothing"
    # steps
    CHECK_DIS = "a DIS was read"
    CHECK_DIS_AGAIN = "a DIS was read where CFR was due"
    SEND_DCS = "DCS is due"
    SEND_PAGE = "the page is due"
    AFTER_PAGE = "the page was confirmed"
    AFTER_PID = "the page was confirmed, and no further one is accepted"
    SEND_FRAMES = "frames of a block are due"
    CHECK_PPR = "a PPR was read"

    __hash__ = object.__hash__  # in C; looked up for every packet


S = State
IMAGE = (S.C_NON, S.C_ECM)
_RR = (S.WAIT_RR, S.WAIT_RR_EOR)
_AFTER_BLOCK = (S.WAIT_PPS, S.WAIT_RR)
_AFTER_IMAGE = (S.WAIT_PM, *_AFTER_BLOCK)
_ANSWER_DUE = (*_AFTER_IMAGE, S.WAIT_CTR, S.WAIT_ERR, S.WAIT_RR_EOR)
COMMANDING = (S.WAIT_CFR, *_ANSWER_DUE)
"""A command is on the line, or its response is due within T4."""
_IN_BLOCK = (S.C_ECM, *_AFTER_BLOCK, S.WAIT_CTR, S.WAIT_ERR, S.WAIT_RR_EOR)
_ANY = (S.IDLE, S.WAIT_DIS, S.WAIT_PROCEED, S.WAIT_PAGE, *IMAGE, *COMMANDING)
"""All states before the end."""
_MCF = (FCF.MCF, FCF.PIP)  # PIP and PIN also call the operator (5.3.6.1.7); a program has none
_RTN = (FCF.RTN, FCF.PIN)


# fmt: off
_PHASE_B = (
    # 5.3.6.1.1 identification
    row(S.IDLE, Event.START, "", "phase_b.call, phase_b.await_dis", S.WAIT_DIS, "5.3.6.1.1"),
    row((S.IDLE, S.WAIT_DIS, S.WAIT_PROCEED), FCF.DIS, "phase_b.dis_valid",
        "phase_b.read_dis", S.CHECK_DIS, "5.3.6.1.1"),
    row(S.WAIT_DIS, FCF.DTC, "",
        "", dcn(T30Failure.NOT_A_RECEIVER, "the far end wants to poll a document (DTC)"), "5.3.6.1.2"),
    # T1 runs out: a DIS came and was not repeated; or a carrier came, but no DIS; or nothing at all.
    row(S.WAIT_DIS, Timer.T1, "phase_b.dis_heard", "", dcn(T30Failure.PROTOCOL), "5.4.3.1"),
    row(S.WAIT_DIS, Timer.T1, "line.far_end_spoke", "", dcn(T30Failure.NO_FAX), "5.4.3.1"),
    row(S.WAIT_DIS, Timer.T1, "", "", silent(T30Failure.NO_FAX), "5.4.3.1"),
    row(S.WAIT_DIS, Timer.DIS_REPEAT, "", "", S.SEND_DCS, "it is not repeated"),
    # A DIS comes every 3 s or so; DCS just before its repetition would be lost on a half-duplex line.
    row(S.WAIT_PROCEED, Event.PROCEED, "phase_b.dis_is_fresh", "", S.SEND_DCS, "5.3.6.1.3"),
    row(S.WAIT_PROCEED, Event.PROCEED, "",
        "phase_b.await_repeated_dis", S.WAIT_DIS, "DCS may collide with a DIS"),
    row(S.WAIT_PROCEED, Timer.T1, "", "", dcn(T30Failure.ABORTED), "5.4.3.1"),
    row((S.CHECK_DIS, S.CHECK_DIS_AGAIN), Event.AT_ONCE, "not phase_b.receives",
        "", dcn(T30Failure.NOT_A_RECEIVER), "table 2, bit 10"),
    row((S.CHECK_DIS, S.CHECK_DIS_AGAIN), Event.AT_ONCE, "not pages.acceptable",
        "", dcn(T30Failure.INCOMPATIBLE), "table 2"),
    row(S.CHECK_DIS, Event.AT_ONCE, "phase_b.may_send", "", S.SEND_DCS, "5.3.6.1.3"),
    row(S.CHECK_DIS, Event.AT_ONCE, "", "pages.prepare_first", S.WAIT_PROCEED, "5.3.6.1.3"),
    # 5.3.6.1.3 DCS, 5.3.6.1.4 its answer
    row(S.SEND_DCS, Event.AT_ONCE, "", "pages.choose, phase_b.send_dcs", S.WAIT_CFR, "5.3.6.1.3"),
    # Without a modem: whatever takes as long as a modem needs may have met one, so train after all.
    row(S.WAIT_CFR, FCF.CFR, "phase_b.answered_like_a_modem",
        "phase_b.leave_slow", S.SEND_DCS, "table 2, bit 123"),
    row(S.WAIT_CFR, FCF.CFR, "phase_b.outpaces", "", S.SEND_DCS, "table 2, bit 123"),
    row(S.WAIT_CFR, FCF.CFR, "", "phase_b.trained", S.SEND_PAGE, "5.3.6.1.4"),
    row(S.WAIT_CFR, FCF.FTT, "phase_b.internet_aware",
        "phase_b.leave_untrained", S.SEND_DCS, "table 2, bit 123"),
    row(S.WAIT_CFR, FCF.FTT, "phase_b.rate_left", "phase_b.step_down", S.SEND_DCS, "5.3.6.1.4"),
    row(S.WAIT_CFR, FCF.FTT, "", "", dcn(T30Failure.TRAINING_FAILED), "5.3.6.1.4"),
    # The DCS was missed; the DIS may have changed. It counts as a try of the same command.
    row(S.WAIT_CFR, FCF.DIS, "phase_b.dis_valid", "phase_b.read_dis", S.CHECK_DIS_AGAIN, "5.4.2"),
    row(S.CHECK_DIS_AGAIN, Event.AT_ONCE, "not command.tries_left",
        "phase_b.leave_unheard", dcn(T30Failure.NO_ANSWER_TO_DCS, response="T4"), "5.4.2"),
    row(S.CHECK_DIS_AGAIN, Event.AT_ONCE, "pages.dcs_unchanged", "command.repeat", S.WAIT_CFR, "5.4.2"),
    row(S.CHECK_DIS_AGAIN, Event.AT_ONCE, "", "phase_b.leave_unheard, command.count_on", S.SEND_DCS, "5.4.2"),
    row(S.WAIT_CFR, Timer.T4, "not line.at_modem_pace",
        "phase_b.leave_unanswered", S.SEND_DCS, "table 2, bit 123"),
    row(S.WAIT_CFR, Timer.T4, "command.tries_left", "command.repeat", None, "5.4.2"),
    row(S.WAIT_CFR, FCF.CRP, "command.tries_left", "command.repeat", None, "5.3.6.1.8"),
    row(S.WAIT_CFR, (Timer.T4, FCF.CRP), "", "", dcn(T30Failure.NO_ANSWER_TO_DCS, response="T4"), "5.4.2"),
    # Without the sub-address or the identity the fax might go to the wrong person.
    row(S.WAIT_CFR, FCF.FNV, "",
        "", dcn(T30Failure.FIELD_REFUSED, detail_from="phase_b.refusal", response=HEARD), "5.3.6.1.8"),
)

_PAGE = (
    # phase C, and phase D without ECM
    row((S.SEND_PAGE, S.AFTER_PAGE), Event.AT_ONCE, "pages.failed",
        "", dcn(T30Failure.PAGE_UNAVAILABLE, detail_from="pages.error"), "5.3.6.1.5"),
    row(S.SEND_PAGE, Event.AT_ONCE, "pages.ready and pages.ecm",
        "pages.begin, pages.prepare_next, ecm.first_block", S.SEND_FRAMES, "5.3.6.1.5"),
    row(S.SEND_PAGE, Event.AT_ONCE, "pages.ready",
        "pages.begin, pages.send, pages.prepare_next", S.C_NON, "5.3.6.1.5"),
    row(S.SEND_PAGE, Event.AT_ONCE, "", "pages.await_page", S.WAIT_PAGE, "5.3.6.1.5"),
    row(S.WAIT_PAGE, (Event.PAGE_READY, Event.PAGE_FAILED), "", "", S.SEND_PAGE, "5.3.6.1.5"),
    row(S.WAIT_PAGE, Timer.PAGE, "", "", dcn(T30Failure.PAGE_LATE), "5.3.6.1.5"),
    row(S.WAIT_PAGE, FCF.TR, "", "phase_b.send_tnr", None, "5.3.6.1.8"),
    row(S.C_NON, Event.SENT, "", "pages.send_post_message", S.WAIT_PM, "5.3.6.1.6"),
    row(S.WAIT_PM, _MCF, "", "pages.confirm", S.AFTER_PAGE, "5.3.6.1.7"),
    # RTP confirms the page as MCF does; only the next one begins with training.
    row(S.WAIT_PM, FCF.RTP, "", "pages.confirm, phase_b.train_next", S.AFTER_PAGE, "5.3.6.1.7"),
    row((S.AFTER_PAGE, S.AFTER_PID), Event.AT_ONCE, "pages.last", "", dcn(None), "5.3.6.1.8"),
    # PID confirms the page, but no further one can be received without the far end's operator: so DCN.
    # Name and code of PID are those of spandsp and Wireshark; no text of the clause was at hand to check its
    # meaning. HylaFAX and spandsp never send it.
    row(S.WAIT_PM, FCF.PID, "", "pages.confirm", S.AFTER_PID, "5.3.6.1.7"),
    row(S.AFTER_PID, Event.AT_ONCE, "", "", dcn(T30Failure.RECEIVER_STOPPED), "5.3.6.1.7"),
    # After EOM the receiver waits for T2, then sends DIS.
    row(S.AFTER_PAGE, Event.AT_ONCE, "pages.mode_changes", "phase_b.await_dis", S.WAIT_DIS, "5.3.6.1.6"),
    row(S.AFTER_PAGE, Event.AT_ONCE, "phase_b.must_train", "", S.SEND_DCS, "5.3.6.1.7"),
    row(S.AFTER_PAGE, Event.AT_ONCE, "", "pages.choose_alike", S.SEND_PAGE, "5.3.6.1.6"),
    # T.30 does not require a refused page to be sent again; we do, at a lower rate if there is one.
    row(_AFTER_IMAGE, _RTN, "pages.tries_left",
        "phase_b.step_down, pages.try_again", S.SEND_DCS, "5.3.6.1.7"),
    row(_AFTER_IMAGE, _RTN, "", "", dcn(T30Failure.PAGE_REFUSED, response=HEARD), "5.3.6.1.7"),
)

_BLOCKS = (
    # A.4.3 a block and its responses
    # Back at modem pace the far end must be given a rate (CTC) before the next frames.
    row(S.SEND_FRAMES, Event.AT_ONCE, "phase_b.outpaces and not ecm.ctc_refused",
        "ecm.send_ctc", S.WAIT_CTR, "table 2, bit 123"),
    row(S.SEND_FRAMES, Event.AT_ONCE, "", "ecm.send_frames", S.C_ECM, "A.4.3"),
    row(S.C_ECM, Event.SENT, "", "ecm.send_pps", S.WAIT_PPS, "A.4.3"),
    # no training within a page
    row(_AFTER_BLOCK, (*_MCF, FCF.RTP), "ecm.more_blocks",
        "ecm.block_confirmed, ecm.next_block", S.SEND_FRAMES, "A.4.3"),
    row(_AFTER_BLOCK, _MCF, "", "ecm.block_confirmed, pages.confirm", S.AFTER_PAGE, "A.4.3"),
    row(_AFTER_BLOCK, FCF.RTP, "",
        "ecm.block_confirmed, pages.confirm, phase_b.train_next", S.AFTER_PAGE, "A.4.3"),
    # within a page: its other blocks are not received, so it is not confirmed
    row(_AFTER_BLOCK, FCF.PID, "ecm.more_blocks",
        "ecm.block_confirmed", dcn(T30Failure.RECEIVER_STOPPED, response=HEARD), "5.3.6.1.7"),
    row(_AFTER_BLOCK, FCF.PID, "", "ecm.block_confirmed, pages.confirm", S.AFTER_PID, "5.3.6.1.7"),
    row(_AFTER_BLOCK, FCF.PPR, "ecm.ppr_valid", "ecm.read_request", S.CHECK_PPR, "A.4.3"),
    # After the fourth PPR: CTC with a lower rate; DCS if CTC is not supported; EOR if no rate is left.
    row(S.CHECK_PPR, Event.AT_ONCE, "not ecm.enough_requests", "", S.SEND_FRAMES, "A.4.3"),
    row(S.CHECK_PPR, Event.AT_ONCE, "ecm.ctc_refused and ecm.progressed",
        "ecm.count_requests_anew", S.SEND_FRAMES, "A.4.3"),
    # Some receivers do not support CTC; all support DCS, which costs a retransmission of the whole page.
    row(S.CHECK_PPR, Event.AT_ONCE, "ecm.ctc_refused and phase_b.rate_left and pages.tries_left",
        "phase_b.step_down, pages.try_again", S.SEND_DCS, "A.4.3"),
    row(S.CHECK_PPR, Event.AT_ONCE, "ecm.ctc_refused and phase_b.rate_left",
        "", dcn(T30Failure.ECM_FAILED, response=HEARD), "A.4.3"),
    row(S.CHECK_PPR, Event.AT_ONCE, "not ecm.ctc_refused and ecm.may_continue",
        "ecm.ask_to_continue", S.WAIT_CTR, "A.4.3"),
    row(S.CHECK_PPR, Event.AT_ONCE, "", "ecm.send_eor", S.WAIT_ERR, "A.4.3"),
    # A.4.3 CTC and EOR
    row(S.WAIT_CTR, FCF.CTR, "", "ecm.continue_at_rate", S.SEND_FRAMES, "A.4.3"),
    # A receiver that does not support CTC may repeat its PPR.
    row(S.WAIT_CTR, FCF.PPR, "", "ecm.return_to_old_rate", S.SEND_FRAMES, "A.4.3"),
    row(S.WAIT_CTR, Timer.T4, "command.tries_left", "command.repeat", None, "5.4.2"),
    row(S.WAIT_CTR, Timer.T4, "pages.tries_left",
        "ecm.note_ctc_refused, pages.try_again", S.SEND_DCS, "A.4.3"),
    # The far end knows that the page is incomplete, and so is the document.
    row((S.WAIT_CTR, S.WAIT_ERR, S.WAIT_RR_EOR), FCF.ERR, "",
        "", dcn(T30Failure.ECM_FAILED, response=HEARD), "A.4.3"),
    # A.5.4.1 flow control
    row(_AFTER_BLOCK, FCF.RNR, "", "ecm.send_rr", S.WAIT_RR, "A.5.4.1"),
    row((S.WAIT_ERR, S.WAIT_RR_EOR), FCF.RNR, "", "ecm.send_rr", S.WAIT_RR_EOR, "A.5.4.1"),
    row(_RR, Timer.T5, "", "", dcn(T30Failure.RECEIVER_BUSY, response="RNR"), "A.5.4.1"),
    # Bounds the time of one block: a far end that requests ever fewer frames could hold the call for hours.
    row(_IN_BLOCK, Timer.STALL, "", "", dcn(T30Failure.ECM_FAILED, detail_from="ecm.stalled"), "a bound"),
)

_EVERY_ANSWER = (
    # 5.4.2 a command without a response
    row(COMMANDING, Event.SENT, "", "command.await_answer", None, "5.4.3.1"),
    # A carrier that begins during the preamble of the repetition is the response to the command before it.
    row(COMMANDING, Event.V21_BEGINS, "command.repeat_in_preamble",
        "command.give_way", None, "the response came late"),
    row((*_AFTER_BLOCK, S.WAIT_ERR, S.WAIT_RR_EOR), Timer.T4, "not line.at_modem_pace",
        "phase_b.leave_unanswered, command.count_anew, command.repeat", None, "table 2, bit 123"),
    row((*_AFTER_IMAGE, S.WAIT_ERR, S.WAIT_RR_EOR), Timer.T4, "command.tries_left",
        "command.repeat", None, "5.4.2"),
    row(_ANSWER_DUE, FCF.CRP, "command.tries_left", "command.repeat", None, "5.3.6.1.8"),
    row(_ANSWER_DUE, (Timer.T4, FCF.CRP), "", "", dcn(T30Failure.NO_ANSWER_TO_PAGE, response="T4"), "5.4.2"),
    # DIS instead of a response: the far end has lost the page and restarts phase B.
    row(_ANSWER_DUE, FCF.DIS, "phase_b.dis_valid and pages.tries_left",
        "phase_b.leave_lost, pages.try_again, phase_b.read_dis", S.CHECK_DIS, "5.3.6.1.1"),
    row(_ANSWER_DUE, FCF.DIS, "phase_b.dis_valid",
        "phase_b.leave_lost", dcn(T30Failure.PROTOCOL, response=HEARD), "5.3.6.1.1"),
)

_ENDINGS = (
    # 5.3.6.1.8 the end, in any state
    row(_ANY, FCF.DCN, "", "", silent(T30Failure.DISCONNECTED, response=HEARD), "5.3.6.1.8"),
    row(_ANY, Timer.CARRIER, "", "", dcn(T30Failure.CARRIER_STUCK), "5.4.3.1"),
    row(_ANY, Event.ABORT, "line.far_end_spoke", "", dcn(T30Failure.ABORTED, response="abort"), "5.3.6.1.8"),
    row(_ANY, Event.ABORT, "", "", silent(T30Failure.ABORTED, response="abort"), "no far end"),
    row(_ANY, Event.LINE_DROPPED, "", "", silent(T30Failure.LINE_DROPPED, response="no line"), "5.3.6.1.8"),
    row(S.DISCONNECT, (Event.SENT, Timer.DISCONNECT, Event.LINE_DROPPED), "", "conclude", S.END, "5.3.6.1.8"),
)
# fmt: on

TRANSMIT_TABLE = Table(
    rows=(*_PHASE_B, *_PAGE, *_BLOCKS, *_EVERY_ANSWER, *_ENDINGS),
    start=S.IDLE,
    disconnect=S.DISCONNECT,
    end=S.END,
    reported_as={S.AFTER_PAGE: S.WAIT_PAGE},
)
