"""One call of a virtual gateway, sans-IO: SIP on one side, a fax machine on the other, T.38 between them.

    SETUP ──answered──► AUDIO ──T.38 agreed──► FAX ──BYE──► OVER

All that is honest comes from the product's own parts. What is not comes from quirks, at the points that
``t38fsp.virtual.points`` describes. A gateway reads IFP strictly, in the syntax that was negotiated.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from itertools import count
from random import Random
from typing import TypeVar

from sip.line import (
    Address,
    Answered,
    CallRequest,
    Ended,
    Failed,
    Incoming,
    Line,
    LineEvent,
    MediaChanged,
)
from sip.sdp import MediaDescription, SessionDescription
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.call.media import (
    AudioMedia,
    ImageMedia,
    MediaCapabilities,
    agreed_media,
    answer_offer,
    audio_offer,
    image_offer,
)
from t38fsp.t30.outputs import RevokeBurst
from t38fsp.t30.vocabulary import Burst, HdlcBurst, PageQuality
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.packet_queue import PacketQueue
from t38fsp.t38.receiving import Delivery, UdptlReceiver
from t38fsp.t38.terminal import Packet, Terminal
from t38fsp.t38.udptl import Counters, ParitySender, UdptlSender
from t38fsp.t38.values import Indicator
from t38fsp.virtual.machine import FaxMachine
from t38fsp.virtual.points import Habits, Moment, Quirk

_LINGER = 5.0
"""Seconds that the far end is left to hang up after the fax, when it placed the call."""
_OLD_MEDIA = 1.0
"""Seconds that an old media address is listened to, for what is on its way there."""
_DRAIN = 0.4
"""Seconds between our DCN and BYE."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send from an address of ours."""

    source: Address
    destination: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a call needs of its host. ``open_media`` makes an address to send from and receive at."""

    line: Line
    open_media: Callable[[], Address]
    random: Random


class _Phase(Enum):
    SETUP = auto()
    AUDIO = auto()
    FAX = auto()
    OVER = auto()


class GatewayCall:
    """Feed it line events and datagrams, come back at ``next_deadline``, then drain ``take_datagrams``.

    ``happened`` counts how often each quirk showed itself; ``machine`` says what became of the fax.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        role: Role,
        machine: Callable[[GatewayCall], FaxMachine],
        quirks: Sequence[Quirk],
        now: float,
    ) -> None:
        self.now = now
        self.random = surroundings.random
        self.role = role
        self.happened: Counter[str] = Counter()
        self.counters = Counters()
        self.ended: Ended | Failed | None = None
        """How SIP ended."""
        habits = Habits()
        for quirk in quirks:
            habits = quirk.habits(habits)
        self.habits = habits
        self.syntax = habits.syntax or Syntax.Y1998
        self.line_call = 0
        self._line = surroundings.line
        self._open_media = surroundings.open_media
        self.media = [surroundings.open_media()]
        """Our media addresses, the one in use last."""
        self._old_media_until = float("-inf")
        self._remote: Address | None = None
        self._phase = _Phase.SETUP
        self._stages = [quirk.stage(self) for quirk in quirks]
        self.machine = machine(self)
        self._machine_up = False
        self._audio: AudioLeg | None = None
        self._terminal: Terminal | None = None
        self._sender: UdptlSender | ParitySender = UdptlSender(0, habits.parameters.max_datagram)
        self._sender.number = habits.first_number
        self._receiver = UdptlReceiver(self.counters)
        self._renumbered = False
        self._written: list[bytes] = []  # the packet released last,
        self._released: list[bytes] = []  # and its datagrams, which its copies repeat
        self._owed: deque[bool] = deque()  # bursts on their way: whether the machine waits for their end
        self._revocations = 0
        self._packets: PacketQueue[Packet] = PacketQueue()
        self._outgoing: list[Outgoing] = []
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    # --- placing and taking ---------------------------------------------------------------------------------

    def take(self, incoming: Incoming) -> None:
        """Answer this call."""
        self.line_call = incoming.call
        if incoming.offer is None:
            media: Sequence[MediaDescription] | None = audio_offer(self._capabilities())
        else:
            media = self._answer(incoming.offer)
        if media is None:
            self._line.refuse(self.line_call, 488, self.now)
            return
        self._line.accept(self.line_call, media, self.media[0][0], self._answer, self.now)

    def place(self, request: Callable[[Sequence[MediaDescription], str], CallRequest]) -> None:
        """Send the INVITE that ``request`` makes of our offer and media address."""
        self.line_call = self._line.place(request(self._first_offer(), self.media[0][0]), self.now)

    def _first_offer(self) -> Sequence[MediaDescription]:
        if self.habits.switch_after == 0:
            return self._described(image_offer(self._capabilities()))
        return self._described(audio_offer(self._capabilities()))

    @property
    def answerer(self) -> Callable[[SessionDescription], Sequence[MediaDescription] | None]:
        return self._answer

    def hears(self, at: Address) -> bool:
        """Whether what comes to this address is for us: not for long at those we have left."""
        return at == self.media[-1] or (at in self.media and self.now < self._old_media_until)

    @property
    def over(self) -> bool:
        return self._phase is _Phase.OVER

    # --- in -------------------------------------------------------------------------------------------------

    def line_event(self, event: LineEvent, now: float) -> None:
        self.now = now
        match event:
            case Answered():
                self._phase = _Phase.AUDIO
                self._on_media(event.local, event.remote)
                self._tell(Moment.ANSWERED)
                if self._phase is _Phase.AUDIO and self.role is Role.ANSWERING:
                    self._plan_switch()
            case MediaChanged():
                self._on_media(event.local, event.remote)
            case Ended() | Failed():
                self._on_end(event)
        self._pump()

    def datagram_received(self, data: bytes, now: float) -> None:
        self.now = now
        for datagram in self._through([data], lambda stage, each: stage.datagram_in(each, self)):
            if self._terminal is not None:
                self._hear(self._receiver.receive(datagram, now))
            elif self._audio is not None:
                self._audio.receive(datagram, now)
        self._pump()

    def next_deadline(self) -> float | None:
        if self._phase is _Phase.OVER:
            return None
        times = [self._packets.next_due(), self._actions[0][0] if self._actions else None]
        if self._audio is not None:
            times.append(self._audio.next_deadline())
        if self._terminal is not None:
            times += [self._terminal.next_deadline(), self._receiver.next_deadline()]
        if self._machine_up:
            times.append(self.machine.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        self.now = now
        while self._actions and self._actions[0][0] <= now:
            heapq.heappop(self._actions)[2]()
        if self._audio is not None:
            self._audio.handle_deadline(now)
        if self._terminal is not None:
            self._hear(self._receiver.handle_deadline(now))
            self._terminal.handle_deadline(now)
        if self._machine_up:
            self.machine.handle_deadline(now)
        self._pump()
        for _ in self._packets.release_due(now):
            pass  # releasing is sending: see release

    # --- out ------------------------------------------------------------------------------------------------

    def take_datagrams(self) -> list[Outgoing]:
        taken, self._outgoing = self._outgoing, []
        return taken

    # --- what quirks may ask for ----------------------------------------------------------------------------

    def note(self, name: str) -> None:
        self.happened[name] += 1

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (self.now + seconds, next(self._order), action))

    def play(self, burst: Burst) -> None:
        self._play(burst, owed=False)

    def send(self, datagram: bytes) -> None:
        if self._remote is not None and self._phase is not _Phase.OVER:
            self._outgoing.append(Outgoing(self.media[-1], self._remote, datagram))

    def send_indicator(self, indicator: Indicator) -> None:
        self.send(self._wrap(ifp.encode(ifp.IndicatorPacket(indicator), self.syntax)))

    def jump(self, number: int) -> None:
        self._sender.number = number

    def hang_up(self) -> None:
        self._line.hang_up(self.line_call, self.now)

    def offer_image(self, *, new_port: bool = False) -> None:
        if new_port:
            self.media.append(self._open_media())
            self._old_media_until = self.now + _OLD_MEDIA
        self._line.offer(self.line_call, self._described(image_offer(self._capabilities())), self.now)

    def offer_audio(self) -> None:
        self._line.offer(self.line_call, self._described(audio_offer(self._capabilities())), self.now)

    @property
    def switched(self) -> bool:
        return self._terminal is not None

    @property
    def finished(self) -> bool:
        return self.machine.finished is not None

    def judge(self, quality: PageQuality) -> PageQuality | None:
        """What the machine makes of the quality of a page."""
        judged: PageQuality | None = quality
        for stage in self._stages:
            if judged is not None:
                judged = stage.judge(judged, self)
        return judged

    # --- SDP ------------------------------------------------------------------------------------------------

    def _capabilities(self) -> MediaCapabilities:
        return MediaCapabilities(self.media[-1][1], self.habits.parameters)

    def _answer(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        if self.habits.own_t38_port and self._phase is _Phase.AUDIO:
            self.media.append(self._open_media())
        return self._described(answer_offer(self._capabilities(), offer), offer) or None

    def _described(
        self, media: Sequence[MediaDescription] | None, offer: SessionDescription | None = None
    ) -> Sequence[MediaDescription]:
        for stage in self._stages:
            media = stage.media_out(media, offer, self)
        return media or ()

    def _on_media(self, local: SessionDescription, remote: SessionDescription) -> None:
        media = agreed_media(local, remote)
        if media is not None:
            self._remote = media.remote
        if isinstance(media, ImageMedia) and self._phase is _Phase.AUDIO:
            self._switch(media)
        elif isinstance(media, AudioMedia) and self._phase is _Phase.AUDIO and self._audio is None:
            start = RtpStart(*(self.random.getrandbits(bits) for bits in (32, 16, 32)))
            self._audio = AudioLeg(
                role=self.role, payload_type=media.payload_type, law=media.law, start=start
            )
            self._audio.start(self.now)

    def _plan_switch(self) -> None:
        if self.habits.switch_after is not None:
            self.after(self.habits.switch_after, self._offer_switch)

    def _offer_switch(self) -> None:
        if self._phase is _Phase.AUDIO:
            self.offer_image(new_port=self.habits.own_t38_port)

    # --- T.38 -----------------------------------------------------------------------------------------------

    def _switch(self, media: ImageMedia) -> None:
        self._phase = _Phase.FAX
        self._audio = None
        theirs = media.theirs
        self.syntax = self.habits.syntax or Syntax.for_version(media.version)
        redundancy = self.habits.redundancy if theirs.accepts_redundancy else 0
        self._terminal = Terminal(
            syntax=self.syntax,
            redundancy=redundancy,
            max_datagram=theirs.max_datagram,
            max_ifp=theirs.max_ifp,
            timing=self.habits.timing,
        )
        number = self._sender.number
        if self.habits.parity is not None:
            self._sender = ParitySender(*self.habits.parity, theirs.max_datagram)
        else:
            self._sender = UdptlSender(redundancy, theirs.max_datagram)
        self._sender.number = number
        self._tell(Moment.SWITCHED)
        self.after(self.habits.start_after, self._start_machine)

    def _start_machine(self) -> None:
        if self._terminal is not None:
            self._terminal.start(self.now)
            self.machine.start(self.now)
            self._machine_up = True

    def _hear(self, deliveries: Iterable[Delivery]) -> None:
        if self._terminal is None:
            return
        for delivery in deliveries:
            after_gap = delivery.after_gap
            for octets in self._through([delivery.ifp], lambda stage, each: stage.ifp_in(each, self)):
                try:
                    packet = ifp.parse(octets, self.syntax, padded=delivery.padded)
                except IfpError:
                    self.counters.malformed += 1
                    continue
                for heard in self._through([packet], lambda stage, each: stage.packet_in(each, self)):
                    self._terminal.hear(heard, self.now, after_gap=after_gap)
                    after_gap = False

    def release(self, packet: Packet) -> bytes | None:
        """Send a packet that is due; None when it was revoked."""
        if self._terminal is None or self._terminal.release(packet) is None:
            return None
        if not packet.repeat:
            plain = ifp.parse(packet.ifp, self.syntax)
            packets = self._through([plain], lambda stage, each: stage.packet_out(each, self))
            self._written = [self._write(each) for each in packets]
            self._renumbered = self.habits.renumbered_copies and not _has_data(plain)
        if not packet.repeat or self._renumbered:
            self._released = [self._wrap(octets) for octets in self._written]
        for datagram in self._through(self._released, lambda stage, each: stage.datagram_out(each, self)):
            self.send(datagram)
        return packet.ifp

    def _write(self, packet: ifp.Packet) -> bytes:
        octets = ifp.encode(packet, self.syntax)
        for stage in self._stages:
            octets = stage.octets_out(octets, packet, self)
        return octets

    def _wrap(self, octets: bytes) -> bytes:
        datagram = self._sender.wrap(octets)
        if self._sender.number == 0:
            self._sender.number = self.habits.number_after_ffff
        return datagram

    def _play(self, burst: Burst, *, owed: bool) -> None:
        if self._terminal is not None:
            if isinstance(burst, HdlcBurst):
                burst = replace(burst, attempt=1)  # whatever is heard, a gateway keeps to its syntax
            self._owed.append(owed)
            self._terminal.send(burst, self.now)

    # --- joining them ---------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Carry what one part gives to the next until nothing moves."""
        if self._audio is not None:
            for datagram in self._audio.take_packets():
                self.send(datagram)
        moving = self._terminal is not None
        while moving and self._terminal is not None:
            moving = False
            signals = self._terminal.take_signals()
            for signal in self._through(signals, lambda stage, each: stage.signal_in(each, self)):
                if self._machine_up:
                    self.machine.receive(signal, self.now)
                moving = True
            for _ in range(self._terminal.take_sent()):
                if self._owed and self._owed.popleft():
                    self._burst_sent()
                moving = True
            for output in self.machine.take_bursts():
                self._obey(output.burst if not isinstance(output, RevokeBurst) else None)
                moving = True
            self._packets.push(self, self._terminal.take_packets())
        self._see_end()

    def _obey(self, burst: Burst | None) -> None:
        """Play a burst of the machine, or with None stop what is played."""
        if burst is None and self._terminal is not None:
            self._terminal.revoke(self.now)
            self._owed.clear()
            self._revocations += 1
        elif burst is not None:
            bursts = self._through([burst], lambda stage, each: stage.burst_out(each, self))
            for position, each in enumerate(bursts, 1):
                self._play(each, owed=position == len(bursts))
            if not bursts:
                self.after(0.0, partial(self._swallowed, self._revocations))

    def _swallowed(self, revocations: int) -> None:
        """A burst that was never played is over, unless the machine has thought better of it."""
        if revocations == self._revocations:
            self._burst_sent()

    def _burst_sent(self) -> None:
        self.machine.burst_sent(self.now)
        self._tell(Moment.BURST_SENT)

    def _through(self, items: Iterable[T], point: Callable[[Quirk, T], Iterable[T]]) -> list[T]:
        passing = list(items)
        for stage in self._stages:
            passing = [passed for item in passing for passed in point(stage, item)]
        return passing

    def _tell(self, moment: Moment) -> None:
        for stage in self._stages:
            stage.moment(moment, self)

    # --- the end --------------------------------------------------------------------------------------------

    def _see_end(self) -> None:
        if self._machine_up and self.finished and self._phase is _Phase.FAX:
            self._machine_up = False
            self._tell(Moment.FINISHED)
            well = self.machine.finished is not None and self.machine.finished.error is None
            self.after(_LINGER if well and self.role is Role.ANSWERING else _DRAIN, self.hang_up)

    def _on_end(self, event: Ended | Failed) -> None:
        if self._machine_up:
            self.machine.line_dropped(self.now)
            self._machine_up = False
        self._phase = _Phase.OVER
        self.ended = event
        self._packets.remove(self)
        self._actions.clear()
        self._audio = None


def _has_data(packet: ifp.Packet) -> bool:
    return isinstance(packet, ifp.DataPacket) and any(field.data for field in packet.fields)
