"""The state table of a fax call, from dialling to the end, with its timers.

``t38fsp.t30.rows`` explains how to read a row. **An input without a row is ignored**: a late response, an
offer that no longer matters, a timer that has lost its meaning. Guards and actions are methods of the call or
of its parts, by name: ``switching.asks_at_once``.

**Timers** are named in the rows that start them, with their seconds (or the call setting that holds them).
Entering a state that has no row for a running timer stops that timer, so no row needs to.

.. code-block:: text

    IDLE ── dial ──> DIALLING ── 18x ──> RINGING ──┐
      └── accept ──> ANSWERING ────────────────────┴── 2xx, ACK ──> AUDIO <── refused ──┐
                                                                      └── ask ──> SWITCHING
    AUDIO ── no T.38 ──> FAX, in audio
    AUDIO, SWITCHING ── T.38 agreed ──> FAX ── T.30 over ──> DRAINING (the called end: WAIT_BYE)
    FAX ── abort ──> ABORTING ── T.30 over ──> DRAINING ── BYE of ours ──> CLEARING ──> OVER
     └── BYE of theirs ──> LATE_T38 ──> OVER

In AUDIO only tones are played and detected, so a late switch does no harm. T.30 begins at the switch or, if
the fax may go in audio, when there was none. Until it has spoken there T.38 is still taken; from then on it
is refused, always. If the answer to the INVITE agrees on T.38, AUDIO is left as soon as it is entered.

The same table as a page, with a diagram, is ``docs/call.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from sip.frozen import dataclass
from t38fsp.t30 import rows


class State(Enum):
    """What a call waits for."""

    IDLE = "the start"
    DIALLING = "a response to our INVITE"
    RINGING = "the answer to our INVITE"
    ANSWERING = "the ACK of our 200"
    AUDIO = "T.38, with audio up"
    SWITCHING = "the answer to our offer of T.38"
    FAX = "T.30, over T.38 or in audio"
    ABORTING = "the end of T.30, which sends DCN"
    DRAINING = "the gateway, which plays out the DCN"
    WAIT_BYE = "the BYE of the caller"
    LATE_T38 = "T.38 that the far end's BYE has overtaken"
    CLEARING = "the answer to our BYE or CANCEL"
    OVER = "nothing"


class Event(Enum):
    """What happens to a call, other than its timers. SIP events come from the line (``sip.line``)."""

    DIAL = "dial"
    ACCEPT = "accept"
    REFUSE = "refuse"
    """Nothing that the caller offered is acceptable."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """The dialog is up. The media agreed on are a separate input, after this one."""
    T38_AGREED = "T.38 agreed"
    AUDIO_AGREED = "audio agreed"
    OFFER_REFUSED = "T.38 refused"
    """Our offer was refused: by a failure response, or by a 200 with port 0 (RFC 3264 6)."""
    V21_HEARD = "V.21 heard"
    """In the audio, for the first time: a fax machine talks, and nothing responds to it."""
    V21_AGAIN = "V.21 heard again"
    """The far end repeats what has got no response."""
    T30_SPEAKS = "T.30 speaks"
    """It sends its first frame."""
    T30_COMPLETE = "T.30 complete"
    T30_FAILED = "T.30 failed"
    FAR_END_HUNG_UP = "far end hung up"
    DIALOG_ENDED = "dialog ended"
    """By the response to our BYE, or by a failure."""
    INVITE_FAILED = "INVITE failed"
    ABORT = "abort"
    FAULT = "fault"
    """An error on our side: the call cannot continue."""

    __hash__ = object.__hash__


class Timer(Enum):
    RING_LIMIT = "ring limit"
    SWITCH_LIMIT = "switch limit"
    ASK = "ask"
    """Our offer of T.38 is due."""
    ANSWER_IN_AUDIO = "answer in audio"
    """The called end answers as a fax machine in audio."""
    LISTEN_IN_AUDIO = "listen in audio"
    """The calling end waits for a DIS in audio, rather than for T.38."""
    DCN_LIMIT = "DCN limit"
    DRAIN = "drain"
    BYE_LIMIT = "BYE limit"
    LATE_LIMIT = "late limit"
    CLEAR_LIMIT = "clear limit"

    __hash__ = object.__hash__


Input = Event | Timer


class Change(Enum):
    """What a row does to a timer."""

    START = "="
    AT_MOST = "<="
    """It expires no later than that."""
    AT_LEAST = ">="
    """It expires no earlier than that."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class TimerChange:
    timer: Timer
    change: Change
    seconds: float | str
    """From the input on; a string is the name of a field of the call settings."""


