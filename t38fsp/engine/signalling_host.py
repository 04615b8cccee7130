"""The signalling process of several engine processes: ``python -m t38fsp.engine.signalling_host``.

It listens at the SIP address of the settings, and serves it to the engines at a Unix socket
(:mod:`sip.remote.server`). Its pipes are those of an engine process (:mod:`t38fsp.engine.host`); end of input
means that the program is gone.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass

from sip.ipc.codec import Codec
from sip.ipc.messages import Alive, Close, Logged, NotStarted, Start, Started
from sip.ipc.pipes import (
    PipeWriter,
    leave_signals_to_the_program,
    log_to_the_program,
    take_standard_streams,
)
from sip.remote.signalling import server_for
from sip.syntax.errors import SipError
from sip.values import Transport
from t38fsp.engine.commands import CommandPipe, heartbeat
from t38fsp.engine.sip_lines import signalling_for
from t38fsp.jobs import EngineSettings

_GOODBYE, _LONG_GOODBYE = 1.0, 5.0
"""Seconds for far ends and registrars to confirm the end of calls and registrations."""


@dataclass(frozen=True, slots=True)
class StartSignalling(Start):
    settings: EngineSettings
    socket: str
    """Path of the Unix socket, in its own temporary folder, which is removed at the end."""


Message = StartSignalling | Close | Started | NotStarted | Alive | Logged

CODEC: Codec[Message] = Codec(Message)


async def serve(descriptor: int, report: PipeWriter[Message]) -> None:
    """Serve until the program sends Close, or is gone."""
    commands = CommandPipe(descriptor, CODEC)
    start = await commands.get()
    if not isinstance(start, StartSignalling):
        return
    log_to_the_program(start, report)
    try:
        server = server_for(signalling_for(start.settings, start.socket))
        addresses = await server.start()
    except (SipError, ValueError) as error:
        report(NotStarted(str(error)))
        return
    command: Message | None = None
    try:
        tls = next((hop.address for hop in addresses if hop.transport is Transport.TLS), None)
        report(Started(addresses[0].address, tls))
        async with heartbeat(report, start.heartbeat):
            while not isinstance(command := await commands.get(), Close | None):
                pass
    finally:
        # The engines have ended their calls already, unless they died with the program.
        await server.close(_GOODBYE if isinstance(command, Close) else _LONG_GOODBYE)
        # The program removes it, too, unless it was killed.
        with suppress(OSError):
            os.rmdir(os.path.dirname(start.socket))


def main() -> None:
    leave_signals_to_the_program()
    commands, reports = take_standard_streams()
    report = PipeWriter(reports, CODEC)
    try:
        asyncio.run(serve(commands, report))
    finally:
        report.close()


if __name__ == "__main__":
    main()
