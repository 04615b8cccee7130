"""The report in a folder: what was measured last for each id (JSON), as Markdown, and as a plot (SVG)."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.benchmarks.harness.figures import Outcome, Row, Scale
from tests.benchmarks.harness.load import Load

_BAR, _HEIGHT, _TEXT = 420, 20, 400
_MOST = 4.0
"""Times the goal at which a bar is cut."""


def keep(
    folder: Path,
    name: str,
    what: str,
    outcome: Outcome,
    before: Load,
    after: Load,
    seconds: float,
    scale: Scale,
) -> None:
    """Put a measure in the place of the one of that name, and write the report anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    results: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    results[name] = {
        "what": what,
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "scale": scale.value,
        "seconds": round(seconds),
        "load": [str(before), str(after)],
        "averages": [before.average, after.average],
        "outcome": asdict(outcome),
    }
    path.write_text(json.dumps(results, indent=1), "utf-8")
    ordered = {name: results[name] for name in sorted(results, key=_order)}
    (folder / "report.md").write_text("\n".join(_markdown(ordered)) + "\n", "utf-8")
    (folder / "report.svg").write_text(_plot(ordered), "utf-8")


def kept_figure(folder: Path, name: str) -> float | None:
    """The first figure of a measure of full size that the folder keeps; None for none."""
    path = folder / "results.json"
    kept = json.loads(path.read_text("utf-8")).get(name) if path.exists() else None
    if kept is None or kept["scale"] != Scale.FULL.value:
        return None
    return float(kept["outcome"]["rows"][0]["measured"])


def table(outcome: Outcome) -> Iterator[str]:
    yield "| | goal | measured | anchor | ratio | |"
    yield "|---|---|---|---|---|---|"
    for row in outcome.rows:
        goal = "" if row.goal is None else f"{'≥' if row.more else '≤'} {_number(row.goal)}"
        goal += " ×" if row.anchor and goal else ""
        anchor = "" if row.anchor is None else f"{_number(row.anchor)} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {True: "reached", False: "**not reached**", None: ""}[row.reached]
        measured = f"{_number(row.measured)} {row.unit}{f'; {row.note}' if row.note else ''}"
        yield f"| {row.what} | {goal} | {measured} | {anchor} | {ratio} | {verdict} |"


def _markdown(results: dict[str, Any]) -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.machine()}; `python -m tests.benchmarks`.\n"
    yield "![Each figure beside its goal](report.svg)\n"
    for name, kept in results.items():
        outcome = _outcome(kept)
        scale = "" if kept["scale"] == "full" else f", {kept['scale']}: not the sizes of the goals"
        yield f"## {name}: {kept['what']}\n"
        yield from table(outcome)
        yield ""
        if outcome.anchor:
            yield f"Anchor: {outcome.anchor}\n"
        if outcome.faxes:
            yield f"{outcome.faxes - outcome.wrong} of {outcome.faxes} faxes arrived, dot by dot as sent.\n"
        for note in outcome.notes:
            yield f"* {note}"
        if outcome.notes:
            yield ""
        before, after = kept["load"]
        yield f"{kept['when']}, {kept['seconds']} s{scale}. Before: {before}. After: {after}.\n"


def _plot(results: dict[str, Any]) -> str:
    rows = [(name, row) for name, kept in results.items() for row in _outcome(kept).rows if row.goal]
    width, height = _TEXT + _BAR + 80, _HEIGHT * (len(rows) + 2)
    scale = _BAR / _MOST
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_TEXT}" y="14">times the goal, or the goal over it where more is better; '
        "1 or less is reached</text>",
    ]
    for number, (name, row) in enumerate(rows, 1):
        top = number * _HEIGHT
        share = _share(row)
        label = escape(f"{name} {row.what}"[:70])
        color = "#3a7d44" if row.reached else "#b23a48"
        parts += [
            f'<text x="{_TEXT - 6}" y="{top + 14}" text-anchor="end">{label}</text>',
            f'<rect x="{_TEXT}" y="{top + 3}" width="{min(share, _MOST) * scale:.0f}" height="{_HEIGHT - 6}" '
            f'fill="{color}"/>',
            f'<text x="{_TEXT + min(share, _MOST) * scale + 4:.0f}" y="{top + 14}">{share:.2f}</text>',
        ]
    line = _TEXT + scale
    bottom = _HEIGHT * (len(rows) + 1)
    parts.append(f'<line x1="{line}" y1="{_HEIGHT}" x2="{line}" y2="{bottom}" stroke="black"/></svg>')
    return "\n".join(parts)


def _share(row: Row) -> float:
    figure = row.measured if row.ratio is None else row.ratio
    goal = row.goal or 1.0
    if row.more:
        return goal / figure if figure else _MOST
    return figure / goal


def _outcome(kept: dict[str, Any]) -> Outcome:
    given = kept["outcome"]
    return Outcome(**given | {"rows": [Row(**row) for row in given["rows"]]})


def _order(name: str) -> tuple[int, str]:
    digits = "".join(each for each in name if each.isdigit())
    return int(digits or 0), name


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
