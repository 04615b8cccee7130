"""The fax machine behind a gateway: a T.30 machine of the product, and its pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from sip.transaction.timers import Timers
from t38fsp.t4.reader import ScanLineChecker
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    Listen,
    Output,
    PageBegun,
    PageData,
    PageReceived,
    PageWanted,
    RevokeBurst,
    SendBurst,
    SessionFinished,
)
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import LineSignal, PageFormat, PageMode, PageQuality

PAPER_SECONDS = 0.05
"""Seconds to code or store a page."""


class PageSource(Protocol):
    """Pages to send. Errors are OSError or ValueError."""

    def encode(self, index: int, mode: PageMode) -> bytes:
        """The octets of the burst that carries page ``index`` (from 0) in ``mode``."""


class PageStore(Protocol):
    """Storage of received pages. Errors are OSError or ValueError."""

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        """Store page ``index`` (from 0), received in a burst or in blocks."""


class FaxMachine(ABC):
    """A machine on its telephone line. Sans-IO, except that pages are coded and stored within its methods."""

    def __init__(self, session: Transmitter | Receiver, paper_seconds: float, pages: int | None) -> None:
        self.pages = pages
        """Length of the document to send; None for a machine that receives."""
        self._session = session
        self._paper_seconds = paper_seconds
        self.finished: SessionFinished | None = None
        """How T.30 ended."""
        self._facts: list[Output] = []
        self._bursts: list[SendBurst | RevokeBurst | Listen] = []
        self._timers = Timers()

    @abstractmethod
    def start(self, now: float) -> None:
        """The line is up."""

    @abstractmethod
    def _on_output(self, output: Output, now: float) -> None:
        """Handle an output that concerns pages."""

    def receive(self, signal: LineSignal, now: float) -> None:
        self._session.receive(signal, now)
        self._drain(now)

    def burst_sent(self, now: float) -> None:
        self._session.burst_sent(now)
        self._drain(now)

    def line_dropped(self, now: float) -> None:
        self._session.line_dropped(now)
        self._drain(now)

    def next_deadline(self) -> float | None:
        times = [self._session.next_deadline(), self._timers.next_deadline()]
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        self._timers.fire(now)
        self._session.handle_deadline(now)
        self._drain(now)

    def abort(self, now: float) -> None:
        """Send DCN and finish."""
        self._session.abort(now)
        self._drain(now)

    def take_facts(self) -> list[Output]:
        """The facts of the fax: far end, modulation, pages, and how it ended."""
        taken, self._facts = self._facts, []
        return taken

    def take_bursts(self) -> list[SendBurst | RevokeBurst | Listen]:
        """Bursts to play, revocations of them, and what to listen for."""
        taken, self._bursts = self._bursts, []
        return taken

    def _drain(self, now: float) -> None:
        for output in self._session.take_outputs():
            match output:
                case SendBurst() | RevokeBurst() | Listen():
                    self._bursts.append(output)
                case PageWanted() | PageData() | PageReceived():
                    self._on_output(output, now)
                # Both: the page is a fact to report, and the work on it begins.
                case PageBegun():
                    self._on_output(output, now)
                    self._facts.append(output)
                case SessionFinished():
                    self.finished = output
                    self._facts.append(output)
                case _:
                    self._facts.append(output)

    def _after_paper(self, action: Callable[[float], None], now: float) -> None:
        self._timers.at(now + self._paper_seconds, action)


class ReceivingMachine(FaxMachine):
    """The answering machine. ``ced``: whether it still plays CED when its line is up."""

    def __init__(
        self,
        pages: PageStore,
        options: ReceiveOptions | None = None,
        *,
        ced: bool = False,
        paper_seconds: float = PAPER_SECONDS,
        judge: Callable[[PageQuality], PageQuality | None] = lambda quality: quality,
    ) -> None:
        self._receiver = Receiver(options or ReceiveOptions())
        super().__init__(self._receiver, paper_seconds, None)
        self._pages = pages
        self._ced = ced
        self._judge = judge
        self._bad_share = (options or ReceiveOptions()).bad_share
        self._data = bytearray()
        self._checker: ScanLineChecker | None = None

    def start(self, now: float) -> None:
        self._receiver.start(now, ced=self._ced)
        self._drain(now)

    def _on_output(self, output: Output, now: float) -> None:
        match output:
            case PageBegun(mode=mode):
                self._data.clear()
                # With ECM each frame has an FCS, so that no row needs to be decoded to know that it is
                # good.
                self._checker = None if mode.ecm else ScanLineChecker(mode.coding, mode.width)
            case PageData(data=data, after_gap=after_gap):
                self._data += data
                if self._checker is not None:
                    self._checker.feed(data, after_gap)
            case PageReceived():
                self._page_received(output, now)

    def _page_received(self, page: PageReceived, now: float) -> None:
        data = bytes(self._data)
        # With ECM the rows are not counted here: one good row stands for all.
        quality = PageQuality(1) if self._checker is None else self._checker.finish()
        self._checker = None
        judged = self._judge(quality)
        if judged is None or judged.bad_rows > self._bad_share * judged.rows:
            self._after_paper(lambda late: self._receiver.page_refused(page.index, late), now)
        else:
            self._after_paper(lambda late: self._store(page, data, judged, late), now)

    def _store(self, page: PageReceived, data: bytes, quality: PageQuality, now: float) -> None:
        try:
            self._pages.store(page.index, page.mode, data)
        except (OSError, ValueError) as error:
            self._receiver.page_not_stored(page.index, str(error), now)
        else:
            self._receiver.page_stored(page.index, quality, now)


class SendingMachine(FaxMachine):
    """Calls, and sends pages of these ``formats``."""

    def __init__(
        self,
        pages: PageSource,
        formats: Sequence[PageFormat],
        options: TransmitOptions | None = None,
        *,
        paper_seconds: float = PAPER_SECONDS,
    ) -> None:
        self._transmitter = Transmitter(formats, options or TransmitOptions())
        super().__init__(self._transmitter, paper_seconds, len(formats))
        self._pages = pages

    def start(self, now: float) -> None:
        self._transmitter.start(now)
        # No callback decides here whether the fax goes on (compare FaxSendCallback).
        self._transmitter.proceed(now)
        self._drain(now)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            self._after_paper(lambda late: self._encode(output, late), now)

    def _encode(self, wanted: PageWanted, now: float) -> None:
        try:
            data = self._pages.encode(wanted.index, wanted.mode)
        except (OSError, ValueError) as error:
            self._transmitter.page_failed(wanted.request, str(error), now)
        else:
            self._transmitter.page_ready(wanted.request, data, now)
