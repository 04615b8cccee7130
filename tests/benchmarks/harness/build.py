"""The C programs under ``tests/benchmarks/c``: compiled when used, and anew when a source has changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.peers.programs import find

SOURCES = Path(__file__).parents[1] / "c"
BUILT = SOURCES / "built"
_LIBRARIES = ("-lspandsp", "-ltiff", "-lm")
_LIMIT = 120.0


def program(name: str) -> Path:
    """The path of the program of ``c/NAME.c``. Raises PeerMissingError without gcc, RuntimeError with what
    the compiler says."""
    compiler = find("gcc", "gcc")
    source, target = SOURCES / f"{name}.c", BUILT / name
    newest = max(path.stat().st_mtime for path in (source, *SOURCES.glob("*.h")))
    if target.exists() and target.stat().st_mtime >= newest:
        return target
    BUILT.mkdir(exist_ok=True)
    # Several processes may compile at the same time; the last one wins, whole.
    made = BUILT / f"{name}.{os.getpid()}"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(made), str(source), *_LIBRARIES]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT)
    if compiled.returncode != 0:
        raise RuntimeError(
            f"{source.name} does not compile (.ci/peers installs libspandsp-dev): {compiled.stderr[:2000]}"
        )
    made.replace(target)
    return target
