"""The tables of docs/routes.md, made of the settings themselves: ``python -m tests.routes_page`` writes them.

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
from t38fsp.settings.dial_plan import DialPlan
from t38fsp.settings.local import Endpoint, IncomingTable, ReceivedTable, Tls
from t38fsp.settings.route import T38, Route
from tests.docstrings import texts_of_fields

PAGE = Path(__file__).parent.parent / "docs" / "routes.md"
TABLES: dict[str, type[BaseModel]] = {
    "above all tables": Endpoint,
    "[tls]": Tls,
    "[incoming]": IncomingTable,
    "[received]": ReceivedTable,
    "[routes.NAME]": Route,
    "[routes.NAME.dial]": DialPlan,
    "[routes.NAME.t38]": T38,
}
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
"""Dataclasses whose settings are keys."""
_AFTER = {
    "registration": (RegistrationSettings,),
    "registrar": (EngineRoute,),
    "privacy": (SessionTimers,),
    "headers": (CallSettings,),
    "header": (PageSettings,),
}
"""The keys that some of them follow; the rest are at the end of their table."""
_ELSEWHERE = {"tls", "incoming", "received"}
"""Tables that have a section of their own and no row."""
_SOURCES = {"file": "File with {}, relative to this one", "variable": "Environment variable with {}"}
_SECRETS = {"password": "the password", "key_password": "the password of the key, if it has one"}


def table(name: str) -> str:
    """The rows of a table, with its head."""
    model = TABLES[name]
    texts = texts_of_fields(model)
    generated = {
        bounds.key or field: (kind, field, bounds)
        for kind in _GENERATED
        for field, (_, bounds) in settings_of(kind).items()
    }
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key in _ordered(model, generated):
        if key in _SECRETS:
            rows += [
                f"| `{key}_{source}` | none | a text | {text.format(_SECRETS[key])} |"
                for source, text in _SOURCES.items()
            ]
        if key in texts:
            meaning, bounds = texts[key], None
        else:
            kind, field, bounds = generated[key]
            meaning = texts_of_fields(kind)[field]
        rows.append(_row(key, model.model_fields[key], bounds, meaning))
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """The page with its tables as they should be."""
    for name in TABLES:
        marker = f"<!-- {name}: written by python -m tests.routes_page -->\n"
        before, found, after = text.partition(marker)
        assert found, f"docs/routes.md has no line {marker}"
        _, _, after = after.partition("\n\n")
        text = f"{before}{marker}{table(name)}\n{after}"
    return text


def _ordered(model: type[BaseModel], generated: dict[str, Any]) -> list[str]:
    own = texts_of_fields(model)
    later = [key for key in model.model_fields if key not in own]
    order: list[str] = []
    for key in own:
        if key not in model.model_fields or key in _ELSEWHERE:
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
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
