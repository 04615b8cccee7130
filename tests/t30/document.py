"""docs/t30.md, made from the state tables of T.30: a diagram and a table for each machine.

    python -m tests.t30.document

writes the page; a test fails as long as it is not that of the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from operator import attrgetter
from pathlib import Path

from t38fsp.t30.frames import FCF
from t38fsp.t30.half_duplex import Timer
from t38fsp.t30.machine import T30Machine
from t38fsp.t30.options import PollOptions, ReceiveOptions, TransmitOptions
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.table import Ending, Event, Input, Manner, Row
from t38fsp.t30.transmitter import Transmitter
from tests.t30.calls import FINE

PAGE = Path(__file__).parents[2] / "docs" / "t30.md"

_HEAD = """\
# T.30 as state tables

<!-- written by: python -m tests.t30.document -->

The tables of `t38fsp/t30/transmit_table.py` and `t38fsp/t30/receive_table.py`, to be held beside figures
5-2, A.7 and A.8 of T.30. A test keeps this page current, and another sees that every row is reached by a
scenario of the tests in `tests/t30`.

How to read a row: in this *state*, on this *input*, if this *guard* holds, do this *action*, then be in the
*next* state. Rows of one state and input are tried from top to bottom, and the first whose guard holds is
taken. **What is in no row is ignored**: it is an echo, late, or noise.

* An input is a frame that was heard, once its carrier has ended; a timer that ran out; or what the
  application or the line tells.
* States in italics are *steps*, the decision boxes of the figures: they are left at once (input `-`).
* `any` is every state but DISCONNECT, END and the steps.
* `=` means: stay. `DCN: NO_FAX` means: send DCN (state DISCONNECT), then end with this failure. `END: NO_FAX`
  means: end without DCN.
* An answer to the transmitter counts only if its carrier came after the command was over.
* Two timers act below the tables, in `machine.py`: SILENT_CARRIER (an image carrier that carries nothing for
  15 s) and LAST_FRAME (a carrier that stays up after a final frame) end the burst that is being received, and
  the session goes on with what was heard.

The diagrams leave out what leads to a failure. Guards and actions are explained below each table.
"""


def machines() -> Iterator[tuple[str, str, T30Machine]]:
    """Each machine with its heading and what it is."""
    yield (
        "The transmitter",
        "It calls, or it was polled: then a DTC stands for the DIS.",
        Transmitter([FINE], TransmitOptions()),
    )
    yield "The receiver", "It answers the call.", Receiver(ReceiveOptions())
    yield (
        "The receiver that polls",
        "It calls, and fetches a document. It has the rows of the receiver, but for some of phase B.",
        Receiver(ReceiveOptions(), PollOptions()),
    )


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    seen: set[Row] = set()
    for heading, what, machine in machines():
        rows = [row for row in machine.table if row not in seen]
        parts += [f"## {heading}\n", f"{what}\n", diagram(machine, rows)]
        parts += [states(machine, rows), table(machine, rows)]
        parts.append(words(machine, rows))
        seen.update(rows)
    return "\n".join(parts)


# --- the diagram --------------------------------------------------------------------------------------------


def diagram(machine: T30Machine, rows: Iterable[Row]) -> str:
    """Mermaid; without what leads to a failure, or to where the machine is."""
    steps = machine.table.steps
    edges: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        target = _target(machine, row)
        for state in row.states:
            if target is None or target is state:
                continue
            label = row.guard if state in steps else _inputs(row)
            edges.setdefault((state.name, target.name), []).append(label)
    shown = {name for edge in edges for name in edge}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    state {step.name} <<choice>>" for step in type(machine.table.start) if step in steps
              and step.name in shown]  # fmt: skip
    for (state, target), labels in edges.items():
        text = ", ".join(label for label in dict.fromkeys(labels) if label)
        lines.append(f"    {state} --> {target}" + (f": {text}" if text else ""))
    return "\n".join([*lines, "```", ""])


def _target(machine: T30Machine, row: Row) -> Enum | None:
    """Where a row leads, in the diagram."""
    if not isinstance(row.next, Ending):
        return row.next
    if row.next.failure is not None:
        return None
    return machine.table.end if row.next.manner is Manner.SILENT else machine.table.disconnect


# --- states and inputs --------------------------------------------------------------------------------------


def states(machine: T30Machine, rows: Iterable[Row]) -> str:
    """What each state of these rows is, and each input that is no frame and no timer of T.30."""
    used = {state for row in rows if len(row.states) < 4 for state in row.states}
    lines = ["States:\n"]
    for state in type(machine.table.start):
        if state in used:
            waits = "" if state in machine.table.steps else "waits for "
            lines.append(f"* {_state(machine, state)}: {waits}{state.value}")
    given = {given for row in rows for given in row.inputs}
    lines.append("\nInputs:\n")
    lines += [
        f"* {timer.name}: too long until {timer.value}"
        for timer in Timer
        if timer in given and timer.name != timer.value
    ]
    lines += [f"* {event.name}: {event.value}" for event in Event if event in given and event.value != "-"]
    return "\n".join([*lines, ""])


# --- the table ----------------------------------------------------------------------------------------------


def table(machine: T30Machine, rows: Iterable[Row]) -> str:
    lines = ["| state | input | guard | action | next | clause |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (
            _states(machine, row),
            _inputs(row),
            _code(row.guard, " and "),
            _code(row.action, ", "),
            _next(machine, row.next),
            row.clause,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _states(machine: T30Machine, row: Row) -> str:
    table = machine.table
    every = [
        state
        for state in type(table.start)
        if state not in table.steps and state not in (table.disconnect, table.end)
    ]
    missing = [state.name for state in every if state not in row.states]
    if len(missing) <= 1:
        return "any but " + missing[0] if missing else "any"
    return ", ".join(_state(machine, state) for state in row.states)


def _state(machine: T30Machine, state: Enum) -> str:
    return f"*{state.name}*" if state in machine.table.steps else state.name


def _inputs(row: Row) -> str:
    return ", ".join(_input(given) for given in row.inputs)


def _input(given: Input) -> str:
    return str(given) if isinstance(given, FCF) else given.name if given.value != "-" else "-"


def _code(names: str, joint: str) -> str:
    return joint.join(f"`{name}`" for name in names.split(joint)) if names else ""


def _next(machine: T30Machine, target: Enum | Ending | None) -> str:
    if target is None:
        return "="
    if not isinstance(target, Ending):
        return _state(machine, target)
    name = "OK" if target.failure is None else target.failure.name
    how = {Manner.DCN: "DCN", Manner.SILENT: "END", Manner.AFTER_BURST: "END, after the burst"}
    return f"{how[target.manner]}: {name}"


# --- guards and actions in words ----------------------------------------------------------------------------


def words(machine: T30Machine, rows: Iterable[Row]) -> str:
    guards = {name for row in rows for name, _ in row.guards}
    actions = {name for row in rows for name in row.actions}
    return "\n".join([*_words(machine, "Guards", guards), *_words(machine, "Actions", actions)])


def _words(machine: T30Machine, heading: str, names: Iterable[str]) -> Iterator[str]:
    yield f"{heading}:\n"
    for name in sorted(names):
        doc = attrgetter(name)(machine).__doc__
        yield f"* `{name}`: {' '.join(doc.split())}"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
