"""The tables of docs/routes.md and docs/service-settings.md, made of the settings themselves: ``python -m
tests.routes_page`` writes them.

A row has the name of a key, its default and bounds as they stand beside its field, and the text below it.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from sip.bounds import Bounds, settings_of
from sip.line_settings import Callers, Limits, RegistrationSettings, SessionTimers, TlsSettings
from t38fsp.call_settings import CallSettings
from t38fsp.inbox_settings import InboxSettings
from t38fsp.jobs import EngineRoute, EngineSettings
from t38fsp.page_settings import PageSettings
from t38fsp.service.delivery_settings import MailServer, ReceivingSettings, RetrySettings
from t38fsp.service.policy.memory import MemorySettings
from t38fsp.service.policy.permits import Permits
from t38fsp.service.policy.retry import RetryKind, RetryPolicy, RetryRule
from t38fsp.service.policy.routing import FailOver, RoutingRule
from t38fsp.service.policy.rules import Rule
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.settings import PlaceSettings
from t38fsp.service.settings_file import (
    DeliveriesTable,
    FailOverTable,
    FetchTable,
    MailTable,
    PermitsTable,
    ReceivingTable,
    RetryRuleTable,
    RetryTable,
    RoutingTable,
    RuleTable,
    ServiceTable,
    TargetTable,
    WebTable,
)
from t38fsp.service.targets import Target
from t38fsp.service.web_settings import FetchSettings, WebSettings
from t38fsp.settings.dial_plan import DialPlan
from t38fsp.settings.local import Endpoint, IncomingTable, ReceivedTable, Tls
from t38fsp.settings.route import T38, Route
from tests.docstrings import texts_of_fields, texts_of_members

_DOCS = Path(__file__).parent.parent / "docs"
_ROUTES: dict[str, type[BaseModel]] = {
    "above all tables": Endpoint,
    "[tls]": Tls,
    "[incoming]": IncomingTable,
    "[received]": ReceivedTable,
    "[routes.NAME]": Route,
    "[routes.NAME.dial]": DialPlan,
    "[routes.NAME.t38]": T38,
}
_SERVICE: dict[str, type[BaseModel]] = {
    "[service]": ServiceTable,
    "[service.retry]": RetryTable,
    "[service.retry.KIND]": RetryRuleTable,
    "[service.failover]": FailOverTable,
    "[[service.routing]]": RoutingTable,
    "[service.routes.NAME]": PermitsTable,
    "[service.web]": WebTable,
    "[service.fetch]": FetchTable,
    "[service.receiving]": ReceivingTable,
    "[[service.rules]]": RuleTable,
    "[service.targets.NAME]": TargetTable,
    "[service.mail]": MailTable,
    "[service.deliveries]": DeliveriesTable,
}
TABLES = {_DOCS / "routes.md": _ROUTES, _DOCS / "service-settings.md": _SERVICE}
_GENERATED = (
    EngineSettings,
    Callers,
    Limits,
    TlsSettings,
    SessionTimers,
    RegistrationSettings,
    EngineRoute,
    CallSettings,
    InboxSettings,
    PageSettings,
)
_OF_SERVICE = (
    *(PlaceSettings, QueueSettings, MemorySettings, RetryPolicy, RetryRule, FailOver, RoutingRule, Permits),
    *(WebSettings, FetchSettings, ReceivingSettings, Rule, Target, MailServer, RetrySettings),
)
"""Dataclasses whose settings are keys."""
_AFTER = {
    "registration": (RegistrationSettings,),
    "registrar": (EngineRoute,),
    "privacy": (SessionTimers,),
    "headers": (CallSettings,),
    "header": (PageSettings,),
}
"""The keys that some of them follow; the rest are at the end of their table."""
_ELSEWHERE: dict[type[BaseModel], set[str]] = {
    Endpoint: {"tls", "incoming", "received"},
    RetryTable: {kind.value for kind in RetryKind},
    ServiceTable: {
        *("retry", "failover", "routing", "routes", "web", "fetch", "receiving", "rules", "targets"),
        *("mail", "deliveries"),
    },
}
"""Tables that have a section of their own and no row."""
_SOURCES = {"file": "File with {}, relative to this one", "variable": "Environment variable with {}"}
_SECRETS = {"password": "the password", "key_password": "the password of the key, if it has one"}
_LISTS_OF_SECRETS = ("secrets", "webhook_secrets")


def table(model: type[BaseModel]) -> str:
    """The rows of a table, with its head."""
    texts = texts_of_fields(model)
    generated = {
        bounds.key or field: (kind, field, bounds)
        for kind in _kinds_of(model)
        for field, (_, bounds) in settings_of(kind).items()
    }
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key in _ordered(model, generated):
        if key in _SECRETS:
            rows += [
                f"| `{key}_{source}` | none | a text | {text.format(_SECRETS[key])} |"
                for source, text in _SOURCES.items()
            ]
        if key in _LISTS_OF_SECRETS:
            rows.append(
                f"| `{key}_file` | none | a text | File with them, one a line, relative to this one |"
            )
        if key in texts:
            meaning, bounds = texts[key], None
        else:
            kind, field, bounds = generated[key]
            meaning = texts_of_fields(kind)[field]
        rows.append(_row(key, model.model_fields[key], bounds, meaning))
    return "\n".join(rows) + "\n"


def page(file: Path) -> str:
    """The page with its tables as they should be."""
    text = file.read_text(encoding="utf-8")
    tables = {name: table(model) for name, model in TABLES[file].items()}
    if TABLES[file] is _SERVICE:
        tables["kinds of retries"] = _retries()
    for name, rows in tables.items():
        marker = f"<!-- {name}: written by python -m tests.routes_page -->\n"
        before, found, after = text.partition(marker)
        assert found, f"{file.name} has no line {marker}"
        _, _, after = after.partition("\n\n")
        text = f"{before}{marker}{rows}\n{after}"
    return text


def _kinds_of(model: type[BaseModel]) -> tuple[type, ...]:
    """Several dataclasses of the service have settings of one name, so only those of a table are meant."""
    if model not in _SERVICE.values():
        return _GENERATED
    keys = set(model.model_fields)
    return tuple(
        kind for kind in _OF_SERVICE if {b.key or f for f, (_, b) in settings_of(kind).items()} <= keys
    )


def _retries() -> str:
    """The defaults of each kind of failure."""
    rows = ["| kind | attempts | first_delay | growth | longest_delay | |", "|---|---|---|---|---|---|"]
    meanings = texts_of_members(RetryKind)
    for kind in RetryKind:
        rule = RetryPolicy().rule(kind)
        numbers = (rule.attempts, rule.first_delay, rule.growth, rule.longest_delay)
        rows.append(f"| `{kind.value}` | {' | '.join(f'{n:g}' for n in numbers)} | {meanings[kind.name]} |")
    return "\n".join(rows) + "\n"


def _ordered(model: type[BaseModel], generated: dict[str, Any]) -> list[str]:
    own = texts_of_fields(model)
    later = [key for key in model.model_fields if key not in own]
    order: list[str] = []
    for key in own:
        if key not in model.model_fields or key in _ELSEWHERE.get(model, ()):
            continue
        order.append(key)
        if model is Route:
            kinds = _AFTER.get(key, ())
            order += [each for each in later if generated[each][0] in kinds]
    return order + [key for key in later if key not in order]


def _row(key: str, field: Any, bounds: Bounds | None, meaning: str) -> str:
    meaning, _, default = meaning.partition(" Default: ")
    default = default.rstrip(".") or _default(field.default)
    assert meaning, f"{key} has no text"
    return f"| `{key}` | {default} | {_values(field, bounds, default)} | {meaning.removesuffix('.')} |"


def _default(value: object) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f'`"{value.value}"`'
        case int() | float():
            return f"`{value}`"
        case str() if value:
            return f'`"{value}"`'
        case BaseModel():
            return ""
    return "none"


def _values(field: Any, bounds: Bounds | None, default_text: str) -> str:
    """What may stand for it."""
    kinds = _kinds(field.annotation)
    if bounds is None:
        least = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
        most = next((each.le for each in field.metadata if hasattr(each, "le")), None)
        bounds = Bounds(least, most)
    kind = kinds[0]
    if issubclass(kind, bool):
        return "`true`, `false`"
    if issubclass(kind, Enum):
        return ", ".join(f'`"{each.value}"`' for each in kind)
    if issubclass(kind, int | float):
        return str(bounds)
    if issubclass(kind, str | SecretStr):
        # Only the header line: its validator takes booleans, too.
        return "a text" if default_text != "`false`" else "`true`, `false`, a text"
    return "a list" if issubclass(kind, tuple) else "a table"


def _kinds(hint: Any) -> list[type]:
    """The classes of an annotation, without None."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for each in get_args(hint) for kind in _kinds(each)]
    if hint is type(None):
        return []
    if hasattr(hint, "__metadata__"):
        return _kinds(get_args(hint)[0])
    return [get_origin(hint) or hint]


if __name__ == "__main__":
    for file in TABLES:
        file.write_text(page(file), encoding="utf-8")
