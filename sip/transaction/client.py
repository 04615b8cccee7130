"""Client transactions: a request of ours, the ways to send it, and the responses (RFC 3261 17.1).

The ACK of a 2xx belongs to none of them (RFC 3261 13.2.2.4); ``SentAck`` is here too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from sip.syntax.message import CSeq, Headers, Request, Response
from sip.transaction.machines import (
    INVITE_CLIENT,
    OTHER_CLIENT,
    T1,
    Action,
    Input,
    State,
    Transaction,
    kind_of,
)
from sip.transaction.timers import Timer, Timers
from sip.values import NO_REASON, Hop, NetworkFault


class Failure(Enum):
    """Why there was no response."""

    TIMEOUT = auto()
    UNREACHABLE = auto()


PATIENCE = 4.0
"""Seconds without any response after which a request takes another way, or the next hop is tried."""

ResponseUser = Callable[[Response, Hop, float], None]
"""Called with a response, its source, and ``now``."""
FailureUser = Callable[[Failure, float], None]


@dataclass(frozen=True, slots=True)
class Way:
    """A hop, and the request as it goes there: ways differ in the transport and address of their Via."""

    request: Request
    hop: Hop


class ClientTransaction(Transaction):
    """A request of ours.

    The first of ``ways`` is tried at once, the next if the network refuses the one before, or if there is no
    response for PATIENCE seconds (or less, so that each is tried before timers B and F expire). All have the
    same branch, so that a far end that is reached by two of them takes the second request for a
    retransmission. The way of the first response is kept: ACK and CANCEL must follow it (RFC 3261 9.1,
    17.1.1.3). ``on_silence`` is called with each hop that was given up without a response.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        timers: Timers,
        send: Callable[[bytes, Hop], None],
        on_response: ResponseUser,
        on_failure: FailureUser,
        on_end: Callable[[], None],
        on_silence: Callable[[Hop, float], None] = lambda hop, now: None,
    ) -> None:
        way, *others = ways
        self.invite = way.request.method == "INVITE"
        first = State.CALLING if self.invite else State.TRYING
        super().__init__(INVITE_CLIENT if self.invite else OTHER_CLIENT, first, way.hop, timers, on_end)
        self._take(way)
        self._tried = [way]
        self._others = others
        # One share more than there are ways: the last one is left time to answer.
        self._patience = min(PATIENCE, 64 * T1 / (len(ways) + 1))
        self.fault = NO_REASON
        """Why the network refused the request, if it did."""
        self._send = send
        self._on_response = on_response
        self._on_failure = on_failure
        self._on_silence = on_silence
        self._source = way.hop
        self._reconnected = False
        self.patient_until = 0.0
        """When all ways will have been tried, as far as is known."""
        self._turn: Timer | None = None

    def _take(self, way: Way) -> None:
        self.request, self.destination = way.request, way.hop
        self._octets = bytes(way.request)

    def start(self, now: float) -> None:
        """Send the request for the first time."""
        self._send(self._octets, self.destination)
        for timer in (Input.TIMER_A, Input.TIMER_B) if self.invite else (Input.TIMER_E, Input.TIMER_F):
            self._start(timer, now)
        self._begin_turn(now)

    @property
    def _unheard(self) -> bool:
        return self.state in (State.CALLING, State.TRYING)

    def _begin_turn(self, now: float) -> None:
        self.patient_until = now + self._patience * (1 + len(self._others))
        if self._others:
            self._turn = self._timers.at(now + self._patience, self._end_turn)

    def _end_turn(self, now: float) -> None:
        if self._unheard and self._others:
            self._on_silence(self.destination, now)
            self._move(now)

    def _move(self, now: float) -> None:
        """Take the next way."""
        self._stop_repeating()
        self._take(self._others.pop(0))
        self._tried.append(Way(self.request, self.destination))
        # The new way begins with T1 again: its round trip is not known.
        self._intervals.clear()
        self._feed(Input.MOVED, now)
        self._begin_turn(now)

    def _stop_repeating(self) -> None:
        for name in (Input.TIMER_A, Input.TIMER_E):
            if name in self._running:
                self._running[name].cancel()
        if self._turn is not None:
            self._turn.cancel()

    def receive(self, response: Response, source: Hop, now: float) -> None:
        if len(self._tried) > 1:
            # A merged request: the other copy was first, and its response is the one that counts.
            if response.status == 482:
                # The far end has it by another way of ours (RFC 3261 8.2.2.2), and answers there.
                self._refuse_twin(response, source)
                return
            if self._unheard:
                self._take(self._answered_way(source))
        # Some send datagrams from any port, and listen at one only: that which the request reached.
        same = replace(source, port=self.destination.port) == self.destination
        self._source = self.destination if same and not source.transport.reliable else source
        self._feed(kind_of(response), now, response)

    def _answered_way(self, source: Hop) -> Way:
        """The way that a response from ``source`` most likely belongs to; without evidence the last one."""

        def likeness(way: Way) -> tuple[bool, bool, bool]:
            same = way.hop.transport is source.transport
            return same and way.hop.address == source.address, same and way.hop.host == source.host, same

        return max(reversed(self._tried), key=likeness)

    def _refuse_twin(self, response: Response, source: Hop) -> None:
        if self.invite:
            way = self._answered_way(source)
            # Its transaction ends only with an ACK, or after 64*T1 of copies.
            self._send(bytes(acknowledgement(way.request, response)), way.hop)

    def stay(self) -> None:
        """Take no other way."""
        self._others.clear()

    def stop_retransmitting(self) -> None:
        """Stop retransmitting, and take no other way; keep waiting for the response."""
        self.stay()
        self._stop_repeating()

    def unreachable(self, now: float, fault: NetworkFault = NO_REASON) -> None:
        """The network has refused the request."""
        self.fault = fault
        if self._others and self._unheard:
            self._move(now)
        # ICMP for a datagram. For an INVITE the user is waiting, and another hop may be there.
        elif self.invite or self.destination.transport.reliable:
            # Elsewhere a refusal may be of the moment, and the request is repeated anyway.
            self._feed(Input.UNREACHABLE, now)

    def disconnected(self, now: float, fault: NetworkFault = NO_REASON) -> None:
        """Its connection is gone, perhaps after being idle for too long: use a new one, once."""
        if self._others or self._reconnected:
            self.unreachable(now, fault)
        else:
            self._reconnected = True
            self._feed(Input.MOVED, now)

    def abandon(self, now: float) -> None:
        """Stop waiting for a final response; a no-op after one."""
        self._feed(Input.ABANDON, now)

    def _act(self, action: Action, what: Input, response: Response | None, now: float) -> None:
        if action is Action.REPEAT:
            self._send(self._octets, self.destination)
        elif action is Action.ACKNOWLEDGE and response is not None:
            self._send(bytes(acknowledgement(self.request, response)), self.destination)
        elif action is Action.DELIVER and response is not None:
            self._on_response(response, self._source, now)
        elif action is Action.GIVE_UP:
            refused = what is Input.UNREACHABLE
            self._on_failure(Failure.UNREACHABLE if refused else Failure.TIMEOUT, now)


