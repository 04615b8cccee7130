"""Maps the facts of an ended call to its outcome, a sentence for a person, and whether a retry can help.

The table of SIP statuses follows what trunks mean by them rather than their names: 403, for example, is as
often about credentials, caller ID or credit as about the number. A Q.850 cause beside the status is more
specific and takes precedence (``t38fsp.call.causes``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sip.line import Ended, Failed, OfferRefused
from t38fsp.call.causes import NORMAL_CLEARING, meaning
from t38fsp.call.fax_leg import Strays
from t38fsp.outcome import Outcome
from t38fsp.results import AudioQuality, FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reason: str
    retry: bool
    """Whether a retry can help, as far as this end can know."""
    retry_reason: str
    retry_after: float | None = None
    """Seconds to wait before a retry, as the far end asked (Retry-After); None if it did not ask."""

    @property
    def status(self) -> FaxStatus:
        return self.outcome.status


_AGAIN = {
    Outcome.COMPLETED: (False, "every page was confirmed"),
    Outcome.BUSY: (True, "the line may be free later"),
    Outcome.NO_ANSWER: (True, "the far end may answer later"),
    Outcome.NO_RESPONSE: (True, "the peer may respond later"),
    Outcome.UNREACHABLE: (True, "the peer may be reached later"),
    Outcome.UNAVAILABLE: (True, "the trunk may accept calls later"),
    Outcome.NO_LINE: (True, "one may be free soon"),
    Outcome.OVERLOADED: (True, "this machine may be less loaded in a minute"),
    Outcome.BAD_NUMBER: (False, "the number or address is wrong; correct it"),
    Outcome.BARRED: (False, "the network bars this number"),
    Outcome.DECLINED: (
        False,
        "the same call would be rejected again; ask the far end or the trunk whether it blocks our calls",
    ),
    Outcome.FORBIDDEN: (
        False,
        "the same call would be forbidden again; check credentials, caller ID and credit first",
    ),
    Outcome.CREDENTIALS: (False, "set the user name and password that the peer expects"),
    Outcome.NOT_CARRIED: (
        False,
        "the same call would be refused again; ask the trunk which media and services it carries",
    ),
    Outcome.REFUSED: (True, "the peer may accept the call another time"),
    Outcome.MISCONFIGURED: (False, "the call would fail in the same way until the settings are changed"),
    Outcome.NO_FAX: (True, "a fax machine may answer next time"),
    Outcome.NO_T38: (
        False,
        "the call would fail in the same way until T.38 is carried to the fax machine that was heard",
    ),
    Outcome.NO_PACKETS: (
        True,
        "another gateway of the trunk may work; if it happens again, look for a firewall or NAT",
    ),
    Outcome.WRONG_PACKETS: (
        True,
        "another gateway of the trunk may work; if it happens again, ask the trunk about its T.38",
    ),
    Outcome.DISCONNECTED: (True, "the call was cut off, which may be transient"),
    Outcome.FAILED: (True, "the failure may be transient"),
    Outcome.NOT_STORED: (True, "a later fax may be stored"),
    Outcome.FAULT: (True, "the error was on this side, and may be transient"),
    Outcome.BAD_DOCUMENT: (False, "the document cannot be sent as it is"),
    Outcome.ENCRYPTED: (False, "the document needs its password"),
    Outcome.CANCELLED: (False, "the fax was cancelled"),
}


def verdict(outcome: Outcome, reason: str, why: str | None = None) -> Verdict:
    """The usual verdict for an outcome; ``why`` replaces the usual reason for or against a retry."""
    retry, usual = _AGAIN[outcome]
    return Verdict(outcome, reason, retry, why or usual)


def result_of(why: Verdict) -> FaxResult:
    """A result that contains the verdict and nothing else."""
    return FaxResult(
        why.status,
        why.reason,
        why.retry,
        why.retry_reason,
        outcome=why.outcome,
        retry_after=why.retry_after,
    )


_BY_STATUS: dict[int, tuple[Outcome, str]] = {
    401: (Outcome.CREDENTIALS, "the peer requires a user name and password that it accepts"),
    # Also for credit that has run out, a caller ID that is not ours, and a number that the account
    # may not call.
    403: (Outcome.FORBIDDEN, "the peer forbids the call"),
    # Gateways map causes 1 to 3 to it (RFC 3398 7.2.4.1).
    404: (Outcome.BAD_NUMBER, "the number does not exist"),
    407: (Outcome.CREDENTIALS, "the proxy requires a user name and password that it accepts"),
    # From the far end or a proxy: one that we generate ourselves is handled below.
    408: (Outcome.NO_ANSWER, "the call was not answered"),
    410: (Outcome.BAD_NUMBER, "the number no longer exists"),
    415: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    416: (Outcome.BAD_NUMBER, "the peer does not support the scheme of the address"),
    # Causes 19 and 20 become this (RFC 3398 7.2.4.1); so does a device that is not registered.
    480: (Outcome.NO_ANSWER, "the far end cannot be reached at the moment"),
    484: (Outcome.BAD_NUMBER, "the number is incomplete"),
    485: (Outcome.BAD_NUMBER, "the number is ambiguous"),
    486: (Outcome.BUSY, "the far end is busy"),
    # Not after a CANCEL of ours, which is reported as our own end: a proxy has cancelled because
    # nothing answered.
    487: (Outcome.NO_ANSWER, "the call was ended before it was answered"),
    488: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    600: (Outcome.BUSY, "the far end is busy everywhere"),
    603: (Outcome.DECLINED, "the far end declined the call"),
    604: (Outcome.BAD_NUMBER, "the number does not exist anywhere"),
    606: (Outcome.NOT_CARRIED, "the peer refuses the media offered"),
    # RFC 8197; 608 is RFC 8688, and names an intermediary.
    607: (Outcome.DECLINED, "the far end marked our calls as unwanted"),
    608: (Outcome.DECLINED, "a filter before the far end rejected the call"),
}
_OTHER_MEDIA = "the same media would be refused again; choose another switch policy"


def of_failure(failed: Failed, *, sent_credentials: bool) -> Verdict:
    """The verdict on an INVITE that failed (RFC 3261 21; Reason header, RFC 3326).

    ``sent_credentials``: there were credentials for a challenge, so 401 or 407 means that they were rejected.
    """
    if failed.local:
        return _of_own_failure(failed)
    response = f"SIP {failed.status} {failed.reason}".rstrip()
    by_cause = meaning(failed.cause)
    if by_cause is not None and _heeds_cause(failed.status):
        outcome, sentence = by_cause
        response = f"Q.850 cause {failed.cause}, {response}"
    else:
        outcome, sentence = _of_status(failed.status)
    why = None
    if outcome is Outcome.CREDENTIALS and failed.unanswered is not None:
        sentence = f"the peer's authentication challenge cannot be answered: {failed.unanswered}"
        why = "the call would fail in the same way until the peer accepts another algorithm"
    elif outcome is Outcome.CREDENTIALS and sent_credentials:
        sentence = "the peer did not accept the user name and password"
    elif outcome is Outcome.NOT_CARRIED and by_cause is None:
        why = _OTHER_MEDIA
    found = verdict(outcome, f"{sentence} ({response})", why)
    return _at_its_time(found, failed)


def _of_own_failure(failed: Failed) -> Verdict:
    """No response of the peer decided: the status was generated here."""
    if failed.status == 408:
        return verdict(
            Outcome.NO_RESPONSE, "the SIP peer never responded; check its address and the firewall"
        )
    # Made by our user agent: a 2xx came, but its description cannot be used.
    if failed.status == 488:
        return verdict(
            Outcome.REFUSED, f"the SIP peer accepted the call with an invalid answer: {failed.reason}"
        )
    # An empty advice means that there is nothing a user could do; None, that the address is the suspect.
    fault = f"{failed.reason}; {failed.advice}" if failed.advice else failed.reason
    sentence = f"the SIP peer cannot be reached ({fault})"
    known = failed.advice is not None
    return verdict(Outcome.UNREACHABLE, sentence if known else f"{sentence}; check its address")


def _heeds_cause(status: int) -> bool:
    """A challenge or a redirection comes from the peer itself, not from the network behind it."""
    return status >= 400 and status not in (401, 407)


def _of_status(status: int) -> tuple[Outcome, str]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Outcome.UNAVAILABLE, "the peer cannot accept the call at the moment"
    if status < 400:  # the user agent has followed the Contacts that it can (RFC 3261 8.1.3.4)
        return Outcome.REFUSED, "the peer redirects the call, but not to an address that can be called"
    return Outcome.REFUSED, "the peer refused the call"


_MOST_SECONDS = 7 * 86400
"""Upper bound for Retry-After; a longer time is ignored."""


def _at_its_time(found: Verdict, failed: Failed) -> Verdict:
    """Add the time after which the far end may accept the call, if named (Retry-After, RFC 3261 20.33)."""
    values = (value for name, value in failed.headers if name.lower() == "retry-after")
    retry_after = re.match("[0-9]{1,9}", next(values, "").strip())
    # A date is not valid here (RFC 3261 20.33), and a comment after the number is ignored.
    if retry_after is None or not 0 < int(retry_after[0]) <= _MOST_SECONDS:
        return found
    seconds = int(retry_after[0])
    # RFC 3261 21.6.2: 603 may say when the far end is available. After other final refusals the time is one
    # of a server, and says nothing about the number.
    if found.retry or found.outcome is Outcome.DECLINED:
        why = f"the far end asks to wait {seconds} seconds before the next call"
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
    """The verdict on a call that ended before the fax was complete.

    ``heard`` describes the audio before the switch, ``moment`` what T.30 was doing after it. ``lacks_t38``: a
    fax machine talked in audio and got no response. ``refusal`` is the far end's refusal of our T.38 offer.
    """
    ending = (
        f"the far end hung up{bye_reason(ended)}" if ended.remote else f"the call was lost ({ended.reason})"
    )
    when = "before the fax was over" if switched else "before the switch to T.38"
    if refusal is not None and not switched:
        when += f", which it had refused (SIP {refusal.status} {refusal.reason})"
    more = moment if switched else heard
    reason = f"{ending} {when}; {more}" if more else f"{ending} {when}"
    return verdict(Outcome.NO_T38 if lacks_t38 else Outcome.DISCONNECTED, reason)


_MOST_OF_TEXT = 100


def bye_reason(ended: Ended) -> str:
    """The Reason header of the far end's BYE (RFC 3326) in parentheses; empty without one."""
    parts = []
    # 16 is the cause of each ordinary BYE.
    if ended.cause is not None and ended.cause != NORMAL_CLEARING:
        parts.append(f"Q.850 cause {ended.cause}")
    if ended.text:
        parts.append(f'"{ended.text[:_MOST_OF_TEXT]}"')
    return f" ({', '.join(parts)})" if parts else ""


