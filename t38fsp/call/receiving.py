"""The called end: answer, switch to T.38, then receive pages, or send those that the caller polls.

Also collects the pages that any call receives, a polling one included, checks them and has them stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sip.line import Incoming, SipLine
from sip.syntax.sdp import MediaDescription
from sip.values import Credentials
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.conversion_loss import ConversionWarnings
from t38fsp.call.driver import CallContext, StorePage
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.media import answer_offer, audio_offer, refused_here
from t38fsp.call.record import CallRecord
from t38fsp.call.table import Event
from t38fsp.call_settings import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.t4.reader import ScanLineChecker
from t38fsp.t30.options import PollDocument, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    Negotiated,
    Output,
    PageBegun,
    PageData,
    PageReceived,
    PageWanted,
    PollRequested,
    SessionWarned,
)
from t38fsp.t30.polling import PollServer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import PageFormat, PageQuality

_MOST_REFUSALS = 2
"""Refusals of one page because of lost packets. A transmitter sends a page three times (T.30 5.3.6.1.7), and
its third copy is better than none."""
_PAGE_LIMIT = 32 * 1024 * 1024
"""Upper bound for the octets of one coded page: an hour at V.17 speed brings fewer."""


class ReceivingSession(Protocol):
    """The part of a T.30 machine that takes refusals of pages before they are stored."""

    def page_refused(self, index: int, now: float) -> None: ...
    def page_not_stored(self, index: int, error: str, now: float) -> None: ...


class PageReceiver:
    """Collects the pages that ``session``, which has these ``options``, receives."""

    def __init__(self, session: ReceivingSession, options: ReceiveOptions, settings: CallSettings) -> None:
        self._session = session
        self._options = options
        self._settings = settings
        self._octets = 0
        """Octets of the pages handed over to be stored."""
        self._data = bytearray()
        self._checker: ScanLineChecker | None = None
        self._index = 0
        self._too_long = False
        """The page has more octets than _PAGE_LIMIT."""
        self._incomplete = False
        """Packets of the page were lost."""
        self._pieces = 0
        """Packets of the page that arrived."""
        self._lost_before = 0
        """Packets that the call had lost before the page."""
        self._refusals = 0
        """Refusals of the page so far because packets of it were lost."""

    def take(self, output: Output, lost: int, now: float) -> list[StorePage]:
        """Take an output; returns the page to store, if this completes one that is not refused.

        ``lost`` is the number of packets that the call has lost so far.
        """
        match output:
            case PageBegun(index=index, mode=mode):
                self._data.clear()
                self._checker = None if mode.ecm else ScanLineChecker(mode.coding, mode.width)
                self._too_long = self._incomplete = False
                self._pieces = 0
                # The same index is another copy of the page, whose refusals count on.
                if index != self._index:
                    self._index, self._refusals = index, 0
            case PageData(data=data, after_gap=after_gap):
                # The rest of such a page is dropped, so that it takes no more memory.
                self._too_long |= len(self._data) + len(data) > _PAGE_LIMIT
                self._pieces += bool(data)
                if not self._too_long:
                    self._data += data
                    if self._checker is not None:
                        # After RTC there are only zero octets; a loss among them is not a loss of the page.
                        self._incomplete |= after_gap and not self._checker.ended
                        self._checker.feed(data, after_gap)
            case PageReceived():
                lost_of_page, self._lost_before = lost - self._lost_before, lost
                return self._received(output, lost_of_page, now)
            # What was lost during training is not of the page that follows.
            case Negotiated():
                self._lost_before = lost
        return []

    def _received(self, page: PageReceived, lost: int, now: float) -> list[StorePage]:
        data = bytes(self._data)
        self._data.clear()
        counted, refused = None, False
        if self._checker is not None:
            ended = self._checker.ended
            counted = self._checker.finish()
            refused = self._is_refused(counted, ended, lost)
        if (error := self._too_much(page.index, len(data))) is not None:
            self._session.page_not_stored(page.index, error, now)
        elif refused:
            self._session.page_refused(page.index, now)
        else:
            self._octets += len(data)
            return [StorePage(page.index, page.mode, data, counted)]
        return []

    def _too_much(self, index: int, octets: int) -> str | None:
        """Why a page exceeds a limit; None if it does not."""
        settings = self._settings
        if self._too_long:
            return f"it is larger than the limit for one page, {_PAGE_LIMIT} octets"
        if index >= settings.max_pages:
            return f"the fax has more pages than the limit, {settings.max_pages} (max_pages)"
        if settings.max_octets is not None and self._octets + octets > settings.max_octets:
            return f"the fax has more octets than the limit, {settings.max_octets} (max_octets)"
        return None

    def _is_refused(self, counted: PageQuality, ended: bool, lost: int) -> bool:
        """Whether to ask for a page without ECM again (RTN), rather than keep it as it is.

        A bad telephone line damages a few rows, which T.30 leaves to our tolerance. Lost packets remove
        content without a trace in the rows that arrived, and the next attempt is likely to bring it. The last
        attempt is kept if only little of it is missing.
        """
        if self._incomplete:
            self._refusals += 1
            # Without its RTC the page may lack any number of rows.
            if self._refusals <= _MOST_REFUSALS or not ended:
                return True
            if lost >= self._options.bad_share * (lost + self._pieces):
                return True
        return counted.bad_rows >= self._options.bad_share * counted.rows


class ReceivingCall(FaxCall):
    """Answers an incoming call; received pages become :class:`StorePage` jobs.

    ``credentials`` are for challenges to our requests within the call. With ``offered`` pages the caller may
    poll those instead, if it meets the ``terms``: they become :class:`PageWanted` jobs.
    """

    def __init__(
        self,
        line: SipLine,
        incoming: Incoming,
        settings: CallSettings,
        context: CallContext,
        *,
        credentials: Credentials | None = None,
        offered: Sequence[PageFormat] = (),
        terms: PollDocument | None = None,
    ) -> None:
        options = ReceiveOptions(**settings.of_session())
        self._receiver: Receiver | PollServer = Receiver(options)
        if offered:
            sending = TransmitOptions(**settings.of_session())
            self._receiver = PollServer(replace(options, document=terms), offered, sending)
        record = CallRecord(incoming=True)
        super().__init__(line, self._receiver, settings, context, Role.ANSWERING, record)
        self._incoming = incoming
        self._credentials = credentials
        self._offered_pages = len(offered)
        self._conversion_warnings = ConversionWarnings(offered)
        self._page_receiver = PageReceiver(self._receiver, options, settings)

    def start(self, now: float) -> None:
        """Answer the call."""
        self._record.started_at = now
        self.line_call = self._incoming.call
        self._machine.feed(Event.REFUSE if self._our_answer() is None else Event.ACCEPT, now)

    def _our_answer(self) -> Sequence[MediaDescription] | None:
        """Our answer to the caller's offer, or our offer if it made none; None if nothing offered is
        acceptable."""
        offer = self._incoming.offer
        return audio_offer(self._capabilities) if offer is None else answer_offer(self._capabilities, offer)

    def _accept(self, now: float) -> None:
        """Send the 200."""
        media = self._our_answer()
        assert media is not None
        assert self.line_call is not None
        address = self._context.media_address
        self._line.accept(self.line_call, media, address, self._answerer, now, credentials=self._credentials)

    def _refuse(self, now: float) -> None:
        """Send 488; the verdict names what was not acceptable."""
        assert self.line_call is not None
        offer = self._incoming.offer
        refused = "" if offer is None else refused_here(self._capabilities, offer)
        self._judge(
            verdict.verdict(Outcome.NO_T38, refused)
            if refused
            else verdict.verdict(Outcome.NO_FAX, "the caller offered neither T.38 nor G.711")
        )
        self._line.refuse(self.line_call, 488, now)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._record.bad_rows[index] = quality.bad_rows
        self._receiver.page_stored(index, quality, now)
        self._pump(now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._receiver.page_not_stored(index, error, now)
        self._pump(now)

    def page_ready(self, request: int, data: bytes, now: float, *, warnings: Sequence[str] = ()) -> None:
        """See :meth:`t38fsp.call.placing.SendingCall.page_ready`."""
        if isinstance(self._receiver, PollServer):
            for text in warnings:
                super()._on_output(SessionWarned(text), now)
            self._receiver.page_ready(request, data, now)
            self._pump(now)

    def page_failed(self, request: int, error: str, now: float, *, again: bool = False) -> None:
        """See :meth:`t38fsp.call.placing.SendingCall.page_failed`."""
        if isinstance(self._receiver, PollServer):
            self._record.page_may_do_again = again
            self._receiver.page_failed(request, error, now)
            self._pump(now)

    def _start_session(self, now: float) -> None:
        # The audio leg has played CED, if it was there before T.30.
        played = self._is_in_audio() and not self._switching.uses_only_audio()
        self._receiver.start(now, ced=not played)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            if (warned := self._conversion_warnings.of(output)) is not None:
                super()._on_output(warned, now)
            self._page_jobs.append(output)
            return
        if isinstance(output, PollRequested):
            # The caller turned the call round (DTC), so no page will come from it.
            self._record.polled = True
            self._record.total = self._offered_pages
        elif not self._record.polled:
            self._page_jobs += self._page_receiver.take(output, self._lost, now)
        super()._on_output(output, now)
