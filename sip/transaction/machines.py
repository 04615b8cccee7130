"""The four transaction machines (RFC 3261 17, with the Accepted state of RFC 6026).

A *client* transaction retransmits a request until a response arrives, and passes responses to its user; a
*server* transaction retransmits the last response when the request is retransmitted. A machine is one table:
``(state, input) -> Step``. **Anything not in the table is ignored**: a stray response, a timer that no longer
matters. So a timer never needs to be stopped, except at the end of the transaction.

Over a reliable transport nothing is retransmitted (timers A, E, G are not started), and nothing waits for
retransmissions (D, I, J and K are zero). A 2xx is still retransmitted by its user, since it may travel by UDP
further on (RFC 3261 13.3.1.4).

.. code-block:: text

    INVITE client       Calling ── 1xx ──> Proceeding ── 2xx ──> Accepted ── M ──> Terminated
                                              └── 3xx-6xx ──> Completed ── D ──> Terminated
    other client        Trying ── 1xx ──> Proceeding ── 2xx-6xx ──> Completed ── K ──> Terminated
    INVITE server       Proceeding ── 2xx ──> Accepted ── L ──> Terminated
                            └── 3xx-6xx ──> Completed ── ACK ──> Confirmed ── I ──> Terminated
    other server        Trying ── 1xx ──> Proceeding ── 2xx-6xx ──> Completed ── J ──> Terminated
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from sip.syntax.message import Request, Response
from sip.transaction.timers import Timer, Timers
from sip.values import Hop

T1 = 0.5
"""Estimate of a round trip, seconds (RFC 3261 17.1.1.1)."""
T2 = 4.0
"""Longest interval between two copies of a request other than INVITE, or of a response to INVITE, seconds."""
T4 = 5.0
"""How long a message may stay in the network, seconds."""


class State(Enum):
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Input(Enum):
    """Inputs of a transaction: a message, a timer (by its letter), or an error of the network."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    REQUEST = auto()
    """The request was retransmitted (server)."""
    ACK = auto()
    UNREACHABLE = auto()
    MOVED = auto()
    """The request takes another way, or a new connection."""
    ABANDON = auto()
    """The user of a client transaction stops waiting (RFC 3261 9.1)."""
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()


class Action(Enum):
    SEND = auto()
    """Send the user's response, and keep it for retransmission."""
    REPEAT = auto()
    """Retransmit the last message."""
    ACKNOWLEDGE = auto()
    """Send the ACK of a failure (RFC 3261 17.1.1.3)."""
    DELIVER = auto()
    """Pass the response to the user."""
    GIVE_UP = auto()
    """Report to the user that no response will come."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, the actions of the transition, and the timers to start."""

    state: State
    actions: tuple[Action, ...] = ()
    start: tuple[Input, ...] = ()


Table = Mapping[tuple[State, Input], Step]

_INTERVALS: Mapping[Input, float] = {
    Input.TIMER_B: 64 * T1,
    # At least 32 s for UDP (RFC 3261 17.1.1.2), not 64*T1: the server's H does not depend on our T1.
    Input.TIMER_D: 32.0,
    Input.TIMER_F: 64 * T1,
    Input.TIMER_H: 64 * T1,
    Input.TIMER_I: T4,
    Input.TIMER_J: 64 * T1,
    Input.TIMER_K: T4,
    Input.TIMER_L: 64 * T1,
    Input.TIMER_M: 64 * T1,
}

_REPEAT_LIMITS: Mapping[Input, float] = {Input.TIMER_A: 64 * T1, Input.TIMER_E: T2, Input.TIMER_G: T2}
"""Retransmission timers: they begin with T1 and double up to this. Not used over a reliable transport."""

_WAITS_FOR_COPIES = frozenset({Input.TIMER_D, Input.TIMER_I, Input.TIMER_J, Input.TIMER_K})
"""Timers that are zero on a reliable transport."""


