"""The modems that hear: samples become signals of T.30.

V.21 is always listened to, and beside it one fast modem, if T.30 has said which (``Listen``). No bit passes
through Python: the library's HDLC hands over frames, and bits of a raw burst are read 20 ms at a time.
"""

from __future__ import annotations

import ctypes as c
from array import array
from operator import mul

from t38fsp.audio.modem.library import (
    CARRIER_DOWN,
    FRAME_SAMPLES,
    TRAINED,
    TRAINING_FAILED,
    FrameHandler,
    ModemLibrary,
    State,
)
from t38fsp.audio.modem.transmitting import REVERSED, SPANDSP_NAMES
from t38fsp.audio.modem.v21_frames import V21Frames
from t38fsp.t30.outputs import Listen
from t38fsp.t30.vocabulary import (
    CarrierDetected,
    CarrierLost,
    DataReceived,
    FrameReceived,
    LineSignal,
    Modem,
)

_CUTOFF_DBM0 = -45.5
"""Least level that counts as a signal. The preset of V.21 is too high for a line that loses 20 dB."""
_V21_FLAGS, _FAST_FLAGS = 5, 2
"""Flags that begin a burst. V.21 is listened to all the time, so noise must not produce as many."""
_QUEUE = 8192
"""Bits, each an octet; 20 ms bring 288 at most."""

_TRIES = 6
"""Trainings of one burst. The library finds the timing of a symbol from where it sees a burst begin, and from
one place in twenty or so it does not find it; from a sample later it does."""
_EDGE = 40
"""Samples that are left out then: where a burst begins gradually, it is the level that says where it
begins."""
_MOST_KEPT = 2 * 8000
"""Samples from the beginning of a burst that are kept for that; the longest training takes 1.4 s."""

_ZERO_ONE = b"01" + bytes(254)
_V21_DOWN = bytes([CARRIER_DOWN & 0xFF])
_STATUSES = bytes(range(2, 256))
_DOUBTFUL = 2
"""Blocks: what fills a hole, and the next one, in which modems and the scrambler recover."""


def _onset(samples: array[int]) -> int:
    """Where a signal begins in samples that begin with less."""
    # Half of the root mean square of all.
    enough = sum(map(mul, samples, samples)) / len(samples) / 4
    return next((at for at, sample in enumerate(samples) if sample * sample > enough), 0)


