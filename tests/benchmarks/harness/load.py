"""What else the machine does, and how fast it is just now: told beside every figure."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

_WAKES = 200


@dataclass(frozen=True, slots=True)
class Load:
    """Load average of a minute; CPU seconds of ``python -c pass`` and with ``import asyncio``; how late 99 of
    100 sleeps of 1 ms ended, in seconds."""

    average: float
    nothing: float
    asyncio: float
    noise: float

    def __str__(self) -> str:
        return (
            f"load {self.average:.1f}; `python -c pass` {self.nothing:.3f} s of CPU, `import asyncio` "
            f"{self.asyncio:.3f} s; timers at most {1000 * self.noise:.1f} ms late (99 of 100)"
        )


def cpu_of(code: str) -> float:
    """CPU seconds of ``python -c CODE``, the less of two."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once(), once())


def load() -> Load:
    late = []
    for _ in range(_WAKES):
        due = time.monotonic() + 0.001
        time.sleep(0.001)
        late.append(time.monotonic() - due)
    return Load(
        os.getloadavg()[0], cpu_of("pass"), cpu_of("import asyncio"), sorted(late)[_WAKES * 99 // 100]
    )
