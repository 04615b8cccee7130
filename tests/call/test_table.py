"""The state table of a call, on a line that only notes what is asked of it and a T.30 that only ends.

A scenario is a list of inputs. What is tested is where it leads and what became of the line; that every row
is passed, and that the table is sound in itself.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from sip.line import Answered, CallRequest, Ended, Failed, MediaChanged, OfferRefused, Ringing, SipLine
from sip.syntax.sdp import SessionDescription
from sip.values import Address, DialogId
from t38fsp.audio.leg import Role, RtpStart
from t38fsp.audio.modem.library import modem_library
from t38fsp.call import machine as machine_module
from t38fsp.call.driver import CallContext
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.machine import CallMachine
from t38fsp.call.record import CallRecord
from t38fsp.call.table import ROWS, TABLE, Event, Row, State, Timer
from t38fsp.call.verdict import verdict
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.outcome import Outcome
from t38fsp.t30.outputs import Output, SendBurst, SessionFinished, T30Failure
from t38fsp.t30.vocabulary import HdlcBurst, LineSignal, Modem
from tests.call.document import PAGE, in_words, page
from tests.call.test_media import AUDIO, IMAGE, PORT, sdp

FAR: Address = ("198.51.100.7", 5000)
NUMBER = 7


class NotingLine:
    """Any verb of a line: its name is noted."""

    def __init__(self) -> None:
        self.verbs: list[str] = []

    def __getattr__(self, verb: str) -> Callable[..., int]:
        def note(*arguments: object, **named: object) -> int:
            self.verbs.append(verb)
            return NUMBER

        return note


class EndingSession:
    """A T.30 that says nothing but that it is over."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.fails = False

    def limit_rate(self, bit_rate: int) -> None: ...
    def be_internet_aware(self) -> None: ...
    def leave_internet_aware_mode(self, now: float) -> None: ...
    def receive(self, signal: LineSignal, now: float) -> None: ...
    def burst_sent(self, now: float) -> None: ...
    def abort(self, now: float) -> None: ...
    def handle_deadline(self, now: float) -> None: ...

    def line_dropped(self, now: float) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.outputs.append(SessionFinished(T30Failure.LINE_DROPPED, "at some moment"))

    def next_deadline(self) -> float | None:
        return None

    def take_outputs(self) -> list[Output]:
        outputs, self.outputs = self.outputs, []
        return outputs


class AnyCall(FaxCall):
    """Either end of a call; ``seen`` are the rows taken."""

    def __init__(self, role: Role, settings: CallSettings, full: str = "") -> None:
        self.line = NotingLine()
        self.t30 = EndingSession()
        context = CallContext(
            "192.0.2.1", PORT, RtpStart(1, 2, 3), modems=modem_library, no_audio_now=lambda: full
        )
        line: SipLine = self.line  # type: ignore[assignment]
        super().__init__(line, self.t30, settings, context, role, CallRecord())

    @property
    def state(self) -> State:
        return self._machine.state

    def begin(self, how: Event) -> None:
        self._machine.feed(how, 0.0)

    def hear_v21(self, event: Event, now: float) -> None:
        self._machine.feed(event, now)
        self._pump(now)

    def _dial(self, now: float) -> None:
        self.line_call = self._line.place(
            CallRequest("sip:x", "sip:y", (), (), "192.0.2.1", self._answerer), now
        )

    def _accept(self, now: float) -> None:
        self.line_call = NUMBER

    def _refuse(self, now: float) -> None:
        self._line.refuse(NUMBER, 488, now)

    def _start_session(self, now: float) -> None: ...


OURS_AUDIO, OURS_IMAGE = sdp(AUDIO), sdp(IMAGE)
REFUSED = sdp("m=image 0 udptl t38")


def answered(ours: SessionDescription, theirs: SessionDescription) -> Answered:
    return Answered(NUMBER, DialogId("call", "ours", "theirs"), 200, "OK", ours, theirs)


