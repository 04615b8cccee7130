"""Mutated datagrams through UDPTL, IFP and T.30: ``python -m tests.benchmarks.fuzz [DATAGRAMS [SEED]]``.

Recorded datagrams and made-up T.30 frames are mutated: bits flipped, octets set, cut out, repeated, put in,
two spliced. Every datagram goes into a terminal, what that hears into a T.30 machine, and a mutated frame
into every parser of frames. A parser may raise its documented error; whatever else escapes ends the run with
the octets that did it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from t38fsp.t30.capabilities import Capabilities
from t38fsp.t30.dcs import BitField
from t38fsp.t30.dcs_choice import Choice
from t38fsp.t30.frames import (
    FCF,
    Frame,
    FrameError,
    PartialPageSignal,
    decode_station_id,
    image_frame,
    parse_end_of_retransmission,
    parse_image_frame,
    parse_partial_page_request,
)
from t38fsp.t30.optional_frames import equipment, refusal_in_words
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import FrameReceived, Modem, PageFormat, Resolution
from t38fsp.t38.ifp import IfpError, Syntax, parse
from t38fsp.t38.terminal import Terminal
from t38fsp.t38.timing import Timing
from t38fsp.t38.tpkt import TpktError, TpktReader
from t38fsp.t38.udptl import Datagram, UdptlError
from tests.t38.recorded_calls import NAMES, datagrams

_ROUND = 400
"""Datagrams of one call; then a new one begins."""
_CHUNK = 100_000

_DIS = bytes.fromhex("00771f22")
_FRAMES = [
    *(bytes(Frame(fcf, _DIS, final, x)) for fcf in FCF for final in (False, True) for x in (False, True)),
    *(image_frame(number, bytes(range(256))) for number in (0, 1, 255)),
    b"\xff\xc0\x61",
]
_PAGE = PageFormat(1728, 1100, Resolution.R8_FINE)


def mutated(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the corpus, or two, with up to four changes."""
    octets = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        if not octets:
            break
        at = chance.randrange(len(octets))
        end = at + chance.choice((1, 1, 2, 8, 60))
        match chance.randrange(8):
            case 0 | 1:
                octets[at] ^= 1 << chance.randrange(8)
            case 2 | 3:
                octets[at] = chance.choice((0, 1, 0x7F, 0x80, 0xBF, 0xC0, 0xFF, chance.randrange(256)))
            case 4:
                del octets[at:end]
            case 5:
                octets[at:at] = octets[at:end]
            case 6:
                octets[at:at] = chance.randbytes(end - at)
            case 7:
                other = chance.choice(corpus)
                octets[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(octets)


_PARSERS: Sequence[Callable[[bytes], object]] = (
    Capabilities.parse,
    lambda fif: Choice.parse(BitField.parse(fif)),
    PartialPageSignal.parse,
    decode_station_id,
    equipment,
    refusal_in_words,
    parse_end_of_retransmission,
    parse_partial_page_request,
)


def parse_frame(octets: bytes) -> bool:
    """Every parser of T.30 on what may be a frame; whether it is one."""
    try:
        frame = Frame.parse(octets)
    except FrameError:
        return False
    for parser in _PARSERS:
        with contextlib.suppress(FrameError):
            parser(frame.fif)
    with contextlib.suppress(FrameError):
        parse_image_frame(frame)
    return True


class _Call:
    """A terminal and a T.30 machine that hear what comes."""

    def __init__(self, chance: random.Random) -> None:
        syntax = chance.choice(list(Syntax))
        self.terminal = Terminal(syntax=syntax, timing=Timing(keep_alive=0.0))
        self.session: Transmitter | Receiver
        if chance.random() < 0.5:
            self.session = Transmitter([_PAGE], TransmitOptions())
            self.session.start(0.0)
            self.session.proceed(0.0)
        else:
            self.session = Receiver(ReceiveOptions())
            self.session.start(0.0)
        self._syntax = syntax
        self._tpkt: TpktReader | None = TpktReader(syntax)

    def feed(self, octets: bytes, now: float) -> None:
        self.terminal.receive(octets, now)
        if (due := self.terminal.next_deadline()) is not None and due <= now:
            self.terminal.handle_deadline(now)
        for signal in self.terminal.take_signals():
            self.session.receive(signal, now)
        self.session.take_outputs()
        if self._tpkt is not None:
            try:
                self._tpkt.feed(octets)
            except TpktError:
                self._tpkt = None
        try:
            datagram = Datagram.parse(octets)
        except UdptlError:
            return
        if bytes(datagram) != octets and Datagram.parse(bytes(datagram)) != datagram:
            raise AssertionError("a datagram that is read is not written alike")
        for ifp in (datagram.primary, *datagram.secondaries, *(datagram.parity or ())):
            with contextlib.suppress(IfpError):
                parse(ifp, self._syntax.other)

    def hear(self, frame: bytes, now: float) -> None:
        """A V.21 frame past the terminal, so that the machine meets every kind of them."""
        self.session.receive(FrameReceived(Modem.V21, frame, good=True), now)
        self.session.take_outputs()


@dataclass(slots=True)
class Tally:
    datagrams: int = 0
    malformed: int = 0
    """Datagrams or packets in them."""
    frames: int = 0
    """Frames that were still frames."""
    seconds: float = 0.0
    """Of CPU."""
    faults: list[str] = field(default_factory=list)


def run(arguments: tuple[int, int]) -> Tally:
    """``count`` datagrams from ``seed`` on."""
    count, seed = arguments
    chance = random.Random(seed)
    corpus = [octets for name in NAMES for octets in datagrams(name)]
    tally = Tally()
    began = time.process_time()
    call = _Call(chance)
    for number in range(count):
        if number % _ROUND == 0:
            tally.malformed += call.terminal.counters.malformed
            call = _Call(chance)
        octets = mutated(corpus, chance)
        frame = mutated(_FRAMES, chance)
        now = number % _ROUND * 0.03
        try:
            call.feed(octets, now)
            tally.frames += parse_frame(frame)
            if number % 16 == 0:
                call.hear(frame, now)
        except Exception as error:
            tally.faults.append(f"{error!r}: datagram {octets.hex()}, frame {frame.hex()}")
            break
        tally.datagrams += 1
    tally.seconds = time.process_time() - began
    return tally


def main(count: int = 10_000_000, seed: int = 1) -> int:
    chunks = [(min(_CHUNK, count - start), seed + start) for start in range(0, count, _CHUNK)]
    whole = Tally()
    workers = os.cpu_count() or 1
    with multiprocessing.Pool(workers, initializer=os.nice, initargs=(15,)) as pool:
        for tally in pool.imap_unordered(run, chunks):
            whole.datagrams += tally.datagrams
            whole.malformed += tally.malformed
            whole.frames += tally.frames
            whole.seconds += tally.seconds
            whole.faults += tally.faults
            if whole.faults:
                break
    print(
        f"{whole.datagrams} datagrams, {whole.malformed} of them or of their packets malformed, "
        f"{whole.frames} frames still frames, in {whole.seconds:.0f} s of CPU: "
        f"{whole.datagrams / max(whole.seconds, 1e-9):.0f} datagrams a second on one core"
    )
    for fault in whole.faults:
        print(f"escaped: {fault}")
    return 1 if whole.faults else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
