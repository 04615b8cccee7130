"""Whether an engine accepts another call, decided from measurements of the last seconds; no clock, no loop.

An engine with more calls than the machine can process is late with the packets of all of them. So it measures
itself each second, and accepts no more calls while it is overloaded:

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
"""Below this number of calls, packets are late because of something else on the machine."""
LATE = 0.05
"""Seconds (99 of 100 packets); gateways buffer about as much."""
BUSY = 0.85
"""Fraction of a second; the rest is the reserve for packets that are due at the same moment."""
PAGE_WAIT = 1.0
"""Seconds; a far end hangs up after about six."""
WINDOW = 5
BAD = 3
"""Seconds of the window."""
_LEAST_STEP = 5
_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Second:
    """Measurements of about one second."""

    calls: int
    """Calls in both directions."""
    late: float
    """Lateness in seconds of 99 of 100 packets."""
    busy: float
    """Fraction of the time (0 to 1) that the loop used the processor."""
    page_wait: float
    """The longest time in seconds that a page of a call has waited for a worker."""

    @property
    def bad(self) -> bool:
        return self.calls >= LEAST_CALLS and (
            self.late > LATE or self.busy > BUSY or self.page_wait > PAGE_WAIT
        )

    def __str__(self) -> str:
        """Why the second was bad; empty if it was not."""
        if self.late > LATE:
            return f"packets leave up to {1000 * self.late:.0f} ms late"
        if self.page_wait > PAGE_WAIT:
            return f"pages wait {self.page_wait:.1f} s for a worker"
        return f"its loop is busy for {100 * self.busy:.0f} % of the time"


class OverloadedError(Exception):
    """A call is not set up, because the engine became overloaded in the meantime; the text contains the
    reason."""


class Capacity:
    """The capacity of an engine that never accepts more than ``most`` calls."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._seconds: deque[Second] = deque(maxlen=WINDOW)
        self._calls = 0
        """Calls when the limit was set."""
        self._why = ""

    @property
    def limit(self) -> int | None:
        """The number of calls accepted at present, 0 while overloaded; None if there is no limit but
        ``most``."""
        if sum(second.bad for second in self._seconds) >= BAD:
            return 0
        return self._limit if self._limit < self._most else None

    def note(self, second: Second) -> None:
        """A second is over."""
        self._seconds.append(second)
        if self.limit == 0:
            bad = next(each for each in reversed(self._seconds) if each.bad)
            self._calls, self._why = bad.calls, str(bad)
            # Only down: another overload while few calls are left must not raise the limit.
            self._limit = min(self._limit, bad.calls)
        elif not second.bad:
            # By at least a few calls, or a limit of ten would take ten seconds for each.
            self._limit = min(self._most, self._limit + max(_LEAST_STEP, int(_STEP * self._limit)))

    def rest(self) -> None:
        """No call is up, and nothing is measured: earlier measurements are out of date."""
        self._seconds.clear()
        self._limit = self._most

    def refusal(self, calls: int) -> str | None:
        """Why no call is accepted besides ``calls``, which includes those being set up; None if one is."""
        limit = self.limit
        if limit is None or calls < limit:
            return None
        return (
            f"this engine is overloaded with {self._calls} calls: {self._why}; try again in a minute, "
            "and if that persists, run more engine processes (workers), or lower max_calls"
        )
