"""The verdict on a job that came to nothing before its call began."""

from __future__ import annotations

from sip.errors import SipError, UnsupportedError
from sip.resolver import FamilyError, ResolveError
from t38fsp.call.verdict import Verdict, unsupported, verdict
from t38fsp.image.errors import DocumentError, ImageError
from t38fsp.jobs import EngineError
from t38fsp.status import FaxStatus


def of_error(error: Exception) -> Verdict | None:
    """None for what nobody expects: a fault of ours."""
    match error:
        case UnsupportedError():
            return unsupported(str(error))
        case DocumentError():
            status = FaxStatus.BAD_DOCUMENT
        case ImageError():
            status = FaxStatus.FATAL_ERROR
        case ResolveError(passing=True):
            # A name server that did not answer says nothing about the name.
            status = FaxStatus.LINE_UNAVAILABLE
        case FamilyError():
            why = "set the address where we listen first (--listen, or listen in the file)"
            return Verdict(FaxStatus.BAD_ADDRESS, str(error), why, final=True)
        case SipError():
            status = FaxStatus.BAD_ADDRESS
        case OSError() | EngineError():
            status = FaxStatus.LINE_UNAVAILABLE
        case _:
            return None
    return verdict(status, str(error))
