"""A datagram network in simulated time, with delay and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sip.line import Address
from t38fsp.virtual.simulator import Simulator


class Randomness(Protocol):
    """The part of random.Random that is used."""

    def random(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Faults:
    """What a path does to datagrams. ``delay`` and ``jitter`` in seconds, ``loss`` as a share from 0 to 1."""

    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0


Receiver = Callable[[bytes, Address], None]
Tap = Callable[[float, Address, Address, bytes], None]


class VirtualNetwork:
    """Carries datagrams between addresses; ``tap`` sees each one that was sent, lost or not.

    ``faults_for`` chooses the faults by source and destination, so that signalling may go unharmed.
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

    def bind(self, address: Address, receiver: Receiver) -> None:
        self._receivers[address] = receiver

    def unbind(self, address: Address) -> None:
        self._receivers.pop(address, None)

    def send(self, source: Address, destination: Address, data: bytes) -> None:
        if self._tap is not None:
            self._tap(self._simulator.now, source, destination, data)
        faults = self._faults_for(source, destination)
        if faults.loss and self._random.random() < faults.loss:
            return
        delay = faults.delay + (faults.jitter * self._random.random() if faults.jitter else 0.0)
        self._simulator.after(delay, lambda: self._deliver(source, destination, data))

    def _deliver(self, source: Address, destination: Address, data: bytes) -> None:
        receiver = self._receivers.get(destination)
        if receiver is not None:
            receiver(data, source)
