"""docs/messages.md, collected from the source: ``python -m tests.messages_page`` writes it.

A message is a text of three words or more that is not a docstring; fields of an f-string stand in braces.
Help texts of the command line are left out: ``t38fsp COMMAND --help`` has them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "messages.md"
_HEAD = """# Messages

Every message of the product, collected from the source by `python -m tests.messages_page`; a name in
braces stands for a value. Errors are raised to a program or end a command. Log records have the logger
of their module. All others are parts of a result's `reason`, its warnings, what a command prints, or
texts that go to a peer.
"""
_LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
_WORDS = 3
_NO_MESSAGES = {
    # The rows of state tables: docs/t30.md and docs/call.md.
    "t38fsp/call/table.py",
    "t38fsp/t30/receive_table.py",
    "t38fsp/t30/table.py",
    "t38fsp/t30/transmit_table.py",
    # What its pages show.
    "t38fsp/image/sample.py",
}


def page() -> str:
    parts = [_HEAD]
    for package in ("t38fsp", "sip"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            messages = messages_of(ast.parse(path.read_text(encoding="utf-8")))
            if not messages or name in _NO_MESSAGES:
                continue
            parts.append(f"## {name}\n")
            for kind, texts in messages.items():
                parts.append(f"{kind}:\n")
                parts += [f"* {text}" for text in texts]
                parts.append("")
    return "\n".join(parts)


def messages_of(tree: ast.Module) -> dict[str, list[str]]:
    """The messages of a module by kind, each once, in the order of the source."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind, text in _messages(tree, "Texts"):
        if text not in found[kind]:
            found[kind].append(text)
    return dict(
        sorted(found.items(), key=lambda item: (item[0] == "Texts", item[0].startswith("Log"), item[0]))
    )


def _messages(node: ast.AST, kind: str) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Raise(exc=ast.Call(func=raised)):
            kind = f"Raised as {_name(raised)}"
        case ast.Call(func=ast.Attribute(value=ast.Name(id=("logger" | "_logger" | "log")), attr=level)):
            if level in _LEVELS:
                kind = "Log"
        case ast.Call(func=called) if _name(called).endswith("Error"):
            kind = f"Raised as {_name(called)}"
        case ast.Constant(value=str() as text) if len(text.split()) >= _WORDS:
            yield kind, _shown(text)
            return
        case ast.JoinedStr():
            text = _shown("".join(_part(each) for each in node.values))
            if len(text.split()) >= _WORDS:
                yield kind, text
            return
        case ast.keyword(arg="help" | "epilog"):
            return
    body = list(ast.iter_child_nodes(node))
    for child in body:
        if _is_docstring(child) and isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            continue
        yield from _messages(child, kind)


def _is_docstring(node: ast.AST) -> bool:
    """A string that stands alone documents what is before it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.FormattedValue)
    match value.value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return f"{{{name.strip('_')}}}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return f"{{{name.strip('_')}}}"
    return "{…}"


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
    return ""


def _shown(text: str) -> str:
    text = " ".join(text.split())
    for character in "\\`*_<>|":
        text = text.replace(character, f"\\{character}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