def of_no_switch(
    refusal: OfferRefused | None,
    *,
    offered: bool,
    declined: str = "",
    heard: str,
    is_fax: bool,
    no_modems: str = "",
) -> Verdict:
    """The verdict on a call that stayed in audio.

    ``offered``: we asked for T.38. ``declined`` is what we refused and why, empty if nothing. ``is_fax``:
    a fax machine was ``heard``. ``no_modems`` is why the fax could not go in audio, although it was allowed
    to.
    """
    if is_fax and no_modems:
        heard += f"; {no_modems}"
    if declined:
        return verdict(
            Outcome.NO_T38,
            f"{declined}; {heard}",
            "the same offer would be refused again; ask the trunk for a different one",
        )
    if refusal is not None:
        why = (
            f"the far end refused T.38 (SIP {refusal.status} {refusal.reason}); ask the trunk whether it "
            "carries T.38 to this number"
        )
    elif offered:
        why = "the far end did not agree to T.38; ask the trunk to enable it"
    else:
        why = "the far end never switched to T.38; ask the trunk to enable it, or use switch policy 'either'"
    return verdict(Outcome.NO_T38 if is_fax else Outcome.NO_FAX, f"{why}; {heard}")


def of_no_audio(declined: str) -> Verdict:
    """The verdict on a call that was to go in audio alone, and had none; ``declined`` is what we refused."""
    return verdict(
        Outcome.NOT_CARRIED,
        declined or "the far end did not agree to audio in G.711; ask the trunk for it, without transcoding",
    )