Input = object
DIAL, ACCEPT, REFUSE = Event.DIAL, Event.ACCEPT, Event.REFUSE
RINGING = Ringing(NUMBER, 180, "Ringing")
AUDIO_UP = answered(OURS_AUDIO, OURS_AUDIO)
IMAGE_UP = answered(OURS_IMAGE, OURS_IMAGE)
NO_MEDIA = answered(OURS_IMAGE, REFUSED)
TO_AUDIO = MediaChanged(NUMBER, OURS_AUDIO, OURS_AUDIO, False)
TO_IMAGE = MediaChanged(NUMBER, OURS_IMAGE, OURS_IMAGE, True)
NOT_OK = OfferRefused(NUMBER, 488, "Not Acceptable Here")
FAILED = Failed(NUMBER, 486, "Busy Here")
BYE = Ended(NUMBER, True, "BYE")
LOST = Ended(NUMBER, False, "no answer")
UNPACED = SendBurst(HdlcBurst(Modem.V21, (b"\xff\xc8\x5f",), modem_paced=False))
COMPLETE, BROKEN = SessionFinished(None), SessionFinished(T30Failure.NO_FAX)
SPEAKS = SendBurst(HdlcBurst(Modem.V21, (b"\xff\xc8\x5f",)))
V21, AGAIN, ABORT, FAULT = "V.21", "V.21 again", "abort", "fault"

S = State
CALLER = [DIAL, AUDIO_UP, TO_IMAGE]
"""Up to the fax."""
CALLED = [ACCEPT, AUDIO_UP, TO_IMAGE]


def run(policy: Switch, inputs: list[Input], audio: Audio = Audio.NEVER, full: str = "") -> AnyCall:
    """Feed the inputs; a number among them lets that many seconds pass."""
    role = Role.ANSWERING if ACCEPT in inputs or REFUSE in inputs else Role.CALLING
    call = AnyCall(role, CallSettings(switch=policy, ring_limit=60.0, switch_wait=3.0, audio=audio), full)
    now = 0.0
    for given in inputs:
        match given:
            case Event():
                call.begin(given)
            case float() as seconds:
                now += seconds
                call.handle_deadline(now)
            case SessionFinished() | SendBurst():
                call.t30.outputs.append(given)
                call.handle_deadline(now)
            case "V.21":
                call.hear_v21(Event.V21_HEARD, now)
            case "V.21 again":
                call.hear_v21(Event.V21_AGAIN, now)
            case "abort":
                call.abort(now)
            case "fault":
                call.break_off(verdict(Outcome.FAULT, "a fault"), now)
            case _:
                call.line_event(given, now)  # type: ignore[arg-type]
    return call


