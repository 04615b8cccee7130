"""The verdict on a job that came to nothing before its call began."""

from __future__ import annotations

from dataclasses import replace

from sip.syntax.errors import SipError, UnsupportedError
from sip.transport.resolver import FamilyError, ResolveError
from t38fsp.call.verdict import Verdict, verdict
from t38fsp.engine.capacity import OverloadedError
from t38fsp.image.errors import DocumentChangedError, DocumentError, ImageError, StoreError
from t38fsp.jobs import EngineError
from t38fsp.outcome import Outcome


def of_error(error: Exception) -> Verdict | None:
    """None for what nobody expects: a fault of ours."""
    match error:
        case UnsupportedError():
            outcome = Outcome.MISCONFIGURED
        case DocumentChangedError():
            why = "the document may stay as it is the next time"
            return replace(verdict(Outcome.BAD_DOCUMENT, str(error)), retry=True, retry_reason=why)
        case DocumentError():
            outcome = Outcome.BAD_DOCUMENT
        case StoreError():
            outcome = Outcome.NOT_STORED
        case ImageError():
            outcome = Outcome.FAULT
        case ResolveError(transient=True):
            # A name server that did not answer says nothing about the name.
            outcome = Outcome.UNREACHABLE
        case FamilyError():
            why = "set listen to an address of that kind first"
            return verdict(Outcome.BAD_NUMBER, str(error), why)
        case SipError():
            outcome = Outcome.BAD_NUMBER
        case OverloadedError():
            outcome = Outcome.OVERLOADED
        case OSError() | EngineError():
            outcome = Outcome.UNAVAILABLE
        case _:
            return None
    return verdict(outcome, str(error))
