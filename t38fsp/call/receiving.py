"""The called end: answer, see to the switch, take the pages, or send those that the caller asks for.

The pages that a call receives, also one that polls, are gathered, judged and given out to be stored here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sip.line import Incoming, Line
from sip.syntax.sdp import MediaDescription
from sip.values import Credentials
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.call_context import CallContext, StorePage
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.lessened import Losses
from t38fsp.call.media import answer_offer, audio_offer, refused_here
from t38fsp.call.record import CallRecord
from t38fsp.call.table import Event
from t38fsp.call_settings import CallSettings
from t38fsp.outcome import Outcome
from t38fsp.t4.checker import LineChecker
from t38fsp.t30.options import PollDocument, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    Negotiated,
    Output,
    PageBegun,
    PageData,
    PageReceived,
    PageWanted,
    PollRequested,
)
from t38fsp.t30.polling import PollServer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import PageFormat, PageQuality

_MOST_REFUSALS = 2
"""Of one page, for lost packets: a transmitter tries three times, and the third one is better than none."""
_PAGE_LIMIT = 32 * 1024 * 1024
"""Octets of one coded page beyond which it is not taken: no page at V.17 speed in an hour is larger."""


class ReceivingSession(Protocol):
    """The T.30 machine that is told of pages which are not even stored."""

    def page_refused(self, index: int, now: float) -> None: ...
    def page_not_stored(self, index: int, error: str, now: float) -> None: ...


class PageReceiver:
    """Takes what ``session``, which has these ``options``, says of the pages that come."""

    def __init__(self, session: ReceivingSession, options: ReceiveOptions, settings: CallSettings) -> None:
        self._session = session
        self._options = options
        self._settings = settings
        self._octets = 0
        """Of the pages given out to be stored."""
        self._data = bytearray()
        self._checker: LineChecker | None = None
        self._index = 0
        self._too_long = False
        """The page has more octets than are kept."""
        self._incomplete = False
        """Packets of the page are lost."""
        self._pieces = 0
        """Packets of the page that came."""
        self._lost_before = 0
        """Packets that the call had lost when the page could begin."""
        self._refusals = 0
        """Of the page, because packets of it were lost."""

    def take(self, output: Output, lost: int, now: float) -> list[StorePage]:
        """The page to store, if this completes one and it is not refused.

        ``lost`` is the number of packets that the call has lost so far.
        """
        match output:
            case PageBegun(index=index, mode=mode):
                self._data.clear()
                self._checker = None if mode.ecm else LineChecker(mode.coding, mode.width)
                self._too_long = self._incomplete = False
                self._pieces = 0
                if index != self._index:
                    self._index, self._refusals = index, 0
            case PageData(data=data, after_gap=after_gap):
                self._too_long |= len(self._data) + len(data) > _PAGE_LIMIT
                self._pieces += bool(data)
                if not self._too_long:
                    self._data += data
                    if self._checker is not None:
                        self._incomplete |= after_gap and not self._checker.ended
                        self._checker.feed(data, after_gap)
            case PageReceived():
                lost_of_page, self._lost_before = lost - self._lost_before, lost
                return self._received(output, lost_of_page, now)
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
        """Why a page is not kept, whatever its quality."""
        settings = self._settings
        if self._too_long:
            return f"it has more than the {_PAGE_LIMIT} octets that are kept of a page"
        if index >= settings.max_pages:
            return f"the fax has more than the {settings.max_pages} pages that are taken (max_pages)"
        if settings.max_octets is not None and self._octets + octets > settings.max_octets:
            return f"the fax has more than the {settings.max_octets} octets that are taken (max_octets)"
        return None

    def _is_refused(self, counted: PageQuality, ended: bool, lost: int) -> bool:
        """Whether a page without ECM has to come again, rather than be kept as it is.

        A bad line on the telephone costs a few rows, which T.30 leaves to our tolerance. Lost packets cost
        content that may not show in the rows that did come, and the next attempt is likely to bring it. The
        last attempt is kept if but little of its middle is missing.
        """
        if self._incomplete:
            self._refusals += 1
            if self._refusals <= _MOST_REFUSALS or not ended:
                return True
            if lost >= self._options.bad_share * (lost + self._pieces):
                return True
        return counted.bad_rows >= self._options.bad_share * counted.rows


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
        self._losses = Losses(offered)
        self._page_receiver = PageReceiver(self._receiver, options, settings)

    def start(self, now: float) -> None:
        """Answer the call."""
        self._record.started_at = now
        self.line_call = self._incoming.call
        self._machine.feed(Event.REFUSE if self._our_answer() is None else Event.ACCEPT, now)

    def _our_answer(self) -> Sequence[MediaDescription] | None:
        """To what the caller offers, or our offer where it makes none; None when nothing suits."""
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
        """Send 488, and say what does not suit."""
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

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        if isinstance(self._receiver, PollServer):
            self._receiver.page_ready(request, data, now)
            self._pump(now)

    def page_failed(self, request: int, error: str, now: float, *, again: bool = False) -> None:
        """As of a :class:`~t38fsp.call.placing.SendingCall`."""
        if isinstance(self._receiver, PollServer):
            self._record.page_may_do_again = again
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
            self._page_jobs += self._page_receiver.take(output, self._lost, now)
        super()._on_output(output, now)