CALLEE, EITHER, FIRST, AT_ONCE = Switch.CALLEE, Switch.EITHER, Switch.FIRST, Switch.CALLER
SCENARIOS: list[tuple[Switch, list[Input], State, str]] = [
    # the INVITE
    (CALLEE, [ABORT], S.OVER, ""),
    (CALLEE, [FAULT], S.OVER, ""),
    (CALLEE, [REFUSE], S.OVER, "refuse"),
    (CALLEE, [DIAL], S.DIALLING, "place"),
    (CALLEE, [DIAL, RINGING, RINGING], S.RINGING, "place"),
    (CALLEE, [DIAL, RINGING, 59.9], S.RINGING, "place"),
    (CALLEE, [DIAL, RINGING, 60.0], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, 60.0, 2.9], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, 60.0, 3.0], S.OVER, "place hang_up"),
    (CALLEE, [DIAL, ABORT, 0.9], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, ABORT, 1.0], S.OVER, "place hang_up"),
    (CALLEE, [DIAL, FAILED], S.OVER, "place"),
    (CALLEE, [DIAL, RINGING, BYE], S.OVER, "place"),
    (CALLEE, [DIAL, ABORT, AUDIO_UP], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, ABORT, FAILED], S.OVER, "place hang_up"),
    (CALLEE, [ACCEPT, TO_IMAGE], S.ANSWERING, "answer_with"),
    # audio
    (CALLEE, [DIAL, AUDIO_UP], S.AUDIO, "place"),
    (CALLEE, [DIAL, AUDIO_UP, 34.9], S.AUDIO, "place"),
    (CALLEE, [DIAL, AUDIO_UP, 35.0], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, AUDIO_UP, TO_AUDIO], S.AUDIO, "place"),
    (CALLEE, [DIAL, AUDIO_UP, ABORT], S.CLEARING, "place hang_up"),
    (CALLEE, [DIAL, AUDIO_UP, BYE], S.OVER, "place"),
    (CALLEE, [DIAL, AUDIO_UP, LOST], S.OVER, "place"),
    (CALLEE, [ACCEPT, AUDIO_UP], S.SWITCHING, "offer"),
    (AT_ONCE, [DIAL, AUDIO_UP], S.SWITCHING, "place offer"),
    (EITHER, [DIAL, AUDIO_UP, 2.9], S.AUDIO, "place"),
    (EITHER, [DIAL, AUDIO_UP, 3.0], S.SWITCHING, "place offer"),
    (EITHER, [DIAL, AUDIO_UP, V21], S.SWITCHING, "place offer"),
    (EITHER, [DIAL, AUDIO_UP, V21, 1.0, NOT_OK, 3.0], S.AUDIO, "place offer"),
    (CALLEE, [DIAL, AUDIO_UP, V21, 0.4], S.AUDIO, "place"),
    (CALLEE, [DIAL, AUDIO_UP, V21, 0.5], S.SWITCHING, "place offer"),
    (CALLEE, [DIAL, AUDIO_UP, 34.0, V21, 4.9], S.SWITCHING, "place offer"),
    (CALLEE, [DIAL, AUDIO_UP, 34.0, V21, 5.0], S.CLEARING, "place offer hang_up"),
    (AT_ONCE, [DIAL, AUDIO_UP, V21, 0.5, NOT_OK, 1.0], S.AUDIO, "place offer"),
    (AT_ONCE, [DIAL, AUDIO_UP, V21, NOT_OK, 0.5], S.SWITCHING, "place offer offer"),
    (AT_ONCE, [DIAL, AUDIO_UP, NOT_OK, 14.9], S.AUDIO, "place offer"),
    (AT_ONCE, [DIAL, AUDIO_UP, NOT_OK, 15.0], S.CLEARING, "place offer hang_up"),
    (AT_ONCE, [DIAL, AUDIO_UP, 30.0, NOT_OK, 5.0], S.CLEARING, "place offer hang_up"),
    (AT_ONCE, [DIAL, AUDIO_UP, TO_AUDIO], S.AUDIO, "place offer"),
    (FIRST, [ACCEPT, NO_MEDIA], S.SWITCHING, "offer"),
    # the fax
    (FIRST, [DIAL, IMAGE_UP], S.FAX, "place answer_with"),
    (AT_ONCE, [DIAL, AUDIO_UP, TO_IMAGE], S.FAX, "place offer answer_with"),
    (CALLEE, CALLER, S.FAX, "place answer_with"),
    (CALLEE, [*CALLER, 100.0], S.FAX, "place answer_with"),
    (CALLEE, [*CALLER, TO_IMAGE], S.FAX, "place answer_with answer_with"),
    (CALLEE, [*CALLER, TO_AUDIO, NOT_OK, V21], S.FAX, "place answer_with"),
    (CALLEE, [*CALLER, BYE], S.LATE_T38, "place answer_with"),
    (CALLEE, [*CALLER, BYE, TO_IMAGE, ABORT, COMPLETE, 0.4], S.LATE_T38, "place answer_with"),
    (CALLEE, [*CALLER, BYE, 0.5], S.OVER, "place answer_with"),
    (CALLEE, [*CALLER, LOST], S.OVER, "place answer_with"),
    (CALLEE, [*CALLER, FAULT], S.OVER, "place answer_with"),
    # the end
    (CALLEE, [*CALLER, COMPLETE], S.DRAINING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, COMPLETE, TO_IMAGE], S.DRAINING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, COMPLETE, 0.4], S.CLEARING, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, COMPLETE, 0.39], S.DRAINING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, UNPACED, COMPLETE, 0.04], S.DRAINING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, UNPACED, COMPLETE, 0.05], S.CLEARING, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, COMPLETE, 0.4, 2.9], S.CLEARING, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, COMPLETE, 0.4, 3.0], S.OVER, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, COMPLETE, 0.4, LOST], S.OVER, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, COMPLETE, BYE], S.OVER, "place answer_with answer_with"),
    (CALLEE, [*CALLER, BROKEN, ABORT, 1.0], S.OVER, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, ABORT], S.ABORTING, "place answer_with"),
    (CALLEE, [*CALLER, ABORT, ABORT, TO_IMAGE], S.ABORTING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, ABORT, 1.9], S.CLEARING, "place answer_with hang_up"),
    (CALLEE, [*CALLER, ABORT, 1.9, 1.0], S.OVER, "place answer_with hang_up"),
    (CALLEE, [*CALLER, ABORT, BYE], S.OVER, "place answer_with"),
    (CALLEE, [*CALLER, ABORT, BROKEN, ABORT], S.DRAINING, "place answer_with answer_with"),
    (CALLEE, [*CALLER, ABORT, BROKEN, 0.4, 0.9], S.CLEARING, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLER, ABORT, BROKEN, 0.4, 1.0], S.OVER, "place answer_with answer_with hang_up"),
    (CALLEE, [*CALLED, COMPLETE, 4.9], S.WAIT_BYE, "offer answer_with answer_with"),
    (CALLEE, [*CALLED, COMPLETE, 5.0], S.CLEARING, "offer answer_with answer_with hang_up"),
    (CALLEE, [*CALLED, COMPLETE, ABORT], S.CLEARING, "offer answer_with answer_with hang_up"),
    (CALLEE, [*CALLED, BROKEN, 0.3], S.DRAINING, "offer answer_with answer_with"),
    (CALLEE, [*CALLED, ABORT, COMPLETE, 0.4], S.CLEARING, "offer answer_with answer_with hang_up"),
]


