"""What the service keeps: jobs, their faxes, attempts, received faxes, deliveries and keys.

A *job* is what was submitted at once: documents, and one or more receivers. A *fax* is one receiver of a job.
An *attempt* is one call for a fax. Times are seconds since the epoch (UTC). ``t38fsp.service.tables`` has the
same as tables of a database.
"""

from __future__ import annotations

from enum import Enum

from sip.frozen import dataclass

Json = dict[str, object]
"""A JSON object, as it is stored."""


class FaxState(Enum):
    """Where a fax is. Those from DELIVERED on are final, unless a person asks for a retry."""

    QUEUED = "queued"
    """It waits for its time, for earlier faxes to its number, for a channel, or for its next attempt."""
    SENDING = "sending"
    """Its attempt has been started."""
    HELD = "held"
    """A person decides: a page may have arrived whose confirmation was not stored."""
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (FaxState.DELIVERED, FaxState.FAILED, FaxState.CANCELLED)


class AttemptState(Enum):
    """How far a call has come. It is stored before the act that it names, so that a crash is never later."""

    STARTED = "started"
    """Nothing was dialled."""
    DIALLING = "dialling"
    CONNECTED = "connected"
    """The call is up, and its pages may begin: the far end may have received some from here on."""
    PAGES = "pages"
    """A page was confirmed."""
    RELEASED = "released"
    """The call is over, and its result is stored."""


class AfterCrash(Enum):
    """What becomes of a fax whose host died while a page may have been received without our knowing."""

    RESUME = "resume"
    """Send from the first page that was not confirmed; it may arrive twice, and the fax says so."""
    HOLD = "hold"


class DeliveryState(Enum):
    """Where a delivery is: of a received fax by a rule, or of an event to a webhook."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Its last attempt failed, or its target refused it for good."""


class Scope(Enum):
    """What a key may do."""

    SEND = "send"
    """Submit, and cancel and retry its own."""
    READ_OWN = "read-own"
    """See what it submitted."""
    READ_ALL = "read-all"
    """See everything, received faxes too."""
    ADMIN = "admin"
    """Everything."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was submitted or, with ``received``, as it arrived."""

    id: str
    name: str
    sha256: str
    octets: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a fax is for."""

    to: str
    """Number or SIP URI as it was submitted."""
    name: str = ""
    """For the cover page and the header line."""
    sub_address: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """Further fields of the cover page, for example of a row of a CSV file."""


@dataclass(frozen=True, slots=True)
class Fax:
    """One receiver of a job, with the state of its delivery."""

    id: str
    """``JOB-N``, N from 1."""
    job: str
    number: str
    """The number in the form that decides which faxes go to one far end (E.164 where that is possible)."""
    receiver: Receiver
    state: FaxState
    created: float
    priority: int
    """1 (most urgent) to 9; 5 if nothing is said."""
    attempts: int = 0
    next_attempt: float | None = None
    """While QUEUED: not before this time."""
    route: str = ""
    """The route of the last attempt, or of the next one."""
    pages: int | None = None
    """The pages of the document with its cover page, once they are counted."""
    confirmed: int = 0
    """Pages that the far end confirmed, over all attempts."""
    possibly_duplicated: int | None = None
    """The page that may have arrived twice, or None."""
    outcome: str = ""
    """Name of the ``Outcome`` of the last attempt."""
    reason: str = ""
    """One sentence: why it is in this state."""
    finished: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call for a fax."""

    id: str
    """``FAX.N``, N from 1."""
    fax: str
    number: int
    state: AttemptState
    host: str
    route: str
    started: float
    first_page: int = 1
    ended: float | None = None
    dialog: str = ""
    result: Json | None = None
    """The ``FaxResult`` as ``--json`` prints it, once the call is over."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was submitted at once."""

    id: str
    created: float
    key: str
    """Id of the API key; empty for the local socket."""
    documents: tuple[Document, ...]
    route: str = ""
    """A route, or an ordered list of them, separated by commas; empty: by the number."""
    priority: int = 5
    not_before: float | None = None
    deadline: float | None = None
    """No attempt begins after this time."""
    window: str = ""
    """Name of a window of hours in the settings, or ``HH:MM-HH:MM``; empty for any time."""
    reference: str = ""
    """The submitter's own name for the job."""
    options: Json | None = None
    """Cover page, header line, pages and call settings that were submitted with it."""


@dataclass(frozen=True, slots=True)
class ReceivedFax:
    """A fax that came in."""

    id: str
    at: float
    host: str
    route: str
    caller: str
    called: str
    station_id: str
    sub_address: str
    pages: int
    partial: bool
    document: Document | None
    """The TIFF Class F file; None once its retention is over, or if no page arrived."""
    result: Json
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way of one received fax, or one event on its way to a webhook."""

    id: str
    subject: str
    """Id of the received fax, or of the fax that the event is about."""
    kind: str
    """folder, webhook, command or mail."""
    target: str
    """Name of a target of the settings or, for the webhook of a job, its URL."""
    state: DeliveryState
    attempts: int = 0
    next_attempt: float | None = None
    error: str = ""
    finished: float | None = None
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the REST API, without its secret."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created: float
    revoked: float | None = None
    last_used: float | None = None
    routes: tuple[str, ...] = ()
    """Routes that it may use; empty: all."""
    allowed: tuple[str, ...] = ()
    """Prefixes of numbers that it may call; empty: what the route allows."""
    refused: tuple[str, ...] = ()
    per_minute: int | None = None
    """Requests."""
    per_day: int | None = None
    """Faxes."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as ``/v1/events``, webhooks and the journal tell it; numbered in order."""

    number: int
    at: float
    kind: str
    """Such as ``fax.delivered``, ``attempt.ended``, ``received.stored``."""
    subject: str
    sequence: int
    """From 1, of this subject: the order is not kept by webhooks."""
    body: Json
