"""The process that PJSIP runs in: ``python -m sip.pjsua.worker [MODULE:ANSWERER]...``.

It reads commands from standard input and writes events to standard output (:mod:`sip.pjsua.wire`). End of
input ends every call and the process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from random import SystemRandom

import pjsua2 as pj

from sip.ipc.codec import Codec, WireError
from sip.ipc.messages import Alive, Close, NotStarted
from sip.ipc.pipes import (
    PipeWriter,
    leave_signals_to_the_program,
    log_to_the_program,
    read_messages,
    take_standard_streams,
)
from sip.logs import get_logger
from sip.pjsua.boundary import describe
from sip.pjsua.stack import Stack
from sip.pjsua.wire import Freed, Message, StackVerb, StartStack, codec
from sip.remote.wire import CallHappened, NotPlaced, RegistrationIs

_logger = get_logger(__name__)


def main(answerers: Sequence[str]) -> None:
    leave_signals_to_the_program()
    commands, reports = take_standard_streams()
    # PJSIP writes to standard output until its log level is set.
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    protocol = codec(answerers)
    report: PipeWriter[Message] = PipeWriter(reports, protocol)
    inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(commands, protocol, inbox), name="commands", daemon=True).start()
    start = inbox.get()
    if isinstance(start, StartStack):
        log_to_the_program(start, report)
        _run(start, inbox, report)
    report.close()
    # Skip the interpreter's shutdown: it would access memory that PJSIP has freed.
    os._exit(0)


def _run(start: StartStack, inbox: queue.SimpleQueue[Message | None], report: PipeWriter[Message]) -> None:
    stack = Stack(
        SystemRandom(),
        on_event=lambda event: report(CallHappened(event)),
        on_free=lambda call: report(Freed(call)),
        on_refused=lambda call, reason: report(NotPlaced(call, reason)),
        on_registration=lambda state: report(RegistrationIs(state)),
    )
    try:
        started = stack.start(start)
    except pj.Error as error:
        report(NotStarted(f"PJSIP cannot listen at {start.host}:{start.port}: {describe(error)}"))
        return
    report(started)
    beat = 0.0
    while _execute_commands(inbox, stack):
        stack.turn()
        if (now := time.monotonic()) >= beat:
            beat = now + start.heartbeat
            report(Alive())
    stack.close()


def _execute_commands(inbox: queue.SimpleQueue[Message | None], stack: Stack) -> bool:
    """Execute the queued commands; false if the worker has to end."""
    while not inbox.empty():
        message = inbox.get()
        if message is None or isinstance(message, Close):
            return False
        if isinstance(message, StackVerb):
            stack.carry_out(message)
    return True


def _read(descriptor: int, protocol: Codec[Message], inbox: queue.SimpleQueue[Message | None]) -> None:
    try:
        for message in read_messages(descriptor, protocol):
            inbox.put(message)
    except (OSError, WireError):
        _logger.exception("cannot read the program's commands; closing")
    inbox.put(None)


if __name__ == "__main__":
    main(sys.argv[1:])
