"""A fax endpoint in simulated time: the product's own call, SIP agent and packets on a virtual network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sip.agent import UserAgent
from sip.line import CallRequest, Incoming, LineEvent
from sip.values import Address, Hop
from t38fsp.audio.leg import RtpStart
from t38fsp.audio.modem.library import ModemLibrary
from t38fsp.call.driver import CallContext, PageJob, StorePage, settle
from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import PlacedCall, PollingCall, SendingCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call_settings import CallSettings
from t38fsp.events import Connected, FaxEvent
from t38fsp.jobs import NO_SUBADDRESS, WHOLE, Addressing, Resume
from t38fsp.lanes import Lane, Lanes
from t38fsp.t30.options import PollDocument, PollOptions
from t38fsp.t30.outputs import PageWanted
from t38fsp.t30.vocabulary import PageFormat, PageMode, PageQuality
from t38fsp.virtual.network import VirtualNetwork
from t38fsp.virtual.simulator import Alarm, Simulator


class EndpointPages(Protocol):
    """Pages that an endpoint sends or receives. Errors are OSError or ValueError."""

    def encode(self, index: int, mode: PageMode) -> bytes: ...

    def store(self, index: int, mode: PageMode, data: bytes) -> PageQuality: ...


class SimulatedCall:
    """Drives one FaxCall on the virtual network."""

    def __init__(
        self, endpoint: SimulatedEndpoint, address: Address, pages: EndpointPages, page_delay: float
    ) -> None:
        self._endpoint = endpoint
        self._simulator = endpoint.simulator
        self._address = address
        self._pages = pages
        self._page_delay = page_delay
        self._remote: Address | None = None
        self._lanes = Lanes()
        self._lane: Lane | None = None
        self._alarm = Alarm(self._simulator, self._on_deadline)
        self._pacer = Alarm(self._simulator, self._on_packets_due)
        self.events: list[FaxEvent] = []
        self.call: FaxCall
        self.on_connected: Callable[[], bool | None] = lambda: True
        """The application's answer to Connected; None leaves it open."""

    def feed(self, line_event: LineEvent) -> None:
        self.call.line_event(line_event, self._simulator.now)
        self.settle()

    def receive(self, data: bytes, source: Address) -> None:
        self.call.datagram_received(data, source, self._simulator.now)
        self.settle()

    def settle(self) -> None:
        settle(self.call, self)
        self._endpoint.flush()
        if self.call.result is not None:
            self._drop_lane()
            self._endpoint.forget(self, self._address)

    def abort(self) -> None:
        self.call.abort(self._simulator.now)
        self.settle()

    def proceed(self, go_on: bool) -> None:
        """The application's answer to Connected, when ``on_connected`` left it open."""
        if isinstance(self.call, SendingCall):
            self.call.proceed(go_on, self._simulator.now)
            self.settle()

    def _on_deadline(self) -> None:
        self.call.handle_deadline(self._simulator.now)
        self.settle()

    def _on_packets_due(self) -> None:
        # Simulated time stands still during a turn, so that no budget ends it: all that is due leaves.
        self._lanes.turn(lambda: self._simulator.now)
        self._pacer.set(self._lanes.next_due())

    def _drop_lane(self) -> None:
        if self._lane is not None:
            self._lanes.remove(self._lane)

    # --- the driver of the call ----------------------------------------------------------------------------

    def arm(self, deadline: float | None) -> None:
        self._alarm.set(deadline)

    def set_remote(self, address: Address) -> None:
        self._remote = address

    def _send(self, datagram: bytes) -> None:
        if self._remote is not None:
            self._endpoint.network.send(self._address, self._remote, datagram)

    def pace(self, lane: Lane) -> None:
        if lane is not self._lane:
            self._drop_lane()
            self._lane = lane
            lane.send = self._send
            lane.planned = lambda: self.arm(self.call.next_deadline())
        self._lanes.schedule(lane)
        self._pacer.set(self._lanes.next_due())

    def do(self, job: PageJob) -> None:
        # After a delay even if that is 0, as the image workers of the engine never answer at once.
        self._simulator.after(self._page_delay, lambda: self._answer(job))

    def _answer(self, job: PageJob) -> None:
        now = self._simulator.now
        match self.call, job:
            case (SendingCall() | ReceivingCall()) as call, PageWanted(
                request=request, index=index, mode=mode
            ):
                try:
                    call.page_ready(request, self._pages.encode(index, mode), now)
                except (OSError, ValueError) as error:
                    call.page_failed(request, str(error), now)
            case (ReceivingCall() | PollingCall()) as call, StorePage(index=index, mode=mode, data=data):
                try:
                    call.page_stored(index, self._pages.store(index, mode, data), now)
                except (OSError, ValueError) as error:
                    call.page_not_stored(index, str(error), now)
        self.settle()

    def report(self, event: FaxEvent) -> None:
        self.events.append(event)
        if isinstance(event, Connected) and isinstance(self.call, SendingCall):
            # Not from here: nothing that the drain of a call performs may call back into that call.
            self._simulator.after(0.0, self._on_connected)

    def _on_connected(self) -> None:
        answer = self.on_connected()
        if answer is not None:
            self.proceed(answer)


