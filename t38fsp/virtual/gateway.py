"""The virtual gateway: fax machines on a SIP line that misbehaves as its quirks define.

Sans-IO: it runs in simulated time (:class:`SimulatedGateway`) and on real sockets
(``t38fsp.virtual.sockets``). The quirks are listed in ``t38fsp.virtual.quirks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from sip.agent import UserAgent
from sip.line import CallRequest, Incoming, LineEvent, SipLine
from sip.values import Address, Hop
from t38fsp.audio.leg import Role
from t38fsp.events import FaxEvent, Finished
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import PageFormat
from t38fsp.virtual.fax_machine import FaxMachine, PageSource, PageStore, ReceivingMachine, SendingMachine
from t38fsp.virtual.gateway_call import GatewayCall
from t38fsp.virtual.gateway_context import GatewayContext, Outgoing
from t38fsp.virtual.hooks import Quirk
from t38fsp.virtual.network import VirtualNetwork
from t38fsp.virtual.simulator import Alarm, Simulator


@dataclass(frozen=True, slots=True)
class _Answering:
    """How calls are taken."""

    store_for: Callable[[Incoming], PageStore]
    quirks: tuple[Quirk, ...]
    machine: ReceiveOptions


class VirtualGateway:
    """Answers calls with a receiving machine, and places calls with a sending one, on ``line``.

    ``open_media`` opens a media address for a call with that peer; ``media_closed`` is called when a call no
    longer uses one. Datagrams come out of :meth:`take_datagrams` with the address to send from, events of the
    calls out of :meth:`take_events`.
    """

    def __init__(
        self,
        line: SipLine,
        open_media: Callable[[Hop], Address],
        random: Random,
        *,
        media_closed: Callable[[Address], None] = lambda address: None,
    ) -> None:
        self._line = line
        self._random = random
        self._open_media = open_media
        self._media_closed = media_closed
        self._running: dict[int, GatewayCall] = {}
        self._incoming = count(1)
        self._answering: _Answering | None = None
        self._outgoing: list[Outgoing] = []
        self._events: list[tuple[GatewayCall, FaxEvent]] = []

    # --- verbs ----------------------------------------------------------------------------------------------

    def answer_calls(
        self,
        store_for: Callable[[Incoming], PageStore],
        quirks: Sequence[Quirk] = (),
        machine: ReceiveOptions | None = None,
    ) -> None:
        """Take every call from now on, with these quirks; until then calls get 486.

        ``store_for`` returns for each call where its pages are stored; an OSError refuses the call with 503.
        """
        self._answering = _Answering(store_for, tuple(quirks), machine or ReceiveOptions())

    def call(
        self,
        target: str,
        hops: Sequence[Hop],
        caller: str,
        pages: PageSource,
        formats: Sequence[PageFormat],
        now: float,
        quirks: Sequence[Quirk] = (),
        machine: TransmitOptions | None = None,
    ) -> GatewayCall:
        """Send the pages to ``target`` (Request-URI) by one of ``hops``, best first.

        ``caller`` is the URI of From. Raises OSError when no media address is available, and SipError of the
        line.
        """

        def make_machine(call: GatewayCall) -> FaxMachine:
            return SendingMachine(pages, formats, machine, paper_seconds=call.habits.paper_seconds)

        # Media go out by the interface that leads to the first hop; SIP may still fail over to another
        # one.
        context = self._context(hops[0])
        call = GatewayCall(context, Role.CALLING, make_machine, quirks, now)
        call.place(
            lambda media, media_address: CallRequest(
                target=target,
                caller=caller,
                destination=hops,
                media=media,
                media_address=media_address,
                answerer=call.answerer,
            )
        )
        self._running[call.line_call] = call
        self._flush()
        return call

    def abort(self, now: float) -> None:
        """End every call, and take none any more."""
        self._answering = None
        # A copy: what an abort does may end the call, which removes it.
        for call in list(self._running.values()):
            call.abort(now)
        self._flush()

    @property
    def idle(self) -> bool:
        """Whether no call is left."""
        return not self._running

    # --- in and out -----------------------------------------------------------------------------------------

    def line_event(self, event: LineEvent, now: float) -> None:
        """An event of the line."""
        if isinstance(event, Incoming):
            self._on_incoming(event, now)
        elif event.call in self._running:
            self._running[event.call].line_event(event, now)
        self._flush()

    def receive(self, data: bytes, at: Address, now: float) -> None:
        """A datagram came to the media address ``at`` of ours."""
        for call in self._running.values():
            if call.hears(at):
                call.datagram_received(data, now)
                break
        self._flush()

    def next_deadline(self) -> float | None:
        times = [call.next_deadline() for call in self._running.values()]
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        for call in list(self._running.values()):
            due = call.next_deadline()
            if due is not None and due <= now:
                call.handle_deadline(now)
        self._flush()

    def take_datagrams(self) -> list[Outgoing]:
        taken, self._outgoing = self._outgoing, []
        return taken

    def take_events(self) -> list[tuple[GatewayCall, FaxEvent]]:
        """What happened in which call; the last event of each is Finished."""
        taken, self._events = self._events, []
        return taken

    # --- joining them ---------------------------------------------------------------------------------------

    def _context(self, peer: Hop, call_number: int = 1) -> GatewayContext:
        return GatewayContext(self._line, lambda: self._open_media(peer), self._random, call_number)

    def _flush(self) -> None:
        for call in list(self._running.values()):
            self._outgoing += call.take_datagrams()
            self._events += [(call, event) for event in call.take_events()]
            if call.over:
                del self._running[call.line_call]
                for media in call.media:
                    self._media_closed(media)

    def _on_incoming(self, incoming: Incoming, now: float) -> None:
        answering = self._answering
        if answering is None:
            self._line.refuse(incoming.call, 486, now)
            return

        def make_machine(call: GatewayCall) -> FaxMachine:
            return ReceivingMachine(
                pages,
                answering.machine,
                ced=call.habits.ced,
                paper_seconds=call.habits.paper_seconds,
                judge=call.judge,
            )

        # Pages first: without a place for them the call is not answered (503), as by a machine without
        # paper or memory.
        try:
            pages = answering.store_for(incoming)
            context = self._context(incoming.source, next(self._incoming))
            call = GatewayCall(context, Role.ANSWERING, make_machine, answering.quirks, now)
        except OSError:
            self._line.refuse(incoming.call, 503, now)
            return
        call.take(incoming)
        self._running[call.line_call] = call


class SimulatedGateway:
    """A virtual gateway with its own SIP address on a virtual network, in simulated time."""

    def __init__(
        self, simulator: Simulator, network: VirtualNetwork, address: Address, random: Random
    ) -> None:
        self._simulator = simulator
        self._network = network
        self.calls: list[GatewayCall] = []
        """Those that are over, in the order in which they ended."""
        self._address = address
        self._next_port = 20_000
        self._agent = UserAgent(contact_address=address, user_agent="t38fsp virtual gateway", random=random)
        self.gateway = VirtualGateway(self._agent, self._open_media, random, media_closed=network.unbind)
        self._alarm = Alarm(simulator, self._on_deadline)
        network.bind(address, self._receive_sip)

    def answer_calls(
        self, pages: PageStore, quirks: Sequence[Quirk] = (), machine: ReceiveOptions | None = None
    ) -> None:
        """Take every call from now on; the pages of all of them go to ``pages``."""
        self.gateway.answer_calls(lambda incoming: pages, quirks, machine)

    def call(
        self,
        target: str,
        hop: Address,
        pages: PageSource,
        formats: Sequence[PageFormat],
        quirks: Sequence[Quirk] = (),
        machine: TransmitOptions | None = None,
    ) -> GatewayCall:
        """Send the pages to ``target`` (a SIP URI), which is reached at ``hop``, now."""
        caller = f"sip:machine@{self._address[0]}"
        now = self._simulator.now
        call = self.gateway.call(target, [Hop(*hop)], caller, pages, formats, now, quirks, machine)
        self._settle()
        return call

    def abort(self) -> None:
        """End every call, and take none any more."""
        self.gateway.abort(self._simulator.now)
        self._settle()

    @property
    def idle(self) -> bool:
        """Whether nothing is left of any call."""
        return self._agent.idle and self.gateway.idle

    def _open_media(self, peer: Hop) -> Address:
        address = self._address[0], self._next_port
        self._next_port += 2
        self._network.bind(address, lambda data, source: self._receive_media(data, address))
        return address

    def _receive_sip(self, data: bytes, source: Address) -> None:
        self._agent.receive(data, Hop(*source), self._simulator.now)
        self._settle()

    def _receive_media(self, data: bytes, at: Address) -> None:
        self.gateway.receive(data, at, self._simulator.now)
        self._settle()

    def _on_deadline(self) -> None:
        self._agent.handle_deadline(self._simulator.now)
        self.gateway.handle_deadline(self._simulator.now)
        self._settle()

    def _settle(self) -> None:
        """Pass the outputs of each part to the next one, until there are none."""
        moving = True
        while moving:
            line_events = self._agent.take_events()
            for event in line_events:
                self.gateway.line_event(event, self._simulator.now)
            datagrams = self._agent.take_datagrams()
            for data, hop in datagrams:
                self._network.send(self._address, hop.address, data)
            moving = bool(line_events or datagrams)
        for datagram in self.gateway.take_datagrams():
            self._network.send(datagram.source, datagram.destination, datagram.data)
        self.calls += [call for call, event in self.gateway.take_events() if isinstance(event, Finished)]
        times = [self._agent.next_deadline(), self.gateway.next_deadline()]
        self._alarm.set(min((time for time in times if time is not None), default=None))
