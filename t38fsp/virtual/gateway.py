"""The virtual gateway: one SIP address with fax machines behind it, that behaves as badly as it is told to.

Sans-IO: it runs in simulated time (:class:`SimulatedGateway`) and on real sockets
(``t38fsp.virtual.sockets``). The quirks are listed in ``t38fsp.virtual.quirks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from sip.agent import UserAgent
from sip.line import Address, CallRequest, Credentials, Hop, Incoming, LineEvent
from t38fsp.audio.leg import Role
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import PageFormat
from t38fsp.virtual.gateway_call import GatewayCall, Outgoing, Surroundings
from t38fsp.virtual.machine import FaxMachine, PageSource, PageStore, ReceivingMachine, SendingMachine
from t38fsp.virtual.network import VirtualNetwork
from t38fsp.virtual.points import Quirk
from t38fsp.virtual.simulator import Alarm, Simulator


class VirtualGateway:
    """Answers calls with a receiving machine, and places calls with a sending one.

    ``address`` is where it takes SIP over UDP. ``open_media`` makes a media address; ``media_closed`` is told
    when one is needed no more. Datagrams come out of :meth:`take_datagrams` with the address to send from.
    """

    def __init__(
        self,
        address: Address,
        open_media: Callable[[], Address],
        random: Random,
        *,
        media_closed: Callable[[Address], None] = lambda address: None,
    ) -> None:
        self.address = address
        self.calls: list[GatewayCall] = []
        """Every call so far, in order."""
        self.on_over: Callable[[GatewayCall], None] = lambda call: None
        """Told of each call that is over."""
        self._agent = UserAgent(contact_address=address, user_agent="t38fsp virtual gateway", random=random)
        self._random = random
        self._open_media = open_media
        self._media_closed = media_closed
        self._running: dict[int, GatewayCall] = {}
        self._answering: tuple[PageStore, ReceiveOptions, tuple[Quirk, ...]] | None = None
        self._outgoing: list[Outgoing] = []

    # --- what it does ---------------------------------------------------------------------------------------

    def answer_calls(
        self, pages: PageStore, quirks: Sequence[Quirk] = (), machine: ReceiveOptions | None = None
    ) -> None:
        """Take every call from now on, with these quirks; until then calls get 486."""
        self._answering = pages, machine or ReceiveOptions(), tuple(quirks)

    def call(
        self,
        target: str,
        hop: Address,
        pages: PageSource,
        formats: Sequence[PageFormat],
        now: float,
        quirks: Sequence[Quirk] = (),
        machine: TransmitOptions | None = None,
        credentials: Credentials | None = None,
    ) -> GatewayCall:
        """Send the pages to ``target`` (a SIP URI), which is reached at ``hop``."""

        def behind(call: GatewayCall) -> FaxMachine:
            return SendingMachine(pages, formats, machine, paper_seconds=call.habits.paper_seconds)

        call = GatewayCall(self._surroundings(), Role.CALLING, behind, quirks, now)
        call.place(
            lambda media, media_address: CallRequest(
                target=target,
                caller=f"sip:machine@{self.address[0]}",
                destination=[Hop(*hop)],
                media=media,
                media_address=media_address,
                answerer=call.answerer,
                credentials=credentials,
            )
        )
        self._add(call)
        self._flush(now)
        return call

    @property
    def idle(self) -> bool:
        """Whether nothing is left of any call."""
        return self._agent.idle and not self._running

    # --- in and out -----------------------------------------------------------------------------------------

    def receive(self, data: bytes, source: Address, at: Address, now: float) -> None:
        """A datagram came from ``source`` to the address ``at`` of ours."""
        if at == self.address:
            self._agent.receive(data, Hop(*source), now)
        else:
            for call in self._running.values():
                if call.hears(at):
                    call.datagram_received(data, now)
                    break
        self._flush(now)

    def next_deadline(self) -> float | None:
        times = [self._agent.next_deadline(), *(call.next_deadline() for call in self._running.values())]
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        self._agent.handle_deadline(now)
        for call in list(self._running.values()):
            due = call.next_deadline()
            if due is not None and due <= now:
                call.handle_deadline(now)
        self._flush(now)

    def take_datagrams(self) -> list[Outgoing]:
        taken, self._outgoing = self._outgoing, []
        return taken

    # --- joining them ---------------------------------------------------------------------------------------

    def _surroundings(self) -> Surroundings:
        return Surroundings(self._agent, self._open_media, self._random)

    def _add(self, call: GatewayCall) -> None:
        self.calls.append(call)
        self._running[call.line_call] = call

    def _flush(self, now: float) -> None:
        """Carry what one part gives to the next until nothing moves."""
        moving = True
        while moving:
            line_events = self._agent.take_events()
            for event in line_events:
                self._on_line_event(event, now)
            datagrams = self._agent.take_datagrams()
            self._outgoing += [Outgoing(self.address, hop.address, data) for data, hop in datagrams]
            moving = bool(line_events or datagrams)
        for call in list(self._running.values()):
            self._outgoing += call.take_datagrams()
            if call.over:
                del self._running[call.line_call]
                for media in call.media:
                    self._media_closed(media)
                self.on_over(call)

    def _on_line_event(self, event: LineEvent, now: float) -> None:
        if isinstance(event, Incoming):
            self._on_incoming(event, now)
        elif event.call in self._running:
            self._running[event.call].line_event(event, now)

    def _on_incoming(self, incoming: Incoming, now: float) -> None:
        if self._answering is None:
            self._agent.refuse(incoming.call, 486, now)
            return
        pages, options, quirks = self._answering

        def behind(call: GatewayCall) -> FaxMachine:
            return ReceivingMachine(
                pages,
                options,
                ced=call.habits.ced,
                paper_seconds=call.habits.paper_seconds,
                judge=call.judge,
            )

        call = GatewayCall(self._surroundings(), Role.ANSWERING, behind, quirks, now)
        call.take(incoming)
        self._add(call)


class SimulatedGateway:
    """A virtual gateway on a virtual network, in simulated time."""

    def __init__(
        self, simulator: Simulator, network: VirtualNetwork, address: Address, random: Random
    ) -> None:
        self._simulator = simulator
        self._network = network
        self._next_port = 20_000
        self.gateway = VirtualGateway(address, self._open_media, random, media_closed=network.unbind)
        self._alarm = Alarm(simulator, self._on_deadline)
        network.bind(address, self._receiver(address))

    def answer_calls(
        self, pages: PageStore, quirks: Sequence[Quirk] = (), machine: ReceiveOptions | None = None
    ) -> None:
        """As VirtualGateway."""
        self.gateway.answer_calls(pages, quirks, machine)

    def call(
        self,
        target: str,
        hop: Address,
        pages: PageSource,
        formats: Sequence[PageFormat],
        quirks: Sequence[Quirk] = (),
        machine: TransmitOptions | None = None,
    ) -> GatewayCall:
        """As VirtualGateway, now."""
        call = self.gateway.call(target, hop, pages, formats, self._simulator.now, quirks, machine)
        self._settle()
        return call

    def _open_media(self) -> Address:
        address = self.gateway.address[0], self._next_port
        self._next_port += 2
        self._network.bind(address, self._receiver(address))
        return address

    def _receiver(self, at: Address) -> Callable[[bytes, Address], None]:
        def receive(data: bytes, source: Address) -> None:
            self.gateway.receive(data, source, at, self._simulator.now)
            self._settle()

        return receive

    def _on_deadline(self) -> None:
        self.gateway.handle_deadline(self._simulator.now)
        self._settle()

    def _settle(self) -> None:
        for datagram in self.gateway.take_datagrams():
            self._network.send(datagram.source, datagram.destination, datagram.data)
        self._alarm.set(self.gateway.next_deadline())
