"""Which image job is done next: a queue without clock or processes.

Jobs for which a far end waits (a page of a call that is up, coded or stored) are done by workers that do
nothing else, the earliest ``due`` first. The rest, which is what goes before dialling, has workers of its
own, which begin nothing while any far end waits for a worker. Each of these *turns* of a document is short,
and documents take turns by the time they have had so far (fair queueing), so that neither a long document
nor a stream of short ones keeps the others out.

Jobs of the same *lane* are done one at a time, in the order in which they came.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count


class Share:
    """What one document has had of the workers."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.finish = 0.0
        """In the virtual time of :class:`Schedule`: when its next turn may begin."""


@dataclass(eq=False, slots=True)
class Job:
    """``due`` is the time at which a far end needs it done; None for a turn, which counts for ``share``."""

    due: float | None = None
    share: Share = field(default_factory=Share)
    lane: str | None = None
    added: float = 0.0
    taken: float | None = None


_Entry = tuple[float, int, Job]


class Schedule:
    """The jobs for ``callers`` workers that serve calls, and ``spare`` others that have turns."""

    def __init__(self, callers: int, spare: int) -> None:
        self._free = callers
        self._spare = spare
        self._numbers = count()
        self._queued: set[Job] = set()
        self._due: list[_Entry] = []
        self._turns: list[_Entry] = []
        self._lanes: dict[str, deque[Job]] = {}
        """The first of each is in the queue or at work, the others wait for it."""
        self._turning = 0
        """Turns that are in the queue or at work."""
        self._virtual = 0.0
        """The time that a document would have had by now if it had always had its part of the workers."""
        self.longest_wait = 0.0
        """Seconds that a job with a far end waited for a worker, at most."""

    def wait(self, now: float) -> float:
        """Seconds that a job with a far end, which no worker has yet, has waited, at most."""
        return max((now - job.added for job in self._queued if job.due is not None), default=0.0)

    def add(self, job: Job, now: float) -> None:
        job.added = now
        self._queued.add(job)
        self._turning += job.due is None
        if job.lane is not None:
            lane = self._lanes.setdefault(job.lane, deque())
            lane.append(job)
            if lane[0] is not job:
                return
        self._push(job)

    def hasten(self, job: Job, due: float) -> None:
        """A far end waits for it from now on, or waits less long. Nothing, if it is being done."""
        if job in self._queued and (job.due is None or due < job.due):
            self._turning -= job.due is None
            job.due = due
            if job.lane is None or self._lanes[job.lane][0] is job:
                self._push(job)

    def take(self, now: float) -> Job | None:
        """The job to do now, if there is one and a worker for it; :meth:`done` ends it."""
        job: Job | None = None
        if self._is_waited_for():
            if self._free:
                job = self._pop(self._due)
        elif self._spare:
            job = self._pop(self._turns)
        if job is None:
            return None
        job.taken = now
        self._queued.discard(job)
        if job.due is not None:
            self._free -= 1
            self.longest_wait = max(self.longest_wait, now - job.added)
        else:
            self._spare -= 1
            # A document that is new, or paused, has no claim to the time before.
            job.share.finish = max(job.share.finish, self._virtual)
        return job

    def done(self, job: Job, now: float) -> None:
        """Its worker is free."""
        assert job.taken is not None
        if job.due is not None:
            self._free += 1
        else:
            seconds = now - job.taken
            self._spare += 1
            job.share.finish += seconds
            job.share.seconds += seconds
            self._virtual += seconds / self._turning
            self._turning -= 1
        self._leave_lane(job)

    def drop(self, job: Job) -> bool:
        """Do not do it; false when it is being done already."""
        if job not in self._queued:
            return False
        self._queued.discard(job)
        self._turning -= job.due is None
        self._leave_lane(job)
        return True

    def _push(self, job: Job) -> None:
        if job.due is None:
            start = max(self._virtual, job.share.finish)
            heapq.heappush(self._turns, (start, next(self._numbers), job))
        else:
            heapq.heappush(self._due, (job.due, next(self._numbers), job))

    def _is_waited_for(self) -> bool:
        """Whether a far end waits for a worker."""
        while self._due and self._due[0][2] not in self._queued:
            heapq.heappop(self._due)
        return bool(self._due)

    def _pop(self, heap: list[_Entry]) -> Job | None:
        while heap:
            _, _, job = heapq.heappop(heap)
            # What was dropped, or hastened and so stands in the other heap too, is left where it was.
            if job in self._queued:
                return job
        return None

    def _leave_lane(self, job: Job) -> None:
        if job.lane is None:
            return
        lane = self._lanes[job.lane]
        was_first = lane[0] is job
        lane.remove(job)
        if not lane:
            del self._lanes[job.lane]
        elif was_first:
            self._push(lane[0])
