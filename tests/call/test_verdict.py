"""From the facts of a call to its FS code, its sentence, and whether to send again."""

from __future__ import annotations

import pytest

from sip.line import DialogId, Ended, Failed, OfferRefused
from t38fsp.call import verdict
from t38fsp.call.record import CallRecord
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import Finished, PageOutcome, T30Error
from t38fsp.t30.vocabulary import Coding
from t38fsp.t38.udptl import Counters

BUSY, NO_ANSWER, BAD_ADDRESS = FaxStatus.BUSY, FaxStatus.NO_ANSWER, FaxStatus.BAD_ADDRESS
UNAVAILABLE, FATAL = FaxStatus.LINE_UNAVAILABLE, FaxStatus.FATAL_ERROR

RESENT = {UNAVAILABLE, BUSY, NO_ANSWER, FaxStatus.DISCONNECTED, FATAL, FaxStatus.NOT_FAX_CALL}
"""What a fax service sends again; it never does after any other code."""

TRANSIENT_CAUSES = (34, 38, 41, 42, 44, 47)
BARRED_CAUSES = (52, 53, 54, 55)
CREDENTIALS = (401, 407)


def failed(
    status: int, *, local: bool = False, cause: int | None = None, sent_credentials: bool = False
) -> verdict.Verdict:
    return verdict.of_failure(
        Failed(1, status, "Some Reason", local, (), cause), sent_credentials=sent_credentials
    )


@pytest.mark.parametrize("sent_credentials", [False, True])
def test_a_challenge_that_nobody_can_answer_is_no_matter_of_credentials(sent_credentials: bool) -> None:
    why = "it asks for the digest algorithm SHA-3"
    told = verdict.of_failure(
        Failed(1, 401, "Unauthorized", unanswered=why), sent_credentials=sent_credentials
    )
    assert (told.status, told.retry) == (UNAVAILABLE, False)
    assert told.reason == f"the peer cannot be answered: {why} (SIP 401 Unauthorized)"


# --- the INVITE came to nothing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "fs"),
    [
        ((486, 600), BUSY),
        ((408, 480, 487), NO_ANSWER),
        ((404, 410, 484, 604), BAD_ADDRESS),
        ((403,), UNAVAILABLE),
        ((500, 501, 502, 503, 504, 505, 513, 580), UNAVAILABLE),
        ((415, 488, 606, 603), FATAL),
        ((301, 302, 400, 405, 415, 420, 481, 482, 483, 493), FATAL),
    ],
)
def test_every_class_of_refusal(statuses: tuple[int, ...], fs: FaxStatus) -> None:
    for status in statuses:
        told = failed(status)
        assert told.status is fs
        assert told.retry is (fs in RESENT)
        assert f"(SIP {status} Some Reason)" in told.reason
        assert told.retry_reason


@pytest.mark.parametrize("cause", TRANSIENT_CAUSES)
@pytest.mark.parametrize("status", [404, 410, 480, 484, 503, 604])
def test_a_transient_cause_outweighs_the_status(status: int, cause: int) -> None:
    """Some gateways send 404 for a network in trouble; believing it would lose the fax for good."""
    told = failed(status, cause=cause)
    assert told.status is FATAL
    assert told.retry
    assert f"cause {cause}" in told.reason


@pytest.mark.parametrize("cause", [1, 3, 16, 17, 18, 19, 20, 21, 22, 27, 28, 31])
def test_other_causes_change_nothing(cause: int) -> None:
    for status in (403, 404, 480, 486, 500, 603):
        assert failed(status, cause=cause).status is failed(status).status


@pytest.mark.parametrize("cause", BARRED_CAUSES)
def test_a_barred_number(cause: int) -> None:
    told = failed(403, cause=cause)
    assert told.status is FaxStatus.CALL_BLACKLISTED
    assert not told.retry


@pytest.mark.parametrize("cause", [None, 21, 57])
def test_a_403_about_us(cause: int | None) -> None:
    """Credentials, caller ID, credit: it says nothing against the number. 403 itself reads as cause 21."""
    told = failed(403, cause=cause)
    assert told.status is UNAVAILABLE
    assert told.retry
    assert "check credentials, caller ID and credit" in told.reason


def test_credentials() -> None:
    for status in CREDENTIALS:
        assert "wants a user name and password" in failed(status).reason
        told = failed(status, sent_credentials=True)
        assert told.status is UNAVAILABLE
        assert "did not accept the user name and password" in told.reason
        # The same credentials, or none, are as wrong the next time.
        for final in (failed(status), told):
            assert not final.retry
            assert final.retry_reason == "set the user name and password that the peer expects"


