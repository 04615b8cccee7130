"""The T.30 machine inside a spandsp peer: how it is set up, and what it says about the call afterwards."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypedDict

from tests.peers import spandsp
from tests.peers.spandsp import Compressions, Modems, TransferStatistics


class Role(Enum):
    """Who placed the call. The calling party sends its document, or fetches one if it has none."""

    CALLING = "calling"
    ANSWERING = "answering"


class MachineOptions(TypedDict, total=False):
    """Keyword arguments of every spandsp peer; the defaults are those of :class:`T30Machine`."""

    tx_file: Path | None
    rx_file: Path | None
    ecm: bool
    modems: Modems
    compressions: Compressions
    station_id: str
    scan_line_time: int
    not_ready: int
    password: str
    selective_address: str
    trace: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """How a spandsp T.30 session ended: its completion code (0 is success) and the library's words for it."""

    code: int
    text: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class T30Machine:
    """Sets up a ``t30_state_t`` and watches it.

    Args:
        state: the T.30 state inside a terminal or an audio fax.
        tx_file: TIFF-F document to send.
        rx_file: where to write the received document; MMR-coded TIFF.
        ecm: whether error correction is offered and used.
        modems: fast modems to support.
        compressions: codings to support.
        station_id: CSI or TSI, up to 20 digits.
        scan_line_time: minimum scan line time that the DIS asks for, in milliseconds.
        not_ready: how many times to answer RNR before each page is confirmed.
        password: PWD to poll with.
        selective_address: SEP to poll with.
        trace: keep the library's trace in :attr:`log`.
    """

    def __init__(
        self,
        state: int,
        *,
        tx_file: Path | None = None,
        rx_file: Path | None = None,
        ecm: bool = True,
        modems: Modems = spandsp.ALL_MODEMS,
        compressions: Compressions = spandsp.ALL_COMPRESSIONS,
        station_id: str = "+15550199",
        scan_line_time: int = 0,
        not_ready: int = 0,
        password: str = "",
        selective_address: str = "",
        trace: bool = False,
    ) -> None:
        self._library = library = spandsp.library()
        self._state = state
        self.completion: Completion | None = None
        self.negotiations: list[int] = []
        """Phase B events: one per DIS, DCS or DTC that was acted upon (its FCF)."""
        self.page_responses: list[str] = []
        """Phase D events: the post-page response (or command) of each page, such as ``MCF``."""
        self.frames: list[tuple[str, bytes]] = []
        """Every V.21 frame as ("in" or "out", octets in the library's bit order)."""
        self.log: list[str] = []
        library.t30_set_tx_ident(state, station_id.encode("ascii"))
        if password:
            library.t30_set_tx_password(state, password.encode("ascii"))
        if selective_address:
            library.t30_set_tx_selective_polling_address(state, selective_address.encode("ascii"))
        if tx_file is not None:
            library.t30_set_tx_file(state, str(tx_file).encode(), -1, -1)
        if rx_file is not None:
            library.t30_set_rx_file(state, str(rx_file).encode(), -1)
            library.t30_set_rx_encoding(state, 3)  # T4_COMPRESSION_ITU_T6
        library.t30_set_ecm_capability(state, ecm)
        library.t30_set_supported_modems(state, modems)
        library.t30_set_supported_compressions(state, compressions)
        library.t30_set_supported_resolutions(state, spandsp.ALL_RESOLUTIONS)
        library.t30_set_supported_image_sizes(state, spandsp.ALL_IMAGE_SIZES)
        library.t30_set_minimum_scan_line_time(state, scan_line_time)
        library.t30_set_receiver_not_ready(state, not_ready)
        # The library keeps bare pointers to these, so they live as long as this object.
        self._phase_b = spandsp.PHASE_HANDLER(self._on_phase_b)
        self._phase_d = spandsp.PHASE_HANDLER(self._on_phase_d)
        self._phase_e = spandsp.PHASE_E_HANDLER(self._on_phase_e)
        self._frame = spandsp.FRAME_HANDLER(self._on_frame)
        self._message = spandsp.LOG_HANDLER(self._on_message)
        library.t30_set_phase_b_handler(state, self._phase_b, None)
        library.t30_set_phase_d_handler(state, self._phase_d, None)
        library.t30_set_phase_e_handler(state, self._phase_e, None)
        library.t30_set_real_time_frame_handler(state, self._frame, None)
        self.trace(library.t30_get_logging_state(state), trace)

    def trace(self, logging_state: int, wanted: bool = True) -> None:
        """Collect what the library says through ``logging_state`` in :attr:`log`, or silence it."""
        level = spandsp.LOG_FLOW_WITH_PROTOCOL if wanted else 0
        self._library.span_log_set_level(logging_state, level)
        self._library.span_log_set_message_handler(logging_state, self._message)

    @property
    def statistics(self) -> TransferStatistics:
        """The library's own figures of the transfer."""
        figures = TransferStatistics()
        self._library.t30_get_transfer_statistics(self._state, ctypes.byref(figures))
        return figures

    @property
    def far_ident(self) -> str:
        """CSI or TSI of the other machine."""
        ident: bytes = self._library.t30_get_rx_ident(self._state)
        return (ident or b"").decode("ascii")

    def terminate(self) -> None:
        """Tell the machine that the line was dropped; its phase E event follows."""
        self._library.t30_terminate(self._state)

    def _name(self, fcf: int) -> str:
        name: bytes = self._library.t30_frametype(fcf & 0xFF)
        return name.decode("ascii")

    def _on_phase_b(self, _state: int, _user: int, event: int) -> int:
        self.negotiations.append(event)
        return 0

    def _on_phase_d(self, _state: int, _user: int, event: int) -> int:
        self.page_responses.append(self._name(event))
        return 0

    def _on_phase_e(self, _state: int, _user: int, code: int) -> None:
        text: bytes = self._library.t30_completion_code_to_str(code)
        self.completion = Completion(code, text.decode("ascii"))

    def _on_frame(
        self, _state: int, _user: int, incoming: int, octets: ctypes._Pointer[ctypes.c_uint8], length: int
    ) -> None:
        self.frames.append(("in" if incoming else "out", bytes(octets[:length])))

    def _on_message(self, _level: int, text: bytes) -> None:
        self.log.append(text.decode("utf-8", "replace").rstrip())
