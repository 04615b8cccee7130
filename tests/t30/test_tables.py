"""The state tables themselves: every row can be reached, and is; every state, guard and action is used.

What reaches the rows are the scenarios of the tests that go row by row: ``test_transmitter_table``,
``test_receiver_table``, ``test_polling`` and ``test_rare_rows``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from types import ModuleType

import pytest

from t38fsp.t30.machine import T30Machine
from t38fsp.t30.receive_table import POLL_TABLE, RECEIVE_TABLE
from t38fsp.t30.table import Input, Row
from t38fsp.t30.transmit_table import TRANSMIT_TABLE
from tests.t30 import test_polling, test_rare_rows, test_receiver_table, test_transmitter_table

TABLES = {"transmit": TRANSMIT_TABLE, "receive": RECEIVE_TABLE, "poll": POLL_TABLE}
ROW_BY_ROW = (test_transmitter_table, test_receiver_table, test_polling, test_rare_rows)

Place = tuple[Enum, Row]


def scenarios(module: ModuleType) -> Iterator[tuple[object, tuple[object, ...]]]:
    """The tests of a module that run one row each, with the arguments of each row."""
    for name, function in vars(module).items():
        for mark in getattr(function, "pytestmark", []) if name.startswith("test_") else []:
            if mark.name == "parametrize" and mark.args[0][-2:] == ("events", "expected"):
                for values in mark.args[1]:
                    yield function, getattr(values, "values", values)


def reached() -> dict[str, set[Place]]:
    """The rows that the scenarios pass through, with the state each time."""
    names = {id(table): name for name, table in TABLES.items()}
    places: dict[str, set[Place]] = {name: set() for name in TABLES}
    follow = T30Machine._follow

    def record(machine: T30Machine, place: Enum, given: Input, step: object) -> None:
        places[names[id(machine.table)]].add((place, step.row))
        follow(machine, place, given, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(T30Machine, "_follow", record)
        for module in ROW_BY_ROW:
            for function, values in scenarios(module):
                function(*values)
    return places


def described(table: str, place: Enum, row: Row) -> str:
    inputs = " ".join(given.name for given in row.inputs[:3])
    return f"{table}: {place.name} {inputs} [{row.guard}] {row.action} -> {row.next}"


def test_every_row_is_reached_in_a_state_of_it() -> None:
    places = reached()
    rows = {name: {row for _, row in found} for name, found in places.items()}
    missed = [
        described(name, row.states[0], row)
        for name, table in TABLES.items()
        for row in table
        if row not in rows[name] and not (name == "poll" and row in RECEIVE_TABLE.rows)
    ]
    assert missed == []
