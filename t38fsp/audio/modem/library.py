"""The binding of libspandsp: its prototypes, how it is found, and what is wrong with one that cannot be used.

Only modems, HDLC and their buffers are used. Every state is allocated by the library and opaque here; the one
structure that is declared, ``fsk_spec_t``, is part of its public interface. Versions 0.0.6 and 3.0 have the
same names and parameters, but for one name (``_CUTOFF``) and for ``bool`` in place of ``int`` in call-backs.

ctypes releases the GIL in every call.
"""

from __future__ import annotations

import ctypes as c
from array import array
from functools import cache
from typing import Any

from t38fsp.errors import SettingError

FRAME_SAMPLES = 160
"""20 ms; one call of a modem."""

_NAMES = ("libspandsp.so.3", "libspandsp.so.2")

FrameHandler = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_uint8), c.c_int, c.c_int)
"""``hdlc_rx``: user, octets, their number or a negative status, whether the FCS was good."""
UnderflowHandler = c.CFUNCTYPE(None, c.c_void_p)
"""``hdlc_tx``: called when the frame before has been sent."""

CARRIER_DOWN, TRAINED, TRAINING_FAILED = -1, -4, -5
"""``SIG_STATUS_*``: what a receiver reports in place of bits or of a length."""

MOST_FRAME = 400
"""``HDLC_MAXFRAME_LEN``, octets."""
RING_OCTETS = 16384
"""``T38_NON_ECM_TX_BUF_LEN``: what is injected beyond it overwrites what was not sent, without a report."""

_STATE, _INT, _OCTETS = c.c_void_p, c.c_int, c.c_char_p
_SAMPLES = c.c_void_p
"""``int16_t *``: an array of ctypes, or an address, which takes a tenth of the time to hand over."""

_PROTOTYPES: dict[str, tuple[object, tuple[object, ...]]] = {
    "fsk_tx_init": (_STATE, (_STATE, c.c_void_p, c.c_void_p, c.c_void_p)),
    "fsk_tx": (_INT, (_STATE, _SAMPLES, _INT)),
    "fsk_tx_free": (_INT, (_STATE,)),
    "fsk_rx_init": (_STATE, (_STATE, c.c_void_p, _INT, c.c_void_p, c.c_void_p)),
    "fsk_rx": (_INT, (_STATE, _SAMPLES, _INT)),
    "fsk_rx_free": (_INT, (_STATE,)),
    "hdlc_tx_init": (_STATE, (_STATE, _INT, _INT, _INT, UnderflowHandler, c.c_void_p)),
    "hdlc_tx_frame": (_INT, (_STATE, _OCTETS, c.c_size_t)),
    "hdlc_tx_flags": (_INT, (_STATE, _INT)),
    "hdlc_tx_get_bit": (_INT, (_STATE,)),
    "hdlc_tx_free": (_INT, (_STATE,)),
    "hdlc_rx_init": (_STATE, (_STATE, _INT, _INT, _INT, FrameHandler, c.c_void_p)),
    "hdlc_rx_put_bit": (None, (_STATE, _INT)),
    "hdlc_rx_free": (_INT, (_STATE,)),
    "t38_non_ecm_buffer_init": (_STATE, (_STATE, _INT, _INT)),
    "t38_non_ecm_buffer_inject": (None, (_STATE, _OCTETS, _INT)),
    "t38_non_ecm_buffer_push": (None, (_STATE,)),
    "t38_non_ecm_buffer_get_bit": (_INT, (_STATE,)),
    "t38_non_ecm_buffer_free": (_INT, (_STATE,)),
    "queue_init": (_STATE, (_STATE, _INT, _INT)),
    "queue_read": (_INT, (_STATE, c.c_char_p, _INT)),
    "queue_write_byte": (_INT, (_STATE, c.c_uint8)),
    "queue_free": (_INT, (_STATE,)),
    "g711_init": (_STATE, (_STATE, _INT)),
    "g711_encode": (_INT, (_STATE, c.c_char_p, _SAMPLES, _INT)),
    "g711_free": (_INT, (_STATE,)),
    "g726_init": (_STATE, (_STATE, _INT, _INT, _INT)),
    "g726_encode": (_INT, (_STATE, _OCTETS, _SAMPLES, _INT)),
    "g726_decode": (_INT, (_STATE, _SAMPLES, _OCTETS, _INT)),
    "g726_free": (_INT, (_STATE,)),
    "gsm0610_init": (_STATE, (_STATE, _INT)),
    "gsm0610_encode": (_INT, (_STATE, _OCTETS, _SAMPLES, _INT)),
    "gsm0610_decode": (_INT, (_STATE, _SAMPLES, _OCTETS, _INT)),
    "gsm0610_free": (_INT, (_STATE,)),
    "v17_tx_restart": (_INT, (_STATE, _INT, _INT, _INT)),
    "v17_rx_restart": (_INT, (_STATE, _INT, _INT)),
    "v17_rx_set_put_bit": (None, (_STATE, c.c_void_p, c.c_void_p)),
    **{
        f"{modem}_{name}": prototype
        for modem in ("v17", "v29", "v27ter")
        for name, prototype in {
            "tx_init": (_STATE, (_STATE, _INT, _INT, c.c_void_p, c.c_void_p)),
            "tx": (_INT, (_STATE, _SAMPLES, _INT)),
            "tx_free": (_INT, (_STATE,)),
            "rx_init": (_STATE, (_STATE, _INT, c.c_void_p, c.c_void_p)),
            "rx": (_INT, (_STATE, _SAMPLES, _INT)),
            "rx_free": (_INT, (_STATE,)),
        }.items()
    },
}

