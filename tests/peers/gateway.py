"""A spandsp T.38 gateway with an audio fax machine behind it: what we send drives real modems."""

from __future__ import annotations

import ctypes
import weakref
from typing import Unpack

from tests.peers import spandsp
from tests.peers.machine import MachineOptions, Role, T30Machine

_STEP = 160
_Samples = ctypes.c_int16 * _STEP


class SpandspGateway:
    """A T.38 gateway and, on its telephone side, a G3 fax machine with V.21, V.27ter, V.29 and V.17 modems.

    The two exchange 8 kHz linear samples, 20 ms at a time.

    Args:
        role: role of the fax machine behind the gateway in the call: ``CALLING`` sends to us.
        version: ``T38FaxVersion`` whose IFP syntax the gateway speaks.
        tep: whether the gateway puts talker echo protection before its modems' training.
        options: set up the fax machine, see :class:`tests.peers.machine.T30Machine`.
    """

    def __init__(
        self, role: Role, *, version: int = 0, tep: bool = False, **options: Unpack[MachineOptions]
    ) -> None:
        self._library = library = spandsp.library()
        self._out = out = list[tuple[bytes, int]]()
        self._on_ifp = spandsp.ifp_handler(lambda ifp, count: out.append((ifp, count)))
        self._gateway = library.t38_gateway_init(None, self._on_ifp, None)
        self._free_gateway = weakref.finalize(self, library.t38_gateway_free, self._gateway)
        self._core = library.t38_gateway_get_t38_core_state(self._gateway)
        library.t38_set_t38_version(self._core, version)
        library.t38_gateway_set_transmit_on_idle(self._gateway, True)
        library.t38_gateway_set_ecm_capability(self._gateway, True)
        library.t38_gateway_set_supported_modems(self._gateway, spandsp.ALL_MODEMS)
        library.t38_gateway_set_tep_mode(self._gateway, tep)
        self._fax = library.fax_init(None, role is Role.CALLING)
        self._free_fax = weakref.finalize(self, library.fax_free, self._fax)
        library.fax_set_transmit_on_idle(self._fax, True)
        self.machine = T30Machine(library.fax_get_t30_state(self._fax), **options)
        trace = options.get("trace", False)
        self.machine.trace(library.fax_get_logging_state(self._fax), trace)
        self.machine.trace(library.t38_gateway_get_logging_state(self._gateway), trace)
        self.machine.trace(library.t38_core_get_logging_state(self._core), trace)

    @property
    def completed(self) -> bool:
        """Whether the fax machine's T.30 session is over; ``machine.completion`` says how."""
        return self.machine.completion is not None

    def receive_ifp(self, ifp: bytes, sequence: int) -> None:
        """One IFP packet arrived under UDPTL number ``sequence`` (modulo 65536)."""
        self._library.t38_core_rx_ifp_packet(self._core, ifp, len(ifp), sequence & 0xFFFF)

    def step(self, samples: int = _STEP) -> None:
        """Exchange 20 ms of audio between the gateway and the fax machine.

        Raises:
            ValueError: ``samples`` is not 160.
        """
        if samples != _STEP:
            raise ValueError(f"the gateway lives in steps of {_STEP} samples, not {samples}")
        toward_gateway, toward_fax = _Samples(), _Samples()
        self._library.fax_tx(self._fax, toward_gateway, _STEP)
        self._library.t38_gateway_rx(self._gateway, toward_gateway, _STEP)
        self._library.t38_gateway_tx(self._gateway, toward_fax, _STEP)
        self._library.fax_rx(self._fax, toward_fax, _STEP)

    def take_ifps(self) -> list[tuple[bytes, int]]:
        """IFP packets to send and how many times each is to go out (0 means: leave it out)."""
        taken = self._out[:]
        self._out.clear()
        return taken

    def close(self) -> None:
        """Free the library's state; nothing else may be called afterwards."""
        self._free_fax()
        self._free_gateway()
