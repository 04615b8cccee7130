"""The last error of every thread, as kernel32 keeps it."""

from __future__ import annotations

import threading


class _LastError(threading.local):
    code = 0


_last_error = _LastError()


def GetLastError() -> int:
    """The Win32 error of the last FaxDev function that failed on this thread; success does not clear it."""
    return _last_error.code


def SetLastError(dwErrCode: int) -> None:
    """Set the error of this thread."""
    _last_error.code = dwErrCode
