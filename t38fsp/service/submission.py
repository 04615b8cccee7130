"""What is submitted to the queue, and its checks: all that can be known before a call is known here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import Any, get_type_hints

from sip.bounds import settings_of
from sip.frozen import dataclass
from t38fsp.call_settings import CallSettings
from t38fsp.cover import Cover
from t38fsp.errors import FaxError, SettingError
from t38fsp.header import Header
from t38fsp.jobs import Addressing
from t38fsp.page_settings import PageSettings
from t38fsp.received.facts import to_json
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.values import AfterCrash, Json, Receiver
from t38fsp.settings.address import AddressError, caller_address, number_or_sip_uri

LEAST_PRIORITY, MOST_PRIORITY = 1, 9

_LONGEST = 200
"""Characters of a text of one line."""
_MOST_ROUTES = 10


class SubmissionError(FaxError):
    """A submission cannot be accepted; ``faults`` are pairs of a field and a sentence."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {sentence}" for name, sentence in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Submission:
    """One or more documents for one or more receivers. Times are seconds since the epoch."""

    documents: tuple[tuple[str, bytes], ...]
    """Name and content of each."""
    receivers: tuple[Receiver, ...]
    route: str = ""
    """A route, or several in the order in which they are tried, separated by commas; empty: by the number."""
    priority: int = 5
    not_before: float | None = None
    deadline: float | None = None
    """No call begins after this time."""
    window: str = ""
    reference: str = ""
    cover: Cover | None = None
    header: Header | bool | None = None
    pages: PageSettings | None = None
    """None: those of the route."""
    call: Mapping[str, object] = field(default_factory=dict)
    """Fields of CallSettings that differ from those of the route."""
    password: str = field(default="", repr=False)
    """Opens the documents that are encrypted."""
    caller: str = ""
    """URI of From; empty: that of the route."""
    sender_id: str = ""
    after_crash: AfterCrash | None = None
    """None: as the settings say."""
    webhook: str = ""
    """Where events of this job are told."""
    idempotency_key: str = ""

    @property
    def routes(self) -> tuple[str, ...]:
        return split_routes(self.route)

    @property
    def options(self) -> Json:
        """What is kept as ``Job.options``; :func:`options_of` reads it."""
        given = {
            "cover": None if self.cover is None else to_values(self.cover),
            "header": to_values(self.header) if isinstance(self.header, Header) else self.header,
            "pages": None if self.pages is None else to_values(self.pages),
            "call": dict(self.call) or None,
            "password": self.password or None,
            "caller": self.caller or None,
            "sender_id": self.sender_id or None,
            "after_crash": None if self.after_crash is None else self.after_crash.value,
            "webhook": self.webhook or None,
        }
        # What was not given is left out, and decided by the route when it is called.
        return {name: value for name, value in given.items() if value is not None}

    @property
    def request_hash(self) -> str:
        """Hash of all that was submitted: the same submission has the same one."""
        # Hashes of the documents, which themselves would be megabytes of JSON.
        whole = {
            "documents": [[name, hashlib.sha256(content).hexdigest()] for name, content in self.documents],
            "receivers": to_json(self.receivers),
            "times": [self.not_before, self.deadline, self.window],
            "rest": [self.route, self.priority, self.reference],
            "options": self.options,
        }
        # Sorted: the same fields in another order are the same submission.
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Options:
    """``Job.options`` as values again."""

    cover: Cover | None = None
    header: Header | bool | None = None
    pages: PageSettings | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    caller: str | None = None
    sender_id: str = ""
    after_crash: AfterCrash | None = None


def options_of(options: Mapping[str, Any]) -> Options:
    """Raises SettingError for values that another release had."""
    cover, header, pages = options.get("cover"), options.get("header"), options.get("pages")
    return Options(
        None if cover is None else Cover(**cover | {"fields": tuple(map(tuple, cover.get("fields", ())))}),
        Header(**header) if isinstance(header, dict) else header,
        None if pages is None else of_values(PageSettings, pages),
        options.get("call", {}),
        options.get("password"),
        options.get("caller"),
        options.get("sender_id", ""),
        None if (after := options.get("after_crash")) is None else AfterCrash(after),
    )


def check(given: Submission, settings: QueueSettings, routes: Mapping[str, object], now: float) -> None:
    """Raises SubmissionError with all that is wrong."""
    faults = [*_faults(given, settings, routes, now)]
    if faults:
        raise SubmissionError(*faults)


