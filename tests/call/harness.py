"""Two of our endpoints and the network between them, in simulated time.

A test makes a :class:`Scene`, lets the callee answer, places a call, and runs it to its end::

    scene = Scene(tmp_path)
    scene.answer(ecm=False)
    scene.send(make_pages(2))
    scene.run()
    scene.assert_delivered(2)

Pages are made by ``tests.pages``, and compared by ``tests.peers.libtiff``, which shares nothing with us.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sip.agent import UserAgent
from sip.values import Address
from t38fsp import events
from t38fsp.call_settings import CallSettings
from t38fsp.image import document, store
from t38fsp.image.errors import StoreError
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from t38fsp.t30.vocabulary import PageMode, PageQuality, Resolution
from t38fsp.virtual.endpoint import SimulatedCall, SimulatedEndpoint
from t38fsp.virtual.network import Faults, Tap, VirtualNetwork
from t38fsp.virtual.simulator import Simulator
from tests.pages import PageSpec, make_document
from tests.pcap import PcapWriter
from tests.peers import libtiff

CALLER, CALLEE = "192.0.2.1", "192.0.2.2"
SIP_PORT = 5060
LIMIT = 3600.0
"""Virtual seconds after which a call counts as stuck."""


def make_pages(count: int, *, kind: str = "text", rows: int = 150) -> list[PageSpec]:
    """Short pages of the commonest format."""
    return [(1728, Resolution.R8_FINE, rows, kind)] * count


class Sender:
    """The application of the calling end: a document on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modes: list[PageMode] = []
        """How pages were asked for."""

    def encode(self, index: int, mode: PageMode) -> bytes:
        self.modes.append(mode)
        return document.encode_page(self.path, index, mode)

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        raise AssertionError("a sender stores no pages")


