"""A telephone line in simulated time: two T.30 machines, and the pages at both ends.

Bursts are played at the pace of their modems and arrive ``delay`` seconds later. A ``Damage`` spoils them.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from t38fsp.t30.frames import FCF, Frame
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.outputs import (
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
from t38fsp.t30.vocabulary import (
    Burst,
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    HdlcBurst,
    LineSignal,
    Modem,
    PageMode,
    PageQuality,
    RawBurst,
    ToneBurst,
    ToneHeard,
)

SILENCE = 0.075
TAIL = 0.1
_CHUNK = 0.5
_UNPACED = 0.001
_LIMIT = 40_000.0


Machine = T30Machine | PollServer


class Damage:
    """What the line does to what passes; this one does nothing."""

    echo: float | None = None
    """Seconds after which each end hears its own V.21, too."""

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        """The whole burst stays unheard."""
        return False

    def loses_frame(self, sender: Machine, modem: Modem, frame: bytes) -> bool:
        """The frame arrives with a bad FCS."""
        return False

    def taken_for(self, sender: Machine, burst: HdlcBurst | RawBurst) -> Modem:
        """The modem that the far end believes to hear."""
        return burst.modem

    def spoils(self, sender: Machine, modem: Modem, octets: bytes) -> bytes:
        """What becomes of octets of a raw burst."""
        return octets


def fcf_of(burst: Burst) -> FCF | None:
    """The command or response of a V.21 burst."""
    if not isinstance(burst, HdlcBurst) or burst.modem is not Modem.V21:
        return None
    return Frame.parse(burst.frames[-1]).fcf


@dataclass
class LosesBursts(Damage):
    """Loses the first bursts with these commands or responses, as often as listed."""

    commands: list[FCF]

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        fcf = fcf_of(burst)
        if fcf not in self.commands:
            return False
        self.commands.remove(fcf)
        return True


@dataclass
class Noise(Damage):
    """Loses bursts, frames of V.21 and frames of ECM at random."""

    seed: int
    bursts: float = 0.0
    control_frames: float = 0.0
    image_frames: float = 0.0
    training: float = 0.0
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def loses_burst(self, sender: Machine, burst: Burst) -> bool:
        return self.random.random() < self.bursts

    def loses_frame(self, sender: Machine, modem: Modem, frame: bytes) -> bool:
        share = self.control_frames if modem is Modem.V21 else self.image_frames
        return self.random.random() < share

    def spoils(self, sender: Machine, modem: Modem, octets: bytes) -> bytes:
        if any(octets) or self.random.random() >= self.training:
            return octets
        return b"\x55" * len(octets)


@dataclass
class Bad(Damage):
    """Training fails on these modems."""

    modems: set[Modem]

    def spoils(self, sender: Machine, modem: Modem, octets: bytes) -> bytes:
        return octets if any(octets) or modem not in self.modems else b"\x55" * len(octets)


@dataclass
class Sender:
    """The application of a transmitter: answers after ``delay`` seconds, or fails."""

    code: Callable[[int, PageMode], bytes]
    delay: float = 0.0
    fails: frozenset[int] = frozenset()
    asked: list[PageWanted] = field(default_factory=list)


@dataclass
class Store:
    """The application of a receiver: keeps pages, and says how good they are."""

    delay: float = 0.0
    quality: Callable[[int, int], PageQuality | None] = lambda index, attempt: PageQuality(2000)
    """Of a page, and of which attempt at it; None refuses it unstored."""
    full_from: int | None = None
    """Storing fails from this page on."""
    attempts: dict[int, int] = field(default_factory=dict)
    arriving: dict[int, bytearray] = field(default_factory=dict)
    pages: dict[int, bytes] = field(default_factory=dict)
    kept: list[bytes] = field(default_factory=list)
    """Every page that was ever stored, the replaced ones too."""
    modes: dict[int, PageMode] = field(default_factory=dict)


class Link:
    """One call. ``run`` returns when both ends have finished or nothing more can happen.

    The transmitter calls; when it is an PollServer, whoever receives calls it.
    """

    def __init__(
        self,
        transmitter: Transmitter | PollServer | None,
        receiver: Receiver | Poller | None,
        sender: Sender,
        store: Store | None = None,
        damage: Damage | None = None,
        delay: float = 0.05,
        modems: bool = True,
    ) -> None:
        self.now = 0.0
        self.modems = modems
        """False for packets all the way: bursts without pace take next to no time."""
        self.transmitter, self.receiver = transmitter, receiver
        self.sender, self.store = sender, store or Store()
        self.damage = damage or Damage()
        self.delay = delay
        self.outputs: dict[Machine, list[Output]] = {}
        self.bursts: list[tuple[float, Machine, Burst]] = []
        self.finished_at: dict[Machine, float] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._playing: dict[Machine, int] = {}
        self._carriers: dict[Machine, Modem] = {}
        for machine in (transmitter, receiver):
            if machine is not None:
                self.outputs[machine] = []
                self._playing[machine] = 0

    # --- running ------------------------------------------------------------------------------------------

    def run(self, until: float = _LIMIT) -> None:
        """Start both ends and let time pass."""
        if isinstance(self.transmitter, PollServer):
            self.transmitter.start(self.now, ced=False)
        elif self.transmitter is not None:
            self.transmitter.start(self.now)
            self.transmitter.proceed(self.now)
        if self.receiver is not None:
            self.receiver.start(self.now, ced=False)
        self.go_on(until)

    def go_on(self, until: float = _LIMIT) -> None:
        while True:
            self._drain()
            times = [self._events[0][0]] if self._events else []
            times += [due for machine in self.outputs if (due := machine.next_deadline()) is not None]
            if not times:
                return
            self.now = max(self.now, min(times))
            if self.now > until:
                return
            if self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            for machine in self.outputs:
                machine.handle_deadline(self.now)

    @property
    def page_count(self) -> int:
        assert self.transmitter is not None
        return self.transmitter.page_count

    def replace_receiver(self, receiver: Receiver) -> None:
        """The far end is switched off and on again."""
        del self.outputs[self.receiver]
        self._playing[self.receiver] += 1
        self.receiver = receiver
        self.outputs[receiver] = []
        self._playing[receiver] = 0
        receiver.start(self.now, ced=False)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def of(self, machine: Machine | None, kind: type) -> list:
        return [output for output in self.outputs[machine] if isinstance(output, kind)]

    def finished(self, machine: Machine | None) -> SessionFinished:
        (finished,) = self.of(machine, SessionFinished)
        return finished

    def outcomes(self, machine: Machine | None) -> list[PageOutcome]:
        return self.of(machine, PageOutcome)

    def said(self, machine: Machine | None) -> list[str]:
        """The commands or responses that one end sent."""
        return [str(fcf) for _, who, burst in self.bursts if who is machine and (fcf := fcf_of(burst))]

    def image_modems(self) -> list[tuple[Modem, bool]]:
        """Modem and short training of every image burst, the training checks included."""
        return [
            (burst.modem, burst.short_training)
            for _, who, burst in self.bursts
            if not isinstance(burst, ToneBurst) and burst.modem is not Modem.V21
        ]

    # --- outputs ------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for machine in self.outputs:
                for output in machine.take_outputs():
                    busy = True
                    self.outputs[machine].append(output)
                    self._obey(machine, output)

    def _obey(self, machine: Machine, output: Output) -> None:
        match output:
            case SendBurst(burst):
                self.bursts.append((self.now, machine, burst))
                self._play(machine, burst)
            case RevokeBurst():
                self._playing[machine] += 1
                modem = self._carriers.pop(machine, None)
                if modem is not None:
                    self._hear(machine, CarrierLost(modem, clean=False), self.now + self.delay)
            case PageWanted():
                self.sender.asked.append(output)
                self.at(self.now + self.sender.delay, lambda: self._answer(output))
            case PageBegun(index, mode) if machine is self.receiver:
                self.store.arriving[index] = bytearray()
                self.store.modes[index] = mode
            case PageData(index, data):
                self.store.arriving[index] += data
            case PageReceived(index):
                self.at(self.now + self.store.delay, lambda: self._store(index))
            case SessionFinished():
                self._playing[machine] += 1
                self.finished_at[machine] = self.now

    def _answer(self, wanted: PageWanted) -> None:
        assert self.transmitter is not None
        if wanted.index in self.sender.fails:
            self.transmitter.page_failed(wanted.request, "the page has no ink", self.now)
        else:
            data = self.sender.code(wanted.index, wanted.mode)
            self.transmitter.page_ready(wanted.request, data, self.now)

    def _store(self, index: int) -> None:
        assert self.receiver is not None
        store = self.store
        if store.full_from is not None and index >= store.full_from:
            self.receiver.page_not_stored(index, "the disk is full", self.now)
            return
        attempt = store.attempts[index] = store.attempts.get(index, 0) + 1
        quality = store.quality(index, attempt)
        if quality is None:
            self.receiver.page_refused(index, self.now)
            return
        store.pages[index] = bytes(store.arriving[index])
        store.kept.append(store.pages[index])
        self.receiver.page_stored(index, quality, self.now)

    # --- the line -----------------------------------------------------------------------------------------

    def _play(self, machine: Machine, burst: Burst) -> None:
        lost = self.damage.loses_burst(machine, burst)
        token = self._playing[machine]
        steps = _steps(self, machine, burst)
        hurried = isinstance(burst, HdlcBurst) and not burst.modem_paced and not self.modems
        pace = _UNPACED if hurried else 1.0

        def step() -> None:
            if self._playing[machine] != token:
                return
            found = next(steps, None)
            if found is None:
                self._carriers.pop(machine, None)
                machine.burst_sent(self.now)
                return
            wait, signal = found
            if signal is not None and not lost:
                if isinstance(signal, CarrierDetected):
                    self._carriers[machine] = signal.modem
                elif isinstance(signal, CarrierLost):
                    self._carriers.pop(machine, None)
                self._hear(machine, signal, self.now + self.delay)
            self.at(self.now + wait * pace, step)

        self.at(self.now + SILENCE * pace, step)

    def _hear(self, machine: Machine, signal: LineSignal, when: float) -> None:
        for other in self.outputs:
            if other is not machine:
                self.at(when, lambda other=other: other.receive(signal, self.now))
        echo = self.damage.echo
        if echo is not None and not isinstance(signal, ToneHeard) and signal.modem is Modem.V21:
            self.at(self.now + echo, lambda: machine.receive(signal, self.now))


def _steps(link: Link, machine: Machine, burst: Burst) -> Iterator[tuple[float, LineSignal | None]]:
    """Signals of a burst, each with the time until the next."""
    if isinstance(burst, ToneBurst):
        yield burst.seconds, ToneHeard(burst.tone)
        return
    modem = burst.modem
    heard = link.damage.taken_for(machine, burst)
    octet = 8 / modem.rate
    start_up = 1.0 if modem is Modem.V21 else 0.142 if burst.short_training else 1.393
    yield start_up, CarrierDetected(heard, burst.short_training)
    if isinstance(burst, HdlcBurst):
        for frame in burst.frames:
            yield (len(frame) + 4) * octet, None
            good = not link.damage.loses_frame(machine, modem, frame)
            yield 0.0, FrameReceived(heard, frame, good)
    else:
        size = max(1, int(_CHUNK / octet))
        for start in range(0, len(burst.data), size):
            chunk = burst.data[start : start + size]
            yield len(chunk) * octet, None
            yield 0.0, DataReceived(heard, link.damage.spoils(machine, modem, chunk))
    yield TAIL, CarrierLost(heard)
