"""A call that leaves IP on its way: a SIP gateway, a telephone line with modems, and another gateway.

The test decides what the gateways do with the attribute of internet-aware terminals
(``t38fsp.t38.attributes``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto
from functools import partial

from sip.agent import UserAgent
from sip.line import Answered, CallRequest, Ended, Failed, Incoming, LineEvent, MediaChanged
from sip.syntax.sdp import MediaDescription, SessionDescription
from sip.values import Address, Hop
from t38fsp.call.media import ImageMedia, MediaCapabilities, agreed_media, answer_offer, image_offer
from t38fsp.t38.attributes import MARK, T38Parameters
from t38fsp.virtual.network import VirtualNetwork
from t38fsp.virtual.simulator import Alarm, Simulator
from tests.peers.telephone_line import STEP_SECONDS, LineEnd, TelephoneLine

NEAR, FAR = "192.0.2.10", "192.0.2.20"
"""The gateway that the caller reaches, and the one that reaches the callee."""
SIP_PORT, MEDIA_PORT = 5060, 6000
_PARAMETERS = T38Parameters(max_datagram=400)


class Marks(Enum):
    """What becomes of the mark."""

    DROPPED = auto()
    """As gateways treat attributes that they do not know."""
    COPIED = auto()
    """The offer of the next leg has that of the leg before; an answer has that of its offer."""
    FORGED = auto()
    """Both gateways write their own, and lie."""


class Gateway:
    """One of the two: a SIP address, a media port, and an end of the line. One call in its life."""

    def __init__(self, host: str, end: LineEnd, simulator: Simulator, network: VirtualNetwork) -> None:
        self.host = host
        self._end = end
        self._simulator = simulator
        self._network = network
        self.agent = UserAgent(
            contact_address=(host, SIP_PORT), user_agent="gateway", random=random.Random(host)
        )
        self.call: int | None = None
        self.remote: Address | None = None
        self.on_event: Callable[[LineEvent], None] = lambda event: None
        self._alarm = Alarm(simulator, self._on_deadline)
        network.bind((host, SIP_PORT), self._on_sip)
        network.bind((host, MEDIA_PORT), lambda data, source: end.receive(data))

    def carry(self) -> None:
        """Send what the gateway has to say."""
        for datagram in self._end.take_datagrams():
            if self.remote is not None:
                self._network.send((self.host, MEDIA_PORT), self.remote, datagram)

    def _on_sip(self, data: bytes, source: Address) -> None:
        self.agent.receive(data, Hop(*source), self._simulator.now)
        self.flush()

    def _on_deadline(self) -> None:
        self.agent.handle_deadline(self._simulator.now)
        self.flush()

    def flush(self) -> None:
        for data, hop in self.agent.take_datagrams():
            self._network.send((self.host, SIP_PORT), hop.address, data)
        for event in self.agent.take_events():
            if isinstance(event, Answered | MediaChanged):
                media = agreed_media(event.local, event.remote)
                if isinstance(media, ImageMedia):
                    self.remote = media.remote
            self.on_event(event)
        self._alarm.set(self.agent.next_deadline())


class GatewayPair:
    """Answers at ``NEAR``, T.38 in the first INVITE, and calls ``callee`` from ``FAR``."""

    def __init__(
        self, simulator: Simulator, network: VirtualNetwork, callee: Address, marks: Marks = Marks.DROPPED
    ) -> None:
        self.line = TelephoneLine()
        self._simulator = simulator
        self._callee = callee
        self._marks = marks
        self.near, self.far = (
            Gateway(host, end, simulator, network)
            for host, end in zip((NEAR, FAR), self.line.ends, strict=True)
        )
        self.near.on_event = self._on_near
        self.far.on_event = partial(self._on_over, self.near)
        self._over = False

    def _on_near(self, event: LineEvent) -> None:
        if not isinstance(event, Incoming) or event.offer is None:
            self._on_over(self.far, event)
            return
        now = self._simulator.now
        self.near.call = event.call
        answer = self._answer(event.offer)
        assert answer is not None
        self.near.agent.accept(event.call, answer, NEAR, self._answer, now)
        self.near.flush()
        self.far.call = self.far.agent.place(
            CallRequest(
                target=f"sip:fax@{self._callee[0]}",
                caller=f"sip:gateway@{FAR}",
                destination=[Hop(*self._callee)],
                media=self._copied(image_offer(self._capabilities(FAR)), event.offer),
                media_address=FAR,
                answerer=self._answer,
            ),
            now,
        )
        self.far.flush()
        self._step()

    def _answer(self, offer: SessionDescription) -> Sequence[MediaDescription] | None:
        answer = answer_offer(self._capabilities(NEAR), offer)
        return None if answer is None else self._copied(answer, offer)

    def _capabilities(self, host: str) -> MediaCapabilities:
        mark = host if self._marks is Marks.FORGED else None
        return MediaCapabilities(MEDIA_PORT, _PARAMETERS, internet_host=mark)

    def _copied(
        self, media: Sequence[MediaDescription], source: SessionDescription
    ) -> Sequence[MediaDescription]:
        if self._marks is not Marks.COPIED:
            return media
        marks = [
            attribute for each in source.media for attribute in each.attributes if attribute.name == MARK
        ]
        return [replace(each, attributes=(*each.attributes, *marks)) for each in media]

    def _on_over(self, other: Gateway, event: LineEvent) -> None:
        if isinstance(event, Ended | Failed):
            self._over = True
            if other.call is not None:
                other.agent.hang_up(other.call, self._simulator.now)
                other.flush()

    def _step(self) -> None:
        """20 ms of the telephone line."""
        if self._over:
            return
        self.line.step()
        self.near.carry()
        self.far.carry()
        self._simulator.after(STEP_SECONDS, self._step)