def test_media_that_the_peer_refuses() -> None:
    for status in (415, 488, 606):
        assert failed(status).retry
        assert failed(status).retry_reason.startswith("with another switch policy")


def test_a_redirection_that_leads_nowhere() -> None:
    assert "sends the call elsewhere, but to no address that we can call (SIP 302" in failed(302).reason


def test_no_final_answer_at_all() -> None:
    told = failed(408, local=True)
    assert told.status is NO_ANSWER
    assert "never responded" in told.reason


def test_the_network_refuses() -> None:
    told = failed(503, local=True)
    assert told.status is UNAVAILABLE
    assert told.reason == "the SIP peer cannot be reached (Some Reason); check its address"


def test_what_knows_better_what_to_do_is_not_overruled() -> None:
    why = "the certificate of trunk.example has expired; its owner has to renew it"
    told = verdict.of_failure(Failed(1, 503, why, True), sent_credentials=False)
    assert told.reason == f"the SIP peer cannot be reached ({why})"


def test_an_answer_that_cannot_be_read() -> None:
    told = failed(488, local=True)
    assert told.status is FATAL
    assert "took the call" in told.reason


def test_every_status_has_a_verdict() -> None:
    for status in range(300, 700):
        told = failed(status)
        assert told.retry is (told.status in RESENT and status not in CREDENTIALS)
        assert told.reason.endswith(f" (SIP {status} Some Reason)")


# --- answered, but no fax -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "offered", "why"),
    [
        (None, False, "the far end never switched to T.38; ask the trunk"),
        (None, True, "the far end did not agree to T.38; ask the trunk"),
        (OfferRefused(1, 488, "Not Acceptable Here"), True, "refused T.38 (SIP 488 Not Acceptable Here)"),
    ],
)
def test_never_switched(refusal: OfferRefused | None, offered: bool, why: str) -> None:
    told = verdict.of_no_switch(
        refusal, offered=offered, heard="no fax tone was heard in the audio", is_fax=False
    )
    assert told.status is FaxStatus.NOT_FAX_CALL
    assert told.retry
    assert why in told.reason
    assert told.reason.endswith("; no fax tone was heard in the audio")
    assert told.retry_reason == "a fax machine may answer next time"


def test_never_switched_with_a_fax_machine_there() -> None:
    refusal = OfferRefused(1, 488, "Not Acceptable Here")
    told = verdict.of_no_switch(refusal, offered=True, heard="a fax machine was heard", is_fax=True)
    assert (told.status, told.retry) == (FaxStatus.NOT_FAX_CALL, True)
    assert told.retry_reason == "once T.38 is carried to the fax machine that was heard"


def test_lost_before_the_fax_was_over() -> None:
    far, near = Ended(1, True, "the far end hung up"), Ended(1, False, "no ACK came")
    heard = "a fax machine was heard in the audio (CED)"
    for ended, switched, reason in (
        (far, False, f"the far end hung up before the switch to T.38; {heard}"),
        (near, False, f"the call was lost (no ACK came) before the switch to T.38; {heard}"),
        (near, True, "the call was lost (no ACK came) before the fax was over; in page 2"),
    ):
        told = verdict.of_end(ended, switched=switched, heard=heard, moment="in page 2")
        assert (told.status, told.reason, told.retry) == (FaxStatus.DISCONNECTED, reason, True)


# --- T.30 ---------------------------------------------------------------------------------------------------

NOT_A_FAX = {T30Error.NO_FAX, T30Error.NO_COMMAND}
SELF_EVIDENT = {
    T30Error.INCOMPATIBLE,
    T30Error.PAGE_UNAVAILABLE,
    T30Error.PAGE_LATE,
    T30Error.PROTOCOL,
    T30Error.CARRIER_STUCK,
    T30Error.ABORTED,
}
CUT_OFF = {T30Error.DISCONNECTED, T30Error.LINE_DROPPED}


