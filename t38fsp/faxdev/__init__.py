"""The functions of a Windows fax service provider (faxdev.h), with Microsoft's names and semantics.

A fax service calls :func:`configure`, FaxDevVirtualDeviceCreation and FaxDevInitialize once, then for every
fax FaxDevStartJob, FaxDevSend or FaxDevReceive, FaxDevReportStatus and FaxDevEndJob on a separate thread.
FaxDevSend and FaxDevReceive block until the call is over. The engine runs in a separate process. The
functions here belong to one provider; :class:`FaxServiceProvider` has the same as methods, for programs that
need several.

===============================  =============================================================================
in C                             here
===============================  =============================================================================
BOOL                             bool; FALSE sets GetLastError
HANDLE FaxHandle (PHANDLE)       int, returned by FaxDevStartJob; 0 when it failed. Never used again
PFAX_LINECALLBACK* (out)         returned by FaxDevInitialize; None when it failed
LPDWORD, LPWSTR (out)            the VirtualDevices tuple that FaxDevVirtualDeviceCreation returns
PFAX_DEV_STATUS (out)            returned by FaxDevReportStatus, frozen; None when it failed
NULL, 0 (size query)             FAX_DEV_STATUS.SizeRequired, in octets of the x64 structure
FaxStatusSize                    optional; if too small: None and ERROR_INSUFFICIENT_BUFFER
PFAX_RECEIVE (in/out)            a FAX_RECEIVE whose ReceiverNumber and ReceiverName are filled in
LPWSTR, NULL                     str, the empty string
SizeOfStruct, Reserved           SizeOfStruct is a class attribute where it is read; Reserved is left out
4096 octets after a structure    not needed: strings have their own memory
HeapHandle, LocalAlloc           not needed: a posted object belongs to its receiver
HLINEAPP, HLINE                  accepted and not used: a virtual device has no TAPI line
HCALL in FaxSendCallback         sip.values.DialogId: Call-ID, local tag, remote tag (as text: RFC 4538)
HCALL in FaxDevReceive           not used: the call waiting on the device is taken
I/O completion port, key         a CompletionPort, any hashable key; get() waits for a packet
GetLastError, SetLastError       the same, per thread
HRESULT                          int: S_OK, or E_FAIL, which is negative
the registry                     configure(FaxDevSettings(...)) before FaxDevInitialize
===============================  =============================================================================

Extensions to Microsoft's interface: configure, GetJobResult, FaxDevSettings.on_call_event (ringing,
established, switched to T.38, disconnected), and FS_BAD_DOCUMENT, the provider-defined status of a document
that cannot be sent at all. The interface has no polling; use :meth:`t38fsp.provider.FaxProvider.poll`.
"""

from t38fsp.faxdev.constants import (
    E_FAIL,
    ERROR_ACCESS_DENIED,
    ERROR_BAD_FORMAT,
    ERROR_BUSY,
    ERROR_CANCELLED,
    ERROR_CONNECTION_ABORTED,
    ERROR_FILE_EXISTS,
    ERROR_FILE_NOT_FOUND,
    ERROR_GEN_FAILURE,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    ERROR_NOT_READY,
    ERROR_NOT_SUPPORTED,
    ERROR_OPEN_FAILED,
    ERROR_TIMEOUT,
    ERROR_UNEXP_NET_ERR,
    FAXDEVREPORTSTATUS_SIZE,
    FS_ANSWERED,
    FS_BAD_ADDRESS,
    FS_BAD_DOCUMENT,
    FS_BUSY,
    FS_CALL_BLACKLISTED,
    FS_CALL_DELAYED,
    FS_COMPLETED,
    FS_DIALING,
    FS_DISCONNECTED,
    FS_FATAL_ERROR,
    FS_HANDLED,
    FS_INITIALIZING,
    FS_LINE_UNAVAILABLE,
    FS_NO_ANSWER,
    FS_NO_DIAL_TONE,
    FS_NOT_FAX_CALL,
    FS_RECEIVING,
    FS_TRANSMITTING,
    FS_USER_ABORT,
    IDS_BAD_DOCUMENT,
    LINE_DEVSPECIFIC,
    LINEDEVSTATE_RINGING,
    NO_ERROR,
    S_OK,
)
from t38fsp.faxdev.kernel32 import (
    CompletionPacket,
    CompletionPort,
    GetLastError,
    SetLastError,
)
from t38fsp.faxdev.provider import (
    PFAX_LINECALLBACK,
    PFAX_SEND_CALLBACK,
    FaxServiceProvider,
    VirtualDevices,
)
from t38fsp.faxdev.settings import (
    CallEvent,
    FaxDevSettings,
)
from t38fsp.faxdev.structures import (
    FAX_DEV_STATUS,
    FAX_RECEIVE,
    FAX_SEND,
    LINEMESSAGE,
)

