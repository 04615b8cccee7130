"""A SIP user agent without a fax behind it, for far ends that do as a test says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from sip.agent import UserAgent
from sip.line import Answerer, CallRequest, Incoming, LineEvent
from sip.syntax.message import Response
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.ua.offer_answer import send_ack
from sip.values import Address, Hop
from t38fsp.audio.offer import audio_media
from t38fsp.t38.attributes import T38Parameters
from t38fsp.virtual.simulator import Alarm
from tests.call.harness import CALLEE, SIP_PORT, Scene

PHONE = "192.0.2.3"
MEDIA_PORT = 20_000

E = TypeVar("E", bound=LineEvent)


def audio_only(offer: SessionDescription) -> Sequence[MediaDescription] | None:
    """Answer audio with G.711; refuse everything else with 488."""
    if [media.kind for media in offer.media] != ["audio"]:
        return None
    return (audio_media(MEDIA_PORT, (0,)),)


def t38_too(offer: SessionDescription) -> tuple[MediaDescription, ...]:
    """Answer T.38, and audio."""
    if offer.media[0].kind == "image":
        return (T38Parameters().to_media(MEDIA_PORT),)
    return (audio_media(MEDIA_PORT, (0,)),)


class Phone:
    """``on_incoming`` decides about a call: it may ``ring``, ``refuse`` or ``accept`` it, or do nothing.

    Media that come for it are dropped unheard.
    """

    def __init__(self, scene: Scene) -> None:
        self.simulator = scene.simulator
        self.network = scene.network
        self.address: Address = (PHONE, SIP_PORT)
        self.agent = UserAgent(contact_address=self.address, user_agent="phone", random=random.Random(PHONE))
        self.events: list[LineEvent] = []
        self.offered: list[SessionDescription] = []
        """What was offered where the phone left that to the far end."""
        self.on_incoming: Callable[[Incoming], None] = lambda incoming: None
        self.call = 0
        """The number of the call that came."""
        self._alarm = Alarm(self.simulator, self._on_deadline)
        self.network.bind(self.address, self._receive)

    # --- what a phone can do --------------------------------------------------------------------------------

    def ring(self) -> None:
        self.agent.ring(self.call, self.simulator.now)
        self._flush()

    def refuse(self, status: int) -> None:
        self.agent.refuse(self.call, status, self.simulator.now)
        self._flush()

    def accept(
        self,
        answerer: Answerer = audio_only,
        media: Sequence[MediaDescription] = (audio_media(MEDIA_PORT, (0,)),),
    ) -> None:
        """Answer with ``media``; later offers are the matter of ``answerer``."""
        self.agent.accept(self.call, media, PHONE, answerer, self.simulator.now)
        self._flush()

    def offer(self, *media: MediaDescription) -> None:
        self.agent.offer(self.call, media, self.simulator.now)
        self._flush()

    def ask_for_offer(self, answer: Callable[[SessionDescription], Sequence[MediaDescription]]) -> None:
        """Send a re-INVITE without an offer; its ACK brings the ``answer`` to what is offered then."""
        endpoint = self.agent._core
        (user,) = endpoint.dialogs.values()
        invite = endpoint.add_headers(user.dialog.request("INVITE"), f"<sip:phone@{PHONE}>", None)

        def respond(response: Response, source: Hop, now: float) -> None:
            if response.status == 200:
                self.offered.append(SessionDescription.parse(response.body))
                body = SessionDescription(Origin("-", "1", 9, PHONE), PHONE, tuple(answer(self.offered[-1])))
                send_ack(endpoint, user.dialog, invite, now, body)

        hops = endpoint.hops(user.dialog)
        endpoint.transactions.request(invite, hops, respond, lambda failure, now: None, self.simulator.now)
        self._flush()

    def hang_up(self) -> None:
        self.agent.hang_up(self.call, self.simulator.now)
        self._flush()

    def dial(
        self, media: Sequence[MediaDescription], *, to: str = CALLEE, answerer: Answerer = audio_only
    ) -> None:
        self.call = self.agent.place(
            CallRequest(
                target=f"sip:fax@{to}",
                caller=f"sip:phone@{PHONE}",
                destination=[Hop(to, SIP_PORT)],
                media=media,
                media_address=PHONE,
                answerer=answerer,
            ),
            self.simulator.now,
        )
        self._flush()

    def heard(self, kind: type[E]) -> list[E]:
        """The line events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    # --- the network ----------------------------------------------------------------------------------------

    def _receive(self, data: bytes, source: Address) -> None:
        self.agent.receive(data, Hop(*source), self.simulator.now)
        self._flush()

    def _on_deadline(self) -> None:
        self.agent.handle_deadline(self.simulator.now)
        self._flush()

    def _flush(self) -> None:
        for data, destination in self.agent.take_datagrams():
            self.network.send(self.address, destination.address, data)
        for event in self.agent.take_events():
            self.events.append(event)
            if isinstance(event, Incoming):
                self.call = event.call
                self.on_incoming(event)
        self._alarm.set(self.agent.next_deadline())
