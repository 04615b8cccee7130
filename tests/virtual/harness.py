"""A virtual gateway and the product's own call on either side of a virtual network.

    scene = GatewayScene(tmp_path, "data-in-fcs")
    scene.send(2)                 # the product calls, the machine behind the gateway receives
    scene.assert_delivered(2)

    scene = GatewayScene(tmp_path, "data-in-fcs")
    scene.receive(2)              # the machine behind the gateway calls, the product receives

Pages are compared by ``tests.peers.libtiff``, which shares no code with the product.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from sip.agent import UserAgent
from sip.line import Address
from t38fsp.image import document, store
from t38fsp.jobs import CallSettings
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import PageMode, PageQuality
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.virtual.endpoint import SimulatedCall, SimulatedEndpoint
from t38fsp.virtual.gateway import SimulatedGateway
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.network import Faults, VirtualNetwork
from t38fsp.virtual.quirks import parse_quirks
from t38fsp.virtual.simulator import Simulator
from tests.pages import PageSpec, make_document
from tests.peers import libtiff

OURS, GATEWAY = "192.0.2.1", "192.0.2.99"
SIP_PORT = 5060
LIMIT = 3600.0
"""Virtual seconds after which a call counts as stuck."""


class Paper:
    """A document to send, or the file where pages go; for either side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modes: list[PageMode] = []

    def encode(self, index: int, mode: PageMode) -> bytes:
        self.modes.append(mode)
        return document.encode_page(self.path, index, mode)

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        self.modes.append(mode)
        return store.append_page(self.path, data, mode)


class GatewayScene:
    """The product at OURS, a gateway with these quirks at GATEWAY, and the line between them."""

    def __init__(
        self,
        folder: Path,
        quirks: str = "",
        *,
        seed: int = 1,
        faults: Faults | None = None,
        page_delay: float = 0.05,
    ) -> None:
        self.quirks = parse_quirks(quirks)
        self.simulator = Simulator()
        self.tapped: list[tuple[float, Address, Address, bytes]] = []
        """Every datagram sent, lost or not: when, from where, to where, what."""
        self.network = VirtualNetwork(
            self.simulator,
            random.Random(seed),
            lambda source, destination: (
                Faults() if SIP_PORT in (source[1], destination[1]) else faults or Faults()
            ),
            lambda *datagram: self.tapped.append(datagram),
        )
        agent = UserAgent(
            contact_address=(OURS, SIP_PORT), user_agent="t38fsp test", random=random.Random(OURS)
        )
        self.ours = SimulatedEndpoint(
            self.simulator, self.network, agent, (OURS, SIP_PORT), page_delay=page_delay
        )
        self.gateway = SimulatedGateway(
            self.simulator, self.network, (GATEWAY, SIP_PORT), random.Random(GATEWAY)
        )
        self.sent_file, self.received_file = folder / "sent.tif", folder / "received.tif"
        self.received_file.unlink(missing_ok=True)
        self.calls: list[SimulatedCall] = []

    # --- a call ---------------------------------------------------------------------------------------------

    def send(
        self, pages: Sequence[PageSpec], machine: ReceiveOptions | None = None, **settings: object
    ) -> FaxResult:
        """The product sends; the machine behind the gateway receives."""
        make_document(self.sent_file, pages)
        self.gateway.answer_calls(Paper(self.received_file), self.quirks, machine)
        call = self.ours.send(
            f"sip:+15550100@{GATEWAY}",
            (GATEWAY, SIP_PORT),
            document.inspect(self.sent_file),
            Paper(self.sent_file),
            CallSettings(**settings),  # type: ignore[arg-type]
        )
        self.calls = [call]
        return self._run()

    def receive(
        self, pages: Sequence[PageSpec], machine: TransmitOptions | None = None, **settings: object
    ) -> FaxResult:
        """The machine behind the gateway sends; the product receives."""
        make_document(self.sent_file, pages)
        self.ours.take_calls(Paper(self.received_file), CallSettings(**settings))  # type: ignore[arg-type]
        self.gateway.call(
            f"sip:fax@{OURS}",
            (OURS, SIP_PORT),
            Paper(self.sent_file),
            document.inspect(self.sent_file),
            self.quirks,
            machine,
        )
        self.calls = self.ours.received
        return self._run()

    def _run(self) -> FaxResult:
        self.simulator.run(limit=LIMIT)
        assert self.simulator.now < LIMIT, "something happens for ever"
        assert self.ours.idle
        assert self.gateway.idle
        return self.result

    # --- what became of it ----------------------------------------------------------------------------------

    @property
    def result(self) -> FaxResult:
        """Of the product."""
        (call,) = self.calls
        assert call.call.result is not None
        return call.call.result

    @property
    def far(self) -> GatewayCall:
        """The gateway's call."""
        (call,) = self.gateway.gateway.calls
        return call

    def assert_delivered(self, pages: int) -> None:
        """The product says that all ``pages`` are confirmed, and what arrived is what was sent."""
        result = self.result
        assert result.status is FaxStatus.COMPLETED, result.reason
        assert [(page.number, page.confirmed) for page in result.pages] == [
            (number, True) for number in range(1, pages + 1)
        ]
        assert libtiff.assert_same_pages(self.sent_file, self.received_file) == pages

    # --- what was on the wire -------------------------------------------------------------------------------

    def datagrams(self, source: str = GATEWAY) -> Iterator[tuple[float, Datagram]]:
        """UDPTL that left from there, and when."""
        for when, (host, port), _, data in self.tapped:
            if host == source and port != SIP_PORT:
                try:
                    yield when, Datagram.parse(data)
                except UdptlError:
                    continue

    def packets(self, source: str = GATEWAY, syntax: Syntax = Syntax.Y1998) -> list[tuple[float, ifp.Packet]]:
        """IFP packets that can be read in this syntax, each once, in the order of their numbers as sent."""
        found = []
        seen: set[int] = set()
        for when, datagram in self.datagrams(source):
            if datagram.number in seen:
                continue
            seen.add(datagram.number)
            try:
                found.append((when, ifp.parse(datagram.primary, syntax)))
            except IfpError:
                continue
        return found

    def sip(self, source: str = GATEWAY) -> list[str]:
        """SIP messages that left from there."""
        return [
            data.decode("utf-8", "replace")
            for _, (host, port), _, data in self.tapped
            if host == source and port == SIP_PORT
        ]
