"""Microsoft's fax status codes (FS_*), and those after which a fax service sends the fax again."""

from __future__ import annotations

from enum import IntEnum


class FaxStatus(IntEnum):
    """Extended device status of a fax operation (FAX_DEV_STATUS.StatusId)."""

    INITIALIZING = 0x20000000
    DIALING = 0x20000001
    TRANSMITTING = 0x20000002
    RECEIVING = 0x20000004
    COMPLETED = 0x20000008
    HANDLED = 0x20000010
    LINE_UNAVAILABLE = 0x20000020
    BUSY = 0x20000040
    NO_ANSWER = 0x20000080
    BAD_ADDRESS = 0x20000100
    NO_DIAL_TONE = 0x20000200
    DISCONNECTED = 0x20000400
    FATAL_ERROR = 0x20000800
    NOT_FAX_CALL = 0x20001000
    CALL_DELAYED = 0x20002000
    CALL_BLACKLISTED = 0x20004000
    USER_ABORT = 0x20200000
    ANSWERED = 0x20800000
    # Outside the range of Microsoft's codes: the service must not take it for one that it sends again.
    BAD_DOCUMENT = 0x30000001
    """Ours: the document cannot be sent at all. Like any provider-defined code it is not retried."""

    def __str__(self) -> str:
        """The name without FS_; the number is ``int(status)``."""
        return self.name

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(self)

    @property
    def asks_to_resend(self) -> bool:
        """True for the codes after which a fax service sends the fax again (FaxDevSend, return value)."""
        return self in _RESENT


# As the documentation of FaxDevSend lists them. It does not distinguish a busy line from a number at
# which a person answers: NOT_FAX_CALL is sent again, too.
_RESENT = frozenset(
    {
        FaxStatus.LINE_UNAVAILABLE,
        FaxStatus.BUSY,
        FaxStatus.NO_ANSWER,
        FaxStatus.NO_DIAL_TONE,
        FaxStatus.DISCONNECTED,
        FaxStatus.FATAL_ERROR,
        FaxStatus.NOT_FAX_CALL,
    }
)
