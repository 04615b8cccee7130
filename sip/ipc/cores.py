"""How many processes can compute at the same time."""

from __future__ import annotations

import os
import sys


def usable_cores() -> int:
    """The cores that we may use, which may be fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
