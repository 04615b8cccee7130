"""``dataclass(frozen=True, slots=True)``, made in a fifth of the time.

The standard library compiles six methods for each class, half a millisecond before CPython 3.13, and a
process that sends a fax has 200 such classes when it dials. Here only ``__init__`` is compiled; the other
methods are the same code for all classes. Modules that have many values take ``dataclass`` from here; it does
what that of ``dataclasses`` does, whose functions (``replace``, ``fields``, ``asdict``) know these classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """Both are always true, and written out for readers of the class."""
        assert frozen
        assert slots
        return _made


T = TypeVar("T")


def _made(cls: type[T]) -> type[T]:
    if any(dataclasses.is_dataclass(base) for base in cls.__bases__):
        # Only a few inherit from another one, which has some of the methods.
        return dataclasses.dataclass(frozen=True, slots=True)(cls)
    own = set(cls.__dict__)
    # Without the methods: what is left are the fields, their defaults, the slots and __match_args__.
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    methods = {
        "__init__": _init(cls, fields),
        "__repr__": _repr(tuple(field.name for field in fields if field.repr)),
        **_comparing(tuple(field.name for field in fields if field.compare)),
        "__setattr__": _cannot_assign,
        "__delattr__": _cannot_delete,
        **_pickled(tuple(field.name for field in fields)),
    }
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    # For classes that inherit from this one: dataclasses reads it from the base class.
    cls.__dataclass_params__.frozen = True  # type: ignore[attr-defined]
    return cls


def _init(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    known: dict[str, object] = {"_set": object.__setattr__, "_ask": _ASK}
    parameters, lines = [], []
    for field in fields:
        assert field.init
        assert not field.kw_only
        name, value = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameters.append(f"{name}=_ask")
            value = f"_make_{name}() if {name} is _ask else {name}"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    text = f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"])
    # The text is made of names of fields alone, which are identifiers of a class that exists.
    exec(text, known)
    method: Any = known["__init__"]
    method.__annotations__ = {field.name: field.type for field in fields} | {"return": None}
    return method  # type: ignore[no-any-return]


class _Ask:
    """Stands for a default that is created for each value."""

    def __repr__(self) -> str:
        return "<factory>"


_ASK = _Ask()


def _repr(names: tuple[str, ...]) -> Callable[[object], str]:
    def told(value: object) -> str:
        fields = ", ".join([f"{name}={getattr(value, name)!r}" for name in names])
        return f"{type(value).__qualname__}({fields})"

    return told


def _comparing(names: tuple[str, ...]) -> dict[str, Callable[..., object]]:
    values: Callable[[object], object]
    if len(names) > 1:
        values = attrgetter(*names)
    else:

        def values(of: object) -> object:
            return tuple([getattr(of, name) for name in names])

    def equal(value: object, other: object) -> bool:
        return values(value) == values(other) if type(other) is type(value) else NotImplemented

    def hashed(value: object) -> int:
        return hash(values(value))

    return {"__eq__": equal, "__hash__": hashed}


def _cannot_assign(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _cannot_delete(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _pickled(names: tuple[str, ...]) -> dict[str, Callable[..., object]]:
    """A frozen class with slots cannot be unpickled without these methods."""

    def state(value: object) -> list[object]:
        return [getattr(value, name) for name in names]

    def take(value: object, state: list[object]) -> None:
        for name, each in zip(names, state, strict=True):
            object.__setattr__(value, name, each)

    return {"__getstate__": state, "__setstate__": take}
