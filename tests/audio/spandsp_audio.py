"""The audio side of libspandsp 0.0.6 through ctypes: G.711, tones, the V.21 modem, a whole fax modem."""

from __future__ import annotations

import ctypes as c
import functools
from array import array
from collections.abc import Iterable
from enum import IntEnum
from itertools import cycle

from t38fsp.audio.g711 import Law
from t38fsp.audio.rtp import FRAME_SAMPLES
from tests.peers.spandsp import SONAME

_TONE_HANDLER = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_int, c.c_int)
_GET_BIT = c.CFUNCTYPE(c.c_int, c.c_void_p)
_SAMPLES = c.POINTER(c.c_int16)


class ConnectTone(IntEnum):
    """``MODEM_CONNECT_TONES_*``."""

    NONE = 0
    FAX_CNG = 1
    ANS = 2
    ANS_PR = 3
    ANSAM = 4
    ANSAM_PR = 5
    FAX_PREAMBLE = 6
    FAX_CED_OR_PREAMBLE = 7
    BELL_ANS = 8
    CALLING_TONE = 9


class _FskSpec(c.Structure):
    """``fsk_spec_t``, a public structure."""

    _fields_ = (
        ("name", c.c_char_p),
        ("freq_zero", c.c_int),
        ("freq_one", c.c_int),
        ("tx_level", c.c_int),
        ("min_level", c.c_int),
        ("baud_rate", c.c_int),
    )


_V21_CHANNEL_1, _V21_CHANNEL_2 = 0, 1


@functools.cache
def _library() -> c.CDLL:
    library = c.CDLL(SONAME)
    for name, result, *arguments in (
        ("g711_init", c.c_void_p, c.c_void_p, c.c_int),
        ("g711_encode", c.c_int, c.c_void_p, c.c_char_p, _SAMPLES, c.c_int),
        ("g711_decode", c.c_int, c.c_void_p, _SAMPLES, c.c_char_p, c.c_int),
        ("modem_connect_tones_tx_init", c.c_void_p, c.c_void_p, c.c_int),
        ("modem_connect_tones_tx", c.c_int, c.c_void_p, _SAMPLES, c.c_int),
        ("modem_connect_tones_rx_init", c.c_void_p, c.c_void_p, c.c_int, _TONE_HANDLER, c.c_void_p),
        ("modem_connect_tones_rx", c.c_int, c.c_void_p, _SAMPLES, c.c_int),
        ("fsk_tx_init", c.c_void_p, c.c_void_p, c.POINTER(_FskSpec), _GET_BIT, c.c_void_p),
        ("fsk_tx_power", None, c.c_void_p, c.c_float),
        ("fsk_tx", c.c_int, c.c_void_p, _SAMPLES, c.c_int),
        ("fax_init", c.c_void_p, c.c_void_p, c.c_int),
        ("fax_free", c.c_int, c.c_void_p),
        ("fax_tx", c.c_int, c.c_void_p, _SAMPLES, c.c_int),
        ("fax_rx", c.c_int, c.c_void_p, _SAMPLES, c.c_int),
        ("fax_get_t30_state", c.c_void_p, c.c_void_p),
        ("fax_set_transmit_on_idle", None, c.c_void_p, c.c_int),
        ("t30_set_rx_file", None, c.c_void_p, c.c_char_p, c.c_int),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _buffer(samples: array[int]) -> c.Array[c.c_int16]:
    return (c.c_int16 * len(samples)).from_buffer(samples)


def encode(samples: array[int], law: Law) -> bytes:
    library = _library()
    state = library.g711_init(None, 0 if law is Law.PCMA else 1)
    octets = c.create_string_buffer(len(samples))
    library.g711_encode(state, octets, _buffer(samples), len(samples))
    return octets.raw


def decode(payload: bytes, law: Law) -> array[int]:
    library = _library()
    state = library.g711_init(None, 0 if law is Law.PCMA else 1)
    samples = array("h", bytes(2 * len(payload)))
    library.g711_decode(state, _buffer(samples), payload, len(payload))
    return samples


def connect_tone(tone: ConnectTone, seconds: float) -> array[int]:
    """What a modem plays for ``tone``; short of ``seconds`` when the tone ends by itself."""
    library = _library()
    state = library.modem_connect_tones_tx_init(None, tone)
    samples = array("h", bytes(2 * round(8000 * seconds)))
    del samples[library.modem_connect_tones_tx(state, _buffer(samples), len(samples)) :]
    return samples


def heard_tones(samples: array[int], tone: ConnectTone) -> list[ConnectTone]:
    """The reports of a detector that is tuned to ``tone``."""
    library = _library()
    heard: list[ConnectTone] = []
    handler = _TONE_HANDLER(lambda _user, code, _level, _delay: heard.append(ConnectTone(code)))
    state = library.modem_connect_tones_rx_init(None, tone, handler, None)
    library.modem_connect_tones_rx(state, _buffer(samples), len(samples))
    return heard


def v21(
    bits: Iterable[int], seconds: float, *, level_dbm0: float = -14.0, channel_2: bool = True
) -> array[int]:
    """``bits``, over and over, from the V.21 modem."""
    library = _library()
    specs = (_FskSpec * 2).in_dll(library, "preset_fsk_specs")
    source = cycle(bits)
    get_bit = _GET_BIT(lambda _user: next(source))
    state = library.fsk_tx_init(
        None, c.byref(specs[_V21_CHANNEL_2 if channel_2 else _V21_CHANNEL_1]), get_bit, None
    )
    library.fsk_tx_power(state, level_dbm0)
    samples = array("h", bytes(2 * round(8000 * seconds)))
    library.fsk_tx(state, _buffer(samples), len(samples))
    return samples


class FaxModem:
    """A fax terminal that speaks audio, 20 ms at a time."""

    def __init__(self, *, calling: bool, rx_file: str | None = None) -> None:
        self._library = _library()
        self._state = self._library.fax_init(None, calling)
        self._library.fax_set_transmit_on_idle(self._state, 1)
        if rx_file is not None:
            t30 = self._library.fax_get_t30_state(self._state)
            self._library.t30_set_rx_file(t30, rx_file.encode(), -1)

    def speak(self) -> array[int]:
        samples = array("h", bytes(2 * FRAME_SAMPLES))
        self._library.fax_tx(self._state, _buffer(samples), FRAME_SAMPLES)
        return samples

    def hear(self, samples: array[int]) -> None:
        self._library.fax_rx(self._state, _buffer(samples), len(samples))

    def close(self) -> None:
        self._library.fax_free(self._state)
