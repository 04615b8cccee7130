"""One call of a virtual gateway, sans-IO: SIP on one side, a fax machine on the other, T.38 between them.

    SETUP ──answered──► AUDIO ──T.38 agreed──► FAX ──BYE──► OVER

Correct behaviour is that of the product's own parts. Incorrect behaviour is added by quirks, at the points
that ``t38fsp.virtual.hooks`` describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from sip.line import Answered, CallRequest, Ended, Failed, Incoming, LineEvent, MediaChanged
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.transaction.timers import Timers
from sip.values import Address
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
from t38fsp.events import FaxEvent
from t38fsp.lanes import Lanes
from t38fsp.results import FaxResult
from t38fsp.t30.outputs import Listen, RevokeBurst, SendBurst
from t38fsp.t30.vocabulary import Burst, PageQuality
from t38fsp.t38 import ifp
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.values import Indicator
from t38fsp.virtual.fax_machine import FaxMachine
from t38fsp.virtual.gateway_context import GatewayContext, Outgoing
from t38fsp.virtual.gateway_report import GatewayReport
from t38fsp.virtual.gateway_t38 import GatewayT38, through
from t38fsp.virtual.hooks import Habits, Moment, Quirk

if TYPE_CHECKING:
    from t38fsp.audio.modem.terminal import AudioTerminal

_PATIENCE = 60.0
"""Seconds without an answer, or without a switch, after which the call is given up."""
_LONGEST_RINGING = 300.0
"""Seconds of ringing, for a caller that does not give up."""
_LINGER = 5.0
"""Seconds that a far end which placed the call has to hang up after the fax."""
_OLD_MEDIA = 1.0
"""Seconds that packets are still accepted at an old media address, for those on their way there."""
_ABORT_LIMIT = 1.9
"""Seconds that an abort leaves the machine to send DCN."""
_DRAIN = 0.4
"""Seconds between our DCN and BYE."""


class _Phase(Enum):
    SETUP = auto()
    AUDIO = auto()
    FAX = auto()
    OVER = auto()


class GatewayCall:
    """Feed it line events and datagrams, come back at ``next_deadline``, then drain each ``take_…``.

    ``happened`` counts how often each quirk took effect; ``result`` is that of the fax.
    """

    def __init__(
        self,
        context: GatewayContext,
        role: Role,
        machine: Callable[[GatewayCall], FaxMachine],
        quirks: Sequence[Quirk],
        now: float,
    ) -> None:
        self.now = now
        self.random = context.random
        self.role = role
        self.happened: Counter[str] = Counter()
        habits = Habits()
        for quirk in quirks:
            habits = quirk.habits(habits)
        self.habits = habits
        self.call_number = context.call_number
        self.line_call = 0
        self._rings: float | None = 0.0
        self._refused = False
        self._line = context.line
        self._open_media = context.open_media
        # Bound before any offer is made: its port is in the SDP.
        self.media = [context.open_media()]
        """Our media addresses, the one in use last."""
        self._old_media_until = float("-inf")
        self._remote: Address | None = None
        self._phase = _Phase.SETUP
        self._hung_up = False
        self._stages = [quirk.stage(self) for quirk in quirks]
        self.machine = machine(self)
        self._report = GatewayReport(self.machine.pages, now, incoming=role is Role.ANSWERING)
        self._machine_up = False
        self._audio: AudioLeg | None = None
        self._voice: AudioTerminal | None = None
        """T.30 in audio, which has taken over the leg."""
        self._t38 = GatewayT38(self, self._stages)
        self._lanes = Lanes()
        self._outgoing: list[Outgoing] = []
        self._timers = Timers()

    # --- placing and taking ---------------------------------------------------------------------------------

    def take(self, incoming: Incoming) -> None:
        """Answer this call, unless a quirk refuses it or lets it ring."""
        self.line_call = incoming.call
        # Quirks may refuse the call, or change how long it rings, before anything is answered.
        self._tell(Moment.CALLED)
        if self._refused:
            return
        if self._rings == 0:
            self._answer_call(incoming)
            return
        self._line.ring(self.line_call, self.now)
        if self._rings is None:
            self.after(_LONGEST_RINGING, lambda: self.refuse(480))
        else:
            self.after(self._rings, lambda: self._answer_call(incoming))

    def _answer_call(self, incoming: Incoming) -> None:
        # An INVITE without an offer: ours goes into the 200, the answer comes with the ACK (RFC 3261
        # 13.2.1).
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
        self._enter(_Phase.SETUP)

    def _first_offer(self) -> Sequence[MediaDescription]:
        if self.habits.switch_after == 0:
            return self._described(image_offer(self._capabilities()))
        return self._described(audio_offer(self._capabilities()))

    @property
    def answerer(self) -> Callable[[SessionDescription], Sequence[MediaDescription] | None]:
        return self._answer

    def hears(self, at: Address) -> bool:
        """Whether a datagram to this address is for this call: its current media address, or a recent one."""
        return at == self.media[-1] or (at in self.media and self.now < self._old_media_until)

    @property
    def over(self) -> bool:
        return self._phase is _Phase.OVER

    @property
    def result(self) -> FaxResult | None:
        """As the machine sees it; None until the call is over."""
        return self._report.result

    def abort(self, now: float) -> None:
        """End the call: DCN if there is a fax, and BYE."""
        self.now = now
        self._report.aborted()
        if self._machine_up and not self.finished:
            self.machine.abort(now)
            self.after(_ABORT_LIMIT, self.hang_up)
        else:
            self.hang_up()
        self._pump()

    @property
    def syntax(self) -> Syntax:
        return self._t38.syntax

    # --- in -------------------------------------------------------------------------------------------------

    def line_event(self, event: LineEvent, now: float) -> None:
        self.now = now
        match event:
            case Answered():
                self._enter(_Phase.AUDIO)
                self._report.answered(event)
                self._on_media(event.local, event.remote, ours=self.role is Role.CALLING)
                self._tell(Moment.ANSWERED)
                # The answering side switches: its machine is the first to send V.21 (DIS), which is how a
                # gateway knows a fax (T.38 Annex D).
                if self._phase is _Phase.AUDIO and self.role is Role.ANSWERING:
                    self._plan_switch()
            case MediaChanged():
                self._on_media(event.local, event.remote, ours=event.ours)
            case Ended() | Failed():
                self._on_end(event)
        self._pump()

    def datagram_received(self, data: bytes, now: float) -> None:
        self.now = now
        for datagram in through(self._stages, [data], lambda stage, each: stage.datagram_in(each, self)):
            if self._t38.switched:
                self._t38.receive(datagram, now)
            elif self._audio is not None:
                self._audio.receive(datagram, now)
        self._pump()

    def _enter(self, phase: _Phase) -> None:
        """Enter a phase that has a time limit."""
        self._phase = phase
        self.after(_PATIENCE, lambda: self.hang_up() if self._phase is phase else None)

    def next_deadline(self) -> float | None:
        if self._phase is _Phase.OVER:
            return None
        times = [self._lanes.next_due(), self._t38.next_deadline(), self._timers.next_deadline()]
        if self._voice is not None:
            times.append(self._voice.next_deadline())
        if self._machine_up:
            times.append(self.machine.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        self.now = now
        self._timers.fire(now)
        self._t38.handle_deadline(now)
        if self._voice is not None:
            self._voice.handle_deadline(now)
        if self._machine_up:
            self.machine.handle_deadline(now)
        self._pump()
        self._lanes.turn(lambda: now)

    # --- out ------------------------------------------------------------------------------------------------

    def take_datagrams(self) -> list[Outgoing]:
        taken, self._outgoing = self._outgoing, []
        return taken

    def take_events(self) -> list[FaxEvent]:
        """What happened, for an observer."""
        return self._report.take_events()

    # --- for quirks -----------------------------------------------------------------------------------------

    def note(self, name: str) -> None:
        self.happened[name] += 1

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._timers.at(self.now + seconds, lambda now: None if self._phase is _Phase.OVER else action())

    def play(self, burst: Burst) -> None:
        self._t38.interject(burst, self.now)

    def send(self, datagram: bytes) -> None:
        if self._remote is not None and self._phase is not _Phase.OVER:
            self._outgoing.append(Outgoing(self.media[-1], self._remote, datagram))

    def send_packet(self, octets: bytes) -> None:
        self.send(self._t38.wrap(octets))

    def send_indicator(self, indicator: Indicator) -> None:
        self.send_packet(ifp.encode(ifp.IndicatorPacket(indicator), self.syntax))

    def jump(self, number: int) -> None:
        self._t38.jump(number)

    def refuse(self, status: int) -> None:
        self._refused = True
        self._line.refuse(self.line_call, status, self.now)

    def ring(self, seconds: float | None) -> None:
        self._rings = seconds

    def hang_up(self) -> None:
        self._hung_up = True
        self._line.hang_up(self.line_call, self.now)

    def offer_image(self, *, new_port: bool = False) -> None:
        if new_port:
            self.media.append(self._open_media())
            # The far end learns of the new port with the re-INVITE; until then its packets go to the old
            # one.
            self._old_media_until = self.now + _OLD_MEDIA
        self._line.offer(self.line_call, self._described(image_offer(self._capabilities())), self.now)

    def offer_audio(self) -> None:
        self._line.offer(self.line_call, self._described(audio_offer(self._capabilities())), self.now)

    @property
    def switched(self) -> bool:
        return self._t38.switched

    @property
    def finished(self) -> bool:
        return self.machine.finished is not None

    def judge(self, quality: PageQuality) -> PageQuality | None:
        """The quality of a page as the machine should report it; None to refuse the page."""
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

    def _on_media(self, local: SessionDescription, remote: SessionDescription, *, ours: bool) -> None:
        media = agreed_media(local, remote)
        # Of the latest description, each time: a re-INVITE may move the media (RFC 3264 8.3.1).
        if media is not None:
            self._remote = media.remote
        if isinstance(media, ImageMedia) and self._phase is _Phase.AUDIO:
            self._switch(media, ours=ours)
        elif isinstance(media, AudioMedia) and self._phase is _Phase.AUDIO and self._audio is None:
            # SSRC, sequence number and time stamp begin at random (RFC 3550 5.1).
            start = RtpStart(*(self.random.getrandbits(bits) for bits in (32, 16, 32)))
            self._audio = AudioLeg(
                role=self.role, payload_type=media.payload_type, law=media.law, start=start
            )
            self._audio.send = self._send_audio
            self._audio.start(self.now)
            if self.habits.in_audio:
                self._begin_in_audio(self._audio)

    def _send_audio(self, datagram: bytes) -> None:
        for each in through(self._stages, [datagram], lambda stage, out: stage.audio_out(out, self)):
            self.send(each)

    def _begin_in_audio(self, leg: AudioLeg) -> None:
        """There is no T.38: the machine is on the line as it is."""
        from t38fsp.audio.modem.library import modem_library
        from t38fsp.audio.modem.terminal import AudioTerminal

        self._phase = _Phase.FAX
        self._voice = AudioTerminal(leg, modem_library(), self.now)
        self._voice.start(self.now)
        self._report.in_audio()
        self.machine.start(self.now)
        self._machine_up = True

    def _plan_switch(self) -> None:
        if self.habits.switch_after is not None:
            self.after(self.habits.switch_after, self._offer_switch)

    def _offer_switch(self) -> None:
        if self._phase is _Phase.AUDIO:
            self.offer_image(new_port=self.habits.own_t38_port)

    def _switch(self, media: ImageMedia, *, ours: bool) -> None:
        self._phase = _Phase.FAX
        self._report.switched(ours=ours)
        # RTP ends with the switch: a gateway sends either audio or T.38.
        self._silence()
        self._t38.switch(media)
        self._tell(Moment.SWITCHED)
        self.after(self.habits.start_after, self._start_machine)

    def _start_machine(self) -> None:
        self._t38.start(self.now)
        self.machine.start(self.now)
        self._machine_up = True

    # --- joining them ---------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Pass the outputs of each part to the next one, until there are none."""
        moving = self._t38.switched or self._voice is not None
        while moving:
            moving = False
            for signal in self._t38.take_signals() if self._voice is None else self._voice.take_signals():
                if self._machine_up:
                    self.machine.receive(signal, self.now)
                moving = True
            sent = self._t38.take_sent() if self._voice is None else [True] * self._voice.take_sent()
            for owed in sent:
                if owed:
                    self._burst_sent()
                moving = True
            for output in self.machine.take_bursts():
                self._obey(output)
                moving = True
        # The lanes say when their next packet is due only when asked.
        for lane in (self._audio, self._t38.lane):
            if lane is not None and lane.moved:
                self._lanes.schedule(lane)
        self._tell_facts()
        self._see_end()

    def _tell_facts(self) -> None:
        facts = self.machine.take_facts()
        if self._phase is not _Phase.OVER:
            for fact in facts:
                self._report.of_machine(fact)

    def _obey(self, output: SendBurst | RevokeBurst | Listen) -> None:
        if self._voice is not None:
            self._obey_in_audio(self._voice, output)
            return
        if isinstance(output, Listen):
            return  # the bursts of T.38 name their modem
        if isinstance(output, RevokeBurst):
            self._t38.revoke(self.now)
            return
        bursts = through(self._stages, [output.burst], lambda stage, each: stage.burst_out(each, self))
        if bursts:
            self._t38.play(bursts, self.now)
        else:
            # A burst that no quirk lets through ends at once, unless the machine revokes it before.
            self.after(0.0, self._t38.unless_revoked(self._burst_sent))

    def _obey_in_audio(self, voice: AudioTerminal, output: SendBurst | RevokeBurst | Listen) -> None:
        match output:
            case SendBurst(burst=burst):
                voice.send(burst, self.now)
            case RevokeBurst():
                voice.revoke(self.now)
            case Listen():
                voice.listen(output, self.now)

    def _burst_sent(self) -> None:
        self.machine.burst_sent(self.now)
        self._tell(Moment.BURST_SENT)

    def _tell(self, moment: Moment) -> None:
        for stage in self._stages:
            stage.moment(moment, self)

    # --- the end --------------------------------------------------------------------------------------------

    def _see_end(self) -> None:
        if self._machine_up and self.finished and self._phase is _Phase.FAX:
            self._machine_up = False
            self._tell(Moment.FINISHED)
            # The calling end sends DCN and releases the line; the answering one hangs up itself only if
            # it does not.
            self.after(_LINGER if self._done_well and self.role is Role.ANSWERING else _DRAIN, self.hang_up)

    @property
    def _done_well(self) -> bool:
        return self.machine.finished is not None and self.machine.finished.error is None

    def _on_end(self, event: Ended | Failed) -> None:
        if self._machine_up:
            self._machine_up = False
            self.machine.line_dropped(self.now)
            # A failure would be attributed to the far end, although this end hung up.
            if self._done_well or not self._hung_up:
                self._tell_facts()
        self._phase = _Phase.OVER
        self._report.over(event, self._t38.counters, self.now, ours=self._hung_up)
        self._t38.close()
        self._timers = Timers()
        self._silence()

    def _silence(self) -> None:
        """Stop sending audio."""
        if self._audio is not None:
            self._lanes.remove(self._audio)
            self._audio = None
        if self._voice is not None:
            self._voice.release()
            self._voice = None