_BY_T30_ERROR = {
    T30Failure.NO_FAX: Outcome.NO_FAX,
    T30Failure.NO_COMMAND: Outcome.NO_FAX,
    T30Failure.DISCONNECTED: Outcome.DISCONNECTED,
    T30Failure.LINE_DROPPED: Outcome.DISCONNECTED,
    T30Failure.PAGE_NOT_STORED: Outcome.NOT_STORED,
    T30Failure.PAGE_LATE: Outcome.UNAVAILABLE,
    T30Failure.ABORTED: Outcome.CANCELLED,
}


_ADVICE = {
    T30Failure.NO_FAX: "check whether a fax machine answers this number",
    T30Failure.NO_COMMAND: "check whether a fax machine called",
    T30Failure.NO_DOCUMENT: "ask the far end to make the document available for polling",
    T30Failure.NOT_A_RECEIVER: "ask the far end to enable reception on its machine",
    T30Failure.TRAINING_FAILED: "try a lower max_rate, or try later",
    T30Failure.NO_ANSWER_TO_DCS: "try a lower max_rate, and check the packet loss (counters)",
    T30Failure.NO_ANSWER_TO_DTC: "check the packet loss (counters)",
    T30Failure.NO_ANSWER_TO_PAGE: "check the packet loss (counters), and ask whether the page has arrived",
    T30Failure.PAGE_REFUSED: "try error correction, or a lower max_rate",
    T30Failure.ECM_FAILED: "try a lower max_rate, and check the packet loss (counters)",
    T30Failure.RECEIVER_BUSY: "its memory may be full, or it may be out of paper",
    T30Failure.RECEIVER_STOPPED: "its memory may be full, or it may be out of paper",
    T30Failure.DISCONNECTED: "the far end's own report may say why",
    T30Failure.LINE_DROPPED: "the far end's own report may say why",
    T30Failure.PAGE_NOT_STORED: "check the disk, what moves .part files away, and the limits of the route",
}
"""What a user can do; the other failures name it in their own sentence, or there is nothing to do."""

