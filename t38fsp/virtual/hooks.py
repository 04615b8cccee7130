"""Where quirks can make a gateway misbehave: its habits, and the points that all data passes.

A quirk changes *habits*, which are figures, or acts at *points*, where data passes::

    machine ─ burst_out ─► terminal ─ packet_out ─ octets_out ─► UDPTL ─ datagram_out ─► network
    machine ◄─ signal_in ─ terminal ◄─ packet_in ─── ifp_in ─── UDPTL ◄── datagram_in ── network
    SDP: media_out for each offer and answer; SIP: moment, for actions of the quirk itself

At a point a quirk can drop, pass on, change or multiply the data. The quirks of a call act in the order in
which they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import ClassVar, Protocol

from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp.audio.leg import Role
from t38fsp.errors import FaxError
from t38fsp.t30.vocabulary import Burst, LineSignal, PageQuality
from t38fsp.t38 import ifp
from t38fsp.t38.attributes import T38Parameters
from t38fsp.t38.ifp import Syntax
from t38fsp.t38.timing import Timing
from t38fsp.t38.values import Indicator
from t38fsp.virtual.fax_machine import PAPER_SECONDS

BOTH = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Habits:
    """Figures of a gateway's behaviour, in seconds and octets. The defaults are correct behaviour."""

    parameters: T38Parameters = field(
        default_factory=lambda: T38Parameters(max_buffer=1800, max_datagram=400)
    )
    timing: Timing = field(default_factory=lambda: Timing(keep_alive=0.0))
    redundancy: int = 3
    parity: tuple[int, int] | None = None
    """Strings, and packets in each: parity instead of copies."""
    first_number: int = 0
    """UDPTL sequence number of the first datagram, 0 to 65535."""
    number_after_ffff: int = 0
    renumbered_copies: bool = False
    """A packet that is sent several times gets a new number each time."""
    syntax: Syntax | None = None
    """Used in both directions, whatever was negotiated."""
    switch_after: float | None = 1.5
    """From the answer to our offer of T.38, if the machine answers; None leaves the switch to the caller."""
    start_after: float = 0.0
    """From the switch to the first signal of the machine."""
    in_audio: bool = False
    """The machine talks in audio (T.30 over G.711), from the answer on."""
    ced: bool = False
    """The machine's CED comes after the switch."""
    own_t38_port: bool = False
    """T.38 uses another media port than audio."""
    paper_seconds: float = PAPER_SECONDS


class Moment(Enum):
    """Moments of a call at which quirks act on SIP."""

    CALLED = auto()
    """A call has come in, and is not answered yet."""
    ANSWERED = auto()
    """The call is up, in audio."""
    SWITCHED = auto()
    """T.38 was agreed on."""
    BURST_SENT = auto()
    """A burst of the machine has been sent."""
    FINISHED = auto()
    """T.30 is over."""


class Gateway(Protocol):
    """The call, as its quirks see it."""

    now: float
    random: Random
    role: Role
    habits: Habits
    call_number: int
    """Number of the call among those to the gateway, from 1."""

    def note(self, name: str) -> None:
        """Count one more time that a quirk took effect."""

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call ``action`` in this many seconds, unless the call is over by then."""

    def play(self, burst: Burst) -> None:
        """Play a burst that is not the machine's, after those that wait."""

    def send(self, datagram: bytes) -> None:
        """Send octets unchanged, without passing any point."""

    def send_packet(self, octets: bytes) -> None:
        """Send an additional IFP packet of any octets, with the next number of the stream."""

    def send_indicator(self, indicator: Indicator) -> None:
        """Send an additional indicator, with the next number of the stream."""

    def jump(self, number: int) -> None:
        """Set the number of the next datagram."""

    def refuse(self, status: int) -> None:
        """Refuse this call with ``status``."""

    def ring(self, seconds: float | None) -> None:
        """Ring for this long before the call is answered; None for ever."""

    def hang_up(self) -> None:
        """End the call with BYE."""

    def offer_image(self, *, new_port: bool = False) -> None:
        """Offer T.38 again, with the same port or with ``new_port``, which is used from then on."""

    def offer_audio(self) -> None:
        """Offer G.711."""

    @property
    def syntax(self) -> Syntax:
        """The syntax used on the wire."""

    @property
    def switched(self) -> bool:
        """Whether T.38 was agreed on."""

    @property
    def finished(self) -> bool:
        """Whether T.30 is over."""


class Quirk:
    """Base of all quirks: does nothing at any point.

    A quirk is a frozen value. One that needs state for each call returns a *stage* that holds it.
    """

    name: ClassVar[str]
    """Name on the command line."""
    roles: ClassVar[frozenset[Role]] = BOTH
    """Roles of the machine in which it has an effect."""
    survivable: ClassVar[bool] = True
    """False if no far end can complete such a call."""
    on_sockets_only: ClassVar[bool] = False
    """True if it has an effect only with real addresses."""
    excludes: ClassVar[frozenset[str]] = frozenset()
    """Names of quirks that it cannot be combined with, because they change the same thing."""

    def habits(self, habits: Habits) -> Habits:
        """The habits of a gateway that has this quirk."""
        return habits

    def stage(self, gateway: Gateway) -> Quirk:
        """What acts at the points of this call: the quirk itself, or an object with its state."""
        return self

    # --- points ---------------------------------------------------------------------------------------------

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        """Our SDP: an offer, or with ``offer`` the answer to it, where None refuses the offer."""
        return media

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        return (burst,)

    def packet_out(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        return (packet,)

    def octets_out(self, octets: bytes, packet: ifp.Packet, gateway: Gateway) -> bytes:
        """The encoded IFP packet."""
        return octets

    def datagram_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        return (datagram,)

    def audio_out(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        """The RTP packet."""
        return (datagram,)

    def datagram_in(self, datagram: bytes, gateway: Gateway) -> Iterable[bytes]:
        """A datagram of UDPTL or RTP."""
        return (datagram,)

    def ifp_in(self, octets: bytes, gateway: Gateway) -> Iterable[bytes]:
        """A received IFP packet before it is parsed, in the order of the sequence numbers."""
        return (octets,)

    def packet_in(self, packet: ifp.Packet, gateway: Gateway) -> Iterable[ifp.Packet]:
        return (packet,)

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        return (signal,)

    def judge(self, quality: PageQuality, gateway: Gateway) -> PageQuality | None:
        """The quality of a received page; None refuses it (RTN)."""
        return quality

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        """Something happened."""


class QuirkError(FaxError, ValueError):
    """There is no such quirk, or none with this value, or not together with that one."""


def check(holds: bool, name: str, wanted: str) -> None:
    """Raises QuirkError unless it holds."""
    if not holds:
        raise QuirkError(f"the quirk {name} takes {wanted}")
