"""Lists as tables of text or as JSON, and times as people read them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from t38fsp.cli.exits import Exit
from t38fsp.cli.output import is_terminal, print_line

_GAP = "  "


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their heads; the last column is cut to the width of a terminal."""
    if not rows:
        return
    # A line break within a reason would break the table.
    cells = [list(heads), *([" ".join(cell.split()) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        print_line(_GAP.join([*padded, row[-1]])[:width].rstrip(), sys.stdout)


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Print names and values, without those that say nothing."""
    shown = [(name, value) for name, value in facts if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print_line(f"{name.ljust(width)}  {value}", sys.stdout)


def print_objects(found: Iterable[Mapping[str, Any]]) -> Exit:
    """Print each as JSON in a line of its own, and return the status of a command that succeeded."""
    for each in found:
        print_line(json.dumps(each), sys.stdout)
    return Exit.COMPLETED


def local_time(text: str | None) -> str:
    """A time of the API by the clock of this machine; the day only if it is not today."""
    if not text:
        return ""
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")
