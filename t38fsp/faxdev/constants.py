"""Names and values of faxdev.h, tapi.h and winerror.h that the FaxDev functions use."""

from __future__ import annotations

from typing import Final

from t38fsp.status import FaxStatus

FS_INITIALIZING: Final = FaxStatus.INITIALIZING
FS_DIALING: Final = FaxStatus.DIALING
FS_TRANSMITTING: Final = FaxStatus.TRANSMITTING
FS_RECEIVING: Final = FaxStatus.RECEIVING
FS_COMPLETED: Final = FaxStatus.COMPLETED
FS_HANDLED: Final = FaxStatus.HANDLED
FS_LINE_UNAVAILABLE: Final = FaxStatus.LINE_UNAVAILABLE
FS_BUSY: Final = FaxStatus.BUSY
FS_NO_ANSWER: Final = FaxStatus.NO_ANSWER
FS_BAD_ADDRESS: Final = FaxStatus.BAD_ADDRESS
FS_NO_DIAL_TONE: Final = FaxStatus.NO_DIAL_TONE
FS_DISCONNECTED: Final = FaxStatus.DISCONNECTED
FS_FATAL_ERROR: Final = FaxStatus.FATAL_ERROR
FS_NOT_FAX_CALL: Final = FaxStatus.NOT_FAX_CALL
FS_CALL_DELAYED: Final = FaxStatus.CALL_DELAYED
FS_CALL_BLACKLISTED: Final = FaxStatus.CALL_BLACKLISTED
FS_USER_ABORT: Final = FaxStatus.USER_ABORT
FS_ANSWERED: Final = FaxStatus.ANSWERED
FS_BAD_DOCUMENT: Final = FaxStatus.BAD_DOCUMENT
"""Ours, not in faxdev.h: the document cannot be sent at all."""

IDS_BAD_DOCUMENT: Final = 1
"""StringId of FS_BAD_DOCUMENT: a provider-defined status must have one."""

FAXDEVREPORTSTATUS_SIZE: Final = 4096
"""Octets for strings that the service allocates after a FAX_DEV_STATUS."""

LINE_DEVSPECIFIC: Final = 4
LINEDEVSTATE_RINGING: Final = 2

S_OK: Final = 0
E_FAIL: Final = 0x80004005 - (1 << 32)
"""An HRESULT is a signed long."""

NO_ERROR: Final = 0
ERROR_FILE_NOT_FOUND: Final = 2
ERROR_ACCESS_DENIED: Final = 5
ERROR_INVALID_HANDLE: Final = 6
ERROR_BAD_FORMAT: Final = 11
ERROR_NOT_READY: Final = 21
ERROR_GEN_FAILURE: Final = 31
ERROR_NOT_SUPPORTED: Final = 50
ERROR_UNEXP_NET_ERR: Final = 59
ERROR_FILE_EXISTS: Final = 80
ERROR_INVALID_PARAMETER: Final = 87
ERROR_OPEN_FAILED: Final = 110
ERROR_INSUFFICIENT_BUFFER: Final = 122
ERROR_BUSY: Final = 170
ERROR_CANCELLED: Final = 1223
ERROR_CONNECTION_ABORTED: Final = 1236
ERROR_TIMEOUT: Final = 1460

ERROR_OF_STATUS: Final = {
    FaxStatus.LINE_UNAVAILABLE: ERROR_NOT_READY,
    FaxStatus.BUSY: ERROR_BUSY,
    FaxStatus.NO_ANSWER: ERROR_TIMEOUT,
    FaxStatus.BAD_ADDRESS: ERROR_INVALID_PARAMETER,
    FaxStatus.NO_DIAL_TONE: ERROR_NOT_READY,
    FaxStatus.DISCONNECTED: ERROR_CONNECTION_ABORTED,
    FaxStatus.FATAL_ERROR: ERROR_GEN_FAILURE,
    FaxStatus.NOT_FAX_CALL: ERROR_UNEXP_NET_ERR,
    FaxStatus.CALL_BLACKLISTED: ERROR_ACCESS_DENIED,
    FaxStatus.USER_ABORT: ERROR_CANCELLED,
    FaxStatus.BAD_DOCUMENT: ERROR_BAD_FORMAT,
}
"""The Win32 error that goes with a failing status; the status, not the error, decides about resending."""
