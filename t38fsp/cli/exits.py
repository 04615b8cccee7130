"""Exit statuses of the command line, one for each way a fax can end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from t38fsp.image.errors import ImageError
from t38fsp.outcome import Outcome
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError, number_or_sip_uri
from t38fsp.status import FaxStatus


class Exit(IntEnum):
    """0 only when every page was confirmed."""

    COMPLETED = 0
    ERROR = 1
    """Something here failed: a port in use, a directory that cannot be written."""
    USAGE = 2
    BUSY = 3
    NO_ANSWER = 4
    BAD_NUMBER = 5
    NOT_A_FAX = 6
    PARTIAL = 7
    """Some pages were confirmed, not all."""
    DISCONNECTED = 8
    LINE_UNAVAILABLE = 9
    FAILED = 10
    BAD_DOCUMENT = 11
    CANCELLED = 12
    """Ended by SIGINT, SIGTERM or SIGHUP."""
    NO_T38 = 13
    """A fax machine was heard, but the call never switched to T.38."""


# All others are FAILED: among them FATAL_ERROR, which is also the code of every outcome that Microsoft
# has none for (t38fsp.outcome).
_BY_STATUS = {
    FaxStatus.COMPLETED: Exit.COMPLETED,
    FaxStatus.BUSY: Exit.BUSY,
    FaxStatus.NO_ANSWER: Exit.NO_ANSWER,
    FaxStatus.BAD_ADDRESS: Exit.BAD_NUMBER,
    FaxStatus.CALL_BLACKLISTED: Exit.BAD_NUMBER,
    FaxStatus.NOT_FAX_CALL: Exit.NOT_A_FAX,
    FaxStatus.DISCONNECTED: Exit.DISCONNECTED,
    FaxStatus.LINE_UNAVAILABLE: Exit.LINE_UNAVAILABLE,
    FaxStatus.BAD_DOCUMENT: Exit.BAD_DOCUMENT,
    FaxStatus.USER_ABORT: Exit.CANCELLED,
}

_STATUS_OF = {
    Exit.BAD_NUMBER: FaxStatus.BAD_ADDRESS,
    Exit.LINE_UNAVAILABLE: FaxStatus.LINE_UNAVAILABLE,
    Exit.BAD_DOCUMENT: FaxStatus.BAD_DOCUMENT,
    Exit.CANCELLED: FaxStatus.USER_ABORT,
}


def exit_for(result: FaxResult) -> Exit:
    """The exit status for ``result``."""
    return exit_of(result.outcome, result.pages_confirmed)


def exit_of(outcome: Outcome, confirmed: int) -> Exit:
    """The exit status for a fax that ended so, with this number of pages confirmed."""
    # Looked at before the status, which is NOT_FAX_CALL: a script that gets 13 can try another switch or
    # audio, while 6 means that no fax machine answered.
    if outcome is Outcome.NO_T38:
        return Exit.NO_T38
    status = _BY_STATUS.get(outcome.status, Exit.FAILED)
    # Of a received fax that broke off it is not known how many pages were to follow, but some were.
    if status in (Exit.DISCONNECTED, Exit.FAILED) and confirmed:
        return Exit.PARTIAL
    return status


def exit_of_all(exits: Sequence[Exit], *, stopped: bool = False) -> Exit:
    """The exit status for several faxes, in their order.

    Being ``stopped`` is how taking calls ends; then only a call that this cut off is a failure.
    """
    if stopped:
        return Exit.CANCELLED if Exit.CANCELLED in exits else Exit.COMPLETED
    # The first failure, as a status can tell of only one.
    return next((status for status in exits if status is not Exit.COMPLETED), Exit.COMPLETED)


class CommandError(Exception):
    """The command ends before any call; the message is one sentence: what is wrong, then what to do."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message)
        self.status = status

    @classmethod
    def unwritable(cls, directory: Path, error: OSError | ImageError) -> CommandError:
        """``directory`` cannot take a file."""
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileExistsError):
            reason = "it is a file"
        return cls(
            f"no file can be made in {directory} ({reason}); name another directory with --output", Exit.ERROR
        )

    def result(self, to: str, documents: Sequence[Path], began: datetime) -> FaxResult:
        """The same for programs: of a fax of ``documents`` to the number or URI ``to``, if there are any.

        ``began`` has a time zone.
        """
        return FaxResult(
            _STATUS_OF.get(self.status, FaxStatus.FATAL_ERROR),
            str(self),
            retry_reason="nothing was sent; correct the command first",
            number=_number(to),
            documents=tuple(map(str, documents)),
            began=began.isoformat(timespec="seconds"),
            ended=datetime.now().astimezone().isoformat(timespec="seconds"),
        )


def _number(to: str) -> str:
    """As the result of a call has it; what cannot be called is shown as it was given."""
    # A result has the number alone, without the SIP URI that was made of it: so does the result of a
    # command that failed before.
    try:
        dialled = number_or_sip_uri(to)
    except AddressError:
        return to
    return dialled if isinstance(dialled, str) else dialled.user or str(dialled)
