"""What the API takes and returns, as OpenAPI describes it. Times are ISO 8601 with an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import floor
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from t38fsp.call_settings import CallSettings
from t38fsp.page_settings import PageSettings
from t38fsp.service.jobs import shown_options
from t38fsp.service.submission import LEAST_PRIORITY, MOST_PRIORITY
from t38fsp.service.values import AfterCrash, Attempt, Document, Fax, FaxState, Job
from t38fsp.service.web.settings_models import settings_model

Line = Annotated[str, Field(max_length=200)]
Number = Annotated[str, Field(min_length=1, max_length=300, description="A number, or a SIP URI.")]
Any_ = dict[str, Any]


def _written(value: object) -> object:
    # pydantic would take a number for seconds since 1970, or since now, or for milliseconds.
    if not isinstance(value, str) or value.replace(".", "").lstrip("+-").isdigit():
        raise ValueError("write a date and a time with their offset, as in 2026-12-01T09:30:00+01:00")
    return value


def _in_utc(value: datetime) -> datetime:
    # The first and the last hours of all years have no UTC, in which times are told.
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is out of range; write one of the years 2 to 9998") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]

_EPOCH = datetime.fromtimestamp(0, UTC)


def at(seconds: float) -> datetime:
    """A time of the service as the API writes it: never later, so that a list since then has what it is
    of."""
    return _EPOCH + timedelta(microseconds=floor(seconds * 1e6))


def at_or_none(seconds: float | None) -> datetime | None:
    """The same where there may be none."""
    return None if seconds is None else at(seconds)


def seconds_or_none(moment: datetime | None) -> float | None:
    """The other way: a time of the API as the service has it."""
    return None if moment is None else moment.timestamp()


# mypy cannot see a model that is made at run time.
if TYPE_CHECKING:
    PageOptions = BaseModel
    CallOptions = BaseModel
else:
    PageOptions = settings_model(
        "PageOptions",
        PageSettings,
        {"font"},
        "How the documents become pages; the rest is as the route says.",
    )
    CallOptions = settings_model(
        "CallOptions",
        CallSettings,
        {"max_pages", "max_octets"},
        "What differs from the settings of the route for the calls of this job.",
    )


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- what is submitted --------------------------------------------------------------------------------------


class DocumentInput(_Request):
    """A document: its content, or where it is."""

    name: Line = Field("", description="Name of the file, for people.")
    content: str | None = Field(
        None, description="The file in base64.", json_schema_extra={"contentEncoding": "base64"}
    )
    url: str | None = Field(
        None,
        max_length=2000,
        description="Where it is fetched once, at submission. Only from hosts that the service allows.",
    )


class ReceiverInput(_Request):
    """Whom a fax is for, with what differs from one receiver to the next."""

    to: Number
    name: Line = Field("", description="For the cover page and the header line.")
    sub_address: str = Field("", max_length=20, description="SUB of T.30.")
    fields: dict[str, Line] = Field(default_factory=dict, description="Further lines of the cover page.")


class CoverInput(_Request):
    """A cover page in front of the documents."""

    template: Literal["classic", "business", "bold"] = "classic"
    from_name: Line = ""
    subject: Line = ""
    comment: str = Field("", max_length=6000)
    fields: dict[str, Line] = Field(default_factory=dict, description="Further lines.")


class HeaderInput(_Request):
    """The line at the top of each page."""

    template: str | None = Field(
        None, max_length=200, description="With `{date}`, `{name}`, `{number}`, `{to}`, `{page}`, `{pages}`."
    )
    name: Line = ""


class FaxFields(_Request):
    """What is submitted beside the documents. As form fields, objects and lists are JSON."""

    to: list[Number] = Field(default_factory=list, description="Receivers, by number or SIP URI alone.")
    receivers: list[ReceiverInput] = Field(default_factory=list, description="Receivers with more.")
    route: Line = Field(
        "", description="A route, or several in order, separated by commas. By number if empty."
    )
    priority: int = Field(5, ge=LEAST_PRIORITY, le=MOST_PRIORITY, description="1 is the most urgent.")
    not_before: Moment | None = None
    deadline: Moment | None = Field(None, description="No call begins after it.")
    window: str = Field("", max_length=80, description="Hours in which it may be called, by name or text.")
    reference: Line = Field("", description="Your own name for it.")
    cover: CoverInput | None = None
    header: bool | HeaderInput | None = Field(None, description="Default: as the route says.")
    pages: PageOptions | None = None
    call: CallOptions | None = None
    password: str = Field("", max_length=200, description="Of encrypted documents.")
    caller: str = Field("", max_length=300, description="URI of the caller, instead of that of the route.")
    sender_id: str = Field("", max_length=20, description="SID of T.30.")
    after_crash: AfterCrash | None = Field(None, description="Default: as the service says.")
    webhook: str = Field("", max_length=2000, description="URL that is told of the events of this job.")


class FaxRequest(FaxFields):
    """A submission as JSON."""

    documents: list[DocumentInput] = Field(default_factory=list)


class Decision(_Request):
    """What becomes of a fax that is held."""

    send_again: bool = Field(description="Send the page in question again; if false, it counts as received.")


# --- what is returned ---------------------------------------------------------------------------------------


class FaxModel(BaseModel):
    """A fax: one receiver of a job."""

    id: str
    job: str
    to: str = Field(description="As submitted.")
    number: str = Field(description="In the form that tells far ends apart.")
    name: str
    sub_address: str
    state: FaxState
    reason: str = Field(description="Why it is in this state.")
    outcome: str = Field(description="Of the last call.")
    priority: int
    created: datetime
    next_attempt: datetime | None = Field(description="While it is queued: not before this time.")
    finished: datetime | None
    attempts: int
    route: str
    pages: int | None = Field(description="With the cover page; null until that is known.")
    pages_confirmed: int
    possibly_duplicated_page: int | None

    @classmethod
    def values(cls, fax: Fax) -> dict[str, Any]:
        return {
            "id": fax.id,
            "job": fax.job,
            "to": fax.receiver.to,
            "number": fax.number,
            "name": fax.receiver.name,
            "sub_address": fax.receiver.sub_address,
            "state": fax.state,
            "reason": fax.reason,
            "outcome": fax.outcome,
            "priority": fax.priority,
            "created": at(fax.created),
            "next_attempt": at_or_none(fax.next_attempt),
            "finished": at_or_none(fax.finished),
            "attempts": fax.attempts,
            "route": fax.route,
            "pages": fax.pages,
            "pages_confirmed": fax.confirmed,
            "possibly_duplicated_page": fax.possibly_duplicated,
        }

    @classmethod
    def of(cls, fax: Fax) -> FaxModel:
        return FaxModel(**cls.values(fax))


class AttemptModel(BaseModel):
    """A call for a fax."""

    id: str
    number: int
    state: str = Field(description="started, dialling, connected, pages or released.")
    host: str
    route: str
    started: datetime
    ended: datetime | None
    first_page: int
    dialog: str
    result: Any_ | None = Field(description="A `FaxResult`, once the call is over.")

    @classmethod
    def values(cls, attempt: Attempt) -> dict[str, Any]:
        return {
            "id": attempt.id,
            "number": attempt.number,
            "state": attempt.state.value,
            "host": attempt.host,
            "route": attempt.route,
            "started": at(attempt.started),
            "ended": at_or_none(attempt.ended),
            "first_page": attempt.first_page,
            "dialog": attempt.dialog,
            "result": attempt.result,
        }

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptModel:
        return AttemptModel(**cls.values(attempt))


class FaxDetail(FaxModel):
    """A fax with its calls."""

    calls: list[AttemptModel]


class DocumentModel(BaseModel):
    """A document of a job."""

    name: str
    octets: int
    sha256: str

    @classmethod
    def of(cls, document: Document) -> DocumentModel:
        return cls(name=document.name, octets=document.octets, sha256=document.sha256)


class JobModel(BaseModel):
    """What was submitted at once."""

    id: str
    created: datetime
    key: str = Field(description="Id of the key; empty for the local socket.")
    documents: list[DocumentModel]
    route: str
    priority: int
    not_before: datetime | None
    deadline: datetime | None
    window: str
    reference: str
    options: Any_
    receivers: int
    states: dict[str, int] = Field(description="How many faxes there are in each state.")
    faxes: list[FaxModel] = Field(description="The first 1000; list /v1/faxes?job=ID for all.")

    @classmethod
    def of(cls, job: Job, states: dict[str, int], faxes: list[Fax]) -> JobModel:
        return cls(
            id=job.id,
            created=at(job.created),
            key=job.key,
            documents=[DocumentModel.of(each) for each in job.documents],
            route=job.route,
            priority=job.priority,
            not_before=at_or_none(job.not_before),
            deadline=at_or_none(job.deadline),
            window=job.window,
            reference=job.reference,
            options=dict(shown_options(job)),
            receivers=sum(states.values()),
            states=states,
            faxes=[FaxModel.of(each) for each in faxes],
        )


class FaxList(BaseModel):
    """Some faxes, the newest first."""

    items: list[FaxModel]
    next: str | None = Field(description="Cursor of the next page; null at the end.")
