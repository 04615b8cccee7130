"""What is wrong with a quirk that cannot be."""

from __future__ import annotations

from t38fsp.errors import FaxError


class QuirkError(FaxError, ValueError):
    """There is no such quirk, or none with this value, or not together with that one."""


def check(holds: bool, name: str, wanted: str) -> None:
    """Raises QuirkError unless it holds."""
    if not holds:
        raise QuirkError(f"the quirk {name} takes {wanted}")
