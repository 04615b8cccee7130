"""The signalling process of several engine processes, on the program's side."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace

from sip.ipc.messages import Close
from sip.ipc.threaded_child import Death
from sip.logs import get_logger
from t38fsp.engine.process import EngineProgram, cannot_start, log_level, restart
from t38fsp.engine.signalling_host import CODEC, Message, StartSignalling
from t38fsp.jobs import EngineError, EngineSettings

_logger = get_logger(__name__)

_NAME = "signalling process"
_CLOSE_LIMIT = 10.0
"""Seconds for it to exit: it unregisters, and hangs up calls of engines that died."""


class SignallingProcess:
    """Runs from :meth:`start` to :meth:`close`; after its death it is restarted at the same address.

    ``path`` is its Unix socket for engines, in a folder for our user only.
    """

    def __init__(self, settings: EngineSettings, heartbeat: float, restart_pause: float) -> None:
        self._settings = settings
        self._heartbeat = heartbeat
        self._restart_pause = restart_pause
        self._folder: str | None = None
        self._program: EngineProgram[Message] | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._wanted = False
        """One that dies is to be replaced."""

    @property
    def path(self) -> str:
        assert self._folder is not None
        return os.path.join(self._folder, "line.sock")

    @property
    def pid(self) -> int | None:
        """Its process id, None while it does not run."""
        program = self._program
        return program.pid if program is not None and program.alive else None

    def start(self) -> bool:
        """Start it; false if it already runs. Raises EngineError."""
        with self._starting:
            if self._closed:
                raise EngineError("the engine is closed; create another")
            if self._program is not None and self._program.alive:
                return False
            try:
                self._start()
            except OSError as error:
                raise cannot_start(_NAME, error) from error
            return True

    def kill(self) -> None:
        """End a process that is of no use, as no engine has started; it may be started again."""
        with self._starting:
            self._wanted = False
            program, self._program = self._program, None
        if program is not None:
            program.kill()
        self._remove_folder()

    def _start(self) -> None:
        self._wanted = True
        first = self._folder is None
        if first:
            # Only its owner can enter such a folder, so no other user can reach the socket.
            self._folder = tempfile.mkdtemp(prefix="t38fsp-")
        with ExitStack() as undo:
            if first:
                undo.callback(self._remove_folder)
            program: EngineProgram[Message] = EngineProgram(
                _NAME,
                "t38fsp.engine.signalling_host",
                (),
                CODEC,
                StartSignalling(log_level(), self._heartbeat, self._settings, self.path),
                lambda message: None,
                self._died,
                self._heartbeat,
            )
            undo.callback(program.kill)
            answer = program.wait_until_started()
            undo.pop_all()
        self._program = program
        # A restart must use the ports that the kernel chose for the first start.
        self._settings = replace(
            self._settings,
            listen=answer.address,
            tls_listen=None if self._settings.tls_listen is None else answer.tls_address,
        )

    def close(self) -> bool:
        """End every call and the process; false if it had to be killed."""
        with self._starting:
            self._closed, self._wanted = True, False
            program, self._program = self._program, None
        in_order = True
        if program is not None:
            program.write(Close())
            in_order = program.end(_CLOSE_LIMIT)
        self._remove_folder()
        return in_order

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _died(self, death: Death, lived: float | None) -> None:
        # One that died before it listened is reported by the start that waits for it.
        if not self._wanted or lived is None:
            return
        _logger.error("%s, and the calls of all engines are lost; it is started again", death.reason)
        restart(self.start, lambda: self._wanted, lived, self._restart_pause)