_SAME_AGAIN = {
    T30Failure.FIELD_REFUSED: "the same value would be refused again; ask the far end which one it accepts",
    T30Failure.INCOMPATIBLE: "the same machine would refuse the same document again",
}
"""Why a retry cannot help."""


_LATER = {T30Failure.PAGE_LATE: "this machine was overloaded, and may be less loaded later"}
"""Why a retry can help, for errors on our side."""


def of_t30(error: T30Failure, detail: str, *, is_fax: bool, bye: str = "") -> Verdict:
    """The verdict on a T.30 session that failed.

    ``is_fax``: the far end has proved to be a fax machine. ``bye`` is the reason in its BYE
    (:func:`bye_reason`).
    """
    reason = f"{error.value}{bye}; {detail}" if detail else f"{error.value}{bye}"
    outcome = _BY_T30_ERROR.get(error, Outcome.FAILED)
    if outcome is Outcome.NO_FAX and is_fax:
        outcome = Outcome.FAILED
    if error in _SAME_AGAIN:
        return Verdict(outcome, reason, retry=False, retry_reason=_SAME_AGAIN[error])
    found = verdict(outcome, reason)
    if error in _LATER:
        return replace(found, retry_reason=_LATER[error])
    advice = _ADVICE.get(error)
    return found if advice is None else replace(found, retry_reason=f"{found.retry_reason}; {advice}")


def of_silence(strays: Strays) -> Verdict:
    """The verdict on a call in which no T.38 arrived after the switch; ``strays`` is what arrived instead."""
    came = []
    if strays.audio:
        came.append(f"audio ({_counted(strays.audio, 'RTP packet')})")
    if strays.other:
        came.append(f"{_counted(strays.other, 'datagram')} of something other than T.38")
    if not came:
        return verdict(
            Outcome.NO_PACKETS,
            "the call switched to T.38 but no T.38 packet ever arrived; look for a firewall or NAT",
        )
    return verdict(
        Outcome.WRONG_PACKETS,
        f"the far end agreed to T.38 but sent {' and '.join(came)}; packets do arrive, so ask the "
        "trunk whether its gateway really switches",
    )


_LOSSY = 0.003
"""Share of lost packets from which a failure is the trunk's rather than the line's."""
_NOISY = 24.0
"""dB of signal to noise, below which V.17 falls back or fails."""
_WEAK = -38.0
"""dBm0."""


def with_audio(found: Verdict, audio: AudioQuality, received: int) -> Verdict:
    """The verdict on a T.30 session that failed in audio: whether the trunk or the telephone line is bad."""
    packets = received + audio.filled
    if audio.filled > _LOSSY * packets:
        share = 100 * audio.filled / packets
        heard = f"the trunk lost {share:.1f} % of {packets} packets; ask it for a better path"
    elif audio.signal_to_noise is not None and audio.signal_to_noise < _NOISY:
        heard = f"the telephone line is noisy, {audio.signal_to_noise:g} dB of signal to noise"
    elif audio.level is not None and audio.level < _WEAK:
        heard = f"the telephone line is weak, {audio.level:g} dBm0"
    else:
        trainings = f"{_counted(audio.retrains, 'training')} failed, " if audio.retrains else ""
        heard = (
            f"{trainings}no packet was lost, and the line is quiet; ask the trunk for G.711 all the way, "
            "without transcoding and without echo canceller"
        )
    return replace(found, reason=f"{found.reason}; in audio: {heard}")


def of_silent_audio() -> Verdict:
    """The verdict on a fax in audio to which no packet came."""
    return verdict(
        Outcome.NO_PACKETS,
        "the fax began in audio but no audio packet ever arrived; look for a firewall or NAT",
    )


def _counted(number: int, name: str) -> str:
    return f"1 {name}" if number == 1 else f"{number} {name}s"