# RFC 3261 17.1.1 and RFC 6026 8.4
INVITE_CLIENT: Table = {
    (State.CALLING, Input.TIMER_A): Step(State.CALLING, (Action.REPEAT,), (Input.TIMER_A,)),
    (State.CALLING, Input.TIMER_B): Step(State.TERMINATED, (Action.GIVE_UP,)),
    (State.CALLING, Input.UNREACHABLE): Step(State.TERMINATED, (Action.GIVE_UP,)),
    (State.CALLING, Input.MOVED): Step(State.CALLING, (Action.REPEAT,), (Input.TIMER_A,)),
    (State.CALLING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.DELIVER,)),
    (State.CALLING, Input.SUCCESS): Step(State.ACCEPTED, (Action.DELIVER,), (Input.TIMER_M,)),
    (State.CALLING, Input.FAILURE): Step(
        State.COMPLETED, (Action.ACKNOWLEDGE, Action.DELIVER), (Input.TIMER_D,)
    ),
    # Not in the RFC: after CANCEL without a final response, the user waits 64*T1 and then forgets (9.1).
    (State.CALLING, Input.ABANDON): Step(State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Input.SUCCESS): Step(State.ACCEPTED, (Action.DELIVER,), (Input.TIMER_M,)),
    (State.PROCEEDING, Input.FAILURE): Step(
        State.COMPLETED, (Action.ACKNOWLEDGE, Action.DELIVER), (Input.TIMER_D,)
    ),
    (State.PROCEEDING, Input.ABANDON): Step(State.TERMINATED),
    (State.COMPLETED, Input.FAILURE): Step(State.COMPLETED, (Action.ACKNOWLEDGE,)),
    (State.COMPLETED, Input.TIMER_D): Step(State.TERMINATED),
    # Copies of a 2xx, and the 2xx of other forks, are all passed to the user, which sends an ACK for each.
    (State.ACCEPTED, Input.SUCCESS): Step(State.ACCEPTED, (Action.DELIVER,)),
    (State.ACCEPTED, Input.TIMER_M): Step(State.TERMINATED),
}

# RFC 3261 17.1.2
OTHER_CLIENT: Table = {
    (State.TRYING, Input.TIMER_E): Step(State.TRYING, (Action.REPEAT,), (Input.TIMER_E,)),
    (State.TRYING, Input.TIMER_F): Step(State.TERMINATED, (Action.GIVE_UP,)),
    (State.TRYING, Input.UNREACHABLE): Step(State.TERMINATED, (Action.GIVE_UP,)),
    (State.TRYING, Input.MOVED): Step(State.TRYING, (Action.REPEAT,), (Input.TIMER_E,)),
    (State.TRYING, Input.ABANDON): Step(State.TERMINATED),
    (State.TRYING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.DELIVER,)),
    (State.TRYING, Input.SUCCESS): Step(State.COMPLETED, (Action.DELIVER,), (Input.TIMER_K,)),
    (State.TRYING, Input.FAILURE): Step(State.COMPLETED, (Action.DELIVER,), (Input.TIMER_K,)),
    # A provisional response does not stop the copies, it only slows them down to T2.
    (State.PROCEEDING, Input.TIMER_E): Step(State.PROCEEDING, (Action.REPEAT,), (Input.TIMER_E,)),
    (State.PROCEEDING, Input.TIMER_F): Step(State.TERMINATED, (Action.GIVE_UP,)),
    (State.PROCEEDING, Input.ABANDON): Step(State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Input.SUCCESS): Step(State.COMPLETED, (Action.DELIVER,), (Input.TIMER_K,)),
    (State.PROCEEDING, Input.FAILURE): Step(State.COMPLETED, (Action.DELIVER,), (Input.TIMER_K,)),
    (State.COMPLETED, Input.TIMER_K): Step(State.TERMINATED),
}

# RFC 3261 17.2.1 and RFC 6026 8.5; here PROVISIONAL, SUCCESS and FAILURE are the user's responses
INVITE_SERVER: Table = {
    (State.PROCEEDING, Input.REQUEST): Step(State.PROCEEDING, (Action.REPEAT,)),
    (State.PROCEEDING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Input.SUCCESS): Step(State.ACCEPTED, (Action.SEND,), (Input.TIMER_L,)),
    (State.PROCEEDING, Input.FAILURE): Step(State.COMPLETED, (Action.SEND,), (Input.TIMER_G, Input.TIMER_H)),
    (State.COMPLETED, Input.REQUEST): Step(State.COMPLETED, (Action.REPEAT,)),
    (State.COMPLETED, Input.TIMER_G): Step(State.COMPLETED, (Action.REPEAT,), (Input.TIMER_G,)),
    (State.COMPLETED, Input.TIMER_H): Step(State.TERMINATED),
    (State.COMPLETED, Input.ACK): Step(State.CONFIRMED, (), (Input.TIMER_I,)),
    (State.CONFIRMED, Input.TIMER_I): Step(State.TERMINATED),
    # The user repeats its 2xx until the ACK; the transaction only swallows copies of the INVITE.
    # RFC 6026 8.5: the 2xx goes through the transaction each time, so it goes where responses go.
    (State.ACCEPTED, Input.SUCCESS): Step(State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Input.TIMER_L): Step(State.TERMINATED),
}

