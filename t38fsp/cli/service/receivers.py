"""The receivers of a CSV file, and times as people write them."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from t38fsp.cli.exits import CommandError, Exit

_MOST_OCTETS = 20_000_000
_MOST_ROWS = 100_000
_MOST_COLUMNS = 50
_NUMBER_COLUMNS = ("to", "number", "fax")
_OWN = {"name", "sub_address"}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def read_receivers(file: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file as the API takes them. Raises CommandError.

    The first row names the columns: ``to`` (or ``number``, ``fax``), ``name``, ``sub_address``; all others
    are fields of the cover page. Without such a row the first column has the numbers. Commas, semicolons and
    tabs separate columns.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _wrong(file, f"it cannot be read ({error.strerror}); check its name") from error
    if len(data) > _MOST_OCTETS:
        raise _wrong(file, f"it is larger than {_MOST_OCTETS} octets; split it")
    try:
        # Excel writes a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(file, "it is not UTF-8 text; save it in that encoding") from error
    first = text.partition("\n")[0]
    # Where the decimal sign is a comma, spreadsheets write semicolons.
    separator = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(map(str.strip, row))]
    except csv.Error as error:
        raise _wrong(file, f"it is not CSV: {error}") from error
    if not rows:
        raise _wrong(file, "it has no rows; write a number in each")
    if len(rows) > _MOST_ROWS + 1:
        raise _wrong(file, f"it has more than {_MOST_ROWS} rows; split it")
    titles = [name.strip() for name in rows[0]]
    names = [title.lower().replace(" ", "_") for title in titles]
    column = next((names.index(name) for name in _NUMBER_COLUMNS if name in names), None)
    if column is None:
        if not any(each.isdigit() for each in rows[0][0]):
            raise _wrong(file, "no column of its first row is named to; name one so")
        titles, names, column = ["to"], ["to"], 0
    else:
        rows = rows[1:]
    if len(names) > _MOST_COLUMNS:
        raise _wrong(file, f"it has more than {_MOST_COLUMNS} columns; leave some out")
    return [_receiver(file, number, row, titles, names, column) for number, row in enumerate(rows, start=1)]


def _receiver(
    file: Path, number: int, row: list[str], titles: list[str], names: list[str], column: int
) -> dict[str, Any]:
    cells = [cell.strip() for cell in row]
    if len(cells) <= column or not cells[column]:
        raise _wrong(file, f"its row {number} has no number; write one, or remove the row")
    found: dict[str, Any] = {"to": cells[column]}
    for title, name, cell in zip(titles, names, cells, strict=False):
        if name in _OWN:
            found[name] = cell
        elif name and cell and names.index(name) != column:
            found.setdefault("fields", {})[title] = cell
    return found


def _wrong(file: Path, what: str) -> CommandError:
    return CommandError(f"--to-file {file}: {what}", Exit.USAGE)


def read_time(option: str, text: str, now: datetime, *, past: bool = False) -> str:
    """An ISO 8601 time, or the next ``HH:MM`` by the clock of this machine (with ``past`` the last one), with
    its offset. Raises CommandError. ``now`` has a time zone."""
    if (clock := _CLOCK.fullmatch(text)) is not None:
        # Naive, so that the offset is that of the day which is meant: clocks may change before.
        local = now.replace(tzinfo=None)
        at = local.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        if past and at > local:
            at -= timedelta(days=1)
        elif not past and at <= local:
            at += timedelta(days=1)
        return at.astimezone().isoformat()
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise CommandError(
            f"--{option}: {text[:60]!r} is not a time; write 18:30, 2026-12-24T18:30 or "
            "2026-12-24T18:30+01:00",
            Exit.USAGE,
        ) from error