def start(timer: Timer, seconds: float | str) -> TimerChange:
    """Start or restart the timer."""
    return TimerChange(timer, Change.START, seconds)


def at_most(timer: Timer, seconds: float) -> TimerChange:
    return TimerChange(timer, Change.AT_MOST, seconds)


def at_least(timer: Timer, seconds: float) -> TimerChange:
    return TimerChange(timer, Change.AT_LEAST, seconds)


def stop(timer: Timer) -> TimerChange:
    return TimerChange(timer, Change.STOP, 0.0)


@dataclass(frozen=True, slots=True)
class Row(rows.Row[State, Input, State | None]):
    """One row of the table, with its changes to timers."""

    timers: tuple[TimerChange, ...]


def row(
    states: State | Iterable[State],
    inputs: Input | Iterable[Input],
    guard: str,
    action: str,
    next_state: State | None,
    *timers: TimerChange,
    clause: str,
) -> Row:
    """A row for one state and input, or for several."""
    return Row(rows.several(states), rows.several(inputs), guard, action, next_state, clause, timers)


S, E, T = State, Event, Timer

_INVITED = (S.DIALLING, S.RINGING, S.ANSWERING)
"""An INVITE is open."""
_IN_AUDIO = (S.AUDIO, S.SWITCHING)
_STARTED = tuple(state for state in State if state not in (S.IDLE, S.OVER))
_ENDED = (E.FAR_END_HUNG_UP, E.DIALOG_ENDED)
_T30_OVER = (E.T30_COMPLETE, E.T30_FAILED)

T1 = 35.0
"""Seconds to wait for T.38 after the answer (T.30 T1, 5.4.3.1)."""
THEY_MAY_ASK = 15.0
"""Seconds that a call continues after a refusal, whatever the policy. Carriers that refuse a switch by their
customers offer it themselves up to 10 s later: when the gateway hears the first V.21 of the machine behind
it."""
_THEIR_TURN = 0.5
"""Seconds after V.21 for the far end to ask, if the policy leaves it to that end, or it refused and may ask
now: its gateway hears the fax as we do, and two simultaneous offers cost seconds (491, RFC 3261 14.1)."""
_CALLED_WAITS = 10.0
"""Seconds from the answer, or from a refusal, until the called end answers as a fax machine in audio: for as
long carriers may still switch, and a calling machine waits much longer (T1)."""
_CALLER_WAITS = 12.0
"""Seconds from the answer until the calling end begins T.30 in audio, at the latest."""
_OFFER_OPEN = 0.5
"""Seconds until another look at whether our offer is answered; T.30 does not begin in audio before."""
_URGENT = 5.0
"""Least seconds that a call continues after V.21, so that an offer can be made and answered."""
_THEN_AUDIO = (start(T.ANSWER_IN_AUDIO, _CALLED_WAITS), start(T.LISTEN_IN_AUDIO, _CALLER_WAITS))
_DCN_LIMIT = 1.9
"""Seconds for T.30 to send DCN after an abort: with those for BYE the call is over within 3 s."""
_DRAIN = 0.4
"""Seconds between the end of DCN and BYE, so that the gateway plays it out."""
_DRAIN_UNPLAYED = 0.05
"""The same if no gateway plays it out: time for the copies of DCN to leave."""
_BYE_LIMIT = 5.0
"""Seconds for the caller to hang up after DCN."""
_LATE_LIMIT = 0.5
"""Seconds to receive T.38 after a BYE, which may overtake the MCF of the last page."""
_CLEAR_LIMIT = 3.0
"""Seconds after which a call is over although no response to its BYE or CANCEL has come."""
_ABORT_CLEAR_LIMIT = 1.0
"""The same after an abort."""

