"""Running a command: on an event loop, so that signals end its calls cleanly, and to one exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.report import print_json, print_line
from t38fsp.jobs import EngineError


def finish(command: Callable[[], Exit], *, json_result: bool = False) -> SystemExit:
    """Run ``command``; raise what this returns.

    A CommandError is told on standard error and, with ``json_result``, as the result on standard output.
    """
    try:
        return SystemExit(command())
    except CommandError as error:
        print_line(f"t38fsp: {error}", sys.stderr)
        if json_result:
            print_json(error.result(), exit_status=error.status)
        return SystemExit(error.status)


def run(command: Coroutine[object, object, Exit]) -> Exit:
    """Run until done; SIGINT and SIGTERM cancel the command, which then ends its calls.

    Raises CommandError.
    """
    return asyncio.run(_run(command))


async def _run(command: Coroutine[object, object, Exit]) -> Exit:
    task = asyncio.ensure_future(command)

    def stop() -> None:
        # Once: ending the calls takes a few seconds, which an impatient second Ctrl-C must not cut short.
        if not task.cancelling():
            task.cancel()

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows has no signal handlers on its loops
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise CommandError("cancelled before any call", Exit.CANCELLED) from None
    except EngineError as error:
        raise CommandError(str(error), Exit.ERROR) from error
