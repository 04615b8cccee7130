"""The pacer: one timer for the packets of every call in the process.

A task or a timer for each packet costs more than the packet, and fails first under load; so one heap
(:class:`~t38fsp.lanes.Lanes`) and one timer serve all calls. The timer fires at multiples of a tick, so that
packets of different calls that are due at about the same time are sent in one iteration of the loop.
"""

from __future__ import annotations

import asyncio
from math import ceil

from t38fsp.lanes import Lane, Lanes
from t38fsp.lateness import Lateness

TICK = 0.002
"""Seconds; the most that a packet is late because of it."""
_BUDGET = 0.005
"""Seconds of sending after which the loop reads its sockets."""


class Pacer:
    """Sends the packets of lanes by ``loop.time()``. Call every method on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lanes = Lanes()
        self._handle: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._before = Lateness()

    def schedule(self, lane: Lane) -> None:
        """Add ``lane``, or update it after the time of its next packet has changed."""
        self._lanes.schedule(lane)
        self._arm()

    def remove(self, lane: Lane) -> None:
        """Forget the lane; call it when a call ends."""
        self._lanes.remove(lane)
        self._arm()

    @property
    def lateness(self) -> Lateness:
        """The lateness of all packets so far."""
        total = Lateness()
        total.merge(self._before)
        total.merge(self._lanes.lateness)
        return total

    def take_lateness(self) -> Lateness:
        """The lateness of the packets since the previous call of this method."""
        taken, self._lanes.lateness = self._lanes.lateness, Lateness()
        self._before.merge(taken)
        return taken

    def _arm(self) -> None:
        due = self._lanes.next_due()
        # Never before a packet is due: early packets overrun the far end's buffer, late ones only
        # eat its reserve.
        fire_at = None if due is None else ceil(due / TICK) * TICK
        if self._handle is not None:
            if fire_at == self._timer_due:
                return
            self._handle.cancel()
            self._handle = None
        if fire_at is not None:
            self._timer_due = fire_at
            self._handle = self._loop.call_at(fire_at, self._turn)

    def _turn(self) -> None:
        self._handle = None
        try:
            self._lanes.turn(self._loop.time, _BUDGET)
        finally:
            # An exception in one call must not stop the timer of the others.
            self._arm()
