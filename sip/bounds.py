"""Bounds of settings, declared as data with the fields of the dataclasses that hold them.

A setting is a field of a dataclass that the user agent, the fax call or the engine uses::

    switch_wait: float = setting(10.0, least=0.0, most=35.0, unit="seconds")

Its default, bounds and unit are declared only there. The dataclass applies them with :func:`check`; the keys
of the file are generated from them (``t38fsp.settings.keys``), and so are the tables of ``docs/routes.md``. A
value out of range is therefore refused with the same message, whatever its source.

The module is at the bottom of the package ``sip`` because the settings of a SIP line use it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, field, fields, replace
from enum import Enum
from math import isfinite
from typing import Any, TypeVar

from sip.frozen import dataclass

T = TypeVar("T")

_METADATA = "sip.bounds"
_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The valid values of a setting. None is valid if the default is None."""

    least: float | None = None
    """Lowest value; if it is an int, only whole numbers are valid."""
    most: float | None = None
    """Highest value."""
    above: float | None = None
    """Exclusive lower bound, instead of ``least``."""
    among: tuple[int, ...] = ()
    """The only valid values."""
    off: float | None = None
    """A value outside the range that turns the feature off."""
    check: Callable[[Any], object] | None = None
    """Raises ValueError for an invalid value."""
    unit: str = ""
    table: str | None = None
    """The table of the file that has the key; empty for the table of a route itself, None for no key."""
    key: str = ""
    """Name of the key; empty if it is that of the field."""
    secret: bool = False
    """A string that must not appear in messages or in ``repr``."""
    of: type | None = None
    """The dataclass whose setting it repeats (:func:`like`)."""

    def fault(self, value: object, default: object) -> str | None:
        """Why ``value`` is invalid, beginning with the value; None if it is valid."""
        if value is None and default is None:
            return None
        # The kind of a setting is that of its default; bool before numbers, of which it is one in Python.
        if isinstance(default, bool):
            return None if isinstance(value, bool) else f"{value!r} is neither true nor false"
        if isinstance(default, Enum):
            return None if isinstance(value, type(default)) else f"{value!r} is not one of {_names(default)}"
        if isinstance(default, str):
            if not isinstance(value, str):
                return f"{value!r} is not a string"
            return None if self.check is None else _refusal(self.check, value)
        return self._number_fault(value) if self.check is None else _refusal(self.check, value)

    def _number_fault(self, value: object) -> str | None:
        whole = bool(self.among) or isinstance(self.least, int)
        # bool is a subclass of int, but ``true`` in a file is not meant as the number 1.
        if not isinstance(value, int if whole else int | float) or isinstance(value, bool):
            return f"{value!r} is not a {'whole ' if whole else ''}number"
        # Only for a float: isfinite raises OverflowError for a large int.
        if isinstance(value, float) and not isfinite(value):
            return f"{value!r} is not a number"
        if value == self.off or value in self.among:
            return None
        shown = _shown(value)
        if self.among:
            return f"{shown} is not one of {_either(self.among)}"
        otherwise = "" if self.off is None else f", or {_shown(self.off)} for none"
        if self.above is not None and value <= self.above:
            return f"{shown} must be above {_shown(self.above)}"
        if self.least is not None and value < self.least:
            return f"{shown} is too small: the minimum is {_shown(self.least)}{otherwise}"
        if self.most is not None and value > self.most:
            return f"{shown} is too large: the maximum is {_shown(self.most)}"
        return None

    def __str__(self) -> str:
        """The valid numbers, in words; empty if all are valid."""
        unit = f" {self.unit}" if self.unit else ""
        if self.among:
            return f"{_either(self.among)}{unit}"
        least, above, most = (
            None if bound is None else _shown(bound) for bound in (self.least, self.above, self.most)
        )
        match least, above, most:
            case None, None, None:
                return ""
            case None, _, None:
                values = f"above {above}"
            case None, _, _:
                values = f"above {above}, up to {most}"
            case _, _, None:
                values = f"from {least}"
            case _:
                values = f"{least} to {most}"
        return f"{values}{unit}" if self.off is None else f"{values}{unit}, or {_shown(self.off)} for none"


def setting(
    default: T,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    among: tuple[int, ...] = (),
    off: float | None = None,
    check: Callable[[Any], object] | None = None,
    unit: str = "",
    table: str | None = None,
    key: str = "",
    secret: bool = False,
) -> T:
    """Declare the field of a setting; the arguments are the fields of :class:`Bounds`."""
    bounds = Bounds(least, most, above, among, off, check, unit, table, key, secret)
    return field(default=default, repr=not secret, metadata={_METADATA: bounds})


_SAME = object()


def like(kind: type, name: str, *, default: Any = _SAME, table: str | None = None) -> Any:
    """Declare a field with the bounds of the setting ``name`` of ``kind``, and with its default if none is
    given."""
    (same,) = (each for each in fields(kind) if each.name == name)
    bounds: Bounds = same.metadata[_METADATA]
    repeated = replace(bounds, table=table, of=kind)
    default = same.default if default is _SAME else default
    return field(default=default, repr=same.repr, metadata={_METADATA: repeated})


def given(value: Any, kind: type) -> dict[str, Any]:
    """The settings of ``value`` that were declared ``like`` some of ``kind``, as arguments for ``kind``."""
    return {
        name: getattr(value, name)
        for name, (_, bounds) in settings_of(type(value)).items()
        if bounds.of is kind
    }


def settings_of(kind: type) -> dict[str, tuple[Field[Any], Bounds]]:
    """The settings of a dataclass, by field name."""
    return {each.name: (each, each.metadata[_METADATA]) for each in fields(kind) if each.metadata}


def check(value: Any, error: type[ValueError] = ValueError) -> None:
    """Raises ``error`` for the first setting of a dataclass that is out of bounds."""
    for name, (each, bounds) in settings_of(type(value)).items():
        if (fault := bounds.fault(getattr(value, name), each.default)) is not None:
            raise error(f"{name}: {fault}")


def text(value: object) -> None:
    """Check of a setting that is a string or None."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")


def _refusal(check: Callable[[Any], object], value: object) -> str | None:
    try:
        check(value)
    except ValueError as error:
        return str(error)
    return None


def _shown(number: float) -> str:
    return (str(int(number)) if number == int(number) else repr(number))[:_SHOWN]


def _either(values: tuple[int, ...]) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} or {last}"


def _names(member: Enum) -> str:
    *most, last = (repr(each.value) for each in type(member))
    return f"{', '.join(most)} or {last}"
