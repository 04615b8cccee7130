"""What ``t38fsp`` and ``sip`` export: the same to a type checker and at run time, and loaded on use."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import t38fsp
from t38fsp import errors

ROOT = Path(__file__).parent.parent


def typed(package: str) -> dict[str, str]:
    """The names that the package imports for a type checker, and the module of each."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name} is not exported (from m import X as X)"
            found[alias.name] = node.module or ""
    return found


@pytest.mark.parametrize("package", ["sip", "t38fsp"])
def test_the_exported_names_are_those_of_the_type_checker(package: str) -> None:
    module = importlib.import_module(package)
    exported = {name: origin for origin, names in module._MODULES.items() for name in names}
    assert exported == typed(package)
    for name, origin in exported.items():
        assert getattr(module, name) is getattr(importlib.import_module(origin), name)
        assert name in dir(module)


@pytest.mark.parametrize("package", ["sip", "t38fsp"])
def test_a_name_that_is_not_exported(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'FaxProvidr'"):
        importlib.import_module(package).FaxProvidr  # noqa: B018


def test_every_error_of_the_tree_is_exported() -> None:
    classes = {
        kind.__name__
        for kind in (getattr(t38fsp, name) for name in dir(t38fsp))
        if isinstance(kind, type) and issubclass(kind, errors.FaxError)
    }
    # Those of the service come last, and are for its parts and clients alone.
    of_programs = (errors.__doc__ or "").partition("├── SubmissionError")[0]
    drawn = {line.split("─ ")[1].split()[0] for line in of_programs.splitlines() if "─ " in line}
    assert classes == drawn | {"FaxError"}


def test_a_package_loads_nothing_before_its_names_are_used() -> None:
    program = "import sys, sip, t38fsp; print(*(m for m in sys.modules if m.startswith(('sip.', 't38fsp.'))))"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["sip.exports"]
