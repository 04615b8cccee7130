"""A datagram network in simulated time, and the faults of its paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sip.values import Address
from t38fsp.virtual.simulator import Simulator


class Randomness(Protocol):
    """The part of random.Random that is used."""

    def random(self) -> float: ...


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Loss in bursts: a chain of a good and a bad state that takes one step for each datagram.

    All four are shares from 0 to 1: how likely the step into the bad state and out of it is, and how many
    datagrams are lost in either state. Raises ValueError outside that range, and for a bad state without end.
    """

    into_bad: float
    out_of_bad: float
    loss_in_bad: float = 1.0
    loss_in_good: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.into_bad, self.out_of_bad, self.loss_in_bad, self.loss_in_good)
        if not all(0 <= share <= 1 for share in shares) or self.out_of_bad == 0:
            raise ValueError("the probabilities of bursts must be from 0 to 1, that of leaving one above 0")

    @classmethod
    def of(cls, loss: float, length: float) -> GilbertElliott:
        """``loss`` (0 to below 1) in all, in bursts of ``length`` datagrams (at least 1) on average."""
        if not 0 <= loss < 1 or length < 1:
            raise ValueError("a burst must have at least 1 datagram on average, and the loss be below 100%")
        out = 1 / length
        # The share of time in the bad state is into / (into + out), and a burst lasts 1 / out on average.
        return cls(min(out * loss / (1 - loss), 1.0), out)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a path; shares are from 0 to 1, times in seconds.

    Raises ValueError for a share or a time out of range.
    """

    delay: float = 0.02
    jitter: float = 0.0
    """Each datagram is delayed by up to this much more, so that those close together are reordered."""
    in_order: bool = False
    """Jitter and drift do not reorder datagrams."""
    loss: float = 0.0
    bursts: GilbertElliott | None = None
    """More loss, in bursts."""
    duplication: float = 0.0
    """Share that arrives twice."""
    reordering: float = 0.0
    """Share that is held back by ``held_back``, so that others overtake it."""
    held_back: float = 0.1
    drift: float = 0.0
    """Seconds by which the delay grows each second: what a clock that runs slow at the sender looks like.
    0.0001 is 100 ppm; below 0 for one that runs fast, for as long as the delay is above 0."""
    dead: tuple[float, float] | None = None
    """Interval in which every datagram is lost, counted from the first datagram on this path."""
    rate: float | None = None
    """Bandwidth in bit/s; datagrams beyond it queue, and are delayed accordingly."""
    queue: int = 32_768
    """Octets that may queue with a rate; datagrams that do not fit are lost."""

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in (self.loss, self.duplication, self.reordering)):
            raise ValueError("loss, duplication and reordering must be shares from 0 to 1")
        if min(self.delay, self.jitter, self.held_back) < 0:
            raise ValueError("delay, jitter and the time that a datagram is held back must be 0 s or longer")
        if abs(self.drift) > 0.1:
            raise ValueError(f"a drift of {self.drift} s per second is too much; give at most 0.1")
        if self.rate is not None and (self.rate <= 0 or self.queue <= 0):
            raise ValueError("the rate must be above 0 bit/s, and the queue have room for a datagram")
        if self.dead is not None and not 0 <= self.dead[0] <= self.dead[1]:
            raise ValueError("a dead interval must begin at 0 s or later, and end after its beginning")


class Path:
    """One direction between two addresses, with its faults. Sans-IO; for sockets too."""

    def __init__(self, faults: Faults, random: Randomness) -> None:
        self.faults = faults
        self._random = random
        self._began: float | None = None
        self._bad = False
        self._last_arrival = float("-inf")
        self._free_at = float("-inf")
        """When the queue will be empty."""

    def arrivals(self, now: float, octets: int = 0) -> list[float]:
        """When a datagram sent ``now`` arrives: never, once, or twice. ``octets`` count against a rate."""
        if self._began is None:
            self._began = now
        since = now - self._began
        faults = self.faults
        copies = 1 + self._happens(faults.duplication)
        if self._is_lost(since):
            return []
        # The copies of a datagram pass the bottleneck once, as a network duplicates after it; each has
        # its own delay.
        passed = self._passes(now, octets)
        return [] if passed is None else [self._arrival(passed, since) for _ in range(copies)]

    def _passes(self, now: float, octets: int) -> float | None:
        """When the datagram has passed the bottleneck; None if the queue there is full."""
        rate = self.faults.rate
        if rate is None:
            return now
        free = max(self._free_at, now)
        # Tail drop, as in most routers and modems.
        if (free - now) * rate / 8 + octets > self.faults.queue:
            return None
        self._free_at = free + octets * 8 / rate
        return self._free_at

    def _arrival(self, now: float, since: float) -> float:
        faults = self.faults
        delay = faults.delay + (faults.jitter * self._random.random() if faults.jitter else 0.0)
        if self._happens(faults.reordering):
            delay += faults.held_back
        arrival = now + max(delay + faults.drift * since, 0.0)
        if faults.in_order:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        return arrival

    def _is_lost(self, since: float) -> bool:
        faults = self.faults
        # Drawn even if the datagram is lost in a burst anyway, so that one fault does not change the random
        # numbers of another.
        lost = self._happens(faults.loss)
        if faults.bursts is not None:
            bursts = faults.bursts
            self._bad = not self._happens(bursts.out_of_bad) if self._bad else self._happens(bursts.into_bad)
            lost |= self._happens(bursts.loss_in_bad if self._bad else bursts.loss_in_good)
        return lost or (faults.dead is not None and faults.dead[0] <= since < faults.dead[1])

    def _happens(self, share: float) -> bool:
        # Nothing is drawn for a fault that is off, so that turning one on changes nothing else.
        return share > 0 and self._random.random() < share


_HEADERS = 28
"""Octets of IPv4 and UDP."""

Receiver = Callable[[bytes, Address], None]
Tap = Callable[[float, Address, Address, bytes], None]


class VirtualNetwork:
    """Carries datagrams between addresses; ``tap`` sees each one that was sent, lost or not.

    ``faults_for`` chooses the faults by source and destination, so that signalling can be without faults.
    """

    def __init__(
        self,
        simulator: Simulator,
        random: Randomness,
        faults_for: Callable[[Address, Address], Faults] = lambda source, destination: Faults(),
        tap: Tap | None = None,
    ) -> None:
        self._simulator = simulator
        self._random = random
        self._faults_for = faults_for
        self._tap = tap
        self._receivers: dict[Address, Receiver] = {}
        self._paths: dict[tuple[Address, Address], Path] = {}

    def bind(self, address: Address, receiver: Receiver) -> None:
        self._receivers[address] = receiver

    def unbind(self, address: Address) -> None:
        self._receivers.pop(address, None)

    def send(self, source: Address, destination: Address, data: bytes) -> None:
        now = self._simulator.now
        if self._tap is not None:
            self._tap(now, source, destination, data)
        for arrival in self._path(source, destination).arrivals(now, len(data) + _HEADERS):
            self._simulator.at(arrival, lambda: self._deliver(source, destination, data))

    def _path(self, source: Address, destination: Address) -> Path:
        path = self._paths.get((source, destination))
        faults = self._faults_for(source, destination)
        # New faults begin a new path: its interval without packets counts from here.
        if path is None or path.faults != faults:
            path = self._paths[source, destination] = Path(faults, self._random)
        return path

    def _deliver(self, source: Address, destination: Address, data: bytes) -> None:
        receiver = self._receivers.get(destination)
        if receiver is not None:
            receiver(data, source)
