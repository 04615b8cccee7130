"""A fax between the product and a virtual gateway, in simulated time::

    scenario = Scenario(folder, parse_quirks("first-seq,ppr-storm"), Faults(loss=0.05))
    outcome = scenario.send(Path("letter.tif"))
    assert outcome.result.completed

Nothing of it waits for real time or uses sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sip.agent import UserAgent
from t38fsp.audio.modem.library import modem_library
from t38fsp.call_settings import CallSettings
from t38fsp.image import document
from t38fsp.results import FaxResult
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import PageMode
from t38fsp.virtual.documents import GrowingFile
from t38fsp.virtual.endpoint import SimulatedCall, SimulatedEndpoint
from t38fsp.virtual.gateway import SimulatedGateway
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import Faults, Tap, VirtualNetwork
from t38fsp.virtual.quirks.audio import InAudio
from t38fsp.virtual.simulator import Simulator

LINE = Faults()
"""A good line: 20 ms each way."""
# TEST-NET-1 (RFC 5737): no such host exists, should one of them leak into a real network.
OURS, GATEWAY = "192.0.2.1", "192.0.2.99"
SIP_PORT = 5060
LIMIT = 3600.0
"""Simulated seconds after which a call counts as stuck."""


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """The result of a fax at both ends."""

    result: FaxResult
    """The result of the product."""
    gateway: FaxResult
    """The result of the machine behind the gateway."""
    file: Path
    """The file of the received pages, which exists only if there are any."""
    shown: Counter[str]
    """How often each quirk took effect, of those that can be counted."""
    seconds: float
    """Simulated seconds until nothing was left of the call."""


class _Pages(GrowingFile):
    """A document to send, or the file of received pages; for either side."""

    def encode(self, index: int, mode: PageMode) -> bytes:
        return document.encode_page(self.path, index, mode)


class Scenario:
    """The product at OURS, a gateway with these quirks at GATEWAY, and the line between them, for one call.

    The same seed gives the same call. ``faults`` act on T.38 and RTP, in both directions,
    not on SIP. ``tap`` sees every datagram sent, lost or not. ``page_delay`` is the time in seconds that the
    product takes to code or store a page.
    """

    def __init__(
        self,
        folder: Path,
        quirks: Sequence[Quirk] = (),
        faults: Faults = LINE,
        *,
        seed: int = 1,
        tap: Tap | None = None,
        page_delay: float = 0.05,
    ) -> None:
        self.quirks = tuple(quirks)
        self.simulator = Simulator()
        self.received_file = folder / "received.tif"
        """The file of the received pages, in either direction."""
        self.received_file.unlink(missing_ok=True)
        network = VirtualNetwork(
            self.simulator,
            Random(seed),
            # SIP has retransmissions of its own; faults on it would only make calls longer.
            lambda source, destination: LINE if SIP_PORT in (source[1], destination[1]) else faults,
            tap,
        )
        # Random numbers of their own for both agents: another seed or fault leaves the Call-IDs and tags
        # alone.
        agent = UserAgent(contact_address=(OURS, SIP_PORT), user_agent="t38fsp scenario", random=Random(OURS))
        self.ours = SimulatedEndpoint(
            self.simulator,
            network,
            agent,
            (OURS, SIP_PORT),
            page_delay=page_delay,
            # Elsewhere a result must not depend on whether the library is installed.
            modems=modem_library if any(isinstance(quirk, InAudio) for quirk in quirks) else None,
        )
        self.gateway = SimulatedGateway(self.simulator, network, (GATEWAY, SIP_PORT), Random(GATEWAY))

    def send(
        self, path: Path, settings: CallSettings | None = None, machine: ReceiveOptions | None = None
    ) -> ScenarioOutcome:
        """The product sends the document; the machine behind the gateway receives.

        Raises DocumentError for a document that cannot be faxed, and TimeoutError for a call that does not
        end.
        """
        self.gateway.answer_calls(_Pages(self.received_file), self.quirks, machine)
        formats = document.inspect(path)
        call = self.ours.send(
            f"sip:+15550100@{GATEWAY}", (GATEWAY, SIP_PORT), formats, _Pages(path), settings or CallSettings()
        )
        return self._run([call])

    def receive(
        self, path: Path, settings: CallSettings | None = None, machine: TransmitOptions | None = None
    ) -> ScenarioOutcome:
        """The machine behind the gateway sends the document; the product receives. Raises as ``send``."""
        self.ours.take_calls(_Pages(self.received_file), settings or CallSettings())
        self.gateway.call(
            f"sip:fax@{OURS}", (OURS, SIP_PORT), _Pages(path), document.inspect(path), self.quirks, machine
        )
        return self._run(self.ours.received)

    @property
    def far(self) -> GatewayCall:
        """The gateway's call."""
        (call,) = self.gateway.calls
        return call

    def _run(self, calls: Sequence[SimulatedCall]) -> ScenarioOutcome:
        self.simulator.run(limit=LIMIT)
        if not (self.ours.idle and self.gateway.idle):
            raise TimeoutError(f"the call is not over after {LIMIT:g} virtual seconds")
        (call,) = calls
        result, theirs = call.call.result, self.far.result
        assert result is not None
        assert theirs is not None
        return ScenarioOutcome(result, theirs, self.received_file, self.far.happened, self.simulator.now)
