"""From the facts of a call to its FS code, its sentence, and whether to send again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.line import Ended, Failed, OfferRefused
from sip.remote.line import GONE
from sip.values import DialogId
from t38fsp.call import verdict
from t38fsp.call.fax_leg import Strays
from t38fsp.call.record import CallRecord
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import PageOutcome, SessionFinished, T30Failure
from t38fsp.t30.vocabulary import Coding
from t38fsp.t38.udptl import Counters
from tests.sweep import Share, sweep

BUSY, NO_ANSWER, BAD_ADDRESS = FaxStatus.BUSY, FaxStatus.NO_ANSWER, FaxStatus.BAD_ADDRESS
UNAVAILABLE, FATAL = FaxStatus.LINE_UNAVAILABLE, FaxStatus.FATAL_ERROR
BLACKLISTED = FaxStatus.CALL_BLACKLISTED


def failed(
    status: int,
    *headers: tuple[str, str],
    local: bool = False,
    cause: int | None = None,
    sent_credentials: bool = False,
) -> verdict.Verdict:
    return verdict.of_failure(
        Failed(1, status, "Some Reason", local, headers, cause), sent_credentials=sent_credentials
    )


@pytest.mark.parametrize("sent_credentials", [False, True])
def test_a_challenge_that_cannot_be_answered_does_not_blame_the_credentials(sent_credentials: bool) -> None:
    why = "it asks for the digest algorithm SHA-3"
    told = verdict.of_failure(
        Failed(1, 401, "Unauthorized", unanswered=why), sent_credentials=sent_credentials
    )
    assert (told.status, told.retry) == (UNAVAILABLE, False)
    assert why in told.reason
    assert "password" not in f"{told.reason} {told.retry_reason}"


# --- the INVITE came to nothing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "outcome", "fs", "retry"),
    [
        ((486, 600), Outcome.BUSY, BUSY, True),
        ((408, 480, 487), Outcome.NO_ANSWER, NO_ANSWER, True),
        ((404, 410, 416, 484, 485, 604), Outcome.BAD_NUMBER, BAD_ADDRESS, False),
        ((403,), Outcome.FORBIDDEN, UNAVAILABLE, False),
        ((401, 407), Outcome.CREDENTIALS, UNAVAILABLE, False),
        ((500, 501, 502, 503, 504, 505, 513, 580), Outcome.UNAVAILABLE, UNAVAILABLE, True),
        ((415, 488, 606), Outcome.NOT_CARRIED, FATAL, False),
        ((603, 607, 608), Outcome.DECLINED, FATAL, False),
        ((301, 302, 400, 405, 420, 481, 482, 483, 493), Outcome.REFUSED, FATAL, True),
    ],
)
def test_every_class_of_refusal(
    statuses: tuple[int, ...], outcome: Outcome, fs: FaxStatus, retry: bool
) -> None:
    for status in statuses:
        told = failed(status)
        assert (told.outcome, told.status, told.retry) == (outcome, fs, retry)
        assert f"(SIP {status} Some Reason)" in told.reason
        assert told.retry_reason


CAUSES = {
    Outcome.BAD_NUMBER: ([1, 2, 3, 4, 5, 22, 23, 26, 28, 91], BAD_ADDRESS, False),
    Outcome.BUSY: ([17], BUSY, True),
    Outcome.NO_ANSWER: ([18, 19, 20, 27], NO_ANSWER, True),
    Outcome.DECLINED: ([21, 24], FATAL, False),
    Outcome.NOT_CARRIED: ([29, 50, 65, 66, 69, 70, 79, 88], FATAL, False),
    Outcome.UNAVAILABLE: ([25, 34, 38, 41, 42, 43, 44, 46, 47, 49, 58, 63, 102], UNAVAILABLE, True),
    Outcome.BARRED: ([52, 53, 54, 55, 87, 90], BLACKLISTED, False),
    Outcome.FORBIDDEN: ([57], UNAVAILABLE, False),
}
"""RFC 3398 7.2.4.1, and what Q.850 has beside it."""


MEANINGS = {cause: outcome for outcome, (causes, *_) in CAUSES.items() for cause in causes}


@sweep(
    push=Share.ALL,
    cause=MEANINGS,
    status=[403, 404, 408, 410, 480, 484, 486, 488, 500, 502, 503, 600, 603, 604],
)
def test_the_cause_of_the_far_network_outweighs_the_status(cause: int, status: int) -> None:
    """A gateway that has one status for everything, 404 for a network in trouble, or 503 for a bad number."""
    told = failed(status, cause=cause)
    assert told.outcome is MEANINGS[cause]
    assert (told.status, told.retry) == CAUSES[MEANINGS[cause]][1:]
    assert told.reason.endswith(f"(Q.850 cause {cause}, SIP {status} Some Reason)")


@sweep(
    push=Share.ALL,
    cause=[6, 16, 30, 31, 95, 96, 101, 111, 127],
    status=[403, 404, 480, 486, 500, 503, 603],
)
def test_a_cause_that_says_nothing_leaves_it_to_the_status(cause: int, status: int) -> None:
    """The ordinary end, and what is unspecified; no number is blamed for an error between two exchanges."""
    assert failed(status, cause=cause) == failed(status)


@pytest.mark.parametrize("status", [302, 401, 407])
def test_what_the_peer_itself_says_is_no_matter_of_the_network_behind_it(status: int) -> None:
    assert failed(status, cause=1) == failed(status)


def test_every_cause_has_one_meaning_or_none() -> None:
    for cause in range(1, 128):
        told = failed(503, cause=cause)
        assert told.retry_reason
        assert (f"cause {cause}" in told.reason) is (told != failed(503))


def test_a_403_about_us() -> None:
    """Credentials, caller ID, credit: it says nothing against the number, and does not go away by itself."""
    told = failed(403)
    assert (told.status, told.retry) == (UNAVAILABLE, False)
    assert "check credentials, caller ID and credit" in told.retry_reason


@pytest.mark.parametrize("status", [480, 486, 503, 600, 603])
def test_the_far_end_says_when_it_may_be_called_again(status: int) -> None:
    """Also one that declines: it would take the call at another time (RFC 3261 21.6.2)."""
    told = failed(status, ("Retry-After", "120 (in a meeting);duration=3600"))
    assert (told.retry, told.retry_after) == (True, 120.0)
    assert "120 seconds" in told.retry_reason


@pytest.mark.parametrize("value", ["", "soon", "-5", "0", "99999999", "9" * 40])
def test_a_time_that_is_none(value: str) -> None:
    assert failed(503, ("retry-after", value)) == failed(503)
    assert not failed(603, ("retry-after", value)).retry


def test_no_time_makes_a_bad_number_good() -> None:
    assert not failed(404, ("Retry-After", "60")).retry


def test_credentials() -> None:
    for status in (401, 407):
        assert "requires a user name and password" in failed(status).reason
        told = failed(status, sent_credentials=True)
        assert told.status is UNAVAILABLE
        assert "did not accept the user name and password" in told.reason
        # The same credentials, or none, are as wrong the next time.
        for final in (failed(status), told):
            assert not final.retry
            assert "password" in final.retry_reason


def test_media_that_the_peer_refuses() -> None:
    for status in (415, 488, 606):
        assert not failed(status).retry
        assert "choose another switch policy" in failed(status).retry_reason
    assert "switch policy" not in failed(488, cause=79).retry_reason


def test_a_redirection_that_leads_nowhere() -> None:
    told = failed(302)
    assert told.outcome is Outcome.REFUSED
    assert "redirects" in told.reason


def test_no_final_answer_at_all() -> None:
    told = failed(408, local=True)
    assert (told.status, told.outcome) == (NO_ANSWER, Outcome.NO_RESPONSE)
    assert "never responded" in told.reason


def test_the_network_refuses() -> None:
    told = failed(503, local=True)
    assert (told.status, told.outcome) == (UNAVAILABLE, Outcome.UNREACHABLE)
    assert "Some Reason" in told.reason
    assert told.reason.endswith("check its address")


def test_what_knows_better_what_to_do_is_not_overruled() -> None:
    failed = Failed(1, 503, "its certificate; it has expired", True, advice="its owner has to renew it")
    told = verdict.of_failure(failed, sent_credentials=False)
    assert "it has expired; its owner has to renew it" in told.reason
    assert "check its address" not in told.reason


def test_what_is_not_about_the_address_is_told_as_it_is() -> None:
    failed = Failed(1, 503, GONE, True, advice="")
    told = verdict.of_failure(failed, sent_credentials=False)
    assert f"({GONE})" in told.reason
    assert "check its address" not in told.reason


def test_a_reason_with_a_semicolon_is_no_advice() -> None:
    told = verdict.of_failure(Failed(1, 503, "one; two", True), sent_credentials=False)
    assert told.reason.endswith("(one; two); check its address")


def test_an_answer_that_cannot_be_read() -> None:
    told = failed(488, local=True)
    assert (told.status, told.outcome) == (FATAL, Outcome.REFUSED)
    assert "accepted the call with an invalid answer" in told.reason


def test_every_status_has_a_verdict() -> None:
    for status in range(300, 700):
        told = failed(status)
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
    assert (told.status, told.outcome) == (FaxStatus.NOT_FAX_CALL, Outcome.NO_FAX)
    assert told.retry
    assert why in told.reason
    assert told.reason.endswith("; no fax tone was heard in the audio")
    assert told.retry_reason == "a fax machine may answer next time"


def test_never_switched_with_a_fax_machine_there() -> None:
    refusal = OfferRefused(1, 488, "Not Acceptable Here")
    told = verdict.of_no_switch(refusal, offered=True, heard="a fax machine was heard", is_fax=True)
    assert (told.status, told.outcome, told.retry) == (FaxStatus.NOT_FAX_CALL, Outcome.NO_T38, False)
    assert "T.38" in told.retry_reason


def test_t38_that_we_refused() -> None:
    told = verdict.of_no_switch(
        None,
        offered=True,
        declined="what was declined",
        heard="what was heard",
        is_fax=False,
    )
    assert told.reason == "what was declined; what was heard"
    assert (told.outcome, told.retry) == (Outcome.NO_T38, False)


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


@pytest.mark.parametrize(
    ("cause", "text", "said"),
    [
        (None, "", ""),
        (16, "", ""),
        (58, "", " (Q.850 cause 58)"),
        (58, "Bearer capability", ' (Q.850 cause 58, "Bearer capability")'),
        (None, "maintenance", ' ("maintenance")'),
        (16, "x" * 5000, f' ("{"x" * 100}")'),
    ],
)
def test_what_comes_with_the_bye_is_told(cause: int | None, text: str, said: str) -> None:
    ended = Ended(1, True, text or "the far end hung up", cause, text)
    told = verdict.of_end(ended, switched=False, heard="silence")
    assert told.reason == f"the far end hung up{said} before the switch to T.38; silence"
    record = CallRecord(
        total=1, hung_up=ended, finished=SessionFinished(T30Failure.LINE_DROPPED, "in page 1")
    )
    result = record.result(1.0)
    assert result.reason == f"{T30Failure.LINE_DROPPED.value}{said}; in page 1"
    assert (result.status, result.retry) == (FaxStatus.DISCONNECTED, True)


def test_a_fax_machine_that_got_no_answer_will_get_none_next_time() -> None:
    far = Ended(1, True, "the far end hung up")
    told = verdict.of_end(far, switched=False, heard="a fax machine was heard", lacks_t38=True)
    assert (told.outcome, told.status, told.retry) == (Outcome.NO_T38, FaxStatus.NOT_FAX_CALL, False)


# --- T.30 ---------------------------------------------------------------------------------------------------

NOT_A_FAX = {T30Failure.NO_FAX, T30Failure.NO_COMMAND}
SELF_EVIDENT = {
    T30Failure.INCOMPATIBLE,
    T30Failure.PAGE_UNAVAILABLE,
    T30Failure.PAGE_LATE,
    T30Failure.PROTOCOL,
    T30Failure.CARRIER_STUCK,
    T30Failure.ABORTED,
}
CUT_OFF = {T30Failure.DISCONNECTED, T30Failure.LINE_DROPPED}


@pytest.mark.parametrize("error", T30Failure)
def test_every_failure_of_t30(error: T30Failure) -> None:
    told = verdict.of_t30(error, "waiting for the response to PPS-EOP, page 2 of 3", is_fax=False)
    if error in NOT_A_FAX:
        expected = FaxStatus.NOT_FAX_CALL
    elif error in CUT_OFF:
        expected = FaxStatus.DISCONNECTED
    elif error is T30Failure.PAGE_LATE:
        expected = FaxStatus.LINE_UNAVAILABLE
    else:
        expected = FaxStatus.USER_ABORT if error is T30Failure.ABORTED else FATAL
    assert told.status is expected
    assert told.reason == f"{error.value}; waiting for the response to PPS-EOP, page 2 of 3"
    # What a user can do or see to stands with the advice about sending again.
    assert told.retry_reason.count("; ") == (error not in SELF_EVIDENT)
    assert told.retry is (
        error not in (T30Failure.ABORTED, T30Failure.FIELD_REFUSED, T30Failure.INCOMPATIBLE)
    )


@pytest.mark.parametrize("error", sorted(NOT_A_FAX, key=str))
def test_silence_of_a_fax_machine(error: T30Failure) -> None:
    """A fax that was one before is no voice call because it falls silent."""
    assert verdict.of_t30(error, "", is_fax=True).status is FATAL


# --- all facts together -------------------------------------------------------------------------------------

DIALOG = DialogId("call", "ours", "theirs")


def outcome(index: int, response: str = "MCF", *, ecm: bool = True, repeats: int = 0) -> PageOutcome:
    confirmed = response in ("MCF", "RTP")
    return PageOutcome(index, confirmed, response, 14400, Coding.MMR, ecm, 5000, repeats, 4.0)


def test_success_is_every_page_confirmed() -> None:
    record = CallRecord(
        total=2, started_at=10.0, dialog=DIALOG, sip_status=200, finished=SessionFinished(None)
    )
    record.page(outcome(0))
    record.page(outcome(1, "RTP"))
    result = record.result(70.0)
    assert (result.status, result.completed, result.pages_confirmed) == (FaxStatus.COMPLETED, True, 2)
    assert (result.seconds, result.dialog, result.retry) == (60.0, DIALOG, False)


def test_no_success_with_a_page_missing() -> None:
    """Whatever T.30 calls it, the pages are counted."""
    record = CallRecord(total=3, finished=SessionFinished(None))
    record.page(outcome(0))
    record.page(outcome(1, "RTN", ecm=False))
    result = record.result(1.0)
    assert (result.status, result.pages_confirmed) == (FATAL, 1)
    assert "1 of 3" in result.reason
    assert [(page.number, page.confirmed, page.response) for page in result.pages] == [
        (1, True, "MCF"),
        (2, False, "RTN"),
        (3, False, ""),
    ]


def test_an_abort_outweighs_a_failure_but_not_a_success() -> None:
    record = CallRecord(total=1, aborted=True, finished=SessionFinished(T30Failure.ABORTED))
    assert record.result(1.0).status is FaxStatus.USER_ABORT
    assert not record.result(1.0).retry
    record = CallRecord(total=1, aborted=True, finished=SessionFinished(None))
    record.page(outcome(0))
    assert record.result(1.0).status is FaxStatus.COMPLETED


@pytest.mark.parametrize("error", sorted(NOT_A_FAX, key=str))
def test_switched_but_nothing_ever_came(error: T30Failure) -> None:
    silent = CallRecord(total=1, finished=SessionFinished(error), counters=Counters())
    assert silent.result(1.0).status is FATAL
    assert "no T.38 packet ever arrived" in silent.result(1.0).reason
    assert silent.result(1.0).outcome is Outcome.NO_PACKETS
    talking = CallRecord(total=1, finished=SessionFinished(error), counters=Counters(received=9))
    assert talking.result(1.0).status is FaxStatus.NOT_FAX_CALL


@pytest.mark.parametrize(
    ("audio", "other", "what"),
    [
        (1750, 0, "audio (1750 RTP packets)"),
        (0, 40, "40 datagrams of something other than T.38"),
        (1, 1, "audio (1 RTP packet) and 1 datagram of something other than T.38"),
    ],
)
def test_what_came_instead_of_t38_proves_the_way_open(audio: int, other: int, what: str) -> None:
    record = CallRecord(
        total=1, finished=SessionFinished(T30Failure.NO_FAX), counters=Counters(), strays=Strays(audio, other)
    )
    result = record.result(1.0)
    assert (result.status, result.outcome) == (FATAL, Outcome.WRONG_PACKETS)
    assert f"sent {what}; packets do arrive" in result.reason
    assert "firewall" not in result.reason + result.retry_reason
    assert (result.counters["stray_audio"], result.counters["stray_other"]) == (audio, other)


def test_repeats_and_seconds_of_all_attempts() -> None:
    """Without ECM an outcome tells how often the page had been sent; with ECM, how many frames came again."""
    plain, corrected = CallRecord(total=1), CallRecord(total=1)
    for attempt, response in enumerate(("RTN", "RTN", "MCF")):
        plain.page(outcome(0, response, ecm=False, repeats=attempt))
        corrected.page(outcome(0, response, repeats=7))
    assert (plain.pages[0].repeats, plain.pages[0].seconds) == (2, 12.0)
    assert (corrected.pages[0].repeats, corrected.pages[0].seconds) == (21, 12.0)


def test_what_was_received() -> None:
    record = CallRecord(finished=SessionFinished(T30Failure.PAGE_NOT_STORED, "the disk is full"))
    record.page(outcome(0))
    record.page(outcome(1, "T4"))
    result = record.result(1.0)
    assert (result.status, result.pages_confirmed, len(result.pages)) == (FATAL, 1, 2)
    assert "the disk is full" in result.reason


# --- who can try again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", T30Failure)
def test_a_receiver_is_not_told_to_send_again(error: T30Failure) -> None:
    result = CallRecord(incoming=True, finished=SessionFinished(error, "in page 1"), is_fax=True).result(1.0)
    assert (result.incoming, result.retry) == (True, False)
    assert result.retry_reason.startswith("only the caller can try again") or error is T30Failure.ABORTED


def test_where_the_receiver_has_something_to_see_to() -> None:
    failed_here = CallRecord(incoming=True, finished=SessionFinished(T30Failure.PAGE_NOT_STORED)).result(1.0)
    assert failed_here.outcome is Outcome.NOT_STORED
    assert failed_here.retry_reason.endswith("and the limits of the route")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told_with_its_advice(outcome: Outcome) -> None:
    told = verdict.verdict(outcome, "a sentence")
    result = verdict.result_of(told)
    assert (result.outcome, result.status, result.retry) == (outcome, outcome.status, told.retry)
    # What Microsoft's service would not send again, nobody else should.
    assert told.status.asks_to_resend or not told.retry


@pytest.mark.parametrize("status", FaxStatus)
def test_a_status_alone_has_its_plainest_outcome(status: FaxStatus) -> None:
    result = FaxResult(status, "")
    assert result.outcome.status is status or result.outcome is Outcome.FAILED
    # Another status takes the outcome along that belonged to the one before.
    cancelled = replace(result, status=FaxStatus.USER_ABORT)
    assert cancelled.outcome is Outcome.CANCELLED