def acknowledgement(request: Request, response: Response) -> Request:
    """The ACK of a final response other than 2xx: same branch, To of the response (RFC 3261 17.1.1.3)."""
    headers = Headers([("Via", str(request.via))])
    for route in request.headers.get_all("Route"):
        headers.add("Route", route)
    headers.add("Max-Forwards", "70")
    headers.add("From", request.headers.get("From") or "")
    # With the tag that the response has: it names the server transaction's dialog (RFC 3261 17.1.1.3).
    headers.add("To", response.headers.get("To") or "")
    headers.add("Call-ID", request.call_id)
    headers.add("CSeq", str(CSeq(request.cseq.number, "ACK")))
    return Request("ACK", request.uri, headers)


class SentAck:
    """The ACK of one 2xx. It has no response, so its loss is detected in another way.

    It is lost if the network refuses it, and may be lost if the 2xx is retransmitted. For a far end whose
    Contact is unreachable it is then sent to where its messages come from; otherwise that would give up the
    call after 64*T1. ``hops`` are its destinations, best first, and ``flow`` is where the 2xx came from.
    """

    def __init__(
        self, send: Callable[[Hop], None], hops: Callable[[], Sequence[Hop]], flow: Callable[[], Hop]
    ) -> None:
        self._send = send
        self._hops = hops
        self._flow = flow
        self._tried: set[Hop] = set()
        self._send_to(self._hops()[0])

    def _send_to(self, hop: Hop) -> None:
        self._tried.add(hop)
        self._send(hop)

    def went_to(self, hop: Hop) -> bool:
        return hop in self._tried

    def repeat(self) -> None:
        """The 2xx was retransmitted."""
        for hop in dict.fromkeys((self._hops()[0], self._flow())):
            self._send_to(hop)

    def unreachable(self) -> None:
        """The network has refused it at the hop where it was sent."""
        left = [hop for hop in self._hops() if hop not in self._tried]
        if left:
            self._send_to(left[0])