# RFC 3261 17.2.2
OTHER_SERVER: Table = {
    (State.TRYING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.SEND,)),
    (State.TRYING, Input.SUCCESS): Step(State.COMPLETED, (Action.SEND,), (Input.TIMER_J,)),
    (State.TRYING, Input.FAILURE): Step(State.COMPLETED, (Action.SEND,), (Input.TIMER_J,)),
    (State.PROCEEDING, Input.REQUEST): Step(State.PROCEEDING, (Action.REPEAT,)),
    (State.PROCEEDING, Input.PROVISIONAL): Step(State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Input.SUCCESS): Step(State.COMPLETED, (Action.SEND,), (Input.TIMER_J,)),
    (State.PROCEEDING, Input.FAILURE): Step(State.COMPLETED, (Action.SEND,), (Input.TIMER_J,)),
    (State.COMPLETED, Input.REQUEST): Step(State.COMPLETED, (Action.REPEAT,)),
    (State.COMPLETED, Input.TIMER_J): Step(State.TERMINATED),
}


class Transaction:
    """A state machine and its timers; subclasses implement the actions."""

    def __init__(
        self, table: Table, state: State, destination: Hop, timers: Timers, on_end: Callable[[], None]
    ) -> None:
        self.state = state
        self.destination = destination
        self._table = table
        self._timers = timers
        self._on_end = on_end
        self._running: dict[Input, Timer] = {}
        self._intervals: dict[Input, float] = {}

    @property
    def terminated(self) -> bool:
        return self.state is State.TERMINATED

    def _feed(self, what: Input, now: float, response: Response | None = None) -> None:
        step = self._table.get((self.state, what))
        if step is None:
            return
        self.state = step.state
        # Before the actions: an action may end the transaction, which stops them again.
        for timer in step.start:
            self._start(timer, now)
        for action in step.actions:
            self._act(action, what, response, now)
        if step.state is State.TERMINATED:
            self.end()

    def end(self) -> None:
        """End the transaction now."""
        self.state = State.TERMINATED
        for running in self._running.values():
            running.cancel()
        self._on_end()

    def _start(self, name: Input, now: float) -> None:
        reliable = self.destination.transport.reliable
        if reliable and name in _REPEAT_LIMITS:
            return
        interval = 0.0 if reliable and name in _WAITS_FOR_COPIES else _INTERVALS.get(name)
        if interval is None:
            limit = _REPEAT_LIMITS[name]
            interval = min(self._intervals.get(name, T1), limit)
            # RFC 3261 17.1.2.2.
            if name is Input.TIMER_E and self.state is State.PROCEEDING:
                interval = T2
            self._intervals[name] = 2 * interval
        if name in self._running:
            self._running[name].cancel()
        self._running[name] = self._timers.at(now + interval, lambda late: self._feed(name, late))

    def _act(self, action: Action, what: Input, response: Response | None, now: float) -> None:
        raise NotImplementedError


class ServerTransaction(Transaction):
    """A request of the far end, received from ``source``.

    Responses go to ``destination``, which changes if its connection breaks. ``on_cancel`` may be set by the
    user of an INVITE: it is called with the CANCEL and ``now``. ``on_final`` is called with the first final
    response: from then on the transaction only waits for retransmissions.
    """

    def __init__(
        self,
        request: Request,
        source: Hop,
        destination: Hop,
        timers: Timers,
        send: Callable[[bytes, Hop], None],
        on_end: Callable[[], None],
        on_final: Callable[[], None] = lambda: None,
    ) -> None:
        self.invite = request.method == "INVITE"
        first = State.PROCEEDING if self.invite else State.TRYING
        super().__init__(INVITE_SERVER if self.invite else OTHER_SERVER, first, destination, timers, on_end)
        self.request = request
        self.source = source
        self.on_cancel: Callable[[Request, float], None] | None = None
        self._send = send
        self._on_final = on_final
        self._final = False
        self._last = b""

    def respond(self, response: Response, now: float) -> None:
        """Send a response; a no-op in a state that does not accept it any more."""
        if response.status >= 200 and not self._final:
            self._final = True
            # A copy is not read again, and many may wait for theirs.
            self.request = replace(self.request, body=b"")
            self._on_final()
        self._feed(kind_of(response), now, response)

    def repeated(self, now: float) -> None:
        """The request was retransmitted."""
        self._feed(Input.REQUEST, now)

    def acknowledged(self, now: float) -> None:
        """The ACK of a failure arrived."""
        self._feed(Input.ACK, now)

    def _act(self, action: Action, what: Input, response: Response | None, now: float) -> None:
        if action is Action.SEND and response is not None:
            self._last = bytes(response)
        if self._last:
            self._send(self._last, self.destination)


def kind_of(response: Response) -> Input:
    """The input that a response is for a machine."""
    if response.status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if response.status < 300 else Input.FAILURE
