"""Incoming calls that are not yet accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sip.line import Incoming
from sip.logs import get_logger
from t38fsp.engine.channels import Channels
from t38fsp.engine.sip_lines import EngineLine
from t38fsp.jobs import WaitingCall

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    incoming: Incoming
    timer: asyncio.TimerHandle
    route: str | None


class WaitingCalls:
    """Each call uses a channel of its route. A call that is not accepted within ``limit`` seconds is refused
    with 480; ``on_gone`` gets that call, and those whose callers hang up."""

    def __init__(
        self, line: EngineLine, channels: Channels, limit: float, on_gone: Callable[[int], None] | None
    ) -> None:
        self._line = line
        self._channels = channels
        self._limit = limit
        self._on_gone = on_gone
        self._calls: dict[int, Waiting] = {}
        self._claimed: set[int] = set()
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        """The number of calls that no job has claimed."""
        return len(self._calls) - len(self._claimed)

    def claim(self, call: int) -> None:
        """A job will accept the call after its checks, and is counted in its place until then."""
        if call in self._calls:
            self._claimed.add(call)

    def __contains__(self, call: int) -> bool:
        return call in self._calls

    def __iter__(self) -> Iterator[int]:
        return iter(self._calls)

    def add(self, incoming: Incoming, route: str | None) -> WaitingCall:
        """Ring; returns the event for the program. The caller has taken the channel."""
        call = incoming.call
        self._calls[call] = Waiting(
            incoming, self._loop.call_later(self._limit, self._not_taken, call), route
        )
        self._line.ring(call, self._loop.time())
        return WaitingCall(call, incoming.caller, incoming.caller_name, incoming.called, route)

    def incoming(self, call: int) -> Incoming | None:
        """A call that waits; None when it is gone."""
        waiting = self._calls.get(call)
        return None if waiting is None else waiting.incoming

    def take(self, call: int) -> Waiting | None:
        """Remove the call, which keeps its channel; None if it is gone."""
        waiting = self._calls.pop(call, None)
        self._claimed.discard(call)
        if waiting is not None:
            waiting.timer.cancel()
        return waiting

    def refuse(self, call: int, status: int = 486) -> None:
        """Refuse the call."""
        waiting = self.take(call)
        if waiting is not None:
            self._channels.free(waiting.route)
            self._line.refuse(call, status, self._loop.time())

    def lose(self, call: int) -> None:
        """The call is over, ended by either side."""
        waiting = self.take(call)
        if waiting is not None:
            self._channels.free(waiting.route)
            if self._on_gone is not None:
                self._on_gone(call)

    def _not_taken(self, call: int) -> None:
        _logger.warning("call %d was not accepted within %g seconds", call, self._limit)
        # Reported as gone before the 480: the program must not take a call that is being refused.
        self.lose(call)
        self._line.refuse(call, 480, self._loop.time())
