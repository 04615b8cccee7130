"""Faxes from one process of ours to another, each on a core of its own, all compared with what was sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness.compare import faxes_in, identical
from tests.benchmarks.harness.ours import Over, ours
from tests.benchmarks.harness.processes import Usage, two_cores

AGAIN = frozenset({"LINE_UNAVAILABLE", "BUSY"})
"""What an engine that is full says of a fax, or a far end that is."""


@dataclass(frozen=True, slots=True)
class Between:
    """``over`` are the sender's, without those that were refused and sent again; usage is since the ends were
    up."""

    over: list[Over]
    identical: int
    most_up: int
    seconds: float
    sender: Usage
    receiver: Usage
    late: tuple[float, float] | None
    late_receiver: tuple[float, float] | None
    page_waits: tuple[float | None, float | None]
    failures: list[str]

    @property
    def completed(self) -> int:
        return sum(fax.completed for fax in self.over)

    def told(self) -> Iterator[str]:
        """What happened, for notes."""
        late = " / ".join(
            f"{1000 * each[0]:.1f} (at most {1000 * each[1]:.0f})" if each else "?"
            for each in (self.late, self.late_receiver)
        )
        count = max(len(self.over), 1)
        cpu = " / ".join(
            f"{1000 * used.engine / count:.0f} + {1000 * used.workers / count:.0f}"
            for used in (self.sender, self.receiver)
        )
        waits = " / ".join("?" if wait is None else f"{wait:.2f}" for wait in self.page_waits)
        yield (
            f"{self.completed} of {len(self.over)} confirmed, {self.identical} identical, {self.most_up} up "
            f"at most, over after {self.seconds:.0f} s; sender / receiver: p99 {late} ms late, engine + "
            f"workers {cpu} ms of CPU a fax, a page waited {waits} s for a worker at most"
        )
        yield from self.failures


async def between_ours(
    documents: Sequence[Path],
    count: int,
    folder: Path,
    *,
    rate: float,
    settings: dict[str, object],
    limit: float,
    again: bool = False,
    max_calls: int | None = None,
) -> Between:
    """Send ``count`` faxes, the documents in turn, ``rate`` in a second or all at once (0).

    With ``again`` those that were refused for want of room are sent again until they are taken, or ``limit``
    seconds are over.
    """
    here, there = two_cores()
    began, most, refused = time.monotonic(), 0, 0
    async with (
        ours(folder / "receiver", accept=True, cores=there, settings=settings, max_calls=max_calls) as far,
        ours(folder / "sender", cores=here, max_calls=max_calls) as near,
    ):
        before = near.usage(), far.usage()
        near.send(documents, far.to, count, rate=rate, **settings)
        while True:
            wanted = count + refused
            left = began + limit - time.monotonic()
            # To look how many are up, and whom to send again.
            over = await near.all_over(wanted, min(0.5, left))
            most = max(most, near.up)
            if left <= 0:
                break
            if again and (full := sum(fax.status in AGAIN for fax in near.over) - refused):
                refused += full
                near.send(documents, far.to, full, rate=20.0, **settings)
            elif over:
                break
        await far.until(lambda end: len(end.over) >= len(near.completed), 30.0)
        seconds = time.monotonic() - began
        sender, receiver = near.usage() - before[0], far.usage() - before[1]
    done = [fax for fax in near.over if not (again and fax.status in AGAIN)]
    same = identical(faxes_in(folder / "receiver"), documents)
    waits = near.page_wait, far.page_wait
    return Between(
        done, same, most, seconds, sender, receiver, near.late, far.late, waits, near.failures()
    )  # fmt: skip
