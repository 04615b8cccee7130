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
"""Octets of a child's standard error read at once; bounds the length of a log record."""


class AsyncChild(Generic[MessageT]):
    """Runs after :meth:`start`; messages written before are queued.

    A child with a ``heartbeat`` must respond to Start within ``start_limit`` seconds, and then write
    something every ``heartbeat`` seconds, or it is killed. With ``log`` its standard error is logged there;
    otherwise it is ours.
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
        self.last_line = ""
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
        """Kill it as soon as it runs."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return None if self._process is None else self._process.returncode

    @property
    def death(self) -> str:
        """How the child died; available after :meth:`end` has returned."""
        assert self._process is not None
        assert self._process.returncode is not None
        return self._supervision.death(self._process.returncode)

    async def start(self) -> None:
        """Start the process. Raises OSError; after any exception there is no process."""
        self._process = await asyncio.create_subprocess_exec(
            *self._program.command,
            stdin=PIPE,
            stdout=PIPE,
            # A pipe that is not read fills up and stops the child: so only with a listener.
            stderr=None if self._log is None else PIPE,
            env=self._program.environment,
            # Keeps the terminal's Ctrl-C from it; uvloop does not support process_group.
            start_new_session=True,
        )
        try:
            if self._log is not None:
                self._listener = asyncio.create_task(log_errors(self._process, self._program.name, self._log))
            # ``kill`` or ``end`` may have been called while the process was being created.
            if self._unwanted:
                self.kill()
            elif self._heartbeat < math.inf:
                self._await_heartbeat()
            unwritten, self._unwritten = self._unwritten, []
            for message in unwritten:
                self.write(message)
        # A cancelled start as well must not leave a process that belongs to none.
        except BaseException:
            await self.end()
            raise

    def write(self, message: MessageT) -> None:
        """Write now, or once the child runs; no-op if it has died. Raises WireError."""
        if self._process is None:
            self._unwritten.append(message)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(self._codec.encode(message))

    async def drain(self) -> None:
        """Wait until the pipe accepts more. Raises OSError when it is broken."""
        assert self._process is not None
        assert self._process.stdin is not None
        await self._process.stdin.drain()

    async def receive(self) -> MessageT | None:
        """The next message; None at the end of output. A child that writes an invalid message is killed."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            # ``read`` yields lazily: messages after the first one wait here for the next call.
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
        """Kill the child now, or as soon as it runs."""
        self._unwanted = True
        self._stop_watching()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def end(self, patience: float = 0.0) -> None:
        """Close its input, wait ``patience`` seconds for it to exit, then kill it.

        Returns when the process has ended.
        """
        self._unwanted = True
        self._stop_watching()
        if self._process is None:
            return
        assert self._process.stdin is not None
        # End of input is the sign to end; a child that does not heed it is killed below.
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
            self.last_line = await self._listener

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
    """Log the standard error of a process, whose lines may be of any length. Returns the last line."""
    assert process.stderr is not None
    last = ""
    while octets := await process.stderr.read(_MOST_LOGGED):
        for line in octets.decode(errors="replace").splitlines():
            log.debug("%s %d: %s", name, process.pid, line.rstrip())
            last = line.strip()[:200] or last
    return last
