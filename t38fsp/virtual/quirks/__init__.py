"""What a virtual gateway can do wrong, by name.

``parse_quirks("first-seq=32768,data-in-fcs")`` reads what the command line takes: names, with values after
``=`` and colons between them where a quirk has several.

To add a quirk: write a frozen dataclass on :class:`t38fsp.virtual.hooks.Quirk` in the file of this folder
that fits, with a docstring of two paragraphs (what it does; what goes wrong), which the documentation
shows; add it to the tuple ``QUIRKS`` of that file; give it a ``Case`` in ``tests/virtual/test_quirks.py``;
and run ``python -m tests.virtual.test_documented``, which writes the tables of ``docs/virtual-gateway.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from typing import get_type_hints

from t38fsp.t30.frames import FCF
from t38fsp.virtual.hooks import Quirk, QuirkError
from t38fsp.virtual.quirks import (
    audio,
    calls,
    correction,
    datagrams,
    ends,
    fax_machines,
    hearing,
    packets,
    pages,
    sdp,
    setup,
    sizes,
)

GROUPS: Mapping[str, Sequence[type[Quirk]]] = {
    "SIP: whether the call is answered": setup.QUIRKS,
    "SIP: who switches when, and what happens besides": calls.QUIRKS,
    "SDP": sdp.QUIRKS,
    "The stream of datagrams": datagrams.QUIRKS,
    "Error correction": correction.QUIRKS,
    "How frames and bursts end": ends.QUIRKS,
    "How bursts are announced and written": packets.QUIRKS,
    "How much it takes at once": sizes.QUIRKS,
    "What it needs to hear": hearing.QUIRKS,
    "Audio, where there is no T.38": audio.QUIRKS,
    "The machine and its telephone line": fax_machines.QUIRKS,
    "Training and pages": pages.QUIRKS,
}
"""Every quirk, by what it concerns."""

QUIRKS: Mapping[str, type[Quirk]] = {quirk.name: quirk for group in GROUPS.values() for quirk in group}
"""Every quirk by its name."""


def parse_quirks(text: str) -> tuple[Quirk, ...]:
    """Read a list of quirks.

    Raises QuirkError for an unknown name, a value that does not suit, or two that exclude each other.
    """
    quirks = tuple(_parse_quirk(part.strip()) for part in text.split(",") if part.strip())
    check_combination(quirks)
    return quirks


def check_combination(quirks: Sequence[Quirk]) -> None:
    """Raises QuirkError when a quirk is there twice, or two of them settle the same thing."""
    names = [quirk.name for quirk in quirks]
    for position, quirk in enumerate(quirks):
        others = {*names[:position], *names[position + 1 :]}
        clash = next((name for name in names if name in others & (quirk.excludes | {quirk.name})), None)
        if clash is not None:
            raise QuirkError(f"{quirk.name} cannot be combined with {clash}; leave one of them out")


def describe(quirk: Quirk) -> str:
    """The quirk as parse_quirks reads it."""
    values = [_written(getattr(quirk, field)) for field in _fields(type(quirk))]
    return f"{quirk.name}={':'.join(values)}" if values else quirk.name


def summary(kind: type[Quirk]) -> str:
    """What the quirk does, in one sentence."""
    assert kind.__doc__ is not None
    return " ".join(kind.__doc__.partition("\n\n")[0].split()).replace("``", "")


def consequence(kind: type[Quirk]) -> str:
    """What goes wrong because of the quirk."""
    assert kind.__doc__ is not None
    return " ".join(kind.__doc__.partition("\n\n")[2].split()).replace("``", "")


def _parse_quirk(text: str) -> Quirk:
    name, _, values = text.partition("=")
    kind = QUIRKS.get(name.strip().lower())
    if kind is None:
        raise QuirkError(f"there is no quirk {name!r}; {_near(name)}")
    # Types of the fields decide how a value is read; they are strings in the dataclass (PEP 563).
    hints = get_type_hints(kind)
    wanted = _fields(kind)
    given = values.split(":") if values else []
    if len(given) > len(wanted):
        raise QuirkError(f"{name} takes {len(wanted) or 'no'} values, not {values!r}")
    # Values that are left out keep their defaults: zip ends with the shorter.
    arguments = {
        field: _value(name, hints[field], value.strip()) for field, value in zip(wanted, given, strict=False)
    }
    return kind(**arguments)


def _near(name: str) -> str:
    near = get_close_matches(name.strip().lower(), QUIRKS, n=4, cutoff=0.5)
    if not near:
        return f"none of the {len(QUIRKS)} quirks has a similar name"
    return f"similar: {', '.join(near)}"


def _fields(kind: type[Quirk]) -> list[str]:
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def _value(name: str, kind: type, text: str) -> object:
    try:
        # By its name in T.30, such as PPS-EOM's PPS; the value of the member is a code.
        if kind is FCF:
            return FCF[text.upper().replace("-", "_")]
        return kind(text.lower()) if issubclass(kind, Enum) else _READERS[kind](text)
    except (KeyError, ValueError) as error:
        choices = ""
        if issubclass(kind, Enum) and kind is not FCF:
            choices = f"; it can be {', '.join(str(each.value) for each in kind)}"
        raise QuirkError(f"{text!r} is not a value of {name}{choices}") from error


_READERS: Mapping[type, Callable[[str], object]] = {int: int, float: float}


def _written(value: object) -> str:
    if isinstance(value, Enum):
        return str(value) if isinstance(value, FCF) else str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = [
    "GROUPS",
    "QUIRKS",
    "QuirkError",
    "check_combination",
    "consequence",
    "describe",
    "parse_quirks",
    "summary",
]
