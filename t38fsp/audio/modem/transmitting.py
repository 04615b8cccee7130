"""The modem that speaks: bursts of T.30 become samples, 20 ms at a time.

No bit passes through Python. HDLC is made in the library, which asks for each frame when the one before is
sent; octets of a raw burst go into a ring of the library, at the rate at which the modem takes them.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator

from t38fsp.audio.modem.library import FRAME_SAMPLES, RING_OCTETS, ModemLibrary, State, UnderflowHandler
from t38fsp.t30.vocabulary import HdlcBurst, Modem, RawBurst

SPANDSP_NAMES = {"V.17": "v17", "V.29": "v29", "V.27ter": "v27ter"}

REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""HDLC frames have the bit that is sent first as the lowest one in the library, as the highest one here."""

_PREAMBLE_FLAGS = 37
"""V.21: 1 s of flags (T.30 5.3.1)."""
_FAST_PREAMBLE = 0.2
"""Seconds of flags before the frames of an image (T.30 A.3.1)."""
_CLOSING_FLAGS = 3
_AHEAD = RING_OCTETS // 4
"""Octets in the ring beyond those that the modem has taken. It takes none while it trains, so there are up to
twice as many."""


class TransmitModem:
    """One burst: :meth:`block` gives its samples.

    ``echo_protection`` puts the unmodulated carrier before a training (talker echo protection, T.30 5.1).
    """

    def __init__(
        self, library: ModemLibrary, burst: HdlcBurst | RawBurst, *, echo_protection: bool = False
    ) -> None:
        self._library = library
        self._states: list[State] = []
        self._frames: Iterator[bytes] = iter(())
        self._closed = False
        self._raw = b""
        self._position = 0
        self._due = 0.0
        """Octets that the modem will have taken after this block, less those fed."""
        self._octets_per_block = burst.modem.rate * FRAME_SAMPLES / 8000 / 8
        self._samples = (c.c_int16 * FRAME_SAMPLES)()
        if isinstance(burst, HdlcBurst):
            getter, source = "hdlc_tx_get_bit", self._hdlc(burst)
        else:
            getter, source = "t38_non_ecm_buffer_get_bit", self._ring(burst)
        self._modem = self._modulator(burst, getter, source, echo_protection)
        name = SPANDSP_NAMES.get(burst.modem.modulation, "fsk")
        self._transmit = getattr(library.call, f"{name}_tx")

    def block(self) -> tuple[c.Array[c.c_int16], bool]:
        """The next 160 samples, and whether the burst ends with them. The array is used again."""
        if self._position < len(self._raw):
            self._due += self._octets_per_block
            self._feed(int(self._due))
        made = self._transmit(self._modem.pointer, self._samples, FRAME_SAMPLES)
        # The last bit is in this block.
        if made < FRAME_SAMPLES:
            for position in range(made, FRAME_SAMPLES):
                self._samples[position] = 0
        return self._samples, made < FRAME_SAMPLES

    # --- inside -------------------------------------------------------------------------------------------

    def _modulator(self, burst: HdlcBurst | RawBurst, getter: str, source: State, protection: bool) -> State:
        library, modem = self._library, burst.modem
        bits = library.address(getter), source.pointer
        if modem is Modem.V21:
            return library.state("fsk_tx", library.v21, *bits)
        name = SPANDSP_NAMES[modem.modulation]
        state = library.state(f"{name}_tx", modem.rate, int(protection), *bits)
        if burst.short_training and name == "v17":
            library.call.v17_tx_restart(state.pointer, modem.rate, int(protection), 1)
        return state

    def _hdlc(self, burst: HdlcBurst) -> State:
        self._frames = iter(burst.frames)
        self._underflow = UnderflowHandler(lambda _user: self._next_frame())  # the library has a bare pointer
        state = self._library.state("hdlc_tx", 0, 1, 0, self._underflow, None)
        self._hdlc_state = state
        rate = burst.modem.rate
        flags = _PREAMBLE_FLAGS if burst.modem is Modem.V21 else round(rate * _FAST_PREAMBLE / 8)
        self._library.call.hdlc_tx_flags(state.pointer, flags)
        self._next_frame()
        return state

    def _next_frame(self) -> None:
        call, hdlc = self._library.call, self._hdlc_state.pointer
        frame = next(self._frames, None)
        if frame is not None:
            call.hdlc_tx_frame(hdlc, frame.translate(REVERSED), len(frame))
        elif not self._closed:
            self._closed = True
            call.hdlc_tx_flags(hdlc, _CLOSING_FLAGS)
            # Without octets: the end of the transmission, after the flags.
            call.hdlc_tx_frame(hdlc, None, 0)

    def _ring(self, burst: RawBurst) -> State:
        state = self._library.state("t38_non_ecm_buffer", 0, 0)
        self._ring_state = state
        self._raw = burst.data
        self._feed(_AHEAD)
        return state

    def _feed(self, octets: int) -> None:
        piece = self._raw[self._position : self._position + octets]
        self._due = max(self._due - octets, 0.0)
        if not piece:
            return
        self._position += len(piece)
        call, ring = self._library.call, self._ring_state.pointer
        call.t38_non_ecm_buffer_inject(ring, piece, len(piece))
        if self._position >= len(self._raw):
            # No more is to come: the ring then ends the burst instead of filling up.
            call.t38_non_ecm_buffer_push(ring)