class ReceiveModem:
    """Signals collect in ``signals`` until they are taken."""

    def __init__(self, library: ModemLibrary) -> None:
        self._library = library
        self._v21_bits = c.create_string_buffer(_QUEUE)
        self._doubtful = 0
        """Blocks, this one included, that a hole makes unreliable."""
        self._after_gap = False
        """Bits of the raw burst were left out."""
        self.signals: list[LineSignal] = []
        self.v21_up = False
        """V.21 is heard, from its flags on."""
        self.fast_up = False
        self.failed = False
        """The training of the expected modem failed: it stays deaf for the burst, if there is one. V.21 looks
        like a training at first, too."""
        # The library keeps a bare pointer to it.
        self._fast_handler = FrameHandler(self._on_fast)
        self._v17: State | None = None
        """The receiver of V.17: short training works on the equalizer that long training has left in it."""
        self._candidate: State | None = None
        self._fast: State | None = None
        self._queue: State | None = None
        self._expected: Listen | None = None
        self._tries = 0
        self._kept = array("h")
        """The burst so far, while the modem trains."""
        self._over = False
        """The burst of the fast modem is over."""
        self._bits = b""
        self._begin_v21()
        self._stop_fast()

    @property
    def expected(self) -> Listen | None:
        """The fast modem that is listened for, and has not been heard yet."""
        return self._expected if self._fast is not None and not self.fast_up else None

    def listen(self, expected: Listen | None) -> None:
        """Begin to expect the fast modem of ``expected`` instead of any other; None for V.21 alone.

        V.21 must be silent, or the fast modem trains on it.
        """
        self._stop_fast()
        self._tries = 0
        del self._kept[:]
        if expected is not None and expected.modem is not None:
            self._begin_fast(expected)

    def _begin_fast(self, expected: Listen) -> None:
        assert expected.modem is not None
        self._expected = expected
        library, modem = self._library, expected.modem
        name = SPANDSP_NAMES[modem.modulation]
        self._queue = None
        if expected.hdlc:
            self._sink = library.state("hdlc_rx", 0, 0, _FAST_FLAGS, self._fast_handler, None)
            bits = library.address("hdlc_rx_put_bit"), self._sink.pointer
        else:
            self._sink = self._queue = library.state("queue", _QUEUE, 0)
            self._buffer = c.create_string_buffer(_QUEUE)
            bits = library.address("queue_write_byte"), self._sink.pointer
        if name != "v17":
            state = library.state(f"{name}_rx", modem.rate, *bits)
        elif self._v17 is None:
            state = self._v17 = library.state("v17_rx", modem.rate, *bits)
        elif expected.hdlc and not expected.short_training:
            # After CTR no TCF shows whether the training was good: what it leaves counts once a frame was.
            state = self._candidate = library.state("v17_rx", modem.rate, *bits)
        else:
            state, self._candidate = self._v17, None
            library.call.v17_rx_set_put_bit(state.pointer, *bits)
        if name == "v17":
            library.call.v17_rx_restart(state.pointer, modem.rate, int(expected.short_training))
        library.set_cutoff(name, state, _CUTOFF_DBM0)
        self._fast = state
        self._receive = getattr(library.call, f"{name}_rx")

    def hear(self, samples: array[int], *, loud: bool, filled: bool = False) -> None:
        """Take the next samples, 160 at most; not ``loud`` if they are silence, ``filled`` if they stand for
        others that were lost."""
        self._doubtful = _DOUBTFUL if filled else max(self._doubtful - 1, 0)
        if self._fast is not None:
            if not loud:
                del self._kept[:]
                self._tries = 0
            elif not self.fast_up and len(self._kept) < _MOST_KEPT:
                self._kept.extend(samples)
            self._hear_fast(samples)
            while self.failed and self._tries < _TRIES - 1 and self._kept:
                self._train_again()
            if self._over:
                self._stop_fast()  # not in a call-back of the library
        # While a fast modem is heard V.21 would only find noise in it.
        if not self.fast_up:
            self._hear_v21(samples)

    def _hear_fast(self, samples: array[int]) -> None:
        assert self._fast is not None
        self._receive(self._fast.pointer, *samples.buffer_info())
        if self._queue is not None:
            read = self._library.call.queue_read(self._queue.pointer, self._buffer, _QUEUE)
            if read > 0:
                self._take_bits(c.string_at(self._buffer, read))

    def _train_again(self) -> None:
        """Hear the burst again, beginning a sample later than before."""
        self._tries += 1
        expected = self._expected
        assert expected is not None
        self._stop_fast()
        self._begin_fast(expected)
        for at in range(_onset(self._kept) + _EDGE + self._tries, len(self._kept), FRAME_SAMPLES):
            self._hear_fast(self._kept[at : at + FRAME_SAMPLES])
            if self.failed or self._over:
                return

    def drop(self) -> None:
        """The far end cannot be heard any longer: its carriers are over, without a proper end."""
        self._stop_fast()
        if self.v21_up:
            self.v21_up = False
            self.signals.append(CarrierLost(Modem.V21, False))
        self._begin_v21()

    # --- V.21 ---------------------------------------------------------------------------------------------

    def _begin_v21(self) -> None:
        library = self._library
        self._v21_frames = V21Frames(_V21_FLAGS)
        self._v21_queue = library.state("queue", _QUEUE, 0)
        self._fsk = library.state(
            "fsk_rx", library.v21, 1, library.address("queue_write_byte"), self._v21_queue.pointer
        )
        library.set_cutoff("fsk", self._fsk, _CUTOFF_DBM0)

    def _hear_v21(self, samples: array[int]) -> None:
        call = self._library.call
        call.fsk_rx(self._fsk.pointer, *samples.buffer_info())
        read = call.queue_read(self._v21_queue.pointer, self._v21_bits, _QUEUE)
        if read <= 0:
            return
        bits = c.string_at(self._v21_bits, read)
        # The first bit after a hole has begun in it.
        missing = len(bits) if self._doubtful == _DOUBTFUL else 1 if self._doubtful else 0
        self._take_v21(bits[:missing], missing=True)
        self._take_v21(bits[missing:])

    def _take_v21(self, bits: bytes, *, missing: bool = False) -> None:
        """Bits are octets of 0 and 1; a status is 256 less its number."""
        runs = bits.split(_V21_DOWN)
        for number, run in enumerate(runs):
            if number:
                self._v21_down()
            frames = self._v21_frames.receive(run.translate(None, _STATUSES), missing=missing)
            if self._v21_frames.up and not self.v21_up:
                self.v21_up = True
                self.signals.append(CarrierDetected(Modem.V21))
            self.signals += [FrameReceived(Modem.V21, frame.octets, frame.good) for frame in frames]

    def _v21_down(self) -> None:
        self._v21_frames = V21Frames(_V21_FLAGS)
        if self.v21_up:
            self.v21_up = False
            self.signals.append(CarrierLost(Modem.V21))

    # --- the fast modem -----------------------------------------------------------------------------------

    @property
    def _modem(self) -> Modem:
        assert self._expected is not None
        assert self._expected.modem is not None
        return self._expected.modem

    def _stop_fast(self) -> None:
        if self.fast_up:
            self._fast_down(clean=False)
        self._fast = self._queue = None
        self.fast_up = self.failed = self._over = self._after_gap = False
        self._bits = b""

    def _on_fast(self, _user: int, octets: c._Pointer[c.c_uint8], length: int, good: int) -> None:
        if length < 0:
            self._take_status(length)
        elif self.fast_up:
            frame = c.string_at(octets, length).translate(REVERSED)
            self.signals.append(FrameReceived(self._modem, frame, bool(good & 0xFF)))
            if good & 0xFF and self._candidate is not None:
                self._v17, self._candidate = self._candidate, None

    def _take_status(self, status: int) -> None:
        if status == TRAINED and not self.fast_up:
            self.fast_up, self.failed = True, False
            self._bits = b""
            self.signals.append(CarrierDetected(self._modem, self._expected_short))
        elif status == TRAINING_FAILED:
            self.failed = True
        elif status == CARRIER_DOWN and self.fast_up:
            self._fast_down(clean=True)

    @property
    def _expected_short(self) -> bool:
        return self._expected is not None and self._expected.short_training

    def _fast_down(self, *, clean: bool) -> None:
        self.signals.append(CarrierLost(self._modem, clean))
        self.fast_up = False
        self._over = True

    def _take_bits(self, bits: bytes) -> None:
        """Bits are octets of 0 and 1; a status is 256 less its number."""
        while bits:
            run = len(bits.translate(None, b"\0\1"))  # the number of statuses
            if not run:
                self._take_run(bits)
                return
            at = next(position for position, octet in enumerate(bits) if octet > 1)
            self._take_run(bits[:at])
            self._take_status(bits[at] - 256)
            bits = bits[at + 1 :]

    def _take_run(self, bits: bytes) -> None:
        if not self.fast_up or not bits:
            return
        # A lost packet is no evidence against the modem: TCF is judged by what came (T.30 5.3.6.1.4).
        if self._doubtful:
            self._after_gap = True
            return
        bits = self._bits + bits
        octets = len(bits) // 8
        self._bits = bits[8 * octets :]
        if octets:
            number = int(bits[: 8 * octets].translate(_ZERO_ONE), 2)
            self.signals.append(DataReceived(self._modem, number.to_bytes(octets), self._after_gap))
            self._after_gap = False
