"""Docstrings of the source as Markdown, for the pages of docs/ that are generated from them."""

from __future__ import annotations

import ast
import inspect
import re
from textwrap import dedent

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`<]+?)`")


def markdown(text: str) -> str:
    """``text`` of a docstring, with its roles and literals as Markdown code."""
    return _ROLE.sub(r"`\1`", inspect.cleandoc(text)).replace("``", "`")


def texts_of_fields(kind: type) -> dict[str, str]:
    """The text below each field of a class, on one line."""
    source = next(base for base in kind.__mro__ if base.__module__ == kind.__module__ and _has_source(base))
    (body,) = ast.parse(dedent(inspect.getsource(source))).body
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, below in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = str(below.value.value)
            texts[field.target.id] = " ".join(markdown(text).split())
    return texts


def texts_of_members(kind: type) -> dict[str, str]:
    """The text below each member of an enumeration, on one line."""
    (body,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    return {
        member.targets[0].id: " ".join(markdown(str(below.value.value)).split())
        for member, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def _has_source(kind: type) -> bool:
    try:
        return inspect.getsource(kind).lstrip().startswith(("@", "class"))
    except (OSError, TypeError):
        return False
