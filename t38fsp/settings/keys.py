"""Generates keys of the file from the settings of the engine's dataclasses (``sip.bounds``).

A pydantic model names the dataclasses, not their fields: types, defaults and bounds are taken from them, and
:func:`made` converts the values read back into them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import AfterValidator, BaseModel, SecretStr, create_model

from sip.bounds import Bounds, settings_of

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


def with_keys(table: str, *kinds: type) -> Callable[[type[M]], type[M]]:
    """Decorator that adds the keys that settings of the dataclasses have in ``table`` of the file.

    The model must not declare any of them itself. It should set ``defer_build``, so that it is built only
    once, with these keys.
    """

    def extended(model: type[M]) -> type[M]:
        keys: dict[str, Any] = {}
        for kind in kinds:
            hints = get_type_hints(kind)
            for name, (field, bounds) in settings_of(kind).items():
                key = bounds.key or name
                if bounds.table == table:
                    assert key not in model.model_fields, f"{key} is declared twice"
                    hint = _secret(hints[name]) if bounds.secret else hints[name]
                    keys[key] = (Annotated[hint, AfterValidator(_within(field, bounds))], field.default)
        # A subclass: pydantic collects the fields of a model when the class is made.
        return create_model(
            model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **keys
        )

    return extended


def made(kind: Callable[..., T], tables: Mapping[str, BaseModel], **more: Any) -> T:
    """Make a dataclass from the settings read from these ``tables``, with ``more`` of its fields."""
    assert isinstance(kind, type)
    read = {
        name: _revealed(getattr(tables[bounds.table], bounds.key or name))
        for name, (_, bounds) in settings_of(kind).items()
        if bounds.table is not None
    }
    value: T = kind(**read, **more)
    return value


def _within(field: Field[Any], bounds: Bounds) -> Callable[[object], object]:
    def checked(value: object) -> object:
        if (fault := bounds.fault(_revealed(value), field.default)) is not None:
            raise ValueError(fault)
        return value

    return checked


def _secret(hint: Any) -> Any:
    """The type that hides what a setting of the type ``hint`` holds."""
    return tuple[SecretStr, ...] if hint == tuple[str, ...] else SecretStr | None


def _revealed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_revealed, value))
    return value.get_secret_value() if isinstance(value, SecretStr) else value
