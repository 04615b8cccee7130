"""Our T.30 machines on our T.38 terminal, as one party of a simulated call."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TypeVar

from t38fsp.image.document import encode_page, inspect
from t38fsp.image.store import append_page
from t38fsp.lanes import Lanes
from t38fsp.t30.options import PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import (
    FarEndIdentified,
    Negotiated,
    Output,
    PageBegun,
    PageData,
    PageOutcome,
    PageReceived,
    PageWanted,
    RevokeBurst,
    SendBurst,
    SessionFinished,
)
from t38fsp.t30.polling import Poller, PollServer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing

T = TypeVar("T", bound=Output)


class _OurParty:
    """A T.30 machine, the terminal below it, and the lanes that pace the terminal's packets."""

    def __init__(
        self,
        session: Transmitter | Receiver | PollServer,
        *,
        syntax: Syntax,
        redundancy: int,
        timing: Timing | None,
    ) -> None:
        self._session = session
        self.terminal = Terminal(syntax=syntax, redundancy=redundancy, timing=timing)
        self._lanes = Lanes()
        self._datagrams: list[bytes] = []
        self.terminal.lane.send = lambda datagram: self._datagrams.append(datagram)
        self._started = False
        self.outputs: list[tuple[float, Output]] = []
        """Everything the T.30 machine said, with its time; page data are left out."""
        self.result: SessionFinished | None = None

    # --- the line ----------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.result is not None and self._lanes.next_due() is None

    def receive_datagram(self, data: bytes, now: float) -> None:
        assert self.terminal.receive(data, now), f"our terminal cannot read {data.hex()}"
        self._pump(now)

    def next_deadline(self) -> float | None:
        if not self._started:
            return 0.0
        due = self._lanes.next_due()
        for other in (self.terminal.next_deadline(), self._session.next_deadline()):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def handle_deadline(self, now: float) -> None:
        if not self._started:
            self._started = True
            self.terminal.start(now)
            self._start(now)
        self.terminal.handle_deadline(now)
        self._session.handle_deadline(now)
        self._pump(now)

    def take_datagrams(self) -> list[bytes]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def hang_up(self, now: float) -> None:
        """The call was dropped, as by BYE."""
        self._session.line_dropped(now)
        self._pump(now)

    # --- what came of it ---------------------------------------------------------------------------------

    @property
    def outcomes(self) -> list[PageOutcome]:
        return self._said(PageOutcome)

    @property
    def negotiated(self) -> list[Negotiated]:
        return self._said(Negotiated)

    @property
    def far_ident(self) -> str:
        return next((output.station_id for output in self._said(FarEndIdentified)), "")

    def _said(self, kind: type[T]) -> list[T]:
        return [output for _, output in self.outputs if isinstance(output, kind)]

    # --- inside ------------------------------------------------------------------------------------------

    def _pump(self, now: float) -> None:
        moving = True
        while moving:
            moving = False
            for signal in self.terminal.take_signals():
                self._session.receive(signal, now)
                moving = True
            for _ in range(self.terminal.take_sent()):
                self._session.burst_sent(now)
                moving = True
            for output in self._session.take_outputs():
                self._on_output(output, now)
                moving = True
        if self.terminal.lane.moved:
            self._lanes.schedule(self.terminal.lane)
        self._lanes.turn(lambda: now)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, SendBurst):
            self.terminal.send(output.burst, now)
        elif isinstance(output, RevokeBurst):
            self.terminal.revoke(now)
        if isinstance(output, SessionFinished):
            self.result = output
        if not isinstance(output, PageData):
            self.outputs.append((now, output))
        self._on_page(output, now)

    @abstractmethod
    def _start(self, now: float) -> None: ...

    @abstractmethod
    def _on_page(self, output: Output, now: float) -> None: ...


class OurSender(_OurParty):
    """Sends a document; pages are coded as soon as they are asked for."""

    def __init__(
        self,
        document: Path,
        options: TransmitOptions | None = None,
        *,
        syntax: Syntax = Syntax.Y1998,
        redundancy: int = 3,
        timing: Timing | None = None,
    ) -> None:
        self._document = document
        self.session = Transmitter(inspect(document), options or TransmitOptions())
        super().__init__(self.session, syntax=syntax, redundancy=redundancy, timing=timing)

    def _start(self, now: float) -> None:
        self.session.start(now)
        self.session.proceed(now)

    def _on_page(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            data = encode_page(self._document, output.index, output.mode)
            self.session.page_ready(output.request, data, now)


class OurAnswerer(_OurParty):
    """Has a document to be polled."""

    def __init__(
        self,
        document: Path,
        options: ReceiveOptions | None = None,
        *,
        syntax: Syntax = Syntax.Y1998,
        redundancy: int = 3,
    ) -> None:
        self._document = document
        self.session = PollServer(options or ReceiveOptions(), inspect(document))
        super().__init__(self.session, syntax=syntax, redundancy=redundancy, timing=None)

    def _start(self, now: float) -> None:
        self.session.start(now)

    def _on_page(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            data = encode_page(self._document, output.index, output.mode)
            self.session.page_ready(output.request, data, now)


class OurReceiver(_OurParty):
    """Receives into a TIFF-F file; pages are stored as soon as they are complete. With ``poll`` it calls."""

    def __init__(
        self,
        path: Path,
        options: ReceiveOptions | None = None,
        *,
        syntax: Syntax = Syntax.Y1998,
        redundancy: int = 3,
        timing: Timing | None = None,
        poll: PollOptions | None = None,
    ) -> None:
        self._path = path
        self._data = bytearray()
        received = options or ReceiveOptions()
        self.session = Receiver(received) if poll is None else Poller(received, poll)
        super().__init__(self.session, syntax=syntax, redundancy=redundancy, timing=timing)

    def _start(self, now: float) -> None:
        self.session.start(now)

    def _on_page(self, output: Output, now: float) -> None:
        match output:
            case PageBegun():
                self._data.clear()
            case PageData(data=data):
                self._data += data
            case PageReceived(index=index, mode=mode):
                quality = append_page(self._path, bytes(self._data), mode)
                self.session.page_stored(index, quality, now)
