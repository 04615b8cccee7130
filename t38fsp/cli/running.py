"""Running a command on an event loop, so that SIGINT and SIGTERM end its calls cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine

from t38fsp.cli.exits import Exit
from t38fsp.cli.report import fail
from t38fsp.jobs import EngineError


def run(command: Coroutine[object, object, Exit]) -> Exit:
    """Run until done; a signal cancels the command, which then ends its calls."""
    return asyncio.run(_run(command))


async def _run(command: Coroutine[object, object, Exit]) -> Exit:
    task = asyncio.ensure_future(command)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return Exit.CANCELLED
    except EngineError as error:
        raise fail(str(error), Exit.ERROR) from error