@pytest.mark.parametrize("error", T30Error)
def test_every_failure_of_t30(error: T30Error) -> None:
    told = verdict.of_t30(error, "waiting for the answer to PPS-EOP, page 2 of 3", is_fax=False)
    if error in NOT_A_FAX:
        expected = FaxStatus.NOT_FAX_CALL
    elif error in CUT_OFF:
        expected = FaxStatus.DISCONNECTED
    elif error is T30Error.PAGE_LATE:
        expected = FaxStatus.LINE_UNAVAILABLE
    else:
        expected = FaxStatus.USER_ABORT if error is T30Error.ABORTED else FATAL
    assert told.status is expected
    assert told.reason == f"{error.value}; waiting for the answer to PPS-EOP, page 2 of 3"
    # What a user can do or see to stands with the advice about sending again.
    assert told.retry_reason.count("; ") == (error not in SELF_EVIDENT)
    assert told.retry is (error not in (T30Error.ABORTED, T30Error.FIELD_REFUSED))


@pytest.mark.parametrize("error", sorted(NOT_A_FAX, key=str))
def test_silence_of_a_fax_machine(error: T30Error) -> None:
    """A fax that was one before is no voice call because it falls silent."""
    assert verdict.of_t30(error, "", is_fax=True).status is FATAL


# --- all facts together -------------------------------------------------------------------------------------

DIALOG = DialogId("call", "ours", "theirs")


def outcome(index: int, response: str = "MCF", *, ecm: bool = True, repeats: int = 0) -> PageOutcome:
    confirmed = response in ("MCF", "RTP")
    return PageOutcome(index, confirmed, response, 14400, Coding.MMR, ecm, 5000, repeats, 4.0)


def test_success_is_every_page_confirmed() -> None:
    record = CallRecord(total=2, started_at=10.0, dialog=DIALOG, sip_status=200, finished=Finished(None))
    record.page(outcome(0))
    record.page(outcome(1, "RTP"))
    result = record.result(70.0)
    assert (result.status, result.completed, result.pages_confirmed) == (FaxStatus.COMPLETED, True, 2)
    assert (result.seconds, result.dialog, result.retry) == (60.0, DIALOG, False)


def test_no_success_with_a_page_missing() -> None:
    """Whatever T.30 calls it, the pages are counted."""
    record = CallRecord(total=3, finished=Finished(None))
    record.page(outcome(0))
    record.page(outcome(1, "RTN", ecm=False))
    result = record.result(1.0)
    assert (result.status, result.pages_confirmed) == (FATAL, 1)
    assert result.reason == "only 1 of 3 pages were confirmed by the far end"
    assert [(page.number, page.confirmed, page.response) for page in result.pages] == [
        (1, True, "MCF"),
        (2, False, "RTN"),
        (3, False, ""),
    ]


def test_an_abort_outweighs_a_failure_but_not_a_success() -> None:
    record = CallRecord(total=1, aborted=True, finished=Finished(T30Error.ABORTED))
    assert record.result(1.0).status is FaxStatus.USER_ABORT
    assert not record.result(1.0).retry
    record = CallRecord(total=1, aborted=True, finished=Finished(None))
    record.page(outcome(0))
    assert record.result(1.0).status is FaxStatus.COMPLETED


@pytest.mark.parametrize("error", sorted(NOT_A_FAX, key=str))
def test_switched_but_nothing_ever_came(error: T30Error) -> None:
    silent = CallRecord(total=1, finished=Finished(error), counters=Counters())
    assert silent.result(1.0).status is FATAL
    assert "no T.38 packet ever arrived" in silent.result(1.0).reason
    talking = CallRecord(total=1, finished=Finished(error), counters=Counters(received=9))
    assert talking.result(1.0).status is FaxStatus.NOT_FAX_CALL


def test_repeats_and_seconds_of_all_attempts() -> None:
    """Without ECM an outcome tells how often the page had been sent; with ECM, how many frames came again."""
    plain, corrected = CallRecord(total=1), CallRecord(total=1)
    for attempt, response in enumerate(("RTN", "RTN", "MCF")):
        plain.page(outcome(0, response, ecm=False, repeats=attempt))
        corrected.page(outcome(0, response, repeats=7))
    assert (plain.pages[0].repeats, plain.pages[0].seconds) == (2, 12.0)
    assert (corrected.pages[0].repeats, corrected.pages[0].seconds) == (21, 12.0)


def test_what_was_received() -> None:
    record = CallRecord(finished=Finished(T30Error.PAGE_NOT_STORED, "the disk is full"))
    record.page(outcome(0))
    record.page(outcome(1, "T4"))
    result = record.result(1.0)
    assert (result.status, result.pages_confirmed, len(result.pages)) == (FATAL, 1, 2)
    assert "the disk is full" in result.reason
