"""The structures of faxdev.h and tapi.h, with Microsoft's field names. An empty string represents NULL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from t38fsp.faxdev.constants import LINEDEVSTATE_RINGING
from t38fsp.status import FaxStatus


def _octets(*strings: str) -> int:
    """Size of ``strings`` as UTF-16 with a NUL each; an empty one is a NULL pointer and takes nothing."""
    # Windows strings may hold lone surrogates, so measuring must not fail on them.
    return sum(len(text.encode("utf-16-le", "surrogatepass")) + 2 for text in strings if text)


@dataclass(slots=True, kw_only=True)
class FAX_SEND:
    """A fax to send. ``FileName`` is a document of any kind (``docs/api.md``).

    ``ReceiverNumber`` is a number or a SIP URI. ``CallerNumber`` becomes our TSI, cut to 20 characters.
    ``Branding`` requests the header line at the top of each page, which a route may request, too; it contains
    ``CallerName``. ``CallHandle`` is reserved. There is no cover page among these: Microsoft's service draws
    it into the document before it calls the provider, and so should a service that has covers.
    """

    FileName: str
    CallerName: str = ""
    CallerNumber: str = ""
    ReceiverName: str = ""
    ReceiverNumber: str
    Branding: bool = False
    CallHandle: int = 0


@dataclass(slots=True, kw_only=True)
class FAX_RECEIVE:
    """Where to store a received fax: the existing file ``FileName``.

    ``ReceiverNumber`` becomes our CSI. FaxDevReceive fills in the fields that were left empty.
    """

    FileName: str
    ReceiverName: str = ""
    ReceiverNumber: str = ""


@dataclass(frozen=True, slots=True)
class FAX_DEV_STATUS:
    """The status of an operation. ``PageCount`` counts from 1 and is 0 before the first page.

    ``CSI`` is the far end's identification: its CSI when sending, its TSI when receiving. ``CallerId`` and
    ``RoutingInfo`` (the called number) are those of an incoming call. ``ErrorCode`` is a Win32 error.
    """

    # Four DWORDs, three pointers, ErrorCode, and Reserved[3].
    SizeOfStruct: ClassVar[int] = 56
    """Octets on x64."""
    StatusId: FaxStatus
    StringId: int = 0
    PageCount: int = 0
    CSI: str = ""
    CallerId: str = ""
    RoutingInfo: str = ""
    ErrorCode: int = 0

    @property
    def SizeRequired(self) -> int:
        """Octets that the structure and its strings take on x64 (FaxStatusSizeRequired)."""
        return self.SizeOfStruct + _octets(self.CSI, self.CallerId, self.RoutingInfo)


@dataclass(frozen=True, slots=True)
class LINEMESSAGE:
    """Announces a call that waits on virtual device ``hDevice``."""

    # Two DWORDs and four DWORD_PTRs.
    SizeOfStruct: ClassVar[int] = 40
    """Octets on x64."""
    hDevice: int
    dwMessageID: int = 0
    dwCallbackInstance: int = 0
    dwParam1: int = LINEDEVSTATE_RINGING
    dwParam2: int = 0
    dwParam3: int = 0
