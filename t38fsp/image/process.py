"""One worker process, spoken to over pipes from asyncio: started, proved, asked, killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from sip.logs import get_logger
from t38fsp.image.errors import ImageWorkerError
from t38fsp.image.wire import LENGTHS, Reply, Request, pack

logger = get_logger(__name__)

PATIENCE = 1.0
"""Seconds that a process which has nothing more to do gets to end."""

_START_LIMIT = 30.0
"""Seconds from the start of a process to its proof that it works; on an idle machine a quarter is enough."""

_MOST_LOGGED = 4096
"""Octets of what a process says that become one record of the log."""

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]

_INHERITED = (
    "PATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PYTHONUTF8",
    "SYSTEMROOT",
)
"""What an interpreter and its libraries may need of the environment. The rest, in which there may be
passwords, is not for a process that decodes what strangers wrote."""


def environment() -> dict[str, str]:
    """The whole environment of a worker process."""
    found = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
    found["PILLOW_BLOCKS_MAX"] = "64"
    return found


class WorkerProcess:
    """One process, started when it is needed, with at most ``memory`` octets of address space; ``niceness``
    is taken from its priority.
    """

    def __init__(self, memory: int, niceness: int = 0) -> None:
        self._memory = memory
        self._niceness = niceness
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[str] | None = None
        self._closed = False
        self._changing = asyncio.Lock()
        """Held while a process is made, or is taken away."""
        self._starting = asyncio.Lock()
        """Held until it has shown that it can work."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Have a process that has shown that it can work.

        Raises ImageWorkerError when there can be none, and after :meth:`close`.
        """
        await self._started()

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            process, is_new = await self._made()
            if is_new:
                await self._prove(process)
        return process

    async def _made(self) -> tuple[asyncio.subprocess.Process, bool]:
        async with self._changing:
            if self._closed:
                raise closed()
            if self._process is not None and self._process.returncode is None:
                return self._process, False
            try:
                self._process = process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    "t38fsp.image.worker",
                    str(self._memory),
                    str(self._niceness),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=environment(),
                )
            except OSError as error:
                raise _cannot_start(str(error)) from error
            self._listener = asyncio.create_task(_log(process))
        return process, True

    async def _prove(self, process: asyncio.subprocess.Process) -> None:
        """Limits of the system show here, once and with their reason, and not at each page."""
        try:
            async with asyncio.timeout(_START_LIMIT):
                reply, _ = await self._exchange(process, {"job": "prove"}, b"")
        except TimeoutError:
            await self.end()
            raise _cannot_start(f"it did not answer within {_START_LIMIT:g} s") from None
        except (OSError, EOFError) as error:
            listener = self._listener
            await self.end(PATIENCE)
            if self._closed:
                raise closed() from error
            said = listener.result() if listener is not None else ""
            raise _cannot_start(said or "it ended at once") from error
        except asyncio.CancelledError:
            await self.end()
            raise
        if self._closed:
            raise closed()
        if "error" in reply:
            await self.end(PATIENCE)
            raise _cannot_start(reply["message"])

    async def ask(self, request: Request, data: bytes) -> tuple[Reply, bytes]:
        """Have a job done. ``request`` afterwards says how far it came, for the case that it is asked again.

        Raises ImageWorkerError as :meth:`start` does, OSError or EOFError when the process is gone.
        """
        return await self._exchange(await self._started(), request, data)

    async def _exchange(
        self, process: asyncio.subprocess.Process, request: Request, data: bytes
    ) -> tuple[Reply, bytes]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pack(request, data))
        await process.stdin.drain()
        while True:
            header_length, data_length = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
            reply: Reply = json.loads(await process.stdout.readexactly(header_length))
            result = await process.stdout.readexactly(data_length)
            if "since" not in reply:
                return reply, result
            request["since"] = reply["since"]

    def cpu_seconds(self) -> float | None:
        """CPU time of the process so far; None where the system does not tell."""
        if self._process is None:
            return None
        with suppress(OSError, ValueError, IndexError, AttributeError):
            stat = Path(f"/proc/{self._process.pid}/stat").read_bytes()
            fields = stat.rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return None

    async def close(self) -> None:
        """End the process for good."""
        self._closed = True
        await self.end(PATIENCE)

    async def end(self, patience: float = 0.0) -> None:
        """Close its input, give it ``patience`` seconds to leave by itself, then kill it."""
        async with self._changing:
            process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.kill()
        await process.wait()
        if self._listener is not None:
            await self._listener


def closed() -> ImageWorkerError:
    return ImageWorkerError("the image workers are closed; no page can be processed any more")


def _cannot_start(why: str) -> ImageWorkerError:
    return ImageWorkerError(
        f"an image worker cannot start ({why}); look at the limits of this process "
        "(address space, open files, processes)"
    )


async def _log(process: asyncio.subprocess.Process) -> str:
    """A dying interpreter speaks on standard error, in lines of any length; returns its last words."""
    assert process.stderr is not None
    last = ""
    while octets := await process.stderr.read(_MOST_LOGGED):
        for line in octets.decode(errors="replace").splitlines():
            logger.debug("worker %d: %s", process.pid, line.rstrip())
            last = line.strip()[:200] or last
    return last
