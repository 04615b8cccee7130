"""Two T.38 gateways of libspandsp and the telephone line that joins them: real modems on both sides."""

from __future__ import annotations

import ctypes
import weakref

from tests.peers import spandsp
from tests.peers.udptl import UdptlReceiver, UdptlSender

STEP_SECONDS = 0.02

_STEP = 160
_Samples = ctypes.c_int16 * _STEP


class LineEnd:
    """One of the gateways, with UDPTL on its IP side."""

    def __init__(self, *, redundancy: int = 3) -> None:
        self._library = library = spandsp.library()
        self._datagrams: list[bytes] = []
        self._sender = UdptlSender(redundancy)
        self._receiver = UdptlReceiver()
        datagrams, sender = self._datagrams, self._sender
        self._on_ifp = spandsp.ifp_handler(lambda ifp, count: datagrams.extend([sender.wrap(ifp)] * count))
        self._gateway = library.t38_gateway_init(None, self._on_ifp, None)
        weakref.finalize(self, library.t38_gateway_free, self._gateway)
        self._core = library.t38_gateway_get_t38_core_state(self._gateway)
        library.t38_set_t38_version(self._core, 0)
        library.t38_gateway_set_transmit_on_idle(self._gateway, True)
        library.t38_gateway_set_ecm_capability(self._gateway, True)
        library.t38_gateway_set_supported_modems(self._gateway, spandsp.ALL_MODEMS)

    def receive(self, datagram: bytes) -> None:
        """Take a UDPTL datagram."""
        for sequence, ifp in self._receiver.unwrap(datagram):
            self._library.t38_core_rx_ifp_packet(self._core, ifp, len(ifp), sequence & 0xFFFF)

    def take_datagrams(self) -> list[bytes]:
        taken = self._datagrams[:]
        self._datagrams.clear()
        return taken

    def speak(self) -> ctypes.Array[ctypes.c_int16]:
        """20 ms of what its modems say."""
        samples = _Samples()
        self._library.t38_gateway_tx(self._gateway, samples, _STEP)
        return samples

    def listen(self, samples: ctypes.Array[ctypes.c_int16]) -> None:
        """20 ms of what came over the telephone line."""
        self._library.t38_gateway_rx(self._gateway, samples, _STEP)


class TelephoneLine:
    """Both ends, and the copper between them."""

    def __init__(self) -> None:
        self.ends = (LineEnd(), LineEnd())

    def step(self) -> None:
        """20 ms in both directions."""
        near, far = self.ends
        from_near, from_far = near.speak(), far.speak()
        far.listen(from_near)
        near.listen(from_far)
