"""Models of the API that are made of dataclasses of settings: a setting is declared once, with its bounds."""

from __future__ import annotations

import inspect
from ast import AnnAssign, Constant, Expr, parse
from collections.abc import Collection
from enum import Enum
from textwrap import dedent
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from sip.bounds import Bounds, settings_of


def settings_model(name: str, kind: type, leave_out: Collection[str], doc: str) -> type[BaseModel]:
    """A model whose fields are the settings of ``kind``, each of which may be missing.

    Enumerations are their values. ``model_dump(exclude_unset=True)`` has what was given.
    """
    texts = _texts(kind)
    made: dict[str, Any] = {}
    for field_name, (each, bounds) in settings_of(kind).items():
        if field_name not in leave_out:
            text = texts.get(field_name, "")
            made[field_name] = (_type(each.default, bounds) | None, Field(None, description=text or None))
    config = ConfigDict(extra="forbid")
    return create_model(name, __config__=config, __doc__=doc, **made)


def _type(default: Any, bounds: Bounds) -> Any:
    if isinstance(default, Enum):
        return Literal[tuple(each.value for each in type(default))]
    if isinstance(default, bool):
        return bool
    if isinstance(default, str) or (default is None and bounds.check is not None):
        return Annotated[str, Field(max_length=200)]
    if bounds.among:
        return Literal[bounds.among]
    limits: dict[str, Any] = {}
    if bounds.off is None:
        limits = {"ge": bounds.least, "le": bounds.most, "gt": bounds.above}
    whole = isinstance(bounds.least, int) or isinstance(default, int)
    return Annotated[int if whole else float, Field(**limits)]


def _texts(kind: type) -> dict[str, str]:
    """The docstrings below the fields of a dataclass."""
    # Python drops them when it compiles: they are in the source only.
    (body,) = parse(dedent(inspect.getsource(kind))).body
    texts: dict[str, str] = {}
    name = ""
    for each in getattr(body, "body", ()):
        match each:
            case AnnAssign(target=target):
                name = getattr(target, "id", "")
            case Expr(value=Constant(value=str(text))) if name:
                texts[name] = " ".join(text.replace("``", "`").split())
    return texts