_CUTOFF = "{}_rx_signal_cutoff", "{}_rx_set_signal_cutoff"
"""The name in 0.0.6 and in 3.0."""


class ModemLibraryError(SettingError):
    """libspandsp is missing, or cannot be used; the message says what to do."""


class _FskSpec(c.Structure):
    """``fsk_spec_t``."""

    _fields_ = (
        ("name", c.c_char_p),
        ("freq_zero", c.c_int),
        ("freq_one", c.c_int),
        ("tx_level", c.c_int),
        ("min_level", c.c_int),
        ("baud_rate", c.c_int),
    )


class State:
    """A state inside the library, freed with this object."""

    __slots__ = ("_free", "pointer")

    def __init__(self, pointer: int | None, free: Any) -> None:
        self._free = free
        self.pointer = pointer
        if pointer is None:
            raise ModemLibraryError("libspandsp could not allocate a modem; free memory, and try again")

    def __del__(self) -> None:
        # Also of an object whose ``__init__`` has raised.
        if self.pointer is not None:
            self._free(self.pointer)
            self.pointer = None


class ModemLibrary:
    """The functions of libspandsp by name, as attributes of ``call``.

    Raises ModemLibraryError if one of them is missing.
    """

    def __init__(self, name: str, loaded: c.CDLL) -> None:
        self.name = name
        self.call = loaded
        try:
            for function_name, (result, arguments) in _PROTOTYPES.items():
                function = getattr(loaded, function_name)
                # Without them ctypes would take a pointer of 64 bits for an int.
                function.restype, function.argtypes = result, arguments
            self._cutoffs = {modem: self._cutoff(modem) for modem in ("fsk", "v17", "v29", "v27ter")}
            specs = (_FskSpec * 2).in_dll(loaded, "preset_fsk_specs")
        except (AttributeError, ValueError) as error:
            raise ModemLibraryError(
                f"{name} is not a libspandsp that can be used ({error}); install version 0.0.6 or 3.0, "
                'such as by "apt install libspandsp2", or set audio = "never"'
            ) from None
        # The second preset (FSK_V21CH2): the answering channel of V.21, which T.30 uses in both
        # directions.
        self.v21 = c.byref(specs[1])
        """V.21 channel 2, as an argument."""

    def _cutoff(self, modem: str) -> Any:
        old, new = (name.format(modem) for name in _CUTOFF)
        function = getattr(self.call, old, None) or getattr(self.call, new)
        function.restype, function.argtypes = None, (c.c_void_p, c.c_float)
        return function

    def address(self, name: str) -> c.c_void_p:
        """A function of the library as an argument, so that it is called without Python."""
        return c.cast(getattr(self.call, name), c.c_void_p)

    def set_cutoff(self, modem: str, state: State, dbm0: float) -> None:
        """The least level that the receiver of a modem takes for a signal."""
        self._cutoffs[modem](state.pointer, dbm0)

    def state(self, name: str, *arguments: object) -> State:
        """A new state by its ``name_init``; ``name_free`` will free it."""
        pointer = getattr(self.call, f"{name}_init")(None, *arguments)
        return State(pointer, getattr(self.call, f"{name}_free"))


@cache
def _found() -> ModemLibrary | str:
    """The library, or what is wrong."""
    # By the names of its releases: the bare libspandsp.so is in development packages only.
    for name in _NAMES:
        try:
            loaded = c.CDLL(name)
        except OSError:
            continue
        try:
            return ModemLibrary(name, loaded)
        except ModemLibraryError as error:
            return str(error)
    return (
        "libspandsp, whose modems send and receive faxes in audio, is not installed; install it, such as by "
        '"apt install libspandsp2", or set audio = "never"'
    )


def modem_library() -> ModemLibrary:
    """The library, loaded when first asked for.

    Raises ModemLibraryError if it is not installed, or is not one that can be used.
    """
    found = _found()
    if isinstance(found, str):
        raise ModemLibraryError(found)
    return found


def has_modem_library() -> bool:
    """Whether :func:`modem_library` succeeds."""
    return not isinstance(_found(), str)


class Transcoder:
    """Codes 20 ms at a time and decodes them again, as a trunk does that compresses audio: ``codec`` is
    ``g726`` (32 kbit/s) or ``gsm``. For tests of what that does to a fax."""

    def __init__(self, library: ModemLibrary, codec: str) -> None:
        self._name = {"g726": "g726", "gsm": "gsm0610"}[codec]
        arguments = (32000, 0, 0) if codec == "g726" else (0,)
        self._coder = library.state(self._name, *arguments)
        self._decoder = library.state(self._name, *arguments)
        self._call = library.call
        self._octets = c.create_string_buffer(2 * FRAME_SAMPLES)
        self._samples = (c.c_int16 * FRAME_SAMPLES)()

    def transcoded(self, samples: array[int]) -> array[int]:
        """What arrives of 160 samples; any other number is returned as it is."""
        if len(samples) != FRAME_SAMPLES:
            return samples
        block = (c.c_int16 * FRAME_SAMPLES).from_buffer(array("h", samples))
        made = getattr(self._call, f"{self._name}_encode")(
            self._coder.pointer, self._octets, block, FRAME_SAMPLES
        )
        getattr(self._call, f"{self._name}_decode")(self._decoder.pointer, self._samples, self._octets, made)
        return array("h", bytes(self._samples))
