"""Whether an engine takes another call: decided by how the last seconds went, without a clock or a loop.

An engine that has more calls than the machine bears is late with the packets of all of them. So it measures
itself each second, and takes no more while it is overloaded:

.. code-block:: text

    a bad second    99 of 100 packets left up to more than 50 ms late, or the loop was busy for more than
                    85 % of it, or a page that a far end waits for had waited for a worker for more than 1 s
    overloaded      3 of the last 5 seconds were bad, each with 50 calls up or more
    limit           the calls there were when it was overloaded last, and more by a tenth of them (5 at least)
                    for each second since then that was not bad; so those that come again do not come at once

One stall, however long, is one bad second. Nothing is known before the first calls are up: until then the
limit is ``most``.
"""

from __future__ import annotations

from collections import deque

from sip.frozen import dataclass

LEAST_CALLS = 50
"""Fewer calls than these are no load: what makes them late is something else on the machine."""
LATE = 0.05
"""Seconds (99 of 100 packets); gateways buffer about as much."""
BUSY = 0.85
"""Of a second; what is left takes up what comes at the same moment."""
PAGE_WAIT = 1.0
"""Seconds; a far end hangs up after about six."""
WINDOW = 5
BAD = 3
"""Seconds of the window."""
_LEAST_STEP = 5
_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Second:
    """How it went, about a second long."""

    calls: int
    """Up, in both directions."""
    late: float
    """Seconds behind their time that 99 of 100 packets left within."""
    busy: float
    """Share of the time (0 to 1) that the loop computed."""
    page_wait: float
    """Seconds that a page of a call has waited for a worker, at most."""

    @property
    def bad(self) -> bool:
        return self.calls >= LEAST_CALLS and (
            self.late > LATE or self.busy > BUSY or self.page_wait > PAGE_WAIT
        )

    def __str__(self) -> str:
        """What is wrong with it."""
        if self.late > LATE:
            return f"packets leave up to {1000 * self.late:.0f} ms late"
        if self.page_wait > PAGE_WAIT:
            return f"pages wait {self.page_wait:.1f} s for a worker"
        return f"its loop is busy for {100 * self.busy:.0f} % of the time"


class OverloadedError(Exception):
    """A call is not set up any more, because others came to be too many meanwhile; the text says it."""


class Capacity:
    """Of an engine that takes ``most`` calls in any case."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._seconds: deque[Second] = deque(maxlen=WINDOW)
        self._calls = 0
        """Up when the limit was found."""
        self._why = ""

    @property
    def limit(self) -> int | None:
        """Calls that it takes at present, none while it is overloaded; None for as many as ever."""
        if sum(second.bad for second in self._seconds) >= BAD:
            return 0
        return self._limit if self._limit < self._most else None

    def note(self, second: Second) -> None:
        """A second is over."""
        self._seconds.append(second)
        if self.limit == 0:
            bad = next(each for each in reversed(self._seconds) if each.bad)
            self._calls, self._why = bad.calls, str(bad)
            self._limit = min(self._limit, bad.calls)
        elif not second.bad:
            self._limit = min(self._most, self._limit + max(_LEAST_STEP, int(_STEP * self._limit)))

    def rest(self) -> None:
        """No call is up, and no second is measured: what the last ones were says nothing any more."""
        self._seconds.clear()
        self._limit = self._most

    def refusal(self, calls: int) -> str | None:
        """Why no call is taken beside ``calls``, those being set up included; None when one is."""
        limit = self.limit
        if limit is None or calls < limit:
            return None
        return (
            f"this engine has too much to do with {self._calls} calls: {self._why}; try again in a minute, "
            "and if it stays so run more engine processes (workers), or lower max_calls"
        )