class Receiver:
    """The application of the called end: a file that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.qualities: list[PageQuality] = []

    def encode(self, index: int, mode: PageMode) -> bytes:
        raise AssertionError("a receiver codes no pages")

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality:
        try:
            quality = store.append_page(self.path, data, mode)
        except StoreError as error:
            raise OSError(str(error)) from error
        self.qualities.append(quality)
        return quality


FaultsFor = Callable[[Address, Address], Faults]

FAULTLESS = Faults()


def lossy(loss: float, *, jitter: float = 0.0, signalling: bool = False) -> FaultsFor:
    """A share of the media datagrams is lost in both directions; of the signalling too, if wanted."""

    def faults_for(source: Address, destination: Address) -> Faults:
        if SIP_PORT in (source[1], destination[1]) and not signalling:
            return Faults()
        return Faults(loss=loss, jitter=jitter)

    return faults_for


class Scene:
    """``caller`` and ``callee``, the network between them with its faults, and a document on either side."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 1,
        faults_for: FaultsFor = lambda source, destination: FAULTLESS,
        page_delay: float = 0.05,
    ) -> None:
        self.simulator = Simulator()
        self.tapped: list[tuple[float, Address, Address, bytes]] = []
        """Every datagram sent, lost or not: when, from where, to where, what."""
        self.taps: list[Tap] = [lambda *datagram: self.tapped.append(datagram)]
        """Called with every datagram before it is lost or not."""
        self.network = VirtualNetwork(self.simulator, random.Random(seed), faults_for, self._tap)
        self.page_delay = page_delay
        self._seed = seed
        self.caller = self.endpoint(CALLER)
        self.callee = self.endpoint(CALLEE)
        self.document = folder / "document.tif"
        self.output = folder / "received.tif"
        self.output.unlink(missing_ok=True)
        self.receiver = Receiver(self.output)
        self.placed: list[SimulatedCall] = []
        self.sender: Sender

    def _tap(self, when: float, source: Address, destination: Address, data: bytes) -> None:
        for tap in self.taps:
            tap(when, source, destination, data)

    def endpoint(self, host: str) -> SimulatedEndpoint:
        agent = UserAgent(
            contact_address=(host, SIP_PORT),
            user_agent="t38fsp test",
            random=random.Random(f"{host} {self._seed}"),
        )
        return SimulatedEndpoint(
            self.simulator, self.network, agent, (host, SIP_PORT), page_delay=self.page_delay
        )

    # --- a call ---------------------------------------------------------------------------------------------

    def answer(self, **settings: object) -> None:
        """The callee takes every call."""
        self.callee.take_calls(self.receiver, CallSettings(**settings))  # type: ignore[arg-type]

    def send(self, pages: Sequence[PageSpec], *, to: str = CALLEE, **settings: object) -> SimulatedCall:
        """Place a call that sends ``pages`` to the host ``to``."""
        make_document(self.document, pages)
        return self.send_document(Sender(self.document), to=to, **settings)

    def send_document(self, sender: Sender, *, to: str = CALLEE, **settings: object) -> SimulatedCall:
        """Place a call that sends the document of ``sender``."""
        self.sender = sender
        call = self.caller.send(
            f"sip:+15550100@{to}",
            (to, SIP_PORT),
            document.inspect(sender.path),
            sender,
            CallSettings(**settings),  # type: ignore[arg-type]
        )
        self.placed.append(call)
        return call

    @property
    def call(self) -> SimulatedCall:
        """The one call that the caller placed."""
        (call,) = self.placed
        return call

    @property
    def calls(self) -> list[SimulatedCall]:
        """Those of both ends."""
        return [*self.placed, *self.callee.received]

    @property
    def taken(self) -> SimulatedCall:
        """The one call that the callee took."""
        (call,) = self.callee.received
        return call

    # --- time -----------------------------------------------------------------------------------------------

    def run(self, *, seconds: float | None = None, until: Callable[[], bool] | None = None) -> None:
        """Run for ``seconds``, or until ``until`` holds, or until every call is over."""
        if seconds is not None:
            end = self.simulator.now + seconds
            # Something to stop at, lest the clock run on to the next event.
            self.simulator.at(end, lambda: None)
            self.simulator.run(lambda: self.simulator.now >= end)
            return
        reached = self.simulator.run(until or self._over, limit=self.simulator.now + LIMIT)
        latest = [call.events[-3:] for call in self.calls]
        assert reached, f"nothing came of it by {self.simulator.now:.1f} s: {latest}"

    def _over(self) -> bool:
        return bool(self.calls) and all(call.call.result is not None for call in self.calls)

    def run_out(self) -> None:
        """Run until nothing is left to happen, and assert that nothing is left of any call."""
        assert self.simulator.run(limit=self.simulator.now + LIMIT), "something happens for ever"
        for endpoint in (self.caller, self.callee):
            assert endpoint.idle
            assert endpoint.agent.next_deadline() is None

    # --- what became of it ----------------------------------------------------------------------------------

    @property
    def sent(self) -> FaxResult:
        assert self.call.call.result is not None
        return self.call.call.result

    @property
    def received(self) -> FaxResult:
        result = self.taken.call.result
        assert result is not None
        return result

    def assert_delivered(self, pages: int) -> None:
        """Both ends say that all ``pages`` are confirmed, and what arrived is what was sent."""
        for result in (self.sent, self.received):
            assert result.status is FaxStatus.COMPLETED, result.reason
            assert [(page.number, page.confirmed) for page in result.pages] == [
                (number, True) for number in range(1, pages + 1)
            ]
        assert libtiff.assert_same_pages(self.document, self.output) == pages

    def assert_truthful(self) -> None:
        """Every page that counts as confirmed, on either side, is in the file, and finished calls say so."""
        stored = list(libtiff.pages(self.output)) if self.output.exists() else []
        assert self.sent.pages_confirmed <= self.received.pages_confirmed <= len(stored)
        for result in (self.sent, self.received):
            if result.completed:
                assert all(page.confirmed for page in result.pages)
        for call in self.calls:
            assert [isinstance(event, events.Finished) for event in call.events].index(True) == (
                len(call.events) - 1
            )

    def write_capture(self, path: Path) -> Path:
        """What the network saw, as a capture file."""
        with path.open("wb") as file:
            writer = PcapWriter(file)
            for when, source, destination, data in self.tapped:
                writer.udp(source, destination, data, 1_700_000_000 + when)
        return path


def names(happened: Iterable[object]) -> list[str]:
    """The kinds of some events, in order."""
    return [type(event).__name__ for event in happened]
