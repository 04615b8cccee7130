"""Binding of the Unix socket of a signalling process."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from sip.syntax.errors import SipError, told


class SocketError(SipError):
    """Cannot listen at the Unix socket; the text names the path and the reason."""


def bind(path: str) -> socket.socket:
    """A Unix socket for our own user only. A socket left by a dead process is replaced.

    Raises SocketError.
    """
    with ExitStack() as undo:
        try:
            sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                sock.bind(path)
            except OSError as error:
                # The file outlives a process that was killed; only a connection shows whether one still
                # listens.
                if error.errno != errno.EADDRINUSE or _answers(path):
                    raise
                os.unlink(path)
                sock.bind(path)
            undo.callback(os.unlink, path)
            # No race: nothing can connect before listen().
            os.chmod(path, 0o600)
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    why = "another process listens there; choose another path"
                case errno.ENOENT:
                    why = "the folder does not exist; create it first"
                case _:
                    why = told(error)
            raise SocketError(f"cannot listen at the socket {path}: {why}") from error
        undo.pop_all()
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True
