"""Runs the command of an inbox: without a shell, for a limited time, its output logged to a limit."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sip.logs import get_logger
from t38fsp.received.wire import Delivered

logger = get_logger(__name__)

_GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL, and for output that comes when the command itself has ended."""
_MOST_OUTPUT = 16 * 1024
"""Octets that are logged."""
_MOST_LINES = 200
_MOST_SHOWN = 200
"""Characters of its last line in the error."""
_READ = 4096
_NICENESS = 10


class FailedCommandError(Exception):
    """The command did not do its work; the message is one clause: what happened to it."""


async def run(command: Sequence[str], variables: Mapping[str, str], seconds: float) -> None:
    """Run ``command`` to its end, with ``variables`` beside our own environment, no input, and in a session
    of its own. What it prints is logged with level INFO.

    Raises FailedCommandError if it cannot be run, has an exit status other than 0, or takes longer than
    ``seconds``. Then, and when this is cancelled, it is killed with all that it started in its session.
    """
    # One pipe for both streams, so that their lines stay in order.
    reading, writing = os.pipe()
    try:
        # Without a shell: what callers choose (names, numbers) reaches the command in its environment
        # only.
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env={**_without_facts(os.environ), **variables},
            start_new_session=True,
        )
    # ValueError: a word of the command has a NUL.
    except (OSError, ValueError) as error:
        os.close(reading)
        raise FailedCommandError(f"cannot be run: {getattr(error, 'strerror', None) or error}") from error
    finally:
        # The copy of this process in any case: while it is open, the reader finds no end.
        os.close(writing)
    # It gives way to calls, also where a service manager has put those before other work.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    output = asyncio.create_task(_log(reading, os.path.basename(command[0])))
    try:
        async with asyncio.timeout(seconds):
            status = await process.wait()
    except TimeoutError:
        await _end(process)
        raise FailedCommandError(f"took more than {seconds:g} s and was killed") from None
    except BaseException:
        await _end(process, grace=0.0)
        raise
    finally:
        # A program that it left running may keep the pipe open.
        await asyncio.wait([output], timeout=_GRACE)
        output.cancel()
    if status:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        heard = output.done() and not output.cancelled() and output.exception() is None
        last = output.result() if heard else ""
        raise FailedCommandError(f"{how}; the last line that it printed is {last!r}" if last else how)


def file_variables(delivered: Delivered) -> dict[str, str]:
    """Whole paths: the command may change its directory. Empty for a file that does not exist."""
    named = {
        "FAX_FILE": delivered.tiff or delivered.pdf,
        "FAX_TIFF": delivered.tiff,
        "FAX_PDF": delivered.pdf,
        "FAX_SIDECAR": delivered.sidecar,
    }
    return {name: path and os.path.abspath(path) for name, path in named.items()}


def _without_facts(environment: Mapping[str, str]) -> dict[str, str]:
    """The facts of another fax may be in our own environment, if a command started us."""
    return {name: value for name, value in environment.items() if not name.startswith("FAX_")}


async def _end(process: asyncio.subprocess.Process, grace: float = _GRACE) -> None:
    if grace:
        _signal(process, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await process.wait()
    # Also where it has ended: what it started may go on in its process group.
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # kill(2) has EPERM where all that is left in the group runs as another user.
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


async def _log(descriptor: int, name: str) -> str:
    """Log lines up to the limit, and read on, so that the command never waits for us.

    Returns the beginning of the last line that was logged.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_READ)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    try:
        rest, octets, lines, last = b"", 0, 0, ""
        while data := await reader.read(_READ):
            octets += len(data)
            # Beyond the limit lines are dropped unread, but the pipe is still emptied.
            *whole, rest = (rest + data).split(b"\n") if octets <= _MOST_OUTPUT else (b"",)
            for line in whole[: max(0, _MOST_LINES - lines)]:
                last = line.decode(errors="replace")
                logger.info("%s: %s", name, last)
            lines += len(whole)
        if rest:
            last = rest.decode(errors="replace")
            logger.info("%s: %s", name, last)
        if octets > _MOST_OUTPUT or lines > _MOST_LINES:
            logger.info("%s: output of %d octets was cut short", name, octets)
        return last.strip()[:_MOST_SHOWN]
    finally:
        transport.close()
