"""From the facts of an ended call to its status, one sentence, and whether to send again.

The table of SIP classes follows what trunks mean by them rather than their names: 403, for one, is as often
about credentials, caller ID or credit as about the number.
"""

from __future__ import annotations

from dataclasses import dataclass

from sip.line import Ended, Failed, OfferRefused
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Error


@dataclass(frozen=True, slots=True)
class Verdict:
    status: FaxStatus
    reason: str
    retry_reason: str
    final: bool = False
    """The same would happen again, whatever the status says."""

    @property
    def retry(self) -> bool:
        return self.status.asks_to_resend and not self.final


_WHY = {
    FaxStatus.COMPLETED: "every page was confirmed",
    FaxStatus.BUSY: "the line may be free later",
    FaxStatus.NO_ANSWER: "somebody may answer later",
    FaxStatus.BAD_ADDRESS: "the number or address is wrong and will stay wrong",
    FaxStatus.CALL_BLACKLISTED: "the network bars this number",
    FaxStatus.LINE_UNAVAILABLE: "the trunk may take calls later",
    FaxStatus.NOT_FAX_CALL: "a fax machine may answer next time",
    FaxStatus.DISCONNECTED: "the call was cut off, which may not happen again",
    FaxStatus.FATAL_ERROR: "the fault may not happen again",
    FaxStatus.USER_ABORT: "the fax was cancelled",
    FaxStatus.BAD_DOCUMENT: "the document cannot be sent as it is",
}


def verdict(status: FaxStatus, reason: str) -> Verdict:
    return Verdict(status, reason, _WHY[status])


def unsupported(error: str) -> Verdict:
    """On a call that the stack of its line cannot carry."""
    why = "it would fail in the same way until the settings are changed"
    return Verdict(FaxStatus.FATAL_ERROR, error, why, final=True)


_CREDENTIALS = (401, 407)
_MEDIA = (415, 488, 606)

# Q.850: causes of a network in trouble for a moment, which outweigh a status that blames the number.
_TRANSIENT_CAUSES = frozenset({34, 38, 41, 42, 44, 47})
# Not 21: it says no more than the 403 that stands for it (RFC 3398 8.2.6.1).
_BARRED_CAUSES = frozenset({52, 53, 54, 55})

_BY_STATUS: dict[int, tuple[FaxStatus, str]] = {
    401: (FaxStatus.LINE_UNAVAILABLE, "the peer wants a user name and password that it accepts"),
    403: (FaxStatus.LINE_UNAVAILABLE, "the peer forbids the call; check credentials, caller ID and credit"),
    404: (FaxStatus.BAD_ADDRESS, "the number does not exist"),
    407: (FaxStatus.LINE_UNAVAILABLE, "the proxy wants a user name and password that it accepts"),
    408: (FaxStatus.NO_ANSWER, "nobody answered"),
    410: (FaxStatus.BAD_ADDRESS, "the number no longer exists"),
    480: (FaxStatus.NO_ANSWER, "the far end cannot be reached at the moment"),
    484: (FaxStatus.BAD_ADDRESS, "the number is incomplete"),
    486: (FaxStatus.BUSY, "the far end is busy"),
    487: (FaxStatus.NO_ANSWER, "the call was ended before anybody answered"),
    600: (FaxStatus.BUSY, "the far end is busy everywhere"),
    603: (FaxStatus.FATAL_ERROR, "the far end declined the call"),
    604: (FaxStatus.BAD_ADDRESS, "the number does not exist anywhere"),
    **dict.fromkeys(
        _MEDIA, (FaxStatus.FATAL_ERROR, "the peer refuses the media offered; try another switch policy")
    ),
}


def of_failure(failed: Failed, *, sent_credentials: bool) -> Verdict:
    """The verdict on an INVITE that came to nothing (RFC 3261 21, RFC 3326)."""
    told = f"SIP {failed.status} {failed.reason}".rstrip()
    if failed.local and failed.status == 408:
        return verdict(
            FaxStatus.NO_ANSWER, "the SIP peer never responded; check its address and the firewall"
        )
    if failed.local and failed.status == 488:
        return verdict(
            FaxStatus.FATAL_ERROR, f"the SIP peer took the call but not as it should: {failed.reason}"
        )
    if failed.local:
        sentence = f"the SIP peer cannot be reached ({failed.reason})"
        advised = ";" in failed.reason  # by who knows better
        return verdict(FaxStatus.LINE_UNAVAILABLE, sentence if advised else f"{sentence}; check its address")
    if failed.cause in _TRANSIENT_CAUSES:
        return verdict(
            FaxStatus.FATAL_ERROR, f"the network is congested (Q.850 cause {failed.cause}, {told})"
        )
    if failed.status == 403 and failed.cause in _BARRED_CAUSES:
        return verdict(
            FaxStatus.CALL_BLACKLISTED, f"the number is barred (Q.850 cause {failed.cause}, {told})"
        )
    status, sentence = _BY_STATUS.get(failed.status, (None, ""))
    if status is None:
        if failed.status >= 500:
            status, sentence = FaxStatus.LINE_UNAVAILABLE, "the peer cannot take the call now"
        elif failed.status < 400:
            sentence = "the peer sends the call elsewhere, but to no address that we can call"
            status = FaxStatus.FATAL_ERROR
        else:
            status, sentence = FaxStatus.FATAL_ERROR, "the peer refused the call"
    if failed.status in _CREDENTIALS:
        if sent_credentials:
            sentence = "the peer did not accept the user name and password"
        if failed.unanswered is not None:
            why = "it would end in the same way until the peer takes another algorithm"
            return Verdict(
                status, f"the peer cannot be answered: {failed.unanswered} ({told})", why, final=True
            )
        why = "set the user name and password that the peer expects"
        return Verdict(status, f"{sentence} ({told})", why, final=True)
    if failed.status in _MEDIA:
        why = "with another switch policy, or once the peer takes what this one offers"
        return Verdict(status, f"{sentence} ({told})", why)
    return verdict(status, f"{sentence} ({told})")


