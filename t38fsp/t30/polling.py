"""Polling: the caller receives a document that the called end offers (T.30 5.3.6.1.2, DIS bit 9).

The caller answers the DIS with DTC and receives from there on; the called end, which had offered to receive
as well, becomes the transmitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Output, PollRequested
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import LineSignal, PageFormat, PageQuality


class Poller(Receiver):
    """The caller that polls the document of the called end."""

    def __init__(self, options: ReceiveOptions, poll: PollOptions | None = None) -> None:
        super().__init__(options, poll or PollOptions())


class PollServer:
    """The called end with a document: receives from a caller, or sends the document when polled.

    It has the inputs and outputs of both machines. ``options.document`` has the conditions for a caller.

    Raises:
        ValueError: no pages.
    """

    def __init__(
        self, options: ReceiveOptions, pages: Sequence[PageFormat], sending: TransmitOptions | None = None
    ) -> None:
        if not pages:
            raise ValueError("the document to be polled is empty; give at least one page")
        self._pages = tuple(pages)
        self._sending = sending or TransmitOptions(station_id=options.station_id)
        self._receiver = Receiver(replace(options, document=options.document or PollDocument()))
        self._transmitter: Transmitter | None = None
        self._outputs: list[Output] = []

    @property
    def page_count(self) -> int:
        """Pages of the document."""
        return len(self._pages)

    @property
    def polled(self) -> bool:
        """Whether the caller asked for the document."""
        return self._transmitter is not None

    def limit_rate(self, bit_rate: int) -> None:
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), in either direction."""
        self._receiver.limit_rate(bit_rate)
        self._sending = replace(self._sending, max_rate=min(self._sending.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: see :meth:`Receiver.be_internet_aware`. The document goes at modem pace."""
        self._receiver.be_internet_aware()

    def leave_internet_aware_mode(self, now: float) -> None:
        self._session.leave_internet_aware_mode(now)

    def start(self, now: float, *, ced: bool = True) -> None:
        """See :meth:`Receiver.start`."""
        self._receiver.start(now, ced=ced)

    def receive(self, signal: LineSignal, now: float) -> None:
        self._session.receive(signal, now)
        self._hand_over(now)

    def burst_sent(self, now: float) -> None:
        self._session.burst_sent(now)

    def abort(self, now: float) -> None:
        self._session.abort(now)

    def line_dropped(self, now: float) -> None:
        session = self._session
        session.line_dropped(now)
        self._hand_over(now)
        # The request to poll was still among its outputs: the transmitter that it began has to learn that
        # the line is gone.
        if self._session is not session:
            self._session.line_dropped(now)

    def next_deadline(self) -> float | None:
        return self._session.next_deadline()

    def handle_deadline(self, now: float) -> None:
        self._session.handle_deadline(now)
        self._hand_over(now)

    def take_outputs(self) -> list[Output]:
        outputs, self._outputs = self._outputs + self._session.take_outputs(), []
        return outputs

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        if self._transmitter is not None:
            self._transmitter.page_ready(request, data, now)

    def page_failed(self, request: int, error: str, now: float) -> None:
        if self._transmitter is not None:
            self._transmitter.page_failed(request, error, now)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._receiver.page_stored(index, quality, now)

    def page_refused(self, index: int, now: float) -> None:
        self._receiver.page_refused(index, now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._receiver.page_not_stored(index, error, now)

    @property
    def _session(self) -> Receiver | Transmitter:
        return self._transmitter or self._receiver

    def _hand_over(self, now: float) -> None:
        if self._transmitter is not None:
            return
        for output in self._receiver.take_outputs():
            self._outputs.append(output)
            if isinstance(output, PollRequested):
                self._transmitter = Transmitter(self._pages, self._sending, polled=True)
                self._transmitter.take_up(output.dtc, now)
