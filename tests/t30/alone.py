"""One T.30 machine without a line: a script says what it hears, the answer is what it says.

What it says comes as words: ``TSI DCS``, ``TCF 14400``, ``block 14400`` (``long block`` after long training),
``page 9600``, ``PPS-EOP``, and ``END`` with the name of the error, or ``END OK``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from t38fsp.t30.frames import (
    FCF,
    Frame,
    FrameError,
    PartialPageSignal,
    image_frame,
    parse_end_of_retransmission,
)
from t38fsp.t30.options import PollOptions, ReceiveOptions, T30Timers, TransmitOptions
from t38fsp.t30.outputs import Output, PageReceived, PageWanted, SendBurst, SessionFinished, T30Failure
from t38fsp.t30.polling import Poller, PollServer
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    Modem,
    PageFormat,
    PageQuality,
    RawBurst,
)
from tests.t30.calls import FINE

DIS = bytes.fromhex("00771f22")
"""All modems, fine, MR, MMR, ECM, 215 mm, any length, no least scan line time."""
DCS_ECM, DCS_PLAIN = bytes.fromhex("00461f22"), bytes.fromhex("00461e")
"""14400 bit/s, fine; MMR in frames of 256 octets, or MH."""
DIS_NO_RECEIVER = bytes.fromhex("00371f22")
SECOND = 1.0

Event = Callable[["Alone"], None]


class Alone:
    """Hosts ``machine``; bursts take a second each, pages are coded and stored at once."""

    def __init__(self, machine: Transmitter | Receiver | PollServer) -> None:
        self.machine = machine
        self.now = 0.0
        self.outputs: list[Output] = []
        self.stores = True
        self.codes = True
        """Pages are coded at once; else when ``codes_pages`` says so."""
        self.wanted: list[int] = []
        self.quality = PageQuality(1000)
        self.octets = 3000
        self._said: list[str] = []
        self._playing: list[float] = []

    def do(self, events: Iterable[Event]) -> list[str]:
        """What was said since the last of ``events`` began."""
        for event in events:
            self._said.clear()
            event(self)
            self._settle()
        return list(self._said)

    def finished(self) -> SessionFinished | None:
        return next((output for output in self.outputs if isinstance(output, SessionFinished)), None)

    def wait(self, seconds: float) -> None:
        """Let time pass, with what is due in it."""
        end = self.now + seconds
        while (due := self._next()) is not None and due <= end:
            self._step(due)
        self.now = end

    def take(self) -> None:
        """Take what is to be said, and let no time pass."""
        self._drain()

    def wait_for_timer(self) -> None:
        """Until the next timer has run out."""
        due = self.machine.next_deadline()
        if due is not None:
            self._step(due)

    def hear(self, *frames: Frame, good: bool = True) -> None:
        """A V.21 burst of a second."""
        self.machine.receive(CarrierDetected(Modem.V21), self.now)
        self.wait(SECOND)
        for frame in frames:
            self.machine.receive(FrameReceived(Modem.V21, bytes(frame), good), self.now)
        self.machine.receive(CarrierLost(Modem.V21), self.now)

    def hear_image(self, modem: Modem, heard: list[FrameReceived | DataReceived]) -> None:
        self.machine.receive(CarrierDetected(modem), self.now)
        for signal in heard:
            self.machine.receive(signal, self.now)
        self.wait(SECOND)
        self.machine.receive(CarrierLost(modem), self.now)

    def code_pages(self, error: str = "") -> None:
        """Give out the pages that were asked for; with ``error`` they cannot be coded."""
        assert not isinstance(self.machine, Receiver)
        wanted, self.wanted = self.wanted, []
        for request in wanted:
            if error:
                self.machine.page_failed(request, error, self.now)
            else:
                self.machine.page_ready(request, b"\x01" * self.octets, self.now)

    # --- inside -------------------------------------------------------------------------------------------

    def _next(self) -> float | None:
        times = [self.machine.next_deadline(), *self._playing[:1]]
        return min((time for time in times if time is not None), default=None)

    def _step(self, due: float) -> None:
        self.now = max(self.now, due)
        if self._playing and self._playing[0] <= self.now:
            self._playing.pop(0)
            self.machine.burst_sent(self.now)
        self.machine.handle_deadline(self.now)
        self._drain()

    def _settle(self) -> None:
        """Until nothing is being said."""
        self._drain()
        while self._playing:
            self._step(self._playing[0])

    def _drain(self) -> None:
        while outputs := self.machine.take_outputs():
            for output in outputs:
                self._take(output)

    def _take(self, output: Output) -> None:
        self.outputs.append(output)
        match output:
            case SendBurst(burst):
                self._said.append(words(burst))
                self._playing.append(max(self._playing, default=self.now) + SECOND)
            case SessionFinished(error):
                self._said.append(f"END {'OK' if error is None else error.name}")
            case PageWanted(request=request) if not isinstance(self.machine, Receiver):
                self.wanted.append(request)
                if self.codes:
                    self.code_pages()
            case PageReceived(index=index) if self.stores and not isinstance(self.machine, Transmitter):
                self.machine.page_stored(index, self.quality, self.now)


def words(burst: Burst) -> str:
    match burst:
        case HdlcBurst(Modem.V21, frames):
            return " ".join(_word(Frame.parse(frame)) for frame in frames)
        case HdlcBurst(modem):
            return f"{_training(burst)}block {modem.rate}"
        case RawBurst(modem, data):
            return f"{_training(burst)}page {modem.rate}" if any(data) else f"TCF {modem.rate}"
        case _:
            return "tone"


def _training(burst: HdlcBurst | RawBurst) -> str:
    return "" if burst.short_training or burst.modem.modulation != "V.17" else "long "


def _word(frame: Frame) -> str:
    try:
        if frame.fcf is FCF.PPS:
            return str(PartialPageSignal.parse(frame.fif))
        if frame.fcf is FCF.EOR:
            return f"EOR-{parse_end_of_retransmission(frame.fif) or 'NULL'}"
    except FrameError:
        pass
    return str(frame.fcf)


# --- rows of tables -----------------------------------------------------------------------------------------


Row = tuple[str, Sequence[Event], list[str]]


def said(*words: str) -> list[str]:
    return list(words)


def rows(*table: Row) -> pytest.MarkDecorator:
    """Runs a test for each row: its name, the events, and what is said after the last one."""
    return pytest.mark.parametrize(
        ("events", "expected"), [pytest.param(events, expected, id=name) for name, events, expected in table]
    )


# --- events -------------------------------------------------------------------------------------------------


def hears(fcf: FCF, fif: bytes = b"", *, before: Iterable[Frame] = (), x: bool = False) -> Event:
    """A command or response, perhaps with optional frames before it."""
    return lambda alone: alone.hear(*before, Frame(fcf, fif, x=x))


def hears_for(seconds: float, fcf: FCF, fif: bytes = b"", *, x: bool = False) -> Event:
    """The same command or response over and over; only what follows the last one counts as said."""

    def event(alone: Alone) -> None:
        end = alone.now + seconds
        while alone.now < end and alone.finished() is None:
            alone.do([hears(fcf, fif, x=x)])

    return event


def hears_nothing(alone: Alone) -> None:
    """A timer runs out."""
    alone.wait_for_timer()


def waits(seconds: float) -> Event:
    """Nothing is heard for so long."""
    return lambda alone: alone.wait(seconds)


def at_once(*frames: Frame) -> Event:
    """V.21 bursts of these frames, one each, in no time."""

    def event(alone: Alone) -> None:
        for frame in frames:
            alone.machine.receive(CarrierDetected(Modem.V21), alone.now)
            alone.machine.receive(FrameReceived(Modem.V21, bytes(frame), good=True), alone.now)
            alone.machine.receive(CarrierLost(Modem.V21), alone.now)

    return event


def together(*events: Event) -> Event:
    """The later events do not wait until what the first ones had it say has been said."""

    def event(alone: Alone) -> None:
        for one in events:
            one(alone)
            alone.take()

    return event


def hears_late(fcf: FCF) -> Event:
    """The answer comes when the command is being repeated."""

    def event(alone: Alone) -> None:
        alone.wait_for_timer()
        alone.wait(0.5)
        alone.hear(Frame(fcf))

    return event


def hears_no_end(alone: Alone) -> None:
    """A carrier stays up."""
    alone.machine.receive(CarrierDetected(Modem.V21), alone.now)
    alone.wait(T30Timers().control_carrier)


def aborts(alone: Alone) -> None:
    alone.machine.abort(alone.now)


def line_drops(alone: Alone) -> None:
    alone.machine.line_dropped(alone.now)


def codes_pages(alone: Alone) -> None:
    alone.code_pages()


def cannot_code_pages(alone: Alone) -> None:
    alone.code_pages("the page has no ink")


def hears_damage(alone: Alone) -> None:
    """A burst whose only frame has a bad FCS."""
    alone.hear(Frame(FCF.MCF), good=False)


def hears_training(good: bool = True) -> Event:
    octets = (b"\0" if good else b"\x55") * 2700
    return lambda alone: alone.hear_image(Modem.V17_14400, [DataReceived(Modem.V17_14400, octets)])


def hears_page(alone: Alone) -> None:
    """Without ECM."""
    alone.hear_image(Modem.V17_14400, [DataReceived(Modem.V17_14400, b"\x01" * 2000)])


def hears_empty_page(alone: Alone) -> None:
    """An image carrier and nothing on it."""
    alone.hear_image(Modem.V17_14400, [])


def hears_mistaken(fcf: FCF, *, good: bool = True) -> Event:
    """A command or response that the gateway took for frames of an image modem."""
    modem = Modem.V27TER_2400
    return lambda alone: alone.hear_image(modem, [FrameReceived(modem, bytes(Frame(fcf)), good)])


def hears_block(*numbers: int) -> Event:
    """Frames with these numbers."""
    modem = Modem.V17_14400
    frames = [FrameReceived(modem, image_frame(number, bytes(256)), good=True) for number in numbers]
    return lambda alone: alone.hear_image(modem, list(frames))


def partial_page(following: FCF | None, frames: int = 2, *, page: int = 0, block: int = 0) -> Event:
    """PPS as a caller sends it."""
    return hears(FCF.PPS, PartialPageSignal(following, page, block, frames).to_fif(x=True), x=True)


# --- machines -----------------------------------------------------------------------------------------------


def transmitter(pages: int | list[PageFormat] = 2, events: Iterable[Event] = (), **options: object) -> Alone:
    """One that has leave to send, after ``events``."""
    formats = [FINE] * pages if isinstance(pages, int) else pages
    machine = Transmitter(formats, TransmitOptions(cng=False, **options))  # type: ignore[arg-type]
    machine.start(0.0)
    machine.proceed(0.0)
    alone = Alone(machine)
    alone.do(events)
    return alone


def receiver(events: Iterable[Event] = (), **options: object) -> Alone:
    """One that has answered, after ``events``."""
    machine = Receiver(ReceiveOptions(**options))  # type: ignore[arg-type]
    machine.start(0.0, ced=False)
    alone = Alone(machine)
    alone.do([lambda _: None, *events])
    return alone


def poller(events: Iterable[Event] = (), poll: PollOptions | None = None, **options: object) -> Alone:
    """A caller that wants to receive, after ``events``."""
    machine = Poller(ReceiveOptions(**options), poll or PollOptions(cng=False))  # type: ignore[arg-type]
    machine.start(0.0)
    alone = Alone(machine)
    alone.do(events)
    return alone


def poll_server(events: Iterable[Event] = (), **options: object) -> Alone:
    """The called end with a document of two pages, after ``events``."""
    machine = PollServer(ReceiveOptions(**options), [FINE, FINE])  # type: ignore[arg-type]
    machine.start(0.0, ced=False)
    alone = Alone(machine)
    alone.do([lambda _: None, *events])
    return alone


def error_of(alone: Alone) -> T30Failure | None:
    finished = alone.finished()
    assert finished is not None, "it goes on"
    return finished.error