def of_end(ended: Ended, *, switched: bool, heard: str = "", moment: str = "") -> Verdict:
    """The verdict on a call that was over before the fax.

    ``heard`` tells of the audio before the switch, ``moment`` what T.30 was about after it.
    """
    who = "the far end hung up" if ended.remote else f"the call was lost ({ended.reason})"
    when = "before the fax was over" if switched else "before the switch to T.38"
    more = moment if switched else heard
    return verdict(FaxStatus.DISCONNECTED, f"{who} {when}; {more}" if more else f"{who} {when}")


def of_no_switch(refusal: OfferRefused | None, *, offered: bool, heard: str, is_fax: bool) -> Verdict:
    """The verdict on a call that stayed in audio; ``offered`` says that we asked for T.38, ``is_fax`` that
    what was ``heard`` was a fax machine.
    """
    if refusal is not None:
        why = (
            f"the far end refused T.38 (SIP {refusal.status} {refusal.reason}); ask the trunk whether it "
            "carries T.38 to this number"
        )
    elif offered:
        why = "the far end did not agree to T.38; ask the trunk for it"
    else:
        why = "the far end never switched to T.38; ask the trunk for it, or use the switch policy 'either'"
    status = FaxStatus.NOT_FAX_CALL
    again = "once T.38 is carried to the fax machine that was heard" if is_fax else _WHY[status]
    return Verdict(status, f"{why}; {heard}", again)


_BY_T30_ERROR = {
    T30Error.NO_FAX: FaxStatus.NOT_FAX_CALL,
    T30Error.NO_COMMAND: FaxStatus.NOT_FAX_CALL,
    T30Error.DISCONNECTED: FaxStatus.DISCONNECTED,
    T30Error.LINE_DROPPED: FaxStatus.DISCONNECTED,
    T30Error.PAGE_LATE: FaxStatus.LINE_UNAVAILABLE,
    T30Error.ABORTED: FaxStatus.USER_ABORT,
}


_LOOK_AT = {
    T30Error.NO_FAX: "see whether a fax machine answers this number",
    T30Error.NO_COMMAND: "see whether a fax machine called",
    T30Error.NO_DOCUMENT: "ask the far end to make it ready",
    T30Error.NOT_A_RECEIVER: "ask the far end to let its machine receive",
    T30Error.TRAINING_FAILED: "try a lower max_rate, or later",
    T30Error.NO_ANSWER_TO_DCS: "try a lower max_rate, and look at the packets lost (counters)",
    T30Error.NO_ANSWER_TO_DTC: "look at the packets lost (counters)",
    T30Error.NO_ANSWER_TO_PAGE: "look at the packets lost (counters), and ask whether the page is there",
    T30Error.PAGE_REFUSED: "try error correction, or a lower max_rate",
    T30Error.ECM_FAILED: "try a lower max_rate, and look at the packets lost (counters)",
    T30Error.RECEIVER_BUSY: "its memory may be full, or its paper out",
    T30Error.DISCONNECTED: "the far end's own report may say why",
    T30Error.LINE_DROPPED: "the far end's own report may say why",
    T30Error.PAGE_NOT_STORED: "look at the disk, and at the limits of the route",
}
"""What a user can do or see to; the others say it themselves, or there is nothing."""

_SAME_AGAIN = {T30Error.FIELD_REFUSED: "the same would be refused again; ask the far end which it takes"}
"""Why sending again cannot help, for errors that settings of ours have brought about."""


_LATER = {T30Error.PAGE_LATE: "this machine had too much to do, and may have less to do later"}
"""Why sending again can help, for errors that say nothing of the far end."""


def of_t30(error: T30Error, detail: str, *, is_fax: bool) -> Verdict:
    """The verdict on a T.30 session that failed; ``is_fax`` when the far end has proved to be one."""
    reason = f"{error.value}; {detail}" if detail else error.value
    status = _BY_T30_ERROR.get(error, FaxStatus.FATAL_ERROR)
    if status is FaxStatus.NOT_FAX_CALL and is_fax:
        status = FaxStatus.FATAL_ERROR
    if error in _SAME_AGAIN:
        return Verdict(status, reason, _SAME_AGAIN[error], final=True)
    if error in _LATER:
        return Verdict(status, reason, _LATER[error])
    advice = _LOOK_AT.get(error)
    return Verdict(status, reason, _WHY[status] if advice is None else f"{_WHY[status]}; {advice}")
