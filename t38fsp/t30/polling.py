"""Polling: the caller fetches a document that the called end has ready (T.30 5.3.6.1.2, DIS bit 9).

The caller answers the DIS with DTC and receives from there on; the called end, which had offered to receive
as well, becomes the transmitter. X follows the DIS, not the document: the caller sets it and yet receives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from t38fsp.t30.answering import State
from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs import Bit
from t38fsp.t30.frames import FCF, Frame, FrameError, encode_station_id
from t38fsp.t30.options import PollDocument, PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import CapabilitiesReceived, Output, PollRequested, T30Error
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.session import Timer
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import LineSignal, PageFormat, PageQuality, Tone, ToneBurst


class Poller(Receiver):
    """Calls, and receives the document of whoever answers."""

    _x = True

    def __init__(self, options: ReceiveOptions, poll: PollOptions | None = None) -> None:
        super().__init__(options)
        self._poll = poll or PollOptions()
        self._capabilities: Capabilities | None = None

    def start(self, now: float, *, ced: bool = False) -> None:
        """The line is up: play CNG and listen for a DIS, for T1 at most. A caller plays no CED."""
        self._now = now
        self._start(Timer.STALL, self._timers.stall)
        if self._poll.cng:
            self._play(ToneBurst(Tone.CNG, 0.0))
        self._state = State.DIS
        self._start(Timer.T1, self._timers.t1)

    def _dis_heard(self, frame: Frame) -> None:
        try:
            capabilities = Capabilities.parse(frame.fif)
        except FrameError:
            return
        self._identify_far_end()
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._emit(CapabilitiesReceived(capabilities))
        if Bit.DOCUMENT_TO_POLL not in capabilities.others:
            self._end(T30Error.NO_DOCUMENT)
        elif self._state is State.DIS:
            self._begin_identification()
        elif self._on_line is None:
            self._identify()

    def _polled(self, frame: Frame) -> None:
        """Our own DTC as an echo: nobody polls who polls."""

    def _identification(self) -> list[tuple[FCF, bytes]]:
        """PWD, SEP and PSA where the DIS allows them, CIG and DTC."""
        poll = self._poll
        frames: list[tuple[FCF, bytes]] = []
        for fcf, text, bit in (
            (FCF.PWD, poll.password, Bit.PASSWORD),
            (FCF.SEP, poll.selective_address, Bit.SELECTIVE_POLLING),
            (FCF.PSA, poll.sub_address, Bit.POLLED_SUBADDRESS),
        ):
            if text and self._capabilities is not None and bit in self._capabilities.others:
                frames.append((fcf, encode_station_id(text)))
            elif text:
                self._warn(f"the far end takes no {fcf} (DIS bit {int(bit)}), so it was asked without")
        if self._options.station_id:
            frames.append((FCF.CIG, encode_station_id(self._options.station_id)))
        return [*frames, (FCF.DTC, self._our_capabilities())]

    def _may_identify(self) -> bool:
        """DTC is a command, and goes out three times (5.4.2)."""
        if self._identifications > self._poll.tries:
            self._end(T30Error.NO_ANSWER_TO_DTC)
            return False
        return True


class Answerer:
    """The called end with a document: it takes what a caller sends, or sends the document when polled.

    It has the inputs and outputs of both machines. ``options.document`` says what a caller has to know.

    Raises:
        ValueError: no pages.
    """

    def __init__(
        self, options: ReceiveOptions, pages: Sequence[PageFormat], sending: TransmitOptions | None = None
    ) -> None:
        if not pages:
            raise ValueError("a document to be polled has at least one page")
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
        """Before the start: no modem above ``bit_rate`` (bit/s, 2400 or more), whoever sends."""
        self._receiver.limit_rate(bit_rate)
        self._sending = replace(self._sending, max_rate=min(self._sending.max_rate, bit_rate))

    def be_internet_aware(self) -> None:
        """Before the start: see :meth:`Receiver.be_internet_aware`. The document goes at modem pace."""
        self._receiver.be_internet_aware()

    def keep_modem_pace(self, now: float) -> None:
        self._session.keep_modem_pace(now)

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
