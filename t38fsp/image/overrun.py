"""Jobs of image workers that took too much, or ended their process: who is at fault, in sentences.

A document whose pages take more than the limits is at fault itself, and would be again on any machine. What
may be the machine's doing (its disk, its load, a process that was killed from outside) is an error of the
worker, after which the fax can be sent again.
"""

from __future__ import annotations

import signal

from t38fsp.image.errors import DocumentError, ImageError, ImageWorkerError, StoreError
from t38fsp.image.wire import (
    CheckRoom,
    Complete,
    Convert,
    Create,
    Discard,
    Draw,
    Encode,
    Finish,
    Inspect,
    InspectCover,
    Request,
    Store,
)

MOST_SECONDS: dict[type[Request], float] = {Inspect: 12.0, Encode: 15.0, Draw: 12.0}
"""Processor time of a job, seconds; the readers of pages have lower limits, with better messages."""

_READING = (Inspect, InspectCover, Convert, Encode, Draw)
"""Jobs whose process depends on what is in a document."""
_BY_LIBRARIES = (Inspect, InspectCover, Draw)
"""Those of them in which libraries read what may be in any format."""
_STORING = frozenset(request.job for request in (CheckRoom, Create, Store, Finish, Complete, Discard))

_OVER_TIME = getattr(signal, "SIGPROF", 0)
"""Ends a worker that has computed for too long at one job."""
_CRASHES = frozenset(
    getattr(signal, name, 0)
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT", "SIGFPE", "SIGTRAP", "SIGSYS", "SIGPROF")
) - {0}
"""Signals by which a process ends through its own doing."""


def fault_of(request: Request, exit_status: int | None, is_last: bool, memory: int) -> DocumentError | None:
    """What is wrong with the document of a job in which the process ended, one with at most ``memory``
    octets; None if the document need not be at fault. ``is_last``: it was the last attempt."""
    if not isinstance(request, _READING) or not exit_status:
        return None
    crashed = -exit_status in _CRASHES
    # The system kills what takes too much memory; but others may kill once, too.
    if not crashed and not (is_last and isinstance(request, _BY_LIBRARIES)):
        return None
    if -exit_status == _OVER_TIME:
        limit = MOST_SECONDS[type(request)]
        return DocumentError(
            f"{_what(request)} takes more than {limit:g} s of processor time, the limit; save it again with "
            "less detail"
        )
    return DocumentError(
        f"{_what(request)} cannot be read: it takes more than {memory >> 20} MiB of memory, the limit, or "
        "crashes the program that reads it; save it again with less detail"
    )


def without_memory(request: Request, memory: int) -> ImageError:
    """The error of a job that was refused memory, in a process with at most ``memory`` octets."""
    limit = f"takes more than {memory >> 20} MiB of memory, the limit"
    if not isinstance(request, _READING):
        return StoreError(f"the page {limit}")
    return DocumentError(f"{_what(request)} {limit}; make it smaller, or save it with less detail")


def over_limit(request: Request, limit: float, used: float | None) -> ImageError:
    """The error of a job that took longer than ``limit`` seconds; ``used`` is its processor time, None if
    unknown."""
    # Half of the limit in processor time means that the document is too much for it; less, that something
    # else kept it waiting.
    computing = used is not None and used > min(limit, MOST_SECONDS.get(type(request), limit)) / 2
    if computing and isinstance(request, _READING):
        return DocumentError(
            f"{_what(request)} takes more than {limit:g} s, the limit; save it again with less detail"
        )
    took = f"the image job ({request.job}) took longer than {limit:g} s"
    if computing:
        return ImageWorkerError(f"{took}, computing")
    if request.job in _STORING:
        what = "check whether the disk is slow or the machine overloaded, and try again"
        return ImageWorkerError(f"{took}; {what}")
    if used is None:
        return ImageWorkerError(f"{took}; try again, on a machine with less load or with simpler pages")
    return ImageWorkerError(
        f"{took}, most of it waiting; check whether the disk is slow or the machine overloaded, and try again"
    )


def _what(request: Request) -> str:
    return f"page {request.number}" if isinstance(request, Encode | Draw) else "the document"
