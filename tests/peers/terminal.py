"""A spandsp T.38 terminal: an Internet-aware fax machine, IFP packets in and out."""

from __future__ import annotations

import weakref
from typing import Protocol, Unpack

from tests.peers import spandsp
from tests.peers.machine import MachineOptions, Role, T30Machine


class IfpPeer(Protocol):
    """What speaks IFP and lives in steps of 8 kHz sample times: the terminal and the gateway."""

    machine: T30Machine

    @property
    def completed(self) -> bool: ...

    def receive_ifp(self, ifp: bytes, sequence: int) -> None: ...

    def step(self, samples: int = 160) -> None: ...

    def take_ifps(self) -> list[tuple[bytes, int]]: ...

    def close(self) -> None: ...


class SpandspTerminal:
    """A T.38 terminal with a T.30 machine inside.

    Args:
        role: the calling party sends CNG, the answering one CED and DIS.
        version: ``T38FaxVersion`` whose IFP syntax is spoken (0 is the 1998 syntax).
        paced: keep the pace of the modem; without it a block leaves all at once, as from servers.
        options: see :class:`tests.peers.machine.T30Machine`.
    """

    def __init__(
        self, role: Role, *, version: int = 0, paced: bool = True, **options: Unpack[MachineOptions]
    ) -> None:
        self._library = library = spandsp.library()
        self._out = out = list[tuple[bytes, int]]()
        self._on_ifp = spandsp.ifp_handler(lambda ifp, count: out.append((ifp, count)))
        self._state = library.t38_terminal_init(None, role is Role.CALLING, self._on_ifp, None)
        self._free = weakref.finalize(self, library.t38_terminal_free, self._state)
        library.t38_terminal_set_config(self._state, 0 if paced else spandsp.NO_PACING)
        self._core = library.t38_terminal_get_t38_core_state(self._state)
        library.t38_set_t38_version(self._core, version)
        self.machine = T30Machine(library.t38_terminal_get_t30_state(self._state), **options)
        trace = options.get("trace", False)
        self.machine.trace(library.t38_terminal_get_logging_state(self._state), trace)
        self.machine.trace(library.t38_core_get_logging_state(self._core), trace)

    @property
    def completed(self) -> bool:
        """Whether the T.30 session is over; ``machine.completion`` says how."""
        return self.machine.completion is not None

    def receive_ifp(self, ifp: bytes, sequence: int) -> None:
        """One IFP packet arrived under UDPTL number ``sequence`` (modulo 65536)."""
        self._library.t38_core_rx_ifp_packet(self._core, ifp, len(ifp), sequence & 0xFFFF)

    def step(self, samples: int = 160) -> None:
        """Let ``samples`` / 8000 seconds pass."""
        self._library.t38_terminal_send_timeout(self._state, samples)

    def take_ifps(self) -> list[tuple[bytes, int]]:
        """IFP packets to send and how many times each is to go out (0 means: leave it out)."""
        taken = self._out[:]
        self._out.clear()
        return taken

    def close(self) -> None:
        """Free the library's state; nothing else may be called afterwards."""
        self._free()
