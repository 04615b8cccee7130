"""docs/call.md, made from the state table of a fax call: a diagram, the table, guards and actions in words.

    python -m tests.call.document

writes the page; a test fails as long as it is not that of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path

from t38fsp.call.faxcall import FaxCall
from t38fsp.call.placing import PlacedCall
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.switching import Switching
from t38fsp.call.table import ROWS, Change, Row, State, TimerChange

PAGE = Path(__file__).parents[2] / "docs" / "call.md"

_HEAD = """\
# A fax call as a state table

<!-- written by: python -m tests.call.document -->

The table of `t38fsp/call/table.py`, by which one call runs from dialling to its result. A test keeps this
page current, and another sees that every row is reached.

How to read a row: in this *state*, on this *input*, if this *guard* holds, do this *action*, then be in the
*next* state (`=`: stay). Rows of one state and input are tried from top to bottom, and the first whose guard
holds is taken. **What is in no row is ignored.**

* An input is what the line, the audio, T.30 or the application says, or a timer that ran out (in italics).
* *Timers* stand in the rows that start them: `= 3 s` starts one anew; `<= 15 s` has it run out no later, and
  `>= 5 s` no earlier, than that; a name in place of seconds is a setting of the call. A state that has no row
  for a running timer stops it.

The diagram leaves out INVITEs that fail and faults of ours, which lead to OVER from everywhere.
"""
_EVERYWHERE = ("INVITE failed", "fault")


def page() -> str:
    """The whole page."""
    states = ["The call waits for:\n", *(f"* `{state.name}`: {state.value}" for state in State), ""]
    return "\n".join([_HEAD, diagram(), *states, table(), *words()])


def diagram() -> str:
    """Mermaid; without what leads to where the call is."""
    edges: dict[tuple[str, str], list[str]] = {}
    for row in ROWS:
        label = ", ".join(given.value for given in row.inputs)
        for state in row.states:
            if row.next not in (None, state) and row.inputs[0].value not in _EVERYWHERE:
                assert row.next is not None
                edges.setdefault((state.name, row.next.name), []).append(label)
    lines = ["```mermaid", "stateDiagram-v2"]
    for (state, target), labels in edges.items():
        lines.append(f"    {state} --> {target}: {', '.join(dict.fromkeys(labels))}")
    return "\n".join([*lines, "```", ""])


def table() -> str:
    lines = ["| state | input | guard | action | next | timers | why |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        cells = (
            _states(row),
            ", ".join(f"*{given.value}*" if given in _TIMERS else given.value for given in row.inputs),
            _code(row.guard, " and "),
            _code(row.action, ", "),
            "=" if row.next is None else row.next.name,
            ", ".join(map(_timer, row.timers)),
            row.clause,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


_TIMERS = {change.timer for row in ROWS for change in row.timers}


def _states(row: Row) -> str:
    missing = [state.name for state in State if state not in row.states]
    if len(missing) <= 2:
        return f"any but {' and '.join(missing)}"
    return ", ".join(state.name for state in row.states)


def _timer(change: TimerChange) -> str:
    if change.change is Change.STOP:
        return f"stop *{change.timer.value}*"
    long = f"`{change.seconds}`" if isinstance(change.seconds, str) else f"{change.seconds:g} s"
    return f"*{change.timer.value}* {change.change.value} {long}"


def _code(names: str, joint: str) -> str:
    return joint.join(f"`{name}`" for name in names.split(joint)) if names else ""


def words() -> Iterator[str]:
    yield from _words("Guards", {name for row in ROWS for name, _ in row.guards})
    yield from _words("Actions", {name for row in ROWS for name in row.actions})


def _words(heading: str, names: Iterable[str]) -> Iterator[str]:
    yield f"{heading}:\n"
    yield from (f"* `{name}`: {in_words(name)}" for name in sorted(names))
    yield ""


def in_words(name: str) -> str:
    """What a guard or an action of the table is, or does."""
    part, _, method = name.rpartition(".")
    if part:
        assert part == "switching"
        found = getattr(Switching, method)
    else:
        owners = (FaxCall, PlacedCall, ReceivingCall)
        found = next(attrgetter("_" + name)(owner) for owner in owners if hasattr(owner, "_" + name))
    assert found.__doc__, name
    return " ".join(found.__doc__.split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
