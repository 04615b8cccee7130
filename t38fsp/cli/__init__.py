"""The command line: ``t38fsp demo``, ``t38fsp send``, ``t38fsp receive``."""

import gc
import signal
import sys
from types import FrameType

from sip.ipc.system import ending_signals

_CANCELLED = 12
"""``Exit.CANCELLED``, whose module takes as long to import as the others."""


def main() -> None:
    """Entry point of ``t38fsp``.

    Signals end it quietly until a command takes them over: before that there is no call to end.
    """
    # The defaults are a traceback from the middle of an import (SIGINT) or death by the signal (SIGTERM,
    # SIGHUP), whose status a script cannot tell from a crash.
    for number in ending_signals():
        signal.signal(number, _leave)
    # What imports make stays: looking for garbage in it takes a twentieth of their time. ``running`` goes on.
    gc.disable()
    from t38fsp.cli.app import app

    app()


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(_CANCELLED)


__all__ = ["main"]
