"""Reads the sockets of all media ports of an engine through one selector.

An iteration of an asyncio loop costs several times as much as reading a datagram. So the loop watches one
selector, which watches the sockets; and while datagrams arrive closer together than ``TICK``, the selector is
polled once each tick instead of for each of them. A single datagram is read at once.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable

TICK = 0.01
"""Seconds; at multiples of it, when the pacer runs, too. A datagram waits half as long on average, which adds
to the jitter; the timers of T.30 are of tenths of seconds and more."""
_IDLE_TICKS = 4
"""Ticks without a datagram after which the loop watches the selector again."""
_LONGEST_TURN = 0.005
"""Seconds of reading after which other work of the loop gets its turn."""


class MediaReader:
    """Calls back for readable sockets, on the loop's thread. Removing the last socket closes the selector."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._selector: selectors.DefaultSelector | None = None
        self._ready: list[selectors.SelectorKey] = []
        """Readable sockets, the next one last."""
        self._timer: asyncio.TimerHandle | None = None
        """Set while the selector is polled each tick."""
        self._last = float("-inf")
        """When a socket was last readable."""

    @property
    def idle(self) -> bool:
        """Whether no socket is watched; then nothing is open or due."""
        return self._selector is None and self._timer is None

    def add(self, sock: socket.socket, on_readable: Callable[[float], None]) -> None:
        """Call ``on_readable`` with the time whenever ``sock`` is readable; it must not raise.

        Raises OSError when the process is out of file descriptors.
        """
        if self._selector is None:
            selector = selectors.DefaultSelector()
            try:
                selector.register(sock, selectors.EVENT_READ, on_readable)
                # A selector is a file descriptor itself (epoll, kqueue), readable while any of its
                # sockets is.
                self._loop.add_reader(selector, self._on_readable)
            except BaseException:
                selector.close()
                raise
            self._selector = selector
        else:
            self._selector.register(sock, selectors.EVENT_READ, on_readable)

    def remove(self, sock: socket.socket) -> None:
        """Stop watching ``sock``, which must still be open."""
        selector = self._selector
        assert selector is not None
        selector.unregister(sock)
        # A callback may close another call's port, whose key is still in the list.
        self._ready = [key for key in self._ready if key.fileobj is not sock]
        if not selector.get_map():
            if self._timer is None:
                self._loop.remove_reader(selector)
            else:
                self._timer.cancel()
                self._timer = None
            selector.close()
            self._selector = None

    def _on_readable(self) -> None:
        now = self._loop.time()
        # Two datagrams within a tick: there are many calls, or a burst. From now on look once a tick.
        close = now - self._last < TICK
        selector = self._read(now)
        if close and selector is not None:
            self._loop.remove_reader(selector)
            self._tick_at(_next_tick(now))

    def _on_tick(self) -> None:
        now = self._loop.time()
        selector = self._read(now)
        if selector is None:
            return
        if self._ready:
            self._tick_at(now)
        elif now - self._last < _IDLE_TICKS * TICK:
            self._tick_at(_next_tick(now))
        else:
            self._timer = None
            self._loop.add_reader(selector, self._on_readable)

    def _tick_at(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._on_tick)

    def _read(self, now: float) -> selectors.DefaultSelector | None:
        """Read until nothing is left or the time is up. Returns the selector, or None if a callback removed
        the last socket."""
        selector = self._selector
        assert selector is not None
        if not self._ready:
            self._ready = [key for key, _ in selector.select(0)]
        if self._ready:
            self._last = now
        end = now + _LONGEST_TURN
        while self._ready:
            self._ready.pop().data(now)
            # What is still in ``_ready`` is read in the next turn, before the selector is asked again: no
            # socket is starved.
            if self._loop.time() > end:
                break
        return selector if selector is self._selector else None


def _next_tick(now: float) -> float:
    return (now // TICK + 1) * TICK
