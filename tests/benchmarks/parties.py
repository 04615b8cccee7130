"""The product's own calls as parties of a simulated line: descriptions are exchanged, but without SIP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sip.line import Answered, Answerer, CallRequest, Ended, Incoming, LineEvent
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.values import Credentials, DialogId, Hop
from t38fsp.audio.leg import RtpStart
from t38fsp.call.driver import CallContext, StorePage
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import SendingCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call_settings import CallSettings
from t38fsp.image.document import encode_page, inspect
from t38fsp.image.store import append_page
from t38fsp.lanes import Lanes
from t38fsp.results import FaxResult
from t38fsp.t30.outputs import PageWanted
from t38fsp.t38.attributes import T38Parameters

_CALL = 1
_OURS, _THEIRS = ("192.0.2.1", 40000), ("192.0.2.2", 40002)
_ENVIRONMENT = CallContext(*_OURS, RtpStart(0, 0, 0))
_DIALOG = DialogId("call", "ours", "theirs")


def _body(address: str, media: Sequence[MediaDescription]) -> SessionDescription:
    return SessionDescription(Origin("-", "1", 1, address), address, tuple(media))


class _DirectLine:
    """A line of one call that is answered at once by a far end that ``theirs`` describes."""

    def __init__(self, theirs: T38Parameters) -> None:
        self.remote = _body(_THEIRS[0], [theirs.to_media(_THEIRS[1])])
        self.events: list[LineEvent] = []

    def place(self, request: CallRequest, now: float) -> int:
        self._answered(request.media)
        return _CALL

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        now: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self._answered(media)

    def hang_up(self, call: int, now: float, *, reason: str | None = None) -> None:
        self.events.append(Ended(call, False, ""))

    def ring(self, call: int, now: float) -> None: ...
    def refuse(self, call: int, status: int, now: float) -> None: ...
    def answer_with(self, call: int, answerer: Answerer, now: float) -> None: ...
    def offer(self, call: int, media: Sequence[MediaDescription], now: float) -> None: ...

    def _answered(self, media: Sequence[MediaDescription]) -> None:
        self.events.append(Answered(_CALL, _DIALOG, 200, "OK", _body(_OURS[0], media), self.remote))


class OurParty:
    """A call that is in T.38 from the first moment on."""

    def __init__(self, line: _DirectLine, call: SendingCall | ReceivingCall) -> None:
        self._line = line
        self.call: FaxCall = call
        self._start = call.start
        self._started = False
        self._due: float | None = 0.0
        self._lanes = Lanes()
        self._datagrams: list[bytes] = []

    @property
    def result(self) -> FaxResult:
        assert self.call.result is not None, "the call is not over"
        return self.call.result

    # --- Party ----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.call.result is not None

    def receive_datagram(self, data: bytes, now: float) -> None:
        self.call.datagram_received(data, _THEIRS, now)
        self._settle(now)

    def next_deadline(self) -> float | None:
        return self._due

    def handle_deadline(self, now: float) -> None:
        if not self._started:
            self._started = True
            self._start(now)
        self.call.handle_deadline(now)
        self._settle(now)

    def take_datagrams(self) -> list[bytes]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def hang_up(self, now: float) -> None:
        """The far end said BYE; let the time go by in which late packets are still heard."""
        if not self.finished:
            self._line.events.append(Ended(_CALL, True, ""))
            self._settle(now)
        while self._due is not None and not self.finished:
            self.handle_deadline(self._due)

    # --- inside ---------------------------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        moving = True
        while moving:
            jobs = self.call.take_page_jobs()
            for job in jobs:
                self._do(job, now)
            events, self._line.events = self._line.events, []
            for event in events:
                self.call.line_event(event, now)
            self.call.take_events()
            moving = bool(jobs or events)
        lane = self.call.take_lane()
        if lane is not None:
            lane.send = lambda datagram: self._datagrams.append(datagram)
            self._lanes.schedule(lane)
        self._lanes.turn(lambda: now)
        times = (self._lanes.next_due(), self.call.next_deadline())
        self._due = min((time for time in times if time is not None), default=None)

    def _do(self, job: PageWanted | StorePage, now: float) -> None:
        raise NotImplementedError


class OurSender(OurParty):
    """Sends a document; pages are coded as soon as they are asked for."""

    def __init__(self, document: Path, settings: CallSettings, theirs: T38Parameters) -> None:
        self._document = document
        line = _DirectLine(theirs)
        request = CallRequest(
            "sip:theirs@192.0.2.2", "sip:ours@192.0.2.1", [Hop(*_THEIRS)], _ENVIRONMENT.media_address
        )
        self._sending = SendingCall(line, request, inspect(document), settings, _ENVIRONMENT)
        super().__init__(line, self._sending)

    def _settle(self, now: float) -> None:
        if self._started:
            self._sending.proceed(True, now)
        super()._settle(now)

    def _do(self, job: PageWanted | StorePage, now: float) -> None:
        assert isinstance(job, PageWanted)
        self._sending.page_ready(job.request, encode_page(self._document, job.index, job.mode), now)


class OurReceiver(OurParty):
    """Receives into a file; pages are stored as soon as they are complete."""

    def __init__(self, path: Path, settings: CallSettings, theirs: T38Parameters) -> None:
        self._path = path
        line = _DirectLine(theirs)
        incoming = Incoming(
            _CALL,
            "sip:ours@192.0.2.1",
            "sip:theirs@192.0.2.2",
            "",
            "sip:ours@192.0.2.1",
            Hop(*_THEIRS),
            line.remote,
        )
        self._receiving = ReceivingCall(line, incoming, settings, _ENVIRONMENT)
        super().__init__(line, self._receiving)

    def _do(self, job: PageWanted | StorePage, now: float) -> None:
        assert isinstance(job, StorePage)
        quality = append_page(self._path, job.data, job.mode)
        self._receiving.page_stored(job.index, quality, now)
