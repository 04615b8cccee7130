"""The pacer: one timer for the packets of every call in the process.

A task or a timer for each packet costs more than the packet and collapses first under load; here one heap
(:class:`~t38fsp.lanes.Lanes`) and one timer serve all calls. The timer rings at multiples of a tick, so that
packets that are due at about the same time leave in one turn of the loop, whichever calls they are of.
"""

from __future__ import annotations

import asyncio
from math import ceil

from t38fsp.lanes import Lane, Lanes
from t38fsp.lateness import Lateness

TICK = 0.002
"""Seconds; no packet is later for it by more."""
_BUDGET = 0.005
"""Seconds of one turn, after which the sockets of the loop come first."""


class Pacer:
    """Serves lanes on ``loop.time()``. Belongs to the thread of its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lanes = Lanes()
        self._handle: asyncio.Handle | None = None
        self._rings_at = 0.0
        self._before = Lateness()

    def schedule(self, lane: Lane) -> None:
        """Serve ``lane``, whose next packet is due at another time than was known."""
        self._lanes.schedule(lane)
        self._arm()

    def remove(self, lane: Lane) -> None:
        """Forget the lane; call it when a call ends."""
        self._lanes.remove(lane)
        self._arm()

    @property
    def lateness(self) -> Lateness:
        """Of all packets so far."""
        total = Lateness()
        total.merge(self._before)
        total.merge(self._lanes.lateness)
        return total

    def take_lateness(self) -> Lateness:
        """Of the packets since this was called last; for whoever watches."""
        taken, self._lanes.lateness = self._lanes.lateness, Lateness()
        self._before.merge(taken)
        return taken

    def _arm(self) -> None:
        due = self._lanes.next_due()
        rings_at = None if due is None else ceil(due / TICK) * TICK
        if self._handle is not None:
            if rings_at == self._rings_at:
                return
            self._handle.cancel()
            self._handle = None
        if rings_at is not None:
            self._rings_at = rings_at
            self._handle = self._loop.call_at(rings_at, self._turn)

    def _turn(self) -> None:
        self._handle = None
        try:
            self._lanes.turn(self._loop.time, _BUDGET)
        finally:
            # A fault in one call must not stop the clock of the others.
            self._arm()
