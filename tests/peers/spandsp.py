"""libspandsp 0.0.6 through ctypes: the prototypes that the test peers use, and nothing of its insides.

State is handled through pointers that the library allocates; the one structure declared here,
``t30_stats_t``, is part of the library's public interface.
"""

from __future__ import annotations

import ctypes as c
import functools
from collections.abc import Callable
from enum import IntFlag

from tests.peers.programs import PeerMissingError

SONAME = "libspandsp.so.2"

IFP_HANDLER = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.POINTER(c.c_uint8), c.c_int, c.c_int)
PHASE_HANDLER = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int)
PHASE_E_HANDLER = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int)
FRAME_HANDLER = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int, c.POINTER(c.c_uint8), c.c_int)
LOG_HANDLER = c.CFUNCTYPE(None, c.c_int, c.c_char_p)

A_LAW, U_LAW = 0, 1
"""``G711_ALAW``, ``G711_ULAW``"""

NO_PACING = 1
"""``T38_TERMINAL_OPTION_NO_PACING``"""

LOG_FLOW_WITH_PROTOCOL = 0x0800 | 0x2000 | 5
"""Show protocol and tag, up to the severity that traces the flow of a call."""


class Modems(IntFlag):
    """``T30_SUPPORT_*`` of modems."""

    V27TER = 0x01
    V29 = 0x02
    V17 = 0x04


class Compressions(IntFlag):
    """``T30_SUPPORT_*`` of codings."""

    MH = 0x02
    MR = 0x04
    MMR = 0x08


class Resolutions(IntFlag):
    """``T30_SUPPORT_*`` of resolutions."""

    STANDARD = 0x01
    FINE = 0x02
    SUPERFINE = 0x04
    R8 = 0x20000
    R16 = 0x40000
    INCH_300 = 0x100000
    INCH_400 = 0x200000


class ImageSizes(IntFlag):
    """``T30_SUPPORT_*`` of widths and lengths."""

    WIDTH_215MM = 0x01
    WIDTH_255MM = 0x02
    WIDTH_303MM = 0x04
    UNLIMITED_LENGTH = 0x10000
    A4_LENGTH = 0x20000
    B4_LENGTH = 0x40000
    US_LETTER_LENGTH = 0x80000
    US_LEGAL_LENGTH = 0x100000


ALL_MODEMS = Modems.V27TER | Modems.V29 | Modems.V17
ALL_COMPRESSIONS = Compressions.MH | Compressions.MR | Compressions.MMR
ALL_RESOLUTIONS = (
    Resolutions.STANDARD
    | Resolutions.FINE
    | Resolutions.SUPERFINE
    | Resolutions.R8
    | Resolutions.R16
    | Resolutions.INCH_300
    | Resolutions.INCH_400
)
ALL_IMAGE_SIZES = (
    ImageSizes.WIDTH_215MM
    | ImageSizes.WIDTH_255MM
    | ImageSizes.WIDTH_303MM
    | ImageSizes.UNLIMITED_LENGTH
    | ImageSizes.A4_LENGTH
    | ImageSizes.B4_LENGTH
    | ImageSizes.US_LETTER_LENGTH
    | ImageSizes.US_LEGAL_LENGTH
)


class TransferStatistics(c.Structure):
    """``t30_stats_t``; resolutions in pixels per metre, ``image_size`` in octets."""

    _fields_ = [
        ("bit_rate", c.c_int),
        ("error_correcting_mode", c.c_int),
        ("pages_tx", c.c_int),
        ("pages_rx", c.c_int),
        ("pages_in_file", c.c_int),
        ("x_resolution", c.c_int),
        ("y_resolution", c.c_int),
        ("width", c.c_int),
        ("length", c.c_int),
        ("image_size", c.c_int),
        ("encoding", c.c_int),
        ("bad_rows", c.c_int),
        ("longest_bad_row_run", c.c_int),
        ("error_correcting_mode_retries", c.c_int),
        ("current_status", c.c_int),
    ]


