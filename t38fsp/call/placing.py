"""The calling end: dial, wait for the switch, then send a document or fetch one (poll), and hang up.

:class:`PlacedCall` is the base; its subclasses decide the direction of the fax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sip.bounds import given
from sip.line import CallRequest, SipLine
from t38fsp import events
from t38fsp.audio.leg import Role
from t38fsp.call.conversion_loss import ConversionWarnings
from t38fsp.call.driver import CallContext
from t38fsp.call.fax_leg import T30Session
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.media import audio_offer, image_offer
from t38fsp.call.receiving import PageReceiver
from t38fsp.call.record import CallRecord
from t38fsp.call.table import Event
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Audio, Switch
from t38fsp.jobs import NO_SUBADDRESS, WHOLE, Addressing, Resume
from t38fsp.t30.options import PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Output, PageWanted, SessionWarned
from t38fsp.t30.polling import Poller
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import PageFormat, PageQuality


class PlacedCall(FaxCall):
    """A call that we place as ``request`` describes; this class makes its offer."""

    def __init__(
        self,
        line: SipLine,
        request: CallRequest,
        session: T30Session,
        settings: CallSettings,
        context: CallContext,
        record: CallRecord,
    ) -> None:
        super().__init__(line, session, settings, context, Role.CALLING, record)
        self._request = request

    def start(self, now: float) -> None:
        """Dial."""
        self._record.started_at = now
        self._machine.feed(Event.DIAL, now)

    def _dial(self, now: float) -> None:
        """Send the INVITE."""
        audio = audio_offer(self._capabilities)
        first = self._settings.switch is Switch.FIRST and self._capabilities.audio is not Audio.ONLY
        if first:
            # The first INVITE asks for T.38 already.
            self._switching.asked = True
        self._emit(events.Dialing(self._request.target))
        self.line_call = self._line.place(
            replace(
                self._request,
                media=image_offer(self._capabilities) if first else audio,
                # For a far end that refuses T.38 in the first INVITE: with audio it may still take the
                # call, and switch later.
                other_media=audio if first else (),
                answerer=self._answerer,
            ),
            now,
        )

    def _sent_credentials(self) -> bool:
        return self._request.credentials is not None


class SendingCall(PlacedCall):
    """Sends the pages described by ``pages``; asks for each with :class:`PageWanted` when it is due.

    With ``resume`` the pages before its first one are skipped, and keep the records given there.
    """

    def __init__(
        self,
        line: SipLine,
        request: CallRequest,
        pages: Sequence[PageFormat],
        settings: CallSettings,
        context: CallContext,
        *,
        resume: Resume = WHOLE,
        addressing: Addressing = NO_SUBADDRESS,
    ) -> None:
        options = TransmitOptions(**settings.of_session(), **given(addressing, TransmitOptions))
        self._conversion_warnings = ConversionWarnings(pages)
        self._transmitter = Transmitter(pages, options, resume.first_page - 1)
        record = CallRecord(len(pages), resume.first_page - 1, resume.earlier)
        super().__init__(line, request, self._transmitter, settings, context, record)

    def proceed(self, go_on: bool, now: float) -> None:
        """The application's response to Connected: send DCS, or end the call (FS_USER_ABORT)."""
        if go_on:
            self._transmitter.proceed(now)
            self._pump(now)
        else:
            self.abort(now)

    def page_ready(self, request: int, data: bytes, now: float, *, warnings: Sequence[str] = ()) -> None:
        """The page is coded; ``warnings`` are sentences about it."""
        for text in warnings:
            super()._on_output(SessionWarned(text), now)
        self._transmitter.page_ready(request, data, now)
        self._pump(now)

    def page_failed(self, request: int, error: str, now: float, *, again: bool = False) -> None:
        """The page cannot be coded; with ``again`` the error is transient."""
        self._record.page_may_do_again = again
        self._transmitter.page_failed(request, error, now)
        self._pump(now)

    def _start_session(self, now: float) -> None:
        self._transmitter.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            if (warned := self._conversion_warnings.of(output)) is not None:
                super()._on_output(warned, now)
            self._page_jobs.append(output)
        else:
            super()._on_output(output, now)


class PollingCall(PlacedCall):
    """Fetches the document offered by the called end; its pages become :class:`StorePage` jobs."""

    def __init__(
        self,
        line: SipLine,
        request: CallRequest,
        settings: CallSettings,
        context: CallContext,
        poll: PollOptions | None = None,
    ) -> None:
        options = ReceiveOptions(**settings.of_session())
        self._poller = Poller(options, poll)
        record = CallRecord(polled=True)
        super().__init__(line, request, self._poller, settings, context, record)
        self._page_receiver = PageReceiver(self._poller, options, settings)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._record.bad_rows[index] = quality.bad_rows
        self._poller.page_stored(index, quality, now)
        self._pump(now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._poller.page_not_stored(index, error, now)
        self._pump(now)

    def _start_session(self, now: float) -> None:
        self._poller.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        self._page_jobs += self._page_receiver.take(output, self._lost, now)
        super()._on_output(output, now)
