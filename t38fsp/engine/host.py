"""The engine process: ``python -m t38fsp.engine.host [MODULE:ENGINE]``.

It reads commands from standard input and writes reports to standard output (:mod:`t38fsp.engine.wire`).
Anything else written to standard output goes to standard error. End of input means that the program is gone:
every call is ended and the process exits. Signals are ignored: the program handles them.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import cast

from sip.ipc.messages import Close, NotStarted, Started
from sip.ipc.pipes import (
    PipeWriter,
    leave_signals_to_the_program,
    log_to_the_program,
    take_standard_streams,
)
from t38fsp.engine.commands import CommandPipe, heartbeat
from t38fsp.engine.wire import (
    CODEC,
    Abort,
    Called,
    Closing,
    Command,
    Gone,
    JobHappened,
    Limited,
    ListeningAt,
    Message,
    Poll,
    Proceed,
    Receive,
    RefuseWaiting,
    Send,
    StartEngine,
)
from t38fsp.events import FaxEvent, Finished, RegistrationChanged
from t38fsp.jobs import Engine, EngineError, EngineSettings, Observer, WaitingCall

EngineFactory = Callable[
    [
        EngineSettings,
        Callable[[WaitingCall], None],
        Callable[[int], None],
        Callable[[RegistrationChanged], None],
        Callable[[int | None], None],
    ],
    Engine,
]

ENGINE = "t38fsp.engine.engine:FaxEngine"
CLOSE_LIMIT = 10.0
"""Seconds after the drain for an engine to end its calls; it needs three at most."""


def find(name: str) -> EngineFactory:
    """The factory that ``MODULE:ATTRIBUTE`` names."""
    module, _, attribute = name.partition(":")
    return cast(EngineFactory, getattr(importlib.import_module(module), attribute))


class Host:
    """Runs one engine for the program at the other end of the pipes."""

    def __init__(self, factory: EngineFactory, report: PipeWriter[Message]) -> None:
        self._factory = factory
        self._report = report
        self._jobs: set[int] = set()

    async def run(self, descriptor: int) -> None:
        """Serve the commands that arrive at ``descriptor`` until its end or Close."""
        self._commands = CommandPipe(descriptor, CODEC)
        start = await self._commands.get()
        if not isinstance(start, StartEngine):
            return
        log_to_the_program(start, self._report)
        engine = self._factory(
            start.settings,
            lambda call: self._report(Called(call)),
            lambda call: self._report(Gone(call)),
            self._report,
            lambda calls: self._report(Limited(calls)),
        )
        try:
            address = await engine.start()
        except EngineError as error:
            self._report(NotStarted(str(error)))
            return
        # Before Started, after which the program may ask for them.
        self._report(ListeningAt(tuple(engine.addresses)))
        self._report(Started(address))
        async with heartbeat(self._report, start.heartbeat):
            await self._serve(engine)

    async def _serve(self, engine: Engine) -> None:
        while True:
            command = await self._commands.get()
            if command is None or isinstance(command, Close):
                break
            self._obey(engine, cast(Command, command))

        if command is None:
            engine.forsake()
        # At once: the program tells by it a process that ends its calls from one that hangs.
        self._report(Closing())
        drain = command.drain if command is not None else 0.0
        # While calls drain, commands such as aborts must still be executed.
        serving = asyncio.create_task(self._drain(engine))
        try:
            # The engine has limits of its own; this one is for an engine that has lost count.
            async with asyncio.timeout(drain + CLOSE_LIMIT):
                await engine.close(drain)
        finally:
            serving.cancel()

    async def _drain(self, engine: Engine) -> None:
        while (command := await self._commands.get()) is not None:
            # An engine that closes ends new jobs at once.
            self._obey(engine, cast(Command, command))
        engine.forsake()
        for job in tuple(self._jobs):
            engine.abort(job)

    def _obey(self, engine: Engine, command: Command) -> None:
        match command:
            case Send(job, what):
                engine.send(job, what, self._observer(job))
            case Poll(job, what):
                engine.poll(job, what, self._observer(job))
            case Receive(job, what):
                engine.receive(job, what, self._observer(job))
            case Proceed(job, go_on):
                engine.proceed(job, go_on)
            case Abort(job):
                engine.abort(job)
            case RefuseWaiting(call, status):
                engine.refuse(call, status)
            case StartEngine() | Close():
                pass

    def _observer(self, job: int) -> Observer:
        self._jobs.add(job)

        def observe(event: FaxEvent) -> None:
            if isinstance(event, Finished):
                self._jobs.discard(job)
            self._report(JobHappened(job, event))

        return observe


def main(arguments: Sequence[str]) -> None:
    leave_signals_to_the_program()
    commands, reports = take_standard_streams()
    report = PipeWriter(reports, CODEC)
    try:
        asyncio.run(Host(find(arguments[0] if arguments else ENGINE), report).run(commands))
    finally:
        report.close()


if __name__ == "__main__":
    main(sys.argv[1:])
