"""The called end: answer, see to the switch, take the pages."""

from __future__ import annotations

from sip.line import Credentials, Incoming, Line
from t38fsp.audio.leg import Role
from t38fsp.call import verdict
from t38fsp.call.environment import CallEnvironment, StorePage
from t38fsp.call.faxcall import FaxCall, Phase
from t38fsp.call.media import answer_offer, audio_offer
from t38fsp.call.record import CallRecord
from t38fsp.jobs import CallSettings
from t38fsp.status import FaxStatus
from t38fsp.t4.checker import LineChecker
from t38fsp.t30.options import ReceiveOptions
from t38fsp.t30.outputs import Negotiated, Output, PageBegun, PageData, PageReceived
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.vocabulary import PageQuality

_BYE_WAIT = 5.0
"""Seconds that the caller is left to hang up after DCN."""
_MOST_REFUSALS = 2
"""Of one page, for lost packets: a transmitter tries three times, and the third one is better than none."""
_PAGE_LIMIT = 32 * 1024 * 1024
"""Octets of one coded page beyond which it is not taken: no page at V.17 speed in an hour is larger."""


class ReceivingCall(FaxCall):
    """Takes an incoming call; received pages come up as :class:`StorePage` jobs. ``credentials`` are for
    challenges within it."""

    def __init__(
        self,
        line: Line,
        incoming: Incoming,
        settings: CallSettings,
        environment: CallEnvironment,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self._options = ReceiveOptions(
            station_id=settings.station_id, ecm=settings.ecm, max_rate=settings.max_rate
        )
        self._receiver = Receiver(self._options)
        super().__init__(line, self._receiver, settings, environment, Role.ANSWERING, CallRecord())
        self._incoming = incoming
        self._credentials = credentials
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

    def start(self, now: float) -> None:
        """Answer the call."""
        self._record.started_at = now
        self.line_call = self._incoming.call
        offer = self._incoming.offer
        media = audio_offer(self._capabilities) if offer is None else answer_offer(self._capabilities, offer)
        if media is None:
            self._record.verdict = verdict.verdict(
                FaxStatus.NOT_FAX_CALL, "the caller offered neither T.38 over UDPTL nor G.711"
            )
            self._line.refuse(self.line_call, 488, now)
            self._conclude(now)
            return
        self._phase = Phase.CALLING
        address = self._environment.media_address
        self._line.accept(self.line_call, media, address, self._answerer, now, credentials=self._credentials)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._receiver.page_stored(index, quality, now)
        self._pump(now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._receiver.page_not_stored(index, error, now)
        self._pump(now)

    def _start_session(self, now: float) -> None:
        self._receiver.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        match output:
            case PageBegun(index=index, mode=mode):
                self._data.clear()
                self._checker = None if mode.ecm else LineChecker(mode.coding, mode.width)
                self._too_long = self._incomplete = False
                self._pieces = 0
                if index != self._index:
                    self._index, self._refusals = index, 0
                super()._on_output(output, now)
            case PageData(data=data, after_gap=after_gap):
                self._too_long |= len(self._data) + len(data) > _PAGE_LIMIT
                self._pieces += bool(data)
                if not self._too_long:
                    self._data += data
                    if self._checker is not None:
                        self._incomplete |= after_gap and not self._checker.ended
                        self._checker.feed(data, after_gap)
            case PageReceived():
                self._page_received(output, now)
                self._lost_before = self._lost
            case Negotiated():
                self._lost_before = self._lost
                super()._on_output(output, now)
            case _:
                super()._on_output(output, now)

    def _page_received(self, page: PageReceived, now: float) -> None:
        refused = self._checker is not None and self._is_refused(self._checker)
        if self._too_long:
            error = f"it has more than the {_PAGE_LIMIT} octets that are kept of a page"
            self._receiver.page_not_stored(page.index, error, now)
        elif refused:
            self._receiver.page_refused(page.index, now)
        else:
            self._page_jobs.append(StorePage(page.index, page.mode, bytes(self._data)))
        self._data.clear()

    @property
    def _lost(self) -> int:
        return 0 if self._fax is None else self._fax.counters.lost

    def _is_refused(self, checker: LineChecker) -> bool:
        """Whether a page without ECM has to come again, rather than be kept as it is.

        A bad line on the telephone costs a few rows, which T.30 leaves to our tolerance. Lost packets cost
        content that may not show in the rows that did come, and the next attempt is likely to bring it. The
        last attempt is kept if but little of its middle is missing.
        """
        ended = checker.ended
        quality = checker.finish()
        if self._incomplete:
            self._refusals += 1
            lost = self._lost - self._lost_before
            if self._refusals <= _MOST_REFUSALS or not ended:
                return True
            if lost >= self._options.bad_share * (lost + self._pieces):
                return True
        return quality.bad_rows >= self._options.bad_share * quality.rows

    def _drain_time(self) -> float:
        # Only one side hangs up after success: the caller, unless it forgets or we are in a hurry.
        ended_well = self._record.finished is not None and self._record.finished.error is None
        return _BYE_WAIT if ended_well and not self._record.aborted else super()._drain_time()