# fmt: off
ROWS = (
    # the INVITE
    row(S.IDLE, E.DIAL, "", "dial", S.DIALLING, start(T.RING_LIMIT, "ring_limit"), clause="RFC 3261 13.2"),
    row(S.IDLE, E.ACCEPT, "", "accept", S.ANSWERING, clause="RFC 3261 13.3"),
    row(S.IDLE, E.REFUSE, "", "refuse, conclude", S.OVER, clause="488, RFC 3261 13.3.1.3"),
    row(S.IDLE, E.ABORT, "", "note_abort, conclude", S.OVER, clause="nothing to end"),
    row((S.DIALLING, S.RINGING), E.RINGING, "", "report_ringing", S.RINGING, clause="RFC 3261 13.2.2.1"),
    row((S.DIALLING, S.RINGING), T.RING_LIMIT, "", "judge_no_answer, hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _CLEAR_LIMIT), clause="CANCEL, RFC 3261 9.1"),
    row(_INVITED, E.ABORT, "", "note_abort, hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _ABORT_CLEAR_LIMIT), clause="CANCEL, RFC 3261 9.1"),
    row(_INVITED, E.T38_AGREED, "", "follow_media, hold_image", None, clause="an UPDATE, RFC 3311"),

    # audio: waiting for T.38
    row(_INVITED, E.ANSWERED, "switching.asks_at_once", "connect", S.AUDIO,
        start(T.SWITCH_LIMIT, T1), start(T.ASK, 0.0), *_THEN_AUDIO, clause="after the media of the answer"),
    row(_INVITED, E.ANSWERED, "switching.asks_later", "connect", S.AUDIO,
        start(T.SWITCH_LIMIT, T1), start(T.ASK, "switch_wait"), *_THEN_AUDIO, clause="both sides may ask"),
    row(_INVITED, E.ANSWERED, "", "connect", S.AUDIO,
        start(T.SWITCH_LIMIT, T1), *_THEN_AUDIO, clause="the far end asks"),
    row(_IN_AUDIO, E.AUDIO_AGREED, "switching.uses_only_audio", "play_tones, begin_in_audio", S.FAX,
        clause="no T.38 on this trunk"),
    row(_IN_AUDIO, E.AUDIO_AGREED, "", "play_tones", S.AUDIO, clause="RFC 3264 8"),
    row(_IN_AUDIO, E.T38_AGREED, "", "follow_media, hold_image, switch", S.FAX, clause="T.38 annex D"),
    row(S.AUDIO, T.ASK, "", "offer_t38", S.SWITCHING, clause="T.38 annex D"),
    row(S.SWITCHING, T.ASK, "", "", None, clause="one offer at a time, RFC 3264 4"),
    row(_IN_AUDIO, E.OFFER_REFUSED, "", "", S.AUDIO, at_most(T.SWITCH_LIMIT, THEY_MAY_ASK),
        start(T.ANSWER_IN_AUDIO, _CALLED_WAITS), clause="carriers switch late"),
    row(S.AUDIO, T.ANSWER_IN_AUDIO, "is_called and switching.uses_audio and audio_is_full",
        "judge_audio_full, hang_up", S.CLEARING, start(T.CLEAR_LIMIT, _CLEAR_LIMIT), clause="our own limit"),
    row(S.AUDIO, (T.LISTEN_IN_AUDIO, E.V21_AGAIN),
        "not is_called and switching.uses_audio and audio_is_full",
        "judge_audio_full, hang_up", S.CLEARING, start(T.CLEAR_LIMIT, _CLEAR_LIMIT), clause="our own limit"),
    row(S.AUDIO, T.ANSWER_IN_AUDIO, "is_called and switching.uses_audio", "begin_in_audio", S.FAX,
        clause="T.30 5.3.6.1.1"),
    row(S.AUDIO, (T.LISTEN_IN_AUDIO, E.V21_AGAIN), "not is_called and switching.uses_audio",
        "begin_in_audio", S.FAX, clause="T.30 5.3.6.1.1"),
    row(S.SWITCHING, T.ANSWER_IN_AUDIO, "", "", None, start(T.ANSWER_IN_AUDIO, _OFFER_OPEN),
        clause="our offer may be accepted yet"),
    row(S.SWITCHING, (T.LISTEN_IN_AUDIO, E.V21_AGAIN), "", "", None, start(T.LISTEN_IN_AUDIO, _OFFER_OPEN),
        clause="our offer may be accepted yet"),
    row(S.AUDIO, E.V21_HEARD, "switching.is_our_turn", "offer_t38", S.SWITCHING,
        stop(T.ASK), at_least(T.SWITCH_LIMIT, _URGENT), clause="whatever the policy"),
    row(_IN_AUDIO, E.V21_HEARD, "", "", None,
        start(T.ASK, _THEIR_TURN), at_least(T.SWITCH_LIMIT, _URGENT), clause="their gateway hears it, too"),
    row(_IN_AUDIO, T.SWITCH_LIMIT, "", "judge_no_switch, hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _CLEAR_LIMIT), clause="T1, T.30 5.4.3.1"),
    row(_IN_AUDIO, E.ABORT, "", "note_abort, hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _ABORT_CLEAR_LIMIT), clause="BYE, RFC 3261 15"),
    row((*_INVITED, *_IN_AUDIO), _ENDED, "", "note_end, judge_end_in_audio, conclude", S.OVER,
        clause="RFC 3261 15"),

    # the fax
    row(S.FAX, E.T38_AGREED, "is_in_audio", "follow_media, hold_image, switch", None,
        clause="before T.30 spoke"),
    row(S.FAX, E.T30_SPEAKS, "is_in_audio", "hold_audio", None, clause="T.38 is refused from now on"),
    row((S.FAX, S.ABORTING), E.AUDIO_AGREED, "is_in_audio", "follow_audio", None,
        clause="a refresh, RFC 4028"),
    row((S.FAX, S.ABORTING), E.T38_AGREED, "", "follow_media, hold_image", None,
        clause="a refresh, RFC 4028"),
    row((S.DRAINING, S.WAIT_BYE, S.LATE_T38, S.CLEARING), E.T38_AGREED, "", "follow_media", None,
        clause="a refresh, RFC 4028"),
    # After success only the caller hangs up, so that two BYEs do not cross; the timer is for callers that do
    # not.
    row(S.FAX, E.T30_COMPLETE, "is_called", "allow_audio", S.WAIT_BYE, start(T.BYE_LIMIT, _BYE_LIMIT),
        clause="the caller sends the BYE"),
    row((S.FAX, S.ABORTING), _T30_OVER, "has_no_modem", "allow_audio", S.DRAINING,
        start(T.DRAIN, _DRAIN_UNPLAYED), clause="no modem plays it out; table 2, bit 123"),
    row((S.FAX, S.ABORTING), _T30_OVER, "", "allow_audio", S.DRAINING, start(T.DRAIN, _DRAIN),
        clause="T.30 5.3.6.1.8, DCN"),
    row(S.FAX, E.ABORT, "", "note_abort, abort_t30", S.ABORTING, start(T.DCN_LIMIT, _DCN_LIMIT),
        clause="T.30 5.3.6.1.8, DCN"),
    row(S.ABORTING, T.DCN_LIMIT, "", "hang_up", S.CLEARING, start(T.CLEAR_LIMIT, _ABORT_CLEAR_LIMIT),
        clause="over within 3 s"),
    row(S.ABORTING, _ENDED, "", "note_end, drop_line, conclude", S.OVER, clause="RFC 3261 15"),
    # Media may take longer than signalling: the MCF of the last page may be on its way.
    row(S.FAX, E.FAR_END_HUNG_UP, "", "note_end, stop_sending", S.LATE_T38, start(T.LATE_LIMIT, _LATE_LIMIT),
        clause="a BYE overtakes UDPTL"),
    row(S.LATE_T38, T.LATE_LIMIT, "", "drop_line, conclude", S.OVER, clause="T.30 reports the moment"),
    row(S.FAX, E.DIALOG_ENDED, "", "note_end, drop_line, judge_end_in_fax, conclude", S.OVER,
        clause="RFC 3261 12.2.1.2"),

    # the end
    row((S.DRAINING, S.WAIT_BYE), E.ABORT, "not is_aborted", "note_abort, hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _ABORT_CLEAR_LIMIT), clause="BYE, RFC 3261 15"),
    row(S.DRAINING, T.DRAIN, "is_aborted", "hang_up", S.CLEARING,
        start(T.CLEAR_LIMIT, _ABORT_CLEAR_LIMIT), clause="over within 3 s"),
    row(S.DRAINING, T.DRAIN, "", "hang_up", S.CLEARING, start(T.CLEAR_LIMIT, _CLEAR_LIMIT),
        clause="BYE, RFC 3261 15"),
    row(S.WAIT_BYE, T.BYE_LIMIT, "", "hang_up", S.CLEARING, start(T.CLEAR_LIMIT, _CLEAR_LIMIT),
        clause="the caller does not hang up"),
    row((S.DRAINING, S.WAIT_BYE), _ENDED, "", "note_end, conclude", S.OVER, clause="RFC 3261 15"),
    row(S.CLEARING, _ENDED, "", "note_end, drop_line, conclude", S.OVER, clause="RFC 3261 15.1.1"),
    row(S.CLEARING, T.CLEAR_LIMIT, "", "conclude", S.OVER, clause="no response"),
    row(_STARTED, E.INVITE_FAILED, "", "note_failure, conclude", S.OVER, clause="such as 487 after CANCEL"),
    row((S.IDLE, *_STARTED), E.FAULT, "", "note_fault, conclude", S.OVER, clause="nothing more is sent"),
    row(S.OVER, E.FAULT, "not has_result", "note_fault, conclude", S.OVER, clause="ending the call failed"),
)
# fmt: on


TABLE = rows.indexed(ROWS)
"""The rows of each state and input, in the order in which they are tried."""