ONLY, FALLBACK = Audio.ONLY, Audio.FALLBACK
IN_AUDIO: list[tuple[Audio, Switch, list[Input], State, str]] = [
    (ONLY, CALLEE, [DIAL, AUDIO_UP], S.FAX, "place"),
    (ONLY, AT_ONCE, [DIAL, AUDIO_UP, SPEAKS], S.FAX, "place answer_with"),
    (ONLY, CALLEE, [ACCEPT, AUDIO_UP], S.FAX, ""),
    (ONLY, CALLEE, [DIAL, AUDIO_UP, TO_AUDIO], S.FAX, "place"),
    (ONLY, CALLEE, [DIAL, AUDIO_UP, COMPLETE, 0.4], S.CLEARING, "place answer_with hang_up"),
    (FALLBACK, CALLEE, [DIAL, AUDIO_UP, 11.9], S.AUDIO, "place"),
    (FALLBACK, CALLEE, [DIAL, AUDIO_UP, 12.0], S.FAX, "place"),
    (FALLBACK, CALLEE, [DIAL, AUDIO_UP, V21, AGAIN], S.FAX, "place"),
    (FALLBACK, AT_ONCE, [DIAL, AUDIO_UP, NOT_OK, 11.9], S.AUDIO, "place offer"),
    # an open offer is waited for
    (FALLBACK, AT_ONCE, [DIAL, AUDIO_UP, 12.0, 12.0], S.SWITCHING, "place offer"),
    (FALLBACK, AT_ONCE, [DIAL, AUDIO_UP, AGAIN, NOT_OK, 0.5], S.FAX, "place offer"),
    (FALLBACK, AT_ONCE, [DIAL, AUDIO_UP, AGAIN, TO_IMAGE], S.FAX, "place offer answer_with"),
    (FALLBACK, CALLEE, [ACCEPT, AUDIO_UP, 10.0, TO_IMAGE], S.FAX, "offer answer_with"),
    (FALLBACK, CALLEE, [ACCEPT, AUDIO_UP, 3.0, NOT_OK, 9.9], S.AUDIO, "offer"),
    (FALLBACK, CALLEE, [ACCEPT, AUDIO_UP, 3.0, NOT_OK, 10.0], S.FAX, "offer"),
    (FALLBACK, AT_ONCE, [ACCEPT, AUDIO_UP, 10.0], S.FAX, ""),
    # T.38 comes before T.30 has spoken
    (FALLBACK, CALLEE, [DIAL, AUDIO_UP, 12.0, TO_IMAGE], S.FAX, "place answer_with"),
]
"""Where the fax may go in audio. The library of modems is needed."""


FULL = "this engine has 120 faxes in audio"
TOO_MANY: list[tuple[Switch, list[Input], str]] = [
    (CALLEE, [DIAL, AUDIO_UP, 12.0], "place hang_up"),
    (CALLEE, [DIAL, AUDIO_UP, V21, AGAIN], "place hang_up"),
    (AT_ONCE, [ACCEPT, AUDIO_UP, 10.0], "hang_up"),
]
"""Where the fax would begin in audio, and this end has too many there."""


@pytest.mark.parametrize(("policy", "inputs", "verbs"), TOO_MANY)
def test_too_many_are_in_audio(policy: Switch, inputs: list[Input], verbs: str) -> None:
    call = run(policy, inputs, FALLBACK, FULL)
    assert call.state is S.CLEARING
    assert " ".join(call.line.verbs) == verbs
    call.line_event(LOST, 20.0)
    assert call.result is not None
    assert (call.result.outcome, call.result.reason) == (Outcome.OVERLOADED, FULL)


