"""A child process, driven from an event loop."""

from __future__ import annotations

import asyncio
import logging
import math
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from typing import Generic

from sip.ipc.child import Program, Supervision
from sip.ipc.codec import READ_OCTETS, Codec, MessageT, WireError

_MOST_LOGGED = 4096
"""Octets of what a child says on standard error that become one record of the log."""


class AsyncChild(Generic[MessageT]):
    """Runs from :meth:`start` on; what is written before waits.

    A child with a ``heartbeat`` has to answer Start within ``start_limit`` seconds, and to give a sign of
    life each ``heartbeat`` seconds from then on, or it is killed. With ``log`` its standard error goes there,
    otherwise where ours goes.
    """

    def __init__(
        self,
        program: Program,
        codec: Codec[MessageT],
        *,
        heartbeat: float = math.inf,
        start_limit: float = math.inf,
        log: logging.Logger | None = None,
    ) -> None:
        self.last_words = ""
        """The last line on its standard error, once it has ended."""
        self._program = program
        self._codec = codec
        self._supervision = Supervision(program.name, codec, heartbeat, start_limit)
        self._heartbeat = heartbeat
        self._log = log
        self._process: Process | None = None
        self._listener: asyncio.Task[str] | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._unwritten: list[MessageT] = []
        self._unread: Iterator[MessageT] = iter(())
        self._unwanted = False
        """It is to be killed as soon as it runs."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def death(self) -> str:
        """How it died, once :meth:`end` has returned."""
        assert self._process is not None
        assert self._process.returncode is not None
        return self._supervision.death(self._process.returncode)

    async def start(self) -> None:
        """Raises OSError; then, and on any other exception, there is no process."""
        self._process = await asyncio.create_subprocess_exec(
            *self._program.command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=None if self._log is None else PIPE,
            env=self._program.environment,
            # That spares it the terminal's Ctrl-C; uvloop knows no process groups.
            start_new_session=True,
        )
        try:
            if self._log is not None:
                self._listener = asyncio.create_task(log_errors(self._process, self._program.name, self._log))
            if self._unwanted:
                self.kill()
            elif self._heartbeat < math.inf:
                self._await_heartbeat()
            unwritten, self._unwritten = self._unwritten, []
            for message in unwritten:
                self.write(message)
        except BaseException:
            await self.end()
            raise

    def write(self, message: MessageT) -> None:
        """Write now, or once it runs; to one that has died it does nothing. Raises WireError."""
        if self._process is None:
            self._unwritten.append(message)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(self._codec.encode(message))

    async def drain(self) -> None:
        """Wait until the pipe takes more. Raises OSError when it is broken."""
        assert self._process is not None
        assert self._process.stdin is not None
        await self._process.stdin.drain()

    async def receive(self) -> MessageT | None:
        """The next message; None when there is none any more. A child that writes anything else is killed."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            while (message := next(self._unread, None)) is None:
                self._supervision.listening = True
                data = await self._process.stdout.read(READ_OCTETS)
                self._supervision.listening = False
                if not data:
                    self._stop_watching()
                    return None
                self._unread = self._supervision.read(data)
        except WireError:
            self.kill()
            return None
        return message

    def kill(self) -> None:
        """At once, or as soon as it runs."""
        self._unwanted = True
        self._stop_watching()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def end(self, patience: float = 0.0) -> None:
        """Close its input, give it ``patience`` seconds to leave by itself, then kill it.

        Returns when there is no process.
        """
        self._unwanted = True
        self._stop_watching()
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
        await self._process.wait()
        if self._listener is not None:
            self.last_words = await self._listener

    def _await_heartbeat(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(self._heartbeat, self._tick)

    def _tick(self) -> None:
        if self._supervision.tick():
            self.kill()
        else:
            self._await_heartbeat()

    def _stop_watching(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()


async def log_errors(process: Process, name: str, log: logging.Logger) -> str:
    """What it says on standard error, which may come in lines of any length. Returns its last words."""
    assert process.stderr is not None
    last = ""
    while octets := await process.stderr.read(_MOST_LOGGED):
        for line in octets.decode(errors="replace").splitlines():
            log.debug("%s %d: %s", name, process.pid, line.rstrip())
            last = line.strip()[:200] or last
    return last
