"""What a virtual gateway reports of a call: the same events and result as a call of the product."""

from __future__ import annotations

from sip.line import Answered, Ended, Failed
from t38fsp import events
from t38fsp.call import verdict
from t38fsp.call.record import CallRecord
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult, Medium
from t38fsp.t30.outputs import (
    CapabilitiesReceived,
    FarEndAddressed,
    FarEndIdentified,
    Negotiated,
    Output,
    PageBegun,
    PageOutcome,
    SessionFinished,
    SessionWarned,
)
from t38fsp.t38.udptl import Counters


class GatewayReport:
    """Gathers the facts of one call. ``pages`` is the length of the document to send; None when receiving.
    ``incoming``: the call came to the gateway.
    """

    def __init__(self, pages: int | None, now: float, *, incoming: bool = False) -> None:
        self.result: FaxResult | None = None
        """When the call is over."""
        self._record = CallRecord(total=pages, started_at=now, incoming=incoming)
        self._switched = False
        self._events: list[events.FaxEvent] = []

    def take_events(self) -> list[events.FaxEvent]:
        """What happened, in order; the last is Finished, with the result."""
        taken, self._events = self._events, []
        return taken

    def answered(self, event: Answered) -> None:
        self._record.sip_status, self._record.sip_reason = event.status, event.reason
        self._record.dialog = event.dialog
        self._events.append(events.Connected(event.dialog))

    def switched(self, *, ours: bool) -> None:
        self._switched = True
        assert self._record.dialog is not None
        self._events.append(events.SwitchedToT38(self._record.dialog, ours))

    def in_audio(self) -> None:
        """T.30 begins in audio."""
        self._switched = True
        self._record.medium = Medium.AUDIO
        assert self._record.dialog is not None
        self._events.append(events.BeganInAudio(self._record.dialog))

    def of_machine(self, output: Output) -> None:
        match output:
            case FarEndIdentified(station_id=station_id):
                self._record.note(output)
                self._events.append(events.Identified(station_id))
            case FarEndAddressed(sub_address, sender_id):
                self._record.note(output)
                self._events.append(events.Addressed(sub_address, sender_id))
            case SessionWarned(text):
                self._record.note(output)
                self._events.append(events.Warned(text))
            case CapabilitiesReceived():
                self._record.note(output)
            case Negotiated(mode=mode):
                # Only agreed parameters prove a fax machine: a CED or a DIS alone may come from a
                # recording or a gateway.
                self._record.is_fax = True
                self._events.append(events.Trained(mode.bit_rate, mode.coding, mode.ecm))
            case PageBegun(index=index, mode=mode, octets=octets):
                self._record.resolutions[index] = mode.resolution
                seconds = 8 * octets / mode.bit_rate if mode.bit_rate else 0.0
                self._events.append(events.PageStarted(index + 1, self._record.total or 0, seconds))
            case PageOutcome():
                self._events.append(events.PageDone(self._record.page(output)))
            case SessionFinished():
                self._record.finished = output

    def aborted(self) -> None:
        """The call is ended from this side before the fax is over."""
        self._record.aborted = True

    def over(self, event: Ended | Failed, counters: Counters, now: float, *, ours: bool) -> None:
        """SIP is over, and the machine knows; ``ours`` when this end hung up."""
        record = self._record
        record.cause = event.cause
        # Without a switch nothing could come, so that zeros would say nothing of the path.
        record.counters = counters if self._switched else None
        if isinstance(event, Failed):
            record.sip_status, record.sip_reason = event.status, event.reason
            record.verdict = (
                verdict.verdict(Outcome.NO_ANSWER, "the gateway's call was not answered")
                if ours
                else verdict.of_failure(event, sent_credentials=False)
            )
        elif record.finished is None:
            record.verdict = self._cut_short(event, ours=ours)
        if record.dialog is not None:
            self._events.append(events.Disconnected(record.dialog, isinstance(event, Ended) and event.remote))
        self.result = record.result(now)
        self._events.append(events.Finished(self.result))

    def _cut_short(self, event: Ended, *, ours: bool) -> verdict.Verdict:
        party = "the gateway" if ours else "the far end"
        if not self._switched:
            return verdict.verdict(Outcome.NO_FAX, f"{party} hung up before any switch to T.38")
        if ours or event.remote:
            return verdict.verdict(Outcome.DISCONNECTED, f"{party} hung up before the fax was over")
        return verdict.of_end(event, switched=True)