@pytest.mark.spandsp
@pytest.mark.parametrize(("audio", "policy", "inputs", "state", "verbs"), IN_AUDIO)
def test_where_it_leads_in_audio(
    audio: Audio, policy: Switch, inputs: list[Input], state: State, verbs: str
) -> None:
    call = run(policy, inputs, audio)
    assert call.state is state
    assert " ".join(call.line.verbs) == verbs


@pytest.mark.parametrize(("policy", "inputs", "state", "verbs"), SCENARIOS)
def test_where_it_leads(policy: Switch, inputs: list[Input], state: State, verbs: str) -> None:
    call = run(policy, inputs)
    assert call.state is state
    assert " ".join(call.line.verbs) == verbs
    assert (call.result is not None) is (state is State.OVER)
    if state is State.OVER:
        assert call.next_deadline() is None


def test_after_the_end_nothing_moves() -> None:
    call = run(CALLEE, [*CALLER, LOST, BYE, AUDIO_UP, TO_IMAGE, FAILED, NOT_OK, COMPLETE, ABORT, 100.0])
    assert call.state is State.OVER
    assert call.line.verbs == ["place", "answer_with"]
    assert [type(event).__name__ for event in call.take_events()][-1] == "Finished"


def run_into_a_fault() -> AnyCall:
    call = run(CALLEE, CALLER)
    call.t30.fails = True
    with pytest.raises(ZeroDivisionError):
        call.line_event(LOST, 1.0)
    return call


def test_an_end_that_fails_has_a_result_all_the_same() -> None:
    call = run_into_a_fault()
    assert call.result is None
    result = call.break_off(verdict(Outcome.FAULT, "a fault"), 1.0)
    assert result.reason == "a fault"
    assert result.dialog == AUDIO_UP.dialog
    assert call.state is State.OVER


@pytest.mark.spandsp
def test_every_row_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[int] = set()
    take = CallMachine._take

    def note(machine: CallMachine, row: Row, now: float) -> None:
        taken.add(id(row))
        take(machine, row, now)

    monkeypatch.setattr(CallMachine, "_take", note)
    for policy, inputs, _, _ in SCENARIOS:
        run(policy, inputs)
    for audio, policy, inputs, _, _ in IN_AUDIO:
        run(policy, inputs, audio)
    for policy, inputs, _ in TOO_MANY:
        run(policy, inputs, FALLBACK, FULL)
    run_into_a_fault().break_off(verdict(Outcome.FAULT, "a fault"), 1.0)
    assert [row for row in ROWS if id(row) not in taken] == []


def test_no_row_hides_another() -> None:
    """A row without a guard is the last one for its state and input."""
    for rows in TABLE.values():
        assert all(row.guard for row in rows[:-1]), rows
        assert len({row.guard for row in rows}) == len(rows)


def test_every_state_is_left_and_reached() -> None:
    left = {state for row in ROWS for state in row.states}
    reached = {row.next for row in ROWS if row.next is not None}
    assert left - {State.OVER} == set(State) - {State.OVER}
    assert reached == set(State) - {State.IDLE}


def test_a_call_that_is_over_has_a_result() -> None:
    for row in ROWS:
        assert (row.next is State.OVER) is ("conclude" in row.actions[-1:]), row


def test_a_timer_is_started_where_it_matters() -> None:
    """The state that a row leads to has a row for each timer that it starts; each timer is started."""
    for row in ROWS:
        for change in row.timers:
            for state in row.states if row.next is None else [row.next]:
                assert (state, change.timer) in TABLE, (row, change)
    assert {change.timer for row in ROWS for change in row.timers} == set(Timer)


def test_no_state_waits_for_ever() -> None:
    """But for FAX, where T.30 has limits of its own, and the two whose INVITE the line limits."""
    unlimited = {state for state in State if not any((state, timer) in TABLE for timer in Timer)}
    assert unlimited == {State.IDLE, State.ANSWERING, State.FAX, State.OVER}


def test_every_guard_and_action_is_there_in_words() -> None:
    for row in ROWS:
        for name in (*row.actions, *(guard for guard, _ in row.guards)):
            assert in_words(name)


def test_only_the_machine_sets_the_state() -> None:
    folder = Path(machine_module.__file__).parent
    setting = {
        path.name
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("state", "_timers")
        and isinstance(node.ctx, ast.Store)
    }
    assert setting == {"machine.py"}


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.call.document"
