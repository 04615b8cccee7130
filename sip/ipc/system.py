"""What a process asks the operating system: how many cores it may use, and which signals ask it to end."""

from __future__ import annotations

import os
import signal
import sys


def usable_cores() -> int:
    """The number of cores that this process may use, as set by its affinity."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ending_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM, and SIGHUP, which a closed terminal sends.

    A process started with ``nohup`` ignores SIGHUP, and continues to do so.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    hang_up: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        found.append(hang_up)
    return found