def _faults(
    given: Submission, settings: QueueSettings, routes: Mapping[str, object], now: float
) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []

    def fault(name: str, sentence: str) -> None:
        faults.append((name, sentence))

    _documents(given, settings, fault)
    if not given.receivers:
        fault("receivers", "there is no receiver; give at least one")
    if len(given.receivers) > settings.max_receivers:
        fault(
            "receivers",
            f"there are {len(given.receivers)} receivers: the maximum is {settings.max_receivers}; "
            "submit several jobs",
        )
    # No more than are accepted: the list may have any length.
    for at, receiver in enumerate(given.receivers[: settings.max_receivers]):
        if (sentence := _receiver_fault(receiver, given)) is not None:
            fault(f"receivers[{at}]", sentence)
            # A list of thousands of wrong receivers is not told in full.
            if len(faults) > _LONGEST:
                break
    if len(given.routes) > _MOST_ROUTES:
        fault("route", f"there are {len(given.routes)} routes: the maximum is {_MOST_ROUTES}")
    for name in given.routes[:_MOST_ROUTES]:
        if name not in routes:
            fault(
                "route", f"there is no route {name[:_LONGEST]!r}; known routes: {', '.join(routes) or 'none'}"
            )
    if not LEAST_PRIORITY <= given.priority <= MOST_PRIORITY:
        fault(
            "priority",
            f"{given.priority} is not a priority; use {LEAST_PRIORITY} (urgent) to {MOST_PRIORITY}",
        )
    if given.deadline is not None and given.deadline <= max(now, given.not_before or now):
        fault("deadline", "it is over before the first call may begin; choose a later one")
    for name, text in (("reference", given.reference), ("idempotency_key", given.idempotency_key)):
        if len(text) > _LONGEST or not text.isprintable():
            fault(name, f"use at most {_LONGEST} printable characters")
    if given.cover is not None and (given.cover.is_own or given.cover.logo):
        fault(
            "cover",
            "it names a file of this machine; choose one of the templates by its name, without a logo",
        )
    if given.pages is not None and given.pages.font:
        fault("pages", "it names a font file of this machine; leave the font to the settings of the route")
    if given.caller:
        try:
            caller_address(given.caller)
        except AddressError as error:
            fault("caller", str(error))
    try:
        call_settings(CallSettings(), given.call)
    except SettingError as error:
        fault("call", str(error))
    return faults


def _documents(given: Submission, settings: QueueSettings, fault: Any) -> None:
    if not given.documents:
        fault("documents", "there is no document; give at least one")
    if len(given.documents) > settings.max_documents:
        fault("documents", f"there are {len(given.documents)}: the maximum is {settings.max_documents}")
    if (octets := sum(len(content) for _, content in given.documents)) > settings.max_document_octets:
        fault(
            "documents",
            f"they have {octets} octets: the maximum is {settings.max_document_octets}; send fewer at a time",
        )
    for at, (name, content) in enumerate(given.documents[: settings.max_documents]):
        if not content:
            fault(f"documents[{at}]", "it is empty; send a file with a page")
        if len(name) > _LONGEST or not name.isprintable():
            fault(f"documents[{at}]", f"its name is not usable; use at most {_LONGEST} printable characters")


def _receiver_fault(receiver: Receiver, given: Submission) -> str | None:
    try:
        number_or_sip_uri(receiver.to)
        Addressing(receiver.sub_address, given.sender_id)
        fields = (given.cover or Cover()).fields + receiver.fields
        Cover(to_name=receiver.name, fields=fields)
    except (AddressError, SettingError) as error:
        return str(error)
    return None


def split_routes(route: str) -> tuple[str, ...]:
    """The names in ``Job.route``."""
    return tuple(name.strip() for name in route.split(",") if name.strip())


def call_settings(base: CallSettings, changes: Mapping[str, object]) -> CallSettings:
    """``base`` with some fields changed, enumerations by their values. Raises SettingError."""
    return of_values(CallSettings, to_values(base) | dict(changes)) if changes else base


def to_values(value: Any) -> Json:
    """The fields of a dataclass of settings as JSON, enumerations by their values."""
    found: Json = {}
    for name in get_type_hints(type(value)):
        each = getattr(value, name)
        found[name] = each.value if isinstance(each, Enum) else each
    return found


def of_values(kind: Any, values: Mapping[str, Any]) -> Any:
    """The opposite of :func:`to_values`. Raises SettingError for an unknown name or value."""
    known = settings_of(kind)
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            shown = ", ".join(known)
            raise SettingError(f"there is no setting {str(name)[:60]!r}; known settings: {shown}")
        default = known[name][0].default
        if isinstance(default, Enum):
            try:
                value = type(default)(value)
            except ValueError as error:
                names = ", ".join(repr(each.value) for each in type(default))
                raise SettingError(f"{name}: {str(value)[:60]!r} is not one of {names}") from error
        arguments[name] = value
    return kind(**arguments)
