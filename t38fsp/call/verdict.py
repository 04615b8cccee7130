"""From the facts of an ended call to what became of it, one sentence, and whether to send again.

The table of SIP classes follows what trunks mean by them rather than their names: 403, for one, is as often
about credentials, caller ID or credit as about the number. A Q.850 cause beside the status says more
(``t38fsp.call.causes``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sip.line import Ended, Failed, OfferRefused
from t38fsp.call.causes import NORMAL_CLEARING, meaning
from t38fsp.call.fax_leg import Strays
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reason: str
    retry: bool
    """Sending again can help, as far as this end can know."""
    retry_reason: str
    retry_after: float | None = None
    """Seconds that the far end wants to be left alone before."""

    @property
    def status(self) -> FaxStatus:
        return self.outcome.status


_AGAIN = {
    Outcome.COMPLETED: (False, "every page was confirmed"),
    Outcome.BUSY: (True, "the line may be free later"),
    Outcome.NO_ANSWER: (True, "somebody may answer later"),
    Outcome.NO_RESPONSE: (True, "the peer may respond later"),
    Outcome.UNREACHABLE: (True, "the peer may be reached later"),
    Outcome.UNAVAILABLE: (True, "the trunk may take calls later"),
    Outcome.OVERLOADED: (True, "this machine may have less to do in a minute"),
    Outcome.BAD_NUMBER: (False, "the number or address is wrong and will stay wrong"),
    Outcome.BARRED: (False, "the network bars this number"),
    Outcome.DECLINED: (
        False,
        "the same call would be rejected again; ask the far end, or the trunk, whether it blocks our calls",
    ),
    Outcome.FORBIDDEN: (
        False,
        "the same call would be forbidden again; check credentials, caller ID and credit first",
    ),
    Outcome.CREDENTIALS: (False, "set the user name and password that the peer expects"),
    Outcome.NOT_CARRIED: (False, "the same call would be refused again; ask the trunk what it carries"),
    Outcome.REFUSED: (True, "the peer may take the call another time"),
    Outcome.MISCONFIGURED: (False, "it would fail in the same way until the settings are changed"),
    Outcome.NO_FAX: (True, "a fax machine may answer next time"),
    Outcome.NO_T38: (False, "it would be the same until T.38 is carried to the fax machine that was heard"),
    Outcome.NO_PACKETS: (
        True,
        "another gateway of the trunk may do better; if it stays so, look for a firewall or NAT",
    ),
    Outcome.WRONG_PACKETS: (
        True,
        "another gateway of the trunk may do better; if it stays so, ask the trunk about its T.38",
    ),
    Outcome.DISCONNECTED: (True, "the call was cut off, which may not happen again"),
    Outcome.FAILED: (True, "the fault may not happen again"),
    Outcome.NOT_STORED: (True, "there may be room for it then"),
    Outcome.FAULT: (True, "the fault was here, and may not happen again"),
    Outcome.BAD_DOCUMENT: (False, "the document cannot be sent as it is"),
    Outcome.CANCELLED: (False, "the fax was cancelled"),
}


def verdict(outcome: Outcome, reason: str, why: str | None = None) -> Verdict:
    """What holds of such an outcome; ``why`` is a better reason for sending again, or for not doing so."""
    retry, usual = _AGAIN[outcome]
    return Verdict(outcome, reason, retry, why or usual)


def result_of(why: Verdict) -> FaxResult:
    """The result of a call of which no more is known."""
    return FaxResult(
        why.status,
        why.reason,
        why.retry,
        why.retry_reason,
        outcome=why.outcome,
        retry_after=why.retry_after,
    )


_BY_STATUS: dict[int, tuple[Outcome, str]] = {
    401: (Outcome.CREDENTIALS, "the peer wants a user name and password that it accepts"),
    403: (Outcome.FORBIDDEN, "the peer forbids the call"),
    404: (Outcome.BAD_NUMBER, "the number does not exist"),
    407: (Outcome.CREDENTIALS, "the proxy wants a user name and password that it accepts"),
    408: (Outcome.NO_ANSWER, "nobody answered"),
    410: (Outcome.BAD_NUMBER, "the number no longer exists"),
    415: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    416: (Outcome.BAD_NUMBER, "the peer cannot call such an address"),
    480: (Outcome.NO_ANSWER, "the far end cannot be reached at the moment"),
    484: (Outcome.BAD_NUMBER, "the number is incomplete"),
    485: (Outcome.BAD_NUMBER, "the number stands for several"),
    486: (Outcome.BUSY, "the far end is busy"),
    487: (Outcome.NO_ANSWER, "the call was ended before anybody answered"),
    488: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    600: (Outcome.BUSY, "the far end is busy everywhere"),
    603: (Outcome.DECLINED, "the far end declined the call"),
    604: (Outcome.BAD_NUMBER, "the number does not exist anywhere"),
    606: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    607: (Outcome.DECLINED, "the far end does not want our calls"),
    608: (Outcome.DECLINED, "a filter before the far end rejected the call"),
}
_OTHER_MEDIA = "the same media would be refused again; choose another switch policy"


def of_failure(failed: Failed, *, sent_credentials: bool) -> Verdict:
    """The verdict on an INVITE that came to nothing (RFC 3261 21, RFC 3326)."""
    if failed.local:
        return _of_own_failure(failed)
    told = f"SIP {failed.status} {failed.reason}".rstrip()
    said = meaning(failed.cause)
    if said is not None and _heeds_cause(failed.status):
        outcome, sentence = said
        told = f"Q.850 cause {failed.cause}, {told}"
    else:
        outcome, sentence = _of_status(failed.status)
    why = None
    if outcome is Outcome.CREDENTIALS and failed.unanswered is not None:
        sentence = f"the peer cannot be answered: {failed.unanswered}"
        why = "it would end in the same way until the peer takes another algorithm"
    elif outcome is Outcome.CREDENTIALS and sent_credentials:
        sentence = "the peer did not accept the user name and password"
    elif outcome is Outcome.NOT_CARRIED and said is None:
        why = _OTHER_MEDIA
    found = verdict(outcome, f"{sentence} ({told})", why)
    return _at_its_time(found, failed)


def _of_own_failure(failed: Failed) -> Verdict:
    """No answer that counts: the status is of our own making."""
    if failed.status == 408:
        return verdict(
            Outcome.NO_RESPONSE, "the SIP peer never responded; check its address and the firewall"
        )
    if failed.status == 488:
        return verdict(Outcome.REFUSED, f"the SIP peer took the call but not as it should: {failed.reason}")
    said = f"{failed.reason}; {failed.advice}" if failed.advice else failed.reason
    sentence = f"the SIP peer cannot be reached ({said})"
    known = failed.advice is not None
    return verdict(Outcome.UNREACHABLE, sentence if known else f"{sentence}; check its address")


def _heeds_cause(status: int) -> bool:
    """A challenge or a redirection comes from the peer that we called, not from the network behind it."""
    return status >= 400 and status not in (401, 407)


def _of_status(status: int) -> tuple[Outcome, str]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Outcome.UNAVAILABLE, "the peer cannot take the call now"
    if status < 400:
        return Outcome.REFUSED, "the peer sends the call elsewhere, but to no address that we can call"
    return Outcome.REFUSED, "the peer refused the call"


_MOST_SECONDS = 7 * 86400
"""Of Retry-After; more is no time to wait for."""


def _at_its_time(found: Verdict, failed: Failed) -> Verdict:
    """With the time at which the far end may take the call (RFC 3261 20.33), if it named one."""
    values = (value for name, value in failed.headers if name.lower() == "retry-after")
    found_time = re.match("[0-9]{1,9}", next(values, "").strip())
    if found_time is None or not 0 < int(found_time[0]) <= _MOST_SECONDS:
        return found
    seconds = int(found_time[0])
    if found.retry or found.outcome is Outcome.DECLINED:
        why = f"the far end asks to be called again after {seconds} seconds"
        return replace(found, retry=True, retry_reason=why, retry_after=float(seconds))
    return found


def of_end(
    ended: Ended,
    *,
    switched: bool,
    heard: str = "",
    moment: str = "",
    lacks_t38: bool = False,
    refusal: OfferRefused | None = None,
) -> Verdict:
    """The verdict on a call that was over before the fax.

    ``heard`` tells of the audio before the switch, ``moment`` what T.30 was about after it. ``lacks_t38``: a
    fax machine talked in audio, and was left without an answer. ``refusal`` is what the far end answered to
    our T.38 offer.
    """
    who = f"the far end hung up{said_with(ended)}" if ended.remote else f"the call was lost ({ended.reason})"
    when = "before the fax was over" if switched else "before the switch to T.38"
    if refusal is not None and not switched:
        when += f", which it had refused (SIP {refusal.status} {refusal.reason})"
    more = moment if switched else heard
    reason = f"{who} {when}; {more}" if more else f"{who} {when}"
    return verdict(Outcome.NO_T38 if lacks_t38 else Outcome.DISCONNECTED, reason)


_MOST_OF_TEXT = 100


def said_with(ended: Ended) -> str:
    """What the far end, or the network before it, said with its BYE, in brackets; or nothing."""
    parts = []
    if ended.cause is not None and ended.cause != NORMAL_CLEARING:
        parts.append(f"Q.850 cause {ended.cause}")
    if ended.text:
        parts.append(f'"{ended.text[:_MOST_OF_TEXT]}"')
    return f" ({', '.join(parts)})" if parts else ""


def of_no_switch(
    refusal: OfferRefused | None, *, offered: bool, declined: str = "", heard: str, is_fax: bool
) -> Verdict:
    """The verdict on a call that stayed in audio; ``offered`` says that we asked for T.38, ``declined``
    what we refused and why, if there was anything, and ``is_fax`` that what was ``heard`` was a fax machine.
    """
    if declined:
        return verdict(
            Outcome.NO_T38,
            f"{declined}; {heard}",
            "the same offer would be refused again; ask the trunk for another",
        )
    if refusal is not None:
        why = (
            f"the far end refused T.38 (SIP {refusal.status} {refusal.reason}); ask the trunk whether it "
            "carries T.38 to this number"
        )
    elif offered:
        why = "the far end did not agree to T.38; ask the trunk for it"
    else:
        why = "the far end never switched to T.38; ask the trunk for it, or use the switch policy 'either'"
    return verdict(Outcome.NO_T38 if is_fax else Outcome.NO_FAX, f"{why}; {heard}")


_BY_T30_ERROR = {
    T30Failure.NO_FAX: Outcome.NO_FAX,
    T30Failure.NO_COMMAND: Outcome.NO_FAX,
    T30Failure.DISCONNECTED: Outcome.DISCONNECTED,
    T30Failure.LINE_DROPPED: Outcome.DISCONNECTED,
    T30Failure.PAGE_NOT_STORED: Outcome.NOT_STORED,
    T30Failure.PAGE_LATE: Outcome.UNAVAILABLE,
    T30Failure.ABORTED: Outcome.CANCELLED,
}


_LOOK_AT = {
    T30Failure.NO_FAX: "see whether a fax machine answers this number",
    T30Failure.NO_COMMAND: "see whether a fax machine called",
    T30Failure.NO_DOCUMENT: "ask the far end to make it ready",
    T30Failure.NOT_A_RECEIVER: "ask the far end to let its machine receive",
    T30Failure.TRAINING_FAILED: "try a lower max_rate, or later",
    T30Failure.NO_ANSWER_TO_DCS: "try a lower max_rate, and look at the packets lost (counters)",
    T30Failure.NO_ANSWER_TO_DTC: "look at the packets lost (counters)",
    T30Failure.NO_ANSWER_TO_PAGE: "look at the packets lost (counters), and ask whether the page is there",
    T30Failure.PAGE_REFUSED: "try error correction, or a lower max_rate",
    T30Failure.ECM_FAILED: "try a lower max_rate, and look at the packets lost (counters)",
    T30Failure.RECEIVER_BUSY: "its memory may be full, or its paper out",
    T30Failure.RECEIVER_STOPPED: "its memory may be full, or its paper out",
    T30Failure.DISCONNECTED: "the far end's own report may say why",
    T30Failure.LINE_DROPPED: "the far end's own report may say why",
    T30Failure.PAGE_NOT_STORED: "look at the disk, and at the limits of the route",
}
"""What a user can do or see to; the others say it themselves, or there is nothing."""

_SAME_AGAIN = {
    T30Failure.FIELD_REFUSED: "the same would be refused again; ask the far end which it takes",
    T30Failure.INCOMPATIBLE: "the same machine would refuse the same document again",
}
"""Why sending again cannot help."""


_LATER = {T30Failure.PAGE_LATE: "this machine had too much to do, and may have less to do later"}
"""Why sending again can help, for errors that say nothing of the far end."""


def of_t30(error: T30Failure, detail: str, *, is_fax: bool, said: str = "") -> Verdict:
    """The verdict on a T.30 session that failed; ``is_fax`` when the far end has proved to be one. ``said``
    is what came with its BYE (:func:`said_with`).
    """
    reason = f"{error.value}{said}; {detail}" if detail else f"{error.value}{said}"
    outcome = _BY_T30_ERROR.get(error, Outcome.FAILED)
    if outcome is Outcome.NO_FAX and is_fax:
        outcome = Outcome.FAILED
    if error in _SAME_AGAIN:
        return Verdict(outcome, reason, retry=False, retry_reason=_SAME_AGAIN[error])
    found = verdict(outcome, reason)
    if error in _LATER:
        return replace(found, retry_reason=_LATER[error])
    advice = _LOOK_AT.get(error)
    return found if advice is None else replace(found, retry_reason=f"{found.retry_reason}; {advice}")


def of_silence(strays: Strays) -> Verdict:
    """The verdict on a call in which no T.38 came after the switch, but perhaps ``strays``."""
    came = []
    if strays.audio:
        came.append(f"audio ({_counted(strays.audio, 'RTP packet')})")
    if strays.other:
        came.append(f"what is no T.38 ({_counted(strays.other, 'datagram')})")
    if not came:
        return verdict(
            Outcome.NO_PACKETS,
            "the call switched to T.38 but no T.38 packet ever arrived; look for a firewall or NAT",
        )
    return verdict(
        Outcome.WRONG_PACKETS,
        f"the far end agreed to T.38 but sent {' and '.join(came)}; the way is open, so ask the trunk "
        "whether its gateway really switches",
    )


def _counted(number: int, name: str) -> str:
    return f"1 {name}" if number == 1 else f"{number} {name}s"
