"""Running a command: on an event loop, so that signals end its calls cleanly, and to one exit status."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType

from sip.ipc.system import ending_signals
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.log_output import begin_log
from t38fsp.cli.option_groups import LogOptions
from t38fsp.cli.output import drain, print_line
from t38fsp.cli.report import print_json
from t38fsp.jobs import EngineError

_GOODBYE = 3.0
"""Seconds that results may wait for their reader after a signal."""

_stopped = threading.Event()
"""Set when a signal has arrived."""


def finish(
    command: Callable[[], Exit],
    log: LogOptions,
    *,
    json_result: bool = False,
    to: str = "",
    documents: Sequence[Path] = (),
) -> SystemExit:
    """Run ``command``; raise what this returns.

    A CommandError is shown on standard error and, with ``json_result``, as the result on standard output: of
    a fax of ``documents`` to the number or URI ``to``, where the command has them.
    """
    # What the imports made lives as long as the process: the collector, off until here, need not visit it
    # again.
    gc.freeze()
    gc.enable()
    _stopped.clear()
    begin_log(log)
    began = datetime.now().astimezone()
    try:
        status = command()
    except CommandError as error:
        status = error.status
        print_line(f"t38fsp: {error}", sys.stderr)
        if json_result:
            print_json(error.result(to, documents, began), exit_status=status)
    _read_out()
    return SystemExit(status)


def _read_out() -> None:
    """Leave nothing unwritten: results wait for their reader, but not when the process is asked to end."""

    def stop(number: int, frame: FrameType | None) -> None:
        _stopped.set()

    # Ended by a signal: a reader that went away must not keep the process.
    if _stopped.is_set():
        drain(_GOODBYE)
    # The handlers of the command are gone with its loop; from here a signal gives up waiting for the
    # reader.
    elif not drain(0.0):
        for number in ending_signals():
            signal.signal(number, stop)
        drain(None, given_up=_stopped.is_set)


def stopped() -> None:
    """A signal ends the command: results do not wait for long any more."""
    _stopped.set()


def run(command: Coroutine[object, object, Exit]) -> Exit:
    """Run until done; signals cancel the command, which then ends its calls. Raises CommandError."""
    return asyncio.run(_run(command))


async def _run(command: Coroutine[object, object, Exit]) -> Exit:
    task = asyncio.ensure_future(command)

    def stop() -> None:
        stopped()
        # Once: ending the calls takes a few seconds, which an impatient second Ctrl-C must not cut short.
        if not task.cancelling():
            task.cancel()

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows has no signal handlers on its loops
        for number in ending_signals():
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        # Commands catch the cancellation themselves once they have a result to show.
        raise CommandError("cancelled before any call", Exit.CANCELLED) from None
    except EngineError as error:
        raise CommandError(str(error), Exit.ERROR) from error
