"""Names that a package exports and loads on first use (PEP 562), so that importing it costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def exports(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of ``package``, which exports the names listed for each module.

    For type checkers the package imports the same names under ``TYPE_CHECKING``, and hides these two
    functions there: a module with ``__getattr__`` would have every name.
    """
    module_of = {name: module for module, names in modules.items() for name in names}
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(module_of[name]), name)
        namespace[name] = value  # from now on found without this function
        return value

    def names() -> list[str]:
        return sorted({*namespace, *module_of})

    return load, names
