"""Counts what tells how a tree is kept: ``python -m tests.house [TREE …]``, each a checkout.

Of ``sip`` and ``t38fsp``: files; lines of code, without blanks, comments and docstrings; comment lines; files
below 60 lines; names of files, and of public classes, that stand twice or more; files in the folder ``sip``
itself; places in T.30 where a state is set, or handed to what sets it; places where a bound of a setting
stands (a field of pydantic or of ``sip.bounds``, or a comparison before a ``raise`` in a ``__post_init__``);
and names of settings whose bounds stand in several of these.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_SMALL = 60
_BOUNDS = frozenset({"ge", "le", "gt", "lt", "least", "most", "above", "among"})
_NO_CODE = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


def counts(tree: Path) -> dict[str, int]:
    paths = [path for package in ("sip", "t38fsp") for path in sorted((tree / package).rglob("*.py"))]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    parsed = {path: ast.parse(text) for path, text in texts.items()}
    plain = [path for path in paths if not path.stem.startswith("__")]
    lines = [_lines(text, parsed[path]) for path, text in texts.items()]
    classes = Counter(
        node.name
        for module in parsed.values()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    bounds = Counter(name for module in parsed.values() for name in _bounded(module))
    return {
        "files": len(paths),
        "lines of code": sum(code for code, _ in lines),
        "comment lines": sum(comments for _, comments in lines),
        f"files below {_SMALL} lines": sum(texts[path].count("\n") < _SMALL for path in plain),
        "names of files that stand twice": _doubles(Counter(path.stem for path in plain)),
        "names of classes that stand twice": _doubles(classes),
        "files in sip/": sum(path.parent == tree / "sip" for path in plain),
        "places where a T.30 state is set": sum(
            _states(module) for path, module in parsed.items() if path.parent == tree / "t38fsp" / "t30"
        ),
        "places of bounds": sum(bounds.values()),
        "settings with bounds in several places": _doubles(bounds),
    }


def _doubles(names: Counter[str]) -> int:
    return sum(count > 1 for count in names.values())


def _lines(text: str, module: ast.Module) -> tuple[int, int]:
    """Lines of code, and comment lines."""
    code: set[int] = set()
    comments: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in _NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None
            code -= set(range(node.lineno, node.end_lineno + 1))
    return len(code), len(comments - code)


def _states(module: ast.Module) -> int:
    """Assignments to ``self._state``, and calls that are given a state."""
    found = 0
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            found += any(isinstance(to, ast.Attribute) and to.attr == "_state" for to in node.targets)
        elif isinstance(node, ast.Call) and _name(node.func) not in ("row", "Table", "_repeats"):
            arguments = (*node.args, *(keyword.value for keyword in node.keywords))
            found += any(
                isinstance(each, ast.Attribute) and _name(each.value) == "State" for each in arguments
            )
    return found


def _bounded(module: ast.Module) -> Iterator[str]:
    """The name of each setting whose bounds stand here, once for each place."""
    for node in ast.walk(module):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            calls = (
                each
                for part in (node.annotation, node.value)
                if part is not None
                for each in ast.walk(part)
                if isinstance(each, ast.Call)
            )
            if any(keyword.arg in _BOUNDS for call in calls for keyword in call.keywords):
                yield node.target.id
        elif isinstance(node, ast.FunctionDef) and node.name == "__post_init__":
            for test in (each.test for each in ast.walk(node) if isinstance(each, ast.If)):
                for compared in (each for each in ast.walk(test) if isinstance(each, ast.Compare)):
                    named = [each.attr for each in ast.walk(compared) if isinstance(each, ast.Attribute)]
                    numbers = [
                        each
                        for each in ast.walk(compared)
                        if isinstance(each, ast.Constant) and type(each.value) in (int, float)
                    ]
                    if named and numbers:
                        yield named[0]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    columns = [counts(Path(tree)) for tree in sys.argv[1:] or ["."]]
    for what in columns[0]:
        print(f"{what:<40}", *(f"{column[what]:>8}" for column in columns))
