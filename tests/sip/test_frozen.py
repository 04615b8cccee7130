"""``sip.frozen`` makes what ``dataclasses`` makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from typing import Any, ClassVar

import pytest

from sip import frozen


def _declared(dataclass: object) -> tuple[type, type]:
    assert callable(dataclass)

    @dataclass(frozen=True, slots=True)
    class Whole:
        kind: ClassVar[str] = "whole"
        name: str
        secret: str = field(default="", repr=False)
        note: str = field(default="", compare=False)
        items: list[int] = field(default_factory=list, compare=False)
        size: float = 1.5

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("no name")

    @dataclass(frozen=True, slots=True)
    class One:
        """With a hash and words of its own."""

        value: object

        def __repr__(self) -> str:
            return "one"

        __hash__ = object.__hash__

    return Whole, One


OURS, THEIRS = _declared(frozen.dataclass), _declared(dataclasses.dataclass)


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    name: str
    size: int = 1


@frozen.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    size: int = 1


@frozen.dataclass(frozen=True, slots=True)
class Empty:
    """Has no fields."""


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "standard"])
def test_values_are_made_compared_and_shown_alike(kinds: tuple[type, type]) -> None:
    whole, one = kinds
    made = whole("a", secret="s")
    assert repr(made).endswith("Whole(name='a', note='', items=[], size=1.5)")
    assert made == whole("a", "s", "another note", [1])
    assert made != whole("b", "s")
    assert made != "a"
    assert hash(made) == hash(whole("a", "s", "another note"))
    assert whole("a").items is not whole("a").items
    assert whole.__match_args__ == ("name", "secret", "note", "items", "size")
    assert repr(one(1)) == "one"
    assert hash(one(1)) != hash(one(1))
    with pytest.raises(ValueError, match="no name"):
        whole("")
    with pytest.raises(TypeError, match="name"):
        whole()


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "standard"])
def test_nothing_can_be_changed(kinds: tuple[type, type]) -> None:
    made = kinds[0]("a")
    assert not hasattr(made, "__dict__")
    for name in ("name", "other"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(made, name, "b")
    with pytest.raises((FrozenInstanceError, TypeError)):
        del made.name


@pytest.mark.parametrize("kind", [Standard, Frozen])
def test_the_standard_functions_know_them(kind: type) -> None:
    made = kind("a", 2)
    assert dataclasses.is_dataclass(kind)
    assert dataclasses.replace(made, size=3) == kind("a", 3)
    assert dataclasses.asdict(made) == {"name": "a", "size": 2}
    assert [each.name for each in dataclasses.fields(kind)] == ["name", "size"]
    assert pickle.loads(pickle.dumps(made)) == made == copy.deepcopy(made)
    assert list(inspect.signature(kind).parameters) == ["name", "size"]


@pytest.mark.parametrize("dataclass", [dataclasses.dataclass, frozen.dataclass])
def test_another_class_may_be_below_one(dataclass: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Below(Frozen):
        more: int = 2

    assert repr(Below("a", 3)).endswith("Below(name='a', size=3, more=2)")
    with pytest.raises(FrozenInstanceError):
        Below("a").more = 3


def test_one_without_fields_equals_every_other_one() -> None:
    assert Empty() == Empty()
    assert len({Empty(), Empty()}) == 1
    assert repr(Empty()) == "Empty()"