_STATE = c.c_void_p
_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "t38_terminal_init": (_STATE, [_STATE, c.c_int, IFP_HANDLER, c.c_void_p]),
    "t38_terminal_free": (c.c_int, [_STATE]),
    "t38_terminal_send_timeout": (c.c_int, [_STATE, c.c_int]),
    "t38_terminal_set_config": (None, [_STATE, c.c_int]),
    "t38_terminal_set_tep_mode": (None, [_STATE, c.c_int]),
    "t38_terminal_get_t30_state": (_STATE, [_STATE]),
    "t38_terminal_get_t38_core_state": (_STATE, [_STATE]),
    "t38_terminal_get_logging_state": (_STATE, [_STATE]),
    "t38_gateway_init": (_STATE, [_STATE, IFP_HANDLER, c.c_void_p]),
    "t38_gateway_free": (c.c_int, [_STATE]),
    "t38_gateway_rx": (c.c_int, [_STATE, c.POINTER(c.c_int16), c.c_int]),
    "t38_gateway_tx": (c.c_int, [_STATE, c.POINTER(c.c_int16), c.c_int]),
    "t38_gateway_set_ecm_capability": (None, [_STATE, c.c_int]),
    "t38_gateway_set_supported_modems": (None, [_STATE, c.c_int]),
    "t38_gateway_set_transmit_on_idle": (None, [_STATE, c.c_int]),
    "t38_gateway_set_tep_mode": (None, [_STATE, c.c_int]),
    "t38_gateway_get_t38_core_state": (_STATE, [_STATE]),
    "t38_gateway_get_logging_state": (_STATE, [_STATE]),
    "fax_init": (_STATE, [_STATE, c.c_int]),
    "fax_free": (c.c_int, [_STATE]),
    "fax_rx": (c.c_int, [_STATE, c.POINTER(c.c_int16), c.c_int]),
    "fax_tx": (c.c_int, [_STATE, c.POINTER(c.c_int16), c.c_int]),
    "fax_set_transmit_on_idle": (None, [_STATE, c.c_int]),
    "fax_set_tep_mode": (None, [_STATE, c.c_int]),
    "fax_get_t30_state": (_STATE, [_STATE]),
    "fax_get_logging_state": (_STATE, [_STATE]),
    "g711_init": (_STATE, [_STATE, c.c_int]),
    "g711_free": (c.c_int, [_STATE]),
    "g711_encode": (c.c_int, [_STATE, c.c_char_p, c.POINTER(c.c_int16), c.c_int]),
    "g711_decode": (c.c_int, [_STATE, c.POINTER(c.c_int16), c.c_char_p, c.c_int]),
    "t38_core_rx_ifp_packet": (c.c_int, [_STATE, c.c_char_p, c.c_int, c.c_uint16]),
    "t38_core_get_logging_state": (_STATE, [_STATE]),
    "t38_set_t38_version": (None, [_STATE, c.c_int]),
    "t30_set_tx_ident": (c.c_int, [_STATE, c.c_char_p]),
    "t30_get_rx_ident": (c.c_char_p, [_STATE]),
    "t30_set_tx_password": (c.c_int, [_STATE, c.c_char_p]),
    "t30_set_tx_selective_polling_address": (c.c_int, [_STATE, c.c_char_p]),
    "t30_set_tx_file": (None, [_STATE, c.c_char_p, c.c_int, c.c_int]),
    "t30_set_rx_file": (None, [_STATE, c.c_char_p, c.c_int]),
    "t30_set_rx_encoding": (c.c_int, [_STATE, c.c_int]),
    "t30_set_ecm_capability": (c.c_int, [_STATE, c.c_int]),
    "t30_set_minimum_scan_line_time": (c.c_int, [_STATE, c.c_int]),
    "t30_set_supported_modems": (c.c_int, [_STATE, c.c_int]),
    "t30_set_supported_compressions": (c.c_int, [_STATE, c.c_int]),
    "t30_set_supported_resolutions": (c.c_int, [_STATE, c.c_int]),
    "t30_set_supported_image_sizes": (c.c_int, [_STATE, c.c_int]),
    "t30_set_receiver_not_ready": (c.c_int, [_STATE, c.c_int]),
    "t30_set_phase_b_handler": (None, [_STATE, PHASE_HANDLER, c.c_void_p]),
    "t30_set_phase_d_handler": (None, [_STATE, PHASE_HANDLER, c.c_void_p]),
    "t30_set_phase_e_handler": (None, [_STATE, PHASE_E_HANDLER, c.c_void_p]),
    "t30_set_real_time_frame_handler": (None, [_STATE, FRAME_HANDLER, c.c_void_p]),
    "t30_get_transfer_statistics": (None, [_STATE, c.POINTER(TransferStatistics)]),
    "t30_get_logging_state": (_STATE, [_STATE]),
    "t30_completion_code_to_str": (c.c_char_p, [c.c_int]),
    "t30_frametype": (c.c_char_p, [c.c_uint8]),
    "t30_terminate": (None, [_STATE]),
    "span_log_set_level": (c.c_int, [_STATE, c.c_int]),
    "span_log_set_message_handler": (None, [_STATE, LOG_HANDLER]),
}


@functools.cache
def library() -> c.CDLL:
    """Load libspandsp once and declare the prototypes.

    Raises:
        PeerMissingError: the library is not installed.
    """
    try:
        loaded = c.CDLL(SONAME)
    except OSError as error:
        raise PeerMissingError(SONAME, "libspandsp2") from error
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    return loaded


def ifp_handler(take: Callable[[bytes, int], None]) -> c._CFunctionType:
    """A callback that hands on each IFP packet and how many times it is to go out.

    Who gives it to the library keeps it; it must not hold the state that calls it.
    """

    def on_ifp(_core: int, _user: int, octets: c._Pointer[c.c_uint8], length: int, count: int) -> int:
        take(bytes(octets[:length]), count)
        return 0

    return IFP_HANDLER(on_ifp)
