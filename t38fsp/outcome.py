"""The outcome of a fax, finer than Microsoft's codes: one name for each case with a different remedy."""

from __future__ import annotations

from enum import Enum

from t38fsp.status import FaxStatus


class Outcome(Enum):
    """How a fax operation ended. Each outcome maps to one FS code, :attr:`status`.

    Whether sending again can help is in the result (``retry``), since it may depend on more than the outcome.
    """

    COMPLETED = "every page was confirmed"
    BUSY = "the far end is busy"
    NO_ANSWER = "the call was not answered, or the far end cannot be reached at the moment"
    NO_RESPONSE = "the SIP peer never responded"
    UNREACHABLE = "the SIP peer cannot be reached"
    UNAVAILABLE = "the trunk, the network or this machine cannot take the call at the moment"
    NO_LINE = "no line of this engine or channel of the route is free, so no call was placed"
    OVERLOADED = "this engine is overloaded and cannot handle the call at the moment"
    BAD_NUMBER = "the number or address is wrong"
    BARRED = "the network bars calls to this number"
    DECLINED = "the far end, or a filter in front of it, rejected the call"
    FORBIDDEN = "the peer forbids the call: the account, the caller ID or the credit"
    CREDENTIALS = "the peer requires a valid user name and password"
    NOT_CARRIED = "the peer or the network does not carry calls of this kind"
    REFUSED = "the peer refused the call for another reason"
    MISCONFIGURED = "the settings do not allow such a call"
    NO_FAX = "the call was answered, but not by a fax machine"
    NO_T38 = "a fax machine was heard, but the call never switched to T.38"
    NO_PACKETS = "the call switched to T.38, but no packet arrived"
    WRONG_PACKETS = "the call switched to T.38, but what arrived was not T.38"
    DISCONNECTED = "the call was cut off"
    FAILED = "the fax session (T.30) did not complete; t30_error names the step"
    NOT_STORED = "a received page could not be stored locally"
    FAULT = "a local error, not one of the far end"
    BAD_DOCUMENT = "the document cannot be sent as it is"
    ENCRYPTED = "the document is encrypted, and its password is missing or wrong"
    CANCELLED = "the fax was cancelled locally"

    @property
    def status(self) -> FaxStatus:
        """The FS code; FATAL_ERROR for an outcome that Microsoft has no code for."""
        return _STATUS.get(self, FaxStatus.FATAL_ERROR)

    @classmethod
    def of(cls, status: FaxStatus) -> Outcome:
        """The most general outcome with this FS code."""
        return _PLAINEST.get(status, cls.FAILED)


_STATUS = {
    Outcome.COMPLETED: FaxStatus.COMPLETED,
    Outcome.BUSY: FaxStatus.BUSY,
    Outcome.NO_ANSWER: FaxStatus.NO_ANSWER,
    Outcome.NO_RESPONSE: FaxStatus.NO_ANSWER,
    Outcome.UNAVAILABLE: FaxStatus.LINE_UNAVAILABLE,
    Outcome.UNREACHABLE: FaxStatus.LINE_UNAVAILABLE,
    Outcome.NO_LINE: FaxStatus.LINE_UNAVAILABLE,
    Outcome.OVERLOADED: FaxStatus.LINE_UNAVAILABLE,
    Outcome.FORBIDDEN: FaxStatus.LINE_UNAVAILABLE,
    Outcome.CREDENTIALS: FaxStatus.LINE_UNAVAILABLE,
    Outcome.BAD_NUMBER: FaxStatus.BAD_ADDRESS,
    Outcome.BARRED: FaxStatus.CALL_BLACKLISTED,
    Outcome.NO_FAX: FaxStatus.NOT_FAX_CALL,
    Outcome.NO_T38: FaxStatus.NOT_FAX_CALL,
    Outcome.DISCONNECTED: FaxStatus.DISCONNECTED,
    Outcome.BAD_DOCUMENT: FaxStatus.BAD_DOCUMENT,
    Outcome.ENCRYPTED: FaxStatus.BAD_DOCUMENT,
    Outcome.CANCELLED: FaxStatus.USER_ABORT,
}
# Reversed, so that the first outcome of each status in the table above is the one that is kept.
_PLAINEST = {status: outcome for outcome, status in reversed(_STATUS.items())}