class SimulatedEndpoint:
    """One SIP address with any number of calls. ``page_delay``: virtual seconds that page work takes."""

    def __init__(
        self,
        simulator: Simulator,
        network: VirtualNetwork,
        agent: UserAgent,
        address: Address,
        *,
        page_delay: float = 0.05,
        modems: Callable[[], ModemLibrary] | None = None,
    ) -> None:
        self.simulator = simulator
        self.network = network
        self.agent = agent
        self.address = address
        self.page_delay = page_delay
        self.modems = modems
        """Loads the library of modems; without it calls do not use audio."""
        self.received: list[SimulatedCall] = []
        self._take: Callable[[Incoming], None] | None = None
        self._calls: dict[int, SimulatedCall] = {}
        self._next_port = 10_000
        self._alarm = Alarm(simulator, self._on_deadline)
        self._flushing = False
        network.bind(address, self._on_datagram)

    def take_calls(
        self,
        pages: EndpointPages,
        settings: CallSettings | None = None,
        offered: Sequence[PageFormat] = (),
        terms: PollDocument | None = None,
    ) -> None:
        """Answer every incoming call; the caller may poll ``offered``."""

        def take(incoming: Incoming) -> None:
            hosted, context = self._host(pages)
            chosen = settings or CallSettings()
            call = ReceivingCall(self.agent, incoming, chosen, context, offered=offered, terms=terms)
            hosted.call = call
            self._calls[incoming.call] = hosted
            self.received.append(hosted)
            call.start(self.simulator.now)
            hosted.settle()

        self._take = take

    def send(
        self,
        target: str,
        first_hop: Address,
        formats: Sequence[PageFormat],
        pages: EndpointPages,
        settings: CallSettings | None = None,
        resume: Resume = WHOLE,
        addressing: Addressing = NO_SUBADDRESS,
    ) -> SimulatedCall:
        """Place a call; watch ``call.result`` of what is returned."""
        hosted, context = self._host(pages)
        call = SendingCall(
            self.agent,
            self._request(target, first_hop, context),
            formats,
            settings or CallSettings(),
            context,
            resume=resume,
            addressing=addressing,
        )
        return self._place(hosted, call)

    def poll(
        self,
        target: str,
        first_hop: Address,
        pages: EndpointPages,
        settings: CallSettings | None = None,
        poll: PollOptions | None = None,
    ) -> SimulatedCall:
        """Place a call that fetches a document."""
        hosted, context = self._host(pages)
        request = self._request(target, first_hop, context)
        call = PollingCall(self.agent, request, settings or CallSettings(), context, poll)
        return self._place(hosted, call)

    def _request(self, target: str, first_hop: Address, context: CallContext) -> CallRequest:
        caller = f"sip:fax@{self.address[0]}"
        return CallRequest(target, caller, [Hop(*first_hop)], context.media_address)

    def _place(self, hosted: SimulatedCall, call: PlacedCall) -> SimulatedCall:
        hosted.call = call
        call.start(self.simulator.now)
        assert call.line_call is not None
        self._calls[call.line_call] = hosted
        hosted.settle()
        return hosted

    @property
    def idle(self) -> bool:
        """Whether nothing at all is left of any call."""
        return self.agent.idle and not self._calls

    def flush(self) -> None:
        """Carry out what the agent asks for."""
        # A call that gets an event settles, which flushes again; the loop below takes what that adds.
        if self._flushing:
            return
        self._flushing = True
        moving = True
        while moving:
            datagrams = self.agent.take_datagrams()
            for data, destination in datagrams:
                self.network.send(self.address, destination.address, data)
            line_events = self.agent.take_events()
            for event in line_events:
                self._on_line_event(event)
            moving = bool(datagrams or line_events)
        self._flushing = False
        self._alarm.set(self.agent.next_deadline())

    def forget(self, hosted: SimulatedCall, media: Address) -> None:
        self.network.unbind(media)
        if hosted.call.line_call is not None:
            self._calls.pop(hosted.call.line_call, None)

    def _host(self, pages: EndpointPages) -> tuple[SimulatedCall, CallContext]:
        media = (self.address[0], self._next_port)
        # RTP has even ports (RFC 3550 11), and so has every media port of the engine.
        self._next_port += 2
        hosted = SimulatedCall(self, media, pages, self.page_delay)
        self.network.bind(media, hosted.receive)
        # Random in the engine (RFC 3550 5.1); fixed here, so that a call repeats exactly.
        start = RtpStart(ssrc=media[1], sequence=0, timestamp=0)
        return hosted, CallContext(media[0], media[1], start, modems=self.modems)

    def _on_datagram(self, data: bytes, source: Address) -> None:
        self.agent.receive(data, Hop(*source), self.simulator.now)
        self.flush()

    def _on_deadline(self) -> None:
        self.agent.handle_deadline(self.simulator.now)
        self.flush()

    def _on_line_event(self, event: LineEvent) -> None:
        if isinstance(event, Incoming):
            self._on_incoming(event)
        elif event.call in self._calls:
            self._calls[event.call].feed(event)

    def _on_incoming(self, incoming: Incoming) -> None:
        if self._take is None:
            self.agent.refuse(incoming.call, 486, self.simulator.now)
            return
        self._take(incoming)
