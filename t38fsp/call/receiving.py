"""The called end: answer, see to the switch, take the pages, or send those that the caller asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sip.line import Credentials, Incoming, Line
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.environment import CallEnvironment
from t38fsp.call.faxcall import FaxCall, Phase
from t38fsp.call.intake import PageIntake
from t38fsp.call.lessened import Losses
from t38fsp.call.media import answer_offer, audio_offer, refused_here
from t38fsp.call.record import CallRecord
from t38fsp.jobs import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.t30.options import PollDocument, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Output, PageWanted, PollRequested
from t38fsp.t30.polling import Answerer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import PageFormat, PageQuality

_BYE_WAIT = 5.0
"""Seconds that the caller is left to hang up after DCN."""


class ReceivingCall(FaxCall):
    """Takes an incoming call; received pages come up as :class:`StorePage` jobs. ``credentials`` are for
    challenges within it.

    With ``offered`` pages the caller may fetch those instead, if it says what ``terms`` ask for: they come up
    as :class:`PageWanted` jobs then.
    """

    def __init__(
        self,
        line: Line,
        incoming: Incoming,
        settings: CallSettings,
        environment: CallEnvironment,
        *,
        credentials: Credentials | None = None,
        offered: Sequence[PageFormat] = (),
        terms: PollDocument | None = None,
    ) -> None:
        options = ReceiveOptions(station_id=settings.station_id, ecm=settings.ecm, max_rate=settings.max_rate)
        self._receiver: Receiver | Answerer = Receiver(options)
        if offered:
            sending = TransmitOptions(
                station_id=settings.station_id, ecm=settings.ecm, max_rate=settings.max_rate
            )
            self._receiver = Answerer(replace(options, document=terms), offered, sending)
        record = CallRecord(incoming=True)
        super().__init__(line, self._receiver, settings, environment, Role.ANSWERING, record)
        self._incoming = incoming
        self._credentials = credentials
        self._offered_pages = len(offered)
        self._losses = Losses(offered)
        self._intake = PageIntake(self._receiver, options, settings)

    def start(self, now: float) -> None:
        """Answer the call."""
        self._record.started_at = now
        self.line_call = self._incoming.call
        offer = self._incoming.offer
        media = audio_offer(self._capabilities) if offer is None else answer_offer(self._capabilities, offer)
        if media is None:
            refused = "" if offer is None else refused_here(self._capabilities, offer)
            self._record.verdict = (
                verdict.verdict(Outcome.NO_T38, refused)
                if refused
                else verdict.verdict(Outcome.NO_FAX, "the caller offered neither T.38 nor G.711")
            )
            self._line.refuse(self.line_call, 488, now)
            self._conclude(now)
            return
        self._phase = Phase.CALLING
        address = self._environment.media_address
        self._line.accept(self.line_call, media, address, self._answerer, now, credentials=self._credentials)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._record.bad_rows[index] = quality.bad_rows
        self._receiver.page_stored(index, quality, now)
        self._pump(now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._receiver.page_not_stored(index, error, now)
        self._pump(now)

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        if isinstance(self._receiver, Answerer):
            self._receiver.page_ready(request, data, now)
            self._pump(now)

    def page_failed(self, request: int, error: str, now: float) -> None:
        if isinstance(self._receiver, Answerer):
            self._receiver.page_failed(request, error, now)
            self._pump(now)

    def _start_session(self, now: float) -> None:
        self._receiver.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            if (warned := self._losses.of(output)) is not None:
                super()._on_output(warned, now)
            self._page_jobs.append(output)
            return
        if isinstance(output, PollRequested):
            self._record.polled = True
            self._record.total = self._offered_pages
        elif not self._record.polled:
            self._page_jobs += self._intake.take(output, self._lost, now)
        super()._on_output(output, now)

    def _drain_time(self) -> float:
        # Only one side hangs up after success: the caller, unless it forgets or we are in a hurry.
        ended_well = self._record.finished is not None and self._record.finished.error is None
        return _BYE_WAIT if ended_well and not self._record.aborted else super()._drain_time()
