"""Every error of the API is a problem document (RFC 9457), also those of the framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from sip.logs import get_logger
from t38fsp.errors import FaxError, SettingError
from t38fsp.service.database import DatabaseError, UnstorableError
from t38fsp.service.errors import IdempotencyError, LimitError, NotFoundError, PermitError, StateError
from t38fsp.service.guard import GuardError
from t38fsp.service.submission import SubmissionError

logger = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_BASE = "urn:t38fsp:problem:"
# A body may have thousands of receivers, each with a fault.
_MOST_FAULTS = 100
_RETRY_DATABASE = 5


class FieldFault(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Name of the field, such as `receivers[2].to`; empty for the whole.")
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="`about:blank`, or a URN that tells problems of one status apart.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, then what to do.")
    errors: list[FieldFault] = Field(default_factory=list, description="Faults by field, at most 100.")


class ProblemError(Exception):
    """Answer the request with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        kind: str = "",
        faults: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.faults = faults
        self.headers = headers

    def response(self) -> Response:
        # With about:blank the title should be the phrase of the status (RFC 9457 4.2.1).
        title = HTTPStatus(self.status).phrase
        faults = [FieldFault(field=name, message=message) for name, message in self.faults[:_MOST_FAULTS]]
        kind = f"{_BASE}{self.kind}" if self.kind else "about:blank"
        problem = Problem(type=kind, title=title, status=self.status, detail=self.detail, errors=faults)
        return JSONResponse(problem.model_dump(), self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> ProblemError:
    """What an error says to a client. What is ours alone is logged, and not told."""
    match error:
        case ProblemError():
            return error
        case SubmissionError():
            return ProblemError(422, "the fax is not accepted as it is; see errors", "invalid", error.faults)
        case NotFoundError():
            return ProblemError(404, str(error), "not-found")
        case StateError():
            return ProblemError(409, str(error), "state")
        # What the draft of the Idempotency-Key header has for it.
        case IdempotencyError():
            return ProblemError(422, str(error), "idempotency")
        case PermitError():
            return ProblemError(403, str(error), "permit")
        case LimitError():
            return limited(str(error), error.retry_after)
        case GuardError() | SettingError():
            return ProblemError(422, str(error), "invalid")
        case UnstorableError():
            return ProblemError(422, "a text has a character that cannot be stored, such as NUL", "invalid")
        case DatabaseError():
            logger.error("a request failed: %s", error)
            headers = {"Retry-After": str(_RETRY_DATABASE)}
            return ProblemError(503, "the database does not answer; try again", "database", headers=headers)
        case HTTPException():
            return ProblemError(error.status_code, _detail(error), headers=error.headers)
        case RequestValidationError():
            return invalid(error.errors())
        # After the others, most of which are subclasses of it.
        case FaxError():
            return ProblemError(422, str(error), "refused")
    logger.exception("a request failed", exc_info=error)
    return ProblemError(500, "the service failed to do this, and has logged why; tell its operator")


def limited(detail: str, retry_after: float) -> ProblemError:
    """Too many requests."""
    # Whole seconds (RFC 9110 10.2.3), and never 0, at which a client would come back too early.
    return ProblemError(429, detail, "limit", headers={"Retry-After": str(max(1, ceil(retry_after)))})


def invalid(errors: Sequence[Any]) -> ProblemError:
    """Faults as pydantic reports them. Values are not repeated: they may be documents, or secrets."""
    faults = [(_name(each["loc"]), str(each["msg"])[:500]) for each in errors[:_MOST_FAULTS]]
    return ProblemError(422, "the request is not as this operation wants it; see errors", "invalid", faults)


def invalid_field(field: str, message: str) -> ProblemError:
    """One fault."""
    return ProblemError(422, f"{field}: {message}", "invalid", [(field, message)])


def install(app: FastAPI) -> None:
    """Have all errors of the application answered with problems."""

    async def answer(request: Request, error: Exception) -> Response:
        response = problem_of(error).response()
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # A 405 must have it (RFC 9110 15.5.6).
            response.headers["Allow"] = ", ".join(_methods(app, request.url.path))
        return response

    for kind in (ProblemError, FaxError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)


def _methods(app: FastAPI, path: str) -> list[str]:
    """Those that an address has: the framework tells those of one of its routes alone."""
    found: set[str] = set()
    for known, methods in app.openapi()["paths"].items():
        if compile_path(known)[0].fullmatch(path):
            found.update(method.upper() for method in methods)
    return sorted(found)


def _detail(error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "there is nothing at this address; see /openapi.json"
        case 405:
            return "this address does not have that method; see the header Allow, and /openapi.json"
    return str(error.detail)


def _name(place: Sequence[object]) -> str:
    """``("body", "receivers", 2, "to")`` as ``receivers[2].to``."""
    name = ""
    for each in place[1:] if place and place[0] in ("body", "query", "path", "header") else place:
        name += f"[{each}]" if isinstance(each, int) else f".{each}" if name else str(each)
    return name[:200]


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "model": Problem,
    }
}
