"""Turns validation errors of pydantic into one sentence each: where the setting is, its key, what is
valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from t38fsp.errors import FaxError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
# By name: the error holds the value as it was written, before it became a SecretStr.
_SECRET = frozenset({"password", "key_password", "secrets", "webhook_secrets"})

# By pydantic's names of errors, with the fields of their contexts. Others keep pydantic's own message.
_KINDS = {
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "string_type": "is not a string; put it in quotes",
    "string_too_short": "is empty",
    "dict_type": "is not a table",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "tuple_type": "is not a list; put it in [brackets]",
    "list_type": "is not a list; put it in [brackets]",
    "greater_than_equal": "is too small: the minimum is {ge:g}",
    "less_than_equal": "is too large: the maximum is {le:g}",
    "greater_than": "must be above {gt:g}",
    "enum": "is not one of {expected}",
    "literal_error": "is not one of {expected}",
    "too_long": "has too many values: the maximum is {max_length}",
}
_LISTS = frozenset({"tuple_type", "list_type"})
_TABLES = frozenset({"dict_type", "model_type", "model_attributes_type"})


class ConfigurationError(FaxError, ValueError):
    """Invalid settings, with one sentence each in ``sentences``, or a file that cannot be read."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class UnknownRouteError(ConfigurationError, LookupError):
    """No route has that name; the message lists the known ones."""


def sentences(
    error: ValidationError,
    model: type[BaseModel],
    place_of: Callable[[tuple[str, ...]], str],
    elsewhere: Mapping[str, str],
) -> list[str]:
    """One sentence for each invalid setting of ``model``.

    ``place_of`` describes where a key, given as a path, was set: in a file, by a variable. ``elsewhere`` maps
    keys that ``model`` does not have to the place where they belong.
    """
    found = []
    for each in error.errors():
        path = tuple(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            wrong: str | None = f"unknown setting{_hint(path, each['input'], model, elsewhere)}"
        else:
            wrong = _wrong(each["type"], path, each["input"], each.get("ctx", {}))
        found.append(f"{place_of(path)}: {wrong or each['msg']}")
    return found


def _wrong(kind: str, path: tuple[str, ...], value: object, context: Mapping[str, object]) -> str | None:
    """What is wrong; None to use the message of pydantic."""
    if kind == "missing":
        return "it is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind not in _KINDS:
        return None
    if kind in _LISTS and isinstance(value, dict):
        return "it is a single table; write its name in double brackets, [[…]]"
    if kind in _TABLES and isinstance(value, list):
        return "it is a list; write its name in single brackets, […]"
    # A password must not reach a terminal or a log.
    shown = "what is set" if path and path[-1] in _SECRET else _as_written(value)[:_SHOWN]
    return f"{shown} {_KINDS[kind].format(**context)}"


def _as_written(value: object) -> str:
    """The value about as it is written in the file."""
    match value:
        case bool():
            return str(value).lower()
        # TOML has dates and times without quotes, which tomllib reads into these.
        case date() | time():
            return value.isoformat()
        case _:
            return repr(value)


def _keys_beside(path: tuple[str, ...], model: type[BaseModel]) -> Iterable[str]:
    """The known settings at the level of ``path``."""
    for part in path[:-1]:
        field = model.model_fields.get(part)
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model.model_fields


def _models_in(hint: object) -> Iterator[type[BaseModel]]:
    """The models within an annotation such as ``tuple[Account, ...]``."""
    from pydantic import BaseModel  # slow to import, and not needed for the exception above

    if isinstance(hint, type) and not get_args(hint) and issubclass(hint, BaseModel):
        yield hint
    for inner in get_args(hint):
        yield from _models_in(inner)


def _hint(path: tuple[str, ...], value: object, model: type[BaseModel], elsewhere: Mapping[str, str]) -> str:
    key = path[-1]
    if key in elsewhere:
        return f" here; move it {elsewhere[key]}"
    close = get_close_matches(key, list(_keys_beside(path, model)), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    is_table = isinstance(value, dict) and len(path) == 1
    return f"; for a route write [routes.{key}]" if is_table and "routes" in model.model_fields else ""
