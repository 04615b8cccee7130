"""The T.38 terminal: converts T.30 bursts to timed packets, and datagrams to line signals.

Sans-IO. Packets to send wait in :attr:`Terminal.lane`; the driver has the lane send each packet when it is
due, and plan more before it runs out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from t38fsp.t30.vocabulary import Burst, HdlcBurst, LineSignal
from t38fsp.t38.dialect import Dialect
from t38fsp.t38.ifp import IfpError, Syntax
from t38fsp.t38.ifp import Packet as Ifp
from t38fsp.t38.internet import RateControl, UnpacedPlanner
from t38fsp.t38.jitter import JitterMeter
from t38fsp.t38.listener import Listener
from t38fsp.t38.packet_lane import BurstPlan, PacketLane
from t38fsp.t38.planner import Planner, indicator_packets
from t38fsp.t38.receiving import Delivery, UdptlReceiver
from t38fsp.t38.timing import Timing
from t38fsp.t38.udptl import CONTROL_COPIES, Counters, ParitySender, UdptlSender
from t38fsp.t38.values import Indicator

LEAST_DATAGRAM = 40
LEAST_IFP = 24
"""Octets; fewer leave no room for 10 ms of data at 14400 bit/s."""

# Number, selector and count.
_UDPTL_OVERHEAD = 4
_SPAN_OCTETS = 2
_LONG = 0x80  # from this value on a length takes two octets

_IFP_DATA = 8
"""Offset of the octets of a single field in a datagram whose packet has fewer than 128 octets."""

_DOUBTFUL = 3
"""From this attempt at a command on, each attempt uses the other syntax than the one before."""


class Terminal:
    """One end of a T.38 call over UDPTL.

    ``redundancy`` is the number of later datagrams that repeat a packet, ``control_redundancy`` the same for
    control data (default: 5, or ``redundancy`` if that is larger; 0 if that is 0); ``parity`` is the number
    of strings and the packets that each covers, sent instead of copies. ``max_datagram`` is the longest
    datagram that the far end accepts, octets: chunks of data shrink first, then copies are omitted.
    ``max_ifp`` limits one packet in it, ``max_buffer`` the octets that the far end buffers for its modem.
    With ``fill_removal`` no fill is sent.

    Raises ValueError when ``max_datagram`` is below LEAST_DATAGRAM, ``max_ifp`` or ``max_buffer`` below
    LEAST_IFP, or copies or parity are out of range. No received datagram raises.

    Bursts without modem pace have a separate planner (``t38fsp.t38.internet``).
    """

    def __init__(
        self,
        *,
        syntax: Syntax = Syntax.Y1998,
        redundancy: int = 3,
        control_redundancy: int | None = None,
        parity: tuple[int, int] | None = None,
        max_datagram: int = 400,
        max_ifp: int | None = None,
        max_buffer: int | None = None,
        fill_removal: bool = False,
        timing: Timing | None = None,
    ) -> None:
        if max_datagram < LEAST_DATAGRAM:
            raise ValueError(
                f"a datagram of {max_datagram} octets is too short for image data; "
                f"allow at least {LEAST_DATAGRAM}"
            )
        if max_ifp is not None and max_ifp < LEAST_IFP:
            raise ValueError(
                f"a packet of {max_ifp} octets is too short for image data; allow at least {LEAST_IFP}"
            )
        if max_buffer is not None and max_buffer < LEAST_IFP:
            raise ValueError(
                f"a buffer of {max_buffer} octets is too short for image data; allow at least {LEAST_IFP}"
            )
        self._timing = Timing() if timing is None else timing
        self.counters = Counters()
        self._receiver = UdptlReceiver(self.counters)
        self._jitter = JitterMeter(self.counters)
        self._unread = False
        self._sender: UdptlSender | ParitySender
        if parity is None:
            if control_redundancy is None:
                control_redundancy = max(redundancy, CONTROL_COPIES) if redundancy else 0
            self._sender = UdptlSender(redundancy, max_datagram, control=control_redundancy)
        else:
            self._sender = ParitySender(*parity, max_datagram)
        self._dialect = Dialect(syntax)
        self._listener = Listener(self._timing.stall)
        most = _room(max_datagram, 0)
        if max_ifp is not None:
            most = min(most, max_ifp)
        if parity is None:
            roomy = _room(max_datagram, redundancy)
        else:
            roomy = _room(max_datagram - _SPAN_OCTETS, parity[0])
        self._planner = Planner(
            self._timing,
            min(roomy, most),
            most,
            max_buffer=max_buffer,
            fill_removal=fill_removal,
            # A far end without redundancy still ignores a repeated datagram, so V.21 is repeated as such.
            repeat_v21=parity is None and not redundancy and not control_redundancy,
        )
        self.rate_control = RateControl()
        copies = redundancy if parity is None else parity[0]
        self._unpaced = UnpacedPlanner(
            self._timing, self.rate_control, min(roomy, most), most, copies, max_datagram
        )
        self._paced = True

        self.lane = PacketLane(self._sender.datagram)
        """The packets to send."""
        self._bursts: deque[Burst] = deque()
        self._plan: BurstPlan | None = None  # the current burst
        self._sent = 0
        self._state: Indicator | None = None  # of the line once all planned packets have left
        self._state_since = float("-inf")
        self._keep_alive: float | None = None

    @property
    def syntax(self) -> Syntax:
        """The syntax in use: the negotiated one, unless the far end uses the other."""
        return self._dialect.syntax

    @property
    def modem_paced(self) -> bool:
        """The current burst, or the last one, is sent at modem pace."""
        return self._paced

    # --- in ----------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Send no-signal at once: it opens a NAT, and some far ends wait for a packet."""
        if self._state is None and self._plan is None:
            self._send_no_signal(now)

    def send(self, burst: Burst, now: float) -> None:
        """Send ``burst`` after the bursts before it."""
        self._bursts.append(burst)
        self._advance(now)

    def revoke(self, now: float) -> None:
        """Stop at once: discard the planned packets; the bursts do not count as sent."""
        self._bursts.clear()
        if self._plan is not None:
            self._plan = None
            self.lane.drop()
            self._send_no_signal(now)

    def stop(self) -> None:
        """Send nothing from now on, but continue to receive."""
        self._bursts.clear()
        self._plan = None
        self.lane.close()

    def receive(self, datagram: bytes, now: float) -> bool:
        """Take a datagram; true if it was UDPTL with packets that can be read."""
        # Without pace a response can be on its way before our timer has noticed that the burst is over; T.30
        # would take it for an answer to the command before.
        if not self._paced:
            self._advance(now)  # it may respond to the burst that has just left
        malformed = self.counters.malformed
        self._hear(self._receiver.receive(datagram, now), now)
        return self.counters.malformed == malformed

    def extend_frame(self, datagram: bytes, now: float) -> bool:
        """Take a datagram that contains only octets of a frame of the current burst, as five of six do;
        returns false for any other, which is left to :meth:`receive`.

        It produces no output, and makes no deadline earlier.
        """
        prefix = self._listener.frame_data_prefix
        # The high octet of the field length is zero, since the packet has fewer than 128 octets.
        if (
            not prefix
            or not datagram.startswith(prefix, 3)
            or len(datagram) < _IFP_DATA
            or datagram[6]
            or datagram[7] + 6 != datagram[2]
            or self._unread
            or self._state is Indicator.CNG
            or not (self._paced or self._plan is None)
        ):
            return False
        number = self._receiver.take_next(datagram)
        if number is None:
            return False
        self._dialect.note_frame_data()
        octets = datagram[7] + 1
        modem = self._listener.extend_frame(datagram[_IFP_DATA : _IFP_DATA + octets], now)
        if self._paced and modem is not None:
            self._jitter.hear_data(modem, octets, number, now)
        return True

    def hear(self, packet: Ifp, now: float, *, after_gap: bool = False) -> None:
        """Take an IFP packet in its turn, from :meth:`receive` or another transport."""
        self._listener.hear(packet, now, after_gap=after_gap)
        if self._state is Indicator.CNG and self._plan is None and self._listener.hearing:
            # Between internet-aware ends there is no modem, so nothing to ruin, but the rule costs
            # nothing there.
            # A gateway that treats CNG as a lasting state of the line would play it into the far end's
            # preamble.
            self._send_no_signal(now)

    def next_deadline(self) -> float | None:
        """When to call :meth:`handle_deadline`; None if nothing is due."""
        if self._plan is None:
            due = self._keep_alive
        else:
            # Nothing of the burst is due here before the lane has planned its end.
            due = None if self._plan.done is None else self._plan.done.due
        for other in (self._receiver.next_deadline(), self._listener.next_deadline()):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def handle_deadline(self, now: float) -> None:
        self._hear(self._receiver.handle_deadline(now), now)
        self._listener.handle_deadline(now)
        self._advance(now)
        if self._keep_alive is not None and self._plan is None and now >= self._keep_alive:
            self._state = self._state or Indicator.NO_SIGNAL
            # One datagram is enough: with copies in it, and another one a second later. It keeps the NAT
            # binding, and AudioCodes sends nothing before it has received.
            self.lane.add(indicator_packets(self._state, now, self._timing)[:1])
            self._schedule_keep_alive(now)

    # --- out ---------------------------------------------------------------------------------------------

    def take_signals(self) -> list[LineSignal]:
        return self._listener.take_signals()

    def take_sent(self) -> int:
        """Number of bursts that have left the line since the last call."""
        taken, self._sent = self._sent, 0
        return taken

    # --- hearing -----------------------------------------------------------------------------------------

    def _hear(self, deliveries: Iterable[Delivery], now: float) -> None:
        for delivery in deliveries:
            try:
                packet = self._dialect.read(
                    delivery.ifp, in_frame=self._listener.in_frame, padded=delivery.padded
                )
            except IfpError:
                self.counters.malformed += 1
                self._unread = True
                continue
            if delivery.arrived is not None and self._paced:
                self._jitter.hear(packet, delivery.number, delivery.arrived)
            # An unreadable packet counts as lost.
            self.hear(packet, now, after_gap=delivery.after_gap or self._unread)
            self._unread = False

    # --- planning ----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """End bursts that are over, and begin the next one."""
        while True:
            plan = self._plan
            if plan is None:
                if not self._bursts:
                    return
                self._begin(self._bursts.popleft(), now)
                continue
            done = plan.done
            if done is None or done.due > now:
                return
            self._sent += 1
            self._state, self._state_since = done.state, done.due
            self._plan = None
            self._schedule_keep_alive(done.due)

    def _begin(self, burst: Burst, now: float) -> None:
        # Two attempts may be lost on the way; a third without any response suggests that the far end cannot
        # read us.
        if isinstance(burst, HdlcBurst) and burst.attempt >= _DOUBTFUL:
            self._dialect.doubt()
        self._paced = not isinstance(burst, HdlcBurst) or burst.modem_paced
        if isinstance(burst, HdlcBurst) and not burst.modem_paced:
            self._plan = self._unpaced.plan(burst, self.syntax, now)
        else:
            silent = self._state is Indicator.NO_SIGNAL
            # T.30 5.3.1 wants 75 ms between carriers in both directions: ours after theirs as well as ours
            # after ours.
            start = max(now, self._state_since, self._listener.silent_since + self._timing.silence)
            self._plan = self._planner.plan(
                burst, self.syntax, start, silent_since=self._state_since if silent else None
            )
        self.lane.follow(self._plan, now)

    def _send_no_signal(self, now: float) -> None:
        self._state, self._state_since = Indicator.NO_SIGNAL, now
        self.lane.add(indicator_packets(Indicator.NO_SIGNAL, now, self._timing))
        self._schedule_keep_alive(now)

    def _schedule_keep_alive(self, last: float) -> None:
        interval = self._timing.keep_alive
        self._keep_alive = last + interval if interval else None


def _room(max_datagram: int, redundancy: int) -> int:
    """Length of the longest packet that leaves room for all copies."""
    each = (max_datagram - _UDPTL_OVERHEAD) // (redundancy + 1)
    # Each packet has a length prefix of one octet, or of two from 128 octets on.
    return each - (2 if each > _LONG else 1)
