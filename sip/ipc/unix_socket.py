"""The Unix socket that a signalling process listens at."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from sip.syntax.errors import SipError, told


class SocketError(SipError):
    """The Unix socket cannot be had; the text names it and says why."""


def bind(path: str) -> socket.socket:
    """A Unix socket for our own user alone. One that a dead process left behind is replaced.

    Raises SocketError.
    """
    with ExitStack() as undo:
        try:
            sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                sock.bind(path)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or _answers(path):
                    raise
                os.unlink(path)
                sock.bind(path)
            undo.callback(os.unlink, path)
            # Nobody can connect before it listens.
            os.chmod(path, 0o600)
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    why = "another process serves it; choose another path"
                case errno.ENOENT:
                    why = "there is no such folder; make it first"
                case _:
                    why = told(error)
            raise SocketError(f"the socket {path} cannot be had: {why}") from error
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
