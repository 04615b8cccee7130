"""The facts of a call, collected while it runs, and the result made from them at the end.

Facts only: what a call waits for is the state of ``t38fsp.call.table``, which is not read here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from sip.line import Ended, OfferRefused
from sip.values import DialogId
from t38fsp import events
from t38fsp.call import verdict
from t38fsp.call.fax_leg import FaxLeg, Strays
from t38fsp.call.verdict import Verdict
from t38fsp.outcome import Outcome
from t38fsp.results import AudioQuality, FaxResult, Medium, PageRecord
from t38fsp.t30.optional_frames import equipment
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
    T30Failure,
)
from t38fsp.t30.vocabulary import Resolution
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.udptl import Counters

if TYPE_CHECKING:
    from t38fsp.audio.modem.intake import AudioCounters

_OF_THE_PATH = frozenset({Outcome.FAILED, Outcome.DISCONNECTED, Outcome.NO_FAX})
"""Outcomes that a bad line or a bad trunk may have caused."""


@dataclass(slots=True)
class CallRecord:
    """The facts of one call.

    ``total`` is the number of pages of the document to send, None when receiving. ``first`` (from 0) is the
    page that sending began with; ``earlier`` are the records of those before it. ``polled``: the fax goes
    from the called end to the caller, which asked for it.
    """

    total: int | None = None
    first: int = 0
    earlier: tuple[PageRecord, ...] = ()
    polled: bool = False
    incoming: bool = False
    """The call came to us."""
    started_at: float = 0.0
    dialog: DialogId | None = None
    sip_status: int | None = None
    sip_reason: str = ""
    cause: int | None = None
    remote_id: str = ""
    equipment: str = ""
    capabilities: tuple[str, ...] = ()
    addressed: FarEndAddressed = field(default_factory=FarEndAddressed)
    warnings: list[str] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    """Tones of a fax machine heard in the audio."""
    page_may_do_again: bool = False
    """The error that kept a page from being coded is transient, not a fault of the document."""
    is_fax: bool = False
    """The far end has proved to be a fax machine: it identified itself, or completed training."""
    refusal: OfferRefused | None = None
    """The far end's last refusal of our T.38; None without one, or if a 200 with port 0 refused it."""
    declined: str = ""
    """What the far end offered last that we refused, and why."""
    aborted: bool = False
    """The application ended the call."""
    verdict: Verdict | None = None
    """The verdict, if something other than T.30 ended the call."""
    finished: SessionFinished | None = None
    hung_up: Ended | None = None
    """The far end's BYE."""
    medium: Medium | None = None
    modem: str = ""
    no_modems: str = ""
    """Why the fax could not go in audio, although it was allowed to."""
    audio: AudioQuality | None = None
    counters: Counters | AudioCounters | None = None
    """Counters of the terminal; None before T.30 began."""
    strays: Strays = field(default_factory=Strays)
    pages: dict[int, PageRecord] = field(default_factory=dict)
    resolutions: dict[int, Resolution] = field(default_factory=dict)
    """Resolution of each page that has been on the line, by index."""
    bad_rows: dict[int, int] = field(default_factory=dict)
    """Damaged rows of each page that was stored, by index."""

    def note(self, output: Output) -> events.FaxEvent | None:
        """Record an output of T.30; returns the event that reports it to the application, if there is one."""
        match output:
            case FarEndIdentified(station_id, non_standard):
                self.remote_id = station_id
                self.equipment = equipment(non_standard)
                self.is_fax = True
                return events.Identified(station_id)
            case FarEndAddressed(sub_address, sender_id):
                self.addressed = output
                # A poller may name only the document (SEP) and its password (PWD): nothing to report.
                return events.Addressed(sub_address, sender_id) if sub_address or sender_id else None
            case CapabilitiesReceived(capabilities):
                self.capabilities = tuple(capabilities.names())
            case SessionWarned(text):
                self.warnings.append(text)
                return events.Warned(text)
            case Negotiated(mode=mode, modem=modem):
                self.is_fax = True
                # Without modem pace the modem is only a name that the packets need.
                self.modem = modem.modulation if mode.bit_rate else ""
                return events.Trained(mode.bit_rate, mode.coding, mode.ecm)
            case PageBegun(index=index, mode=mode, octets=octets):
                self.resolutions[index] = mode.resolution
                seconds = 8 * octets / mode.bit_rate if mode.bit_rate else 0.0
                return events.PageStarted(index + 1, self.total or 0, seconds)
            case PageOutcome():
                return events.PageDone(self.page(output))
        return None

    def note_leg(self, leg: FaxLeg) -> None:
        """Record what the leg has counted and, in audio, heard."""
        terminal = leg.terminal
        self.counters, self.strays = terminal.counters, leg.strays
        if not isinstance(terminal, Terminal):
            levels = terminal.levels
            self.audio = AudioQuality(
                levels.level_dbm0,
                levels.signal_to_noise,
                terminal.counters.filled,
                terminal.retrains,
            )

    def page(self, outcome: PageOutcome) -> PageRecord:
        """Add an attempt at a page to its record."""
        earlier = self.pages.get(outcome.index)
        # Without ECM an outcome counts all attempts so far; with ECM only the frames of this one.
        counted = 0 if earlier is None or not outcome.ecm else earlier.repeats
        record = PageRecord(
            number=outcome.index + 1,
            confirmed=outcome.confirmed,
            response=outcome.response,
            bit_rate=outcome.bit_rate,
            coding=outcome.coding,
            ecm=outcome.ecm,
            octets=outcome.octets,
            repeats=outcome.repeats + counted,
            seconds=outcome.seconds + (0.0 if earlier is None else earlier.seconds),
            resolution=self.resolutions.get(outcome.index),
            bad_rows=self.bad_rows.get(outcome.index, 0),
        )
        self.pages[outcome.index] = record
        return record

    def heard_text(self) -> str:
        if self.heard:
            return f"a fax machine was heard in the audio ({', '.join(sorted(self.heard))})"
        return "no fax tone was heard in the audio"

    def result(self, now: float) -> FaxResult:
        why = self._verdict()
        result = FaxResult(
            status=why.status,
            reason=why.reason,
            retry=why.retry,
            retry_reason=why.retry_reason,
            sip_status=self.sip_status,
            sip_reason=self.sip_reason,
            cause=self.cause,
            t30_error=None if self.finished is None else self.finished.error,
            dialog=self.dialog,
            remote_id=self.remote_id,
            pages=self._records(),
            first_page=self.first + 1,
            seconds=now - self.started_at,
            counters=self._counters(),
            medium=self.medium,
            modem=self.modem,
            audio=self.audio,
            remote_equipment=self.equipment,
            remote_capabilities=self.capabilities,
            sub_address=self.addressed.sub_address,
            sender_id=self.addressed.sender_id,
            polled=self.polled,
            warnings=tuple(self.warnings),
            outcome=why.outcome,
            retry_after=why.retry_after,
        )
        return result.told_to_receiver() if self.incoming else result

    def _counters(self) -> dict[str, int]:
        if self.counters is None:
            return {}
        strays = {"stray_audio": self.strays.audio, "stray_other": self.strays.other}
        return asdict(self.counters) | strays

    def _verdict(self) -> Verdict:
        finished = self.finished
        if (finished is not None and finished.error is None) or self._all_confirmed():
            return self._success()
        # After the check for success: an abort that comes too late does not undo a confirmed fax.
        if self.aborted:
            return verdict.verdict(Outcome.CANCELLED, "the fax was cancelled here")
        if self.verdict is not None:
            return self.verdict
        if finished is None or finished.error is None:
            return verdict.verdict(Outcome.DISCONNECTED, "the call ended before the fax did")
        if self.counters is not None and finished.error in (T30Failure.NO_FAX, T30Failure.NO_COMMAND):
            # A datagram may have the form of UDPTL without T.38 in it.
            unreadable = self.counters.malformed if self.counters.received else 0
            # Everything that came was unreadable: the cause is on the path, not in T.30.
            if self.counters.received <= unreadable and self.medium is Medium.AUDIO:
                return verdict.of_silent_audio()
            if self.counters.received <= unreadable:
                return verdict.of_silence(Strays(self.strays.audio, max(self.strays.other, unreadable)))
        bye = ""
        if finished.error is T30Failure.LINE_DROPPED and self.hung_up is not None:
            bye = verdict.bye_reason(self.hung_up)
        found = verdict.of_t30(finished.error, finished.detail, is_fax=self.is_fax, bye=bye)
        if self.audio is not None and self.counters is not None and found.outcome in _OF_THE_PATH:
            found = verdict.with_audio(found, self.audio, self.counters.received)
        if finished.error is T30Failure.PAGE_UNAVAILABLE and not self.page_may_do_again:
            # The fault of T.30 stays, with the advice for a document: the same one would fail again.
            why = verdict.verdict(Outcome.BAD_DOCUMENT, found.reason)
            return replace(found, retry=why.retry, retry_reason=why.retry_reason)
        return found

    def _all_confirmed(self) -> bool:
        """Whether every page to send was confirmed: nothing after the last confirmation can revoke one."""
        indexes = range(self.first, self.total or self.first)
        return bool(indexes) and all(index in self.pages and self.pages[index].confirmed for index in indexes)

    def _success(self) -> Verdict:
        confirmed = sum(page.confirmed for page in self.pages.values())
        pages = "1 page was" if confirmed == 1 else f"{confirmed} pages were"
        if self.total is None:
            return verdict.verdict(Outcome.COMPLETED, f"{pages} received")
        since = f", from page {self.first + 1} on" if self.first else ""
        wanted = self.total - self.first
        if confirmed == wanted:
            return verdict.verdict(Outcome.COMPLETED, f"{pages} sent and confirmed by the far end{since}")
        counted = "none" if confirmed == 0 else f"only {confirmed}"
        total = "1 page" if wanted == 1 else f"{wanted} pages"
        were = "was" if confirmed <= 1 else "were"
        return verdict.verdict(Outcome.FAILED, f"{counted} of {total} {were} confirmed by the far end{since}")

    def _records(self) -> tuple[PageRecord, ...]:
        numbers = range(self.first, self.total) if self.total is not None else sorted(self.pages)
        ours = (self.pages.get(index) or PageRecord(index + 1, False) for index in numbers)
        return (*self.earlier, *ours)
