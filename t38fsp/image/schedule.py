"""Decides which image job is done next: a queue without clock or processes.

Jobs for which a far end waits (coding or storing a page of an active call) have dedicated workers, which take
the earliest ``due`` first. The rest, the work before dialling, has separate workers, which begin nothing
while a far end waits for a worker. Each of these *turns* is short, since it reads the directories of a
document or codes one page, and they are done in order of arrival.

Jobs of the same *lane* are done one at a time, in order of arrival.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count


@dataclass(eq=False, slots=True)
class Job:
    """``due`` is the time at which a far end needs it done; None for a turn."""

    due: float | None = None
    lane: str | None = None
    added: float = 0.0


class Schedule:
    """The jobs for ``callers`` workers that serve calls, and ``spare`` others that do turns."""

    def __init__(self, callers: int, spare: int) -> None:
        self._free = callers
        self._spare = spare
        self._numbers = count()
        self._queued: set[Job] = set()
        self._due: list[tuple[float, int, Job]] = []
        self._turns: deque[Job] = deque()
        self._lanes: dict[str, deque[Job]] = {}
        """The first of each lane is queued or in progress, the others wait for it."""
        self.longest_wait = 0.0
        """Longest time that a job with a far end has waited for a worker, seconds."""

    def wait(self, now: float) -> float:
        """Longest time that a queued job with a far end has waited so far, seconds."""
        return max((now - job.added for job in self._queued if job.due is not None), default=0.0)

    def add(self, job: Job, now: float) -> None:
        job.added = now
        self._queued.add(job)
        if job.lane is not None:
            lane = self._lanes.setdefault(job.lane, deque())
            lane.append(job)
            if lane[0] is not job:
                return
        self._push(job)

    def hasten(self, job: Job, due: float) -> None:
        """A far end now waits for the job, or until an earlier time. No-op once the job is in progress."""
        if job in self._queued and (job.due is None or due < job.due):
            job.due = due
            if job.lane is None or self._lanes[job.lane][0] is job:
                self._push(job)

    def take(self, now: float) -> Job | None:
        """The job to do now, if there is one and a free worker for it; end it with :meth:`done`."""
        job: Job | None = None
        # Even with spare workers idle: a turn that began now would take a core from the page that is
        # waited for.
        if self._is_waited_for():
            if self._free:
                _, _, job = heapq.heappop(self._due)
                self._free -= 1
                self.longest_wait = max(self.longest_wait, now - job.added)
        elif self._spare:
            job = self._next_turn()
            self._spare -= job is not None
        if job is not None:
            self._queued.discard(job)
        return job

    def done(self, job: Job) -> None:
        """The job has ended, and its worker is free."""
        if job.due is not None:
            self._free += 1
        else:
            self._spare += 1
        self._leave_lane(job)

    def drop(self, job: Job) -> bool:
        """Remove a queued job; false if it is in progress already."""
        if job not in self._queued:
            return False
        self._queued.discard(job)
        self._leave_lane(job)
        return True

    def _push(self, job: Job) -> None:
        if job.due is None:
            self._turns.append(job)
        else:
            # The number keeps jobs of equal times in order of arrival, and heapq from comparing jobs.
            heapq.heappush(self._due, (job.due, next(self._numbers), job))

    # A job that was dropped, or hastened and so is in both queues, is skipped when it comes to the front.

    def _is_waited_for(self) -> bool:
        """Whether a far end waits for a worker."""
        while self._due and self._due[0][2] not in self._queued:
            heapq.heappop(self._due)
        return bool(self._due)

    def _next_turn(self) -> Job | None:
        while self._turns:
            job = self._turns.popleft()
            if job in self._queued and job.due is None:
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