__all__ = [
    "ERROR_ACCESS_DENIED",
    "ERROR_BAD_FORMAT",
    "ERROR_BUSY",
    "ERROR_CANCELLED",
    "ERROR_CONNECTION_ABORTED",
    "ERROR_FILE_EXISTS",
    "ERROR_FILE_NOT_FOUND",
    "ERROR_GEN_FAILURE",
    "ERROR_INSUFFICIENT_BUFFER",
    "ERROR_INVALID_HANDLE",
    "ERROR_INVALID_PARAMETER",
    "ERROR_NOT_READY",
    "ERROR_NOT_SUPPORTED",
    "ERROR_OPEN_FAILED",
    "ERROR_TIMEOUT",
    "ERROR_UNEXP_NET_ERR",
    "E_FAIL",
    "FAXDEVREPORTSTATUS_SIZE",
    "FAX_DEV_STATUS",
    "FAX_RECEIVE",
    "FAX_SEND",
    "FS_ANSWERED",
    "FS_BAD_ADDRESS",
    "FS_BAD_DOCUMENT",
    "FS_BUSY",
    "FS_CALL_BLACKLISTED",
    "FS_CALL_DELAYED",
    "FS_COMPLETED",
    "FS_DIALING",
    "FS_DISCONNECTED",
    "FS_FATAL_ERROR",
    "FS_HANDLED",
    "FS_INITIALIZING",
    "FS_LINE_UNAVAILABLE",
    "FS_NOT_FAX_CALL",
    "FS_NO_ANSWER",
    "FS_NO_DIAL_TONE",
    "FS_RECEIVING",
    "FS_TRANSMITTING",
    "FS_USER_ABORT",
    "IDS_BAD_DOCUMENT",
    "LINEDEVSTATE_RINGING",
    "LINEMESSAGE",
    "LINE_DEVSPECIFIC",
    "NO_ERROR",
    "PFAX_LINECALLBACK",
    "PFAX_SEND_CALLBACK",
    "S_OK",
    "CallEvent",
    "CompletionPacket",
    "CompletionPort",
    "FaxDevAbortOperation",
    "FaxDevEndJob",
    "FaxDevInitialize",
    "FaxDevReceive",
    "FaxDevReportStatus",
    "FaxDevSend",
    "FaxDevSettings",
    "FaxDevShutdown",
    "FaxDevStartJob",
    "FaxDevVirtualDeviceCreation",
    "FaxServiceProvider",
    "GetJobResult",
    "GetLastError",
    "SetLastError",
    "VirtualDevices",
    "configure",
]

_provider = FaxServiceProvider()

configure = _provider.configure
FaxDevVirtualDeviceCreation = _provider.FaxDevVirtualDeviceCreation
FaxDevInitialize = _provider.FaxDevInitialize
FaxDevStartJob = _provider.FaxDevStartJob
FaxDevSend = _provider.FaxDevSend
FaxDevReceive = _provider.FaxDevReceive
FaxDevReportStatus = _provider.FaxDevReportStatus
FaxDevAbortOperation = _provider.FaxDevAbortOperation
FaxDevEndJob = _provider.FaxDevEndJob
FaxDevShutdown = _provider.FaxDevShutdown
GetJobResult = _provider.GetJobResult
