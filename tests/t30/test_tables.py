"""The state tables themselves: every row can be reached, and is; every state, guard and action is used.

What reaches the rows are the scenarios of the tests that go row by row: ``test_transmitter_table``,
``test_receiver_table``, ``test_polling``, ``test_rare_rows`` and ``test_every_state``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import Enum
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import pytest

from t38fsp.t30 import machine as machine_module
from t38fsp.t30.half_duplex import HalfDuplexLine
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.receive_table import POLL_TABLE, RECEIVE_TABLE
from t38fsp.t30.table import Ending, Event, Input, Row, Table
from t38fsp.t30.transmit_table import TRANSMIT_TABLE
from tests.t30 import (
    test_every_state,
    test_polling,
    test_rare_rows,
    test_receiver_table,
    test_transmitter_table,
)
from tests.t30.document import PAGE, machines, page

TABLES = {"transmit": TRANSMIT_TABLE, "receive": RECEIVE_TABLE, "poll": POLL_TABLE}
ROW_BY_ROW = (test_transmitter_table, test_receiver_table, test_polling, test_rare_rows, test_every_state)

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

    def record(machine: T30Machine, place: Enum, given: Input, bound: machine_module._BoundRow) -> None:
        places[names[id(machine.table)]].add((place, bound.row))
        follow(machine, place, given, bound)

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


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_row_hides_another(table: Table) -> None:
    """A row without a guard is the last one for its state and input."""
    for rows in table.index.values():
        assert all(row.guard for row in rows[:-1]), [row for row in rows[:-1] if not row.guard]
        assert len({row.guard for row in rows}) == len(rows)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_step_leads_on(table: Table) -> None:
    """A step has a row without a guard, and no steps lead in a circle."""
    for step in table.steps:
        assert not table.index[step, Event.AT_ONCE][-1].guard
        assert not [row for row in table if step in row.states and set(row.inputs) != {Event.AT_ONCE}]

    def ahead(step: Enum) -> set[Enum]:
        targets = {row.next for row in table.index[step, Event.AT_ONCE]} & table.steps
        return targets.union(*map(ahead, targets))  # a circle is a RecursionError

    assert all(step not in ahead(step) for step in table.steps)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_state_is_left_and_reached(table: Table) -> None:
    left = {state for row in table for state in row.states}
    targets = {row.next for row in table if row.next is not None and not isinstance(row.next, Ending)}
    assert targets | {table.start, table.disconnect} >= left - targets_of_the_other(table)
    assert left >= targets - {table.end}


def targets_of_the_other(table: Table) -> set[Enum]:
    """States of rows that both receivers share, which only one of them comes to."""
    if table is TRANSMIT_TABLE:
        return set()
    other = RECEIVE_TABLE if table is POLL_TABLE else POLL_TABLE
    return {row.next for row in other if isinstance(row.next, Enum)}


def names(table: Table) -> set[str]:
    return {name for row in table for name in (*row.actions, *(guard for guard, _ in row.guards))}


def test_every_guard_and_action_is_there_in_words() -> None:
    for _, _, machine in machines():
        for name in names(machine.table):
            assert attrgetter(name)(machine).__doc__, name


PARTS = Path(machine_module.__file__).parent
SECTIONS = re.compile(r"# --- (guards|actions|in words) -+\n(.*?)(?=\n    # --- |\Z)", re.DOTALL)


def test_no_guard_or_action_is_left_over() -> None:
    """What stands under these headings of the parts is used by a table."""
    used = {name.rpartition(".")[2] for table in TABLES.values() for name in names(table)}
    used |= {
        row.next.detail_from.rpartition(".")[2]
        for table in TABLES.values()
        for row in table
        if isinstance(row.next, Ending)
    }
    parts = [*PARTS.glob("transmit_*.py"), *PARTS.glob("receive_*.py")]
    defined = {
        name
        for path in parts
        for _, body in SECTIONS.findall(path.read_text(encoding="utf-8"))
        for name in re.findall(r"^    def (\w+)", body, re.MULTILINE)
    }
    assert defined - used == set()


def test_only_the_core_sets_a_state() -> None:
    """Neither the parts nor the two machines do; the parts cannot see it."""
    setting = {
        path.name: len(found)
        for path in PARTS.glob("*.py")
        if (
            found := [
                node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if _sets_state(node)
            ]
        )
    }
    assert setting == {"machine.py": 2}  # at the start, and when a row has been followed
    assert not [name for name in vars(HalfDuplexLine(None, x=True)) if "state" in name]  # type: ignore[arg-type]


def _sets_state(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "_state" and isinstance(node.ctx, ast.Store)


def test_the_page_is_that_of_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.t30.document"
