"""A scenario with a virtual gateway, and what is needed to look into it.

    scene = GatewayScene(tmp_path, "data-in-fcs")
    scene.transfer(Role.ANSWERING, make_pages(2))   # the gateway's machine answers, so the product sends
    scene.assert_delivered(2)

Pages are compared by ``tests.peers.libtiff``, which shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sip.values import Address
from t38fsp.audio.leg import Role
from t38fsp.call_settings import CallSettings
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.udptl import Datagram, UdptlError
from t38fsp.virtual.network import Faults
from t38fsp.virtual.quirks import parse_quirks
from t38fsp.virtual.scenario import GATEWAY, LINE, OURS, SIP_PORT, Scenario, ScenarioOutcome
from tests.pages import PageSpec, make_document
from tests.peers import libtiff

__all__ = ["GATEWAY", "OURS", "GatewayScene"]


class GatewayScene(Scenario):
    """A scenario, with what was on the wire."""

    def __init__(
        self,
        folder: Path,
        quirks: str = "",
        *,
        seed: int = 1,
        faults: Faults = LINE,
        page_delay: float = 0.05,
    ) -> None:
        self.tapped: list[tuple[float, Address, Address, bytes]] = []
        """Every datagram sent, lost or not: when, from where, to where, what."""
        super().__init__(
            folder,
            parse_quirks(quirks),
            faults,
            seed=seed,
            tap=lambda *datagram: self.tapped.append(datagram),
            page_delay=page_delay,
        )
        self.sent_file = folder / "sent.tif"
        self.outcome: ScenarioOutcome

    # --- a call ---------------------------------------------------------------------------------------------

    def transfer(self, role: Role, pages: Sequence[PageSpec], **settings: object) -> FaxResult:
        """Send to a machine that answers, or receive from one that calls."""
        make_document(self.sent_file, pages)
        transfer = self.send if role is Role.ANSWERING else self.receive
        self.outcome = transfer(self.sent_file, CallSettings(**settings))  # type: ignore[arg-type]
        return self.outcome.result

    # --- what became of it ----------------------------------------------------------------------------------

    def assert_delivered(self, pages: int) -> None:
        """The product says that all ``pages`` are confirmed, and what arrived is what was sent."""
        result = self.outcome.result
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
