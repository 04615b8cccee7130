"""A fax to ``t38fsp receive``, and OPTIONS, while strangers send it hostile datagrams."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.hostile import TEXTS, datagrams, under_fire


def test_every_kind_has_datagrams() -> None:
    kinds = datagrams()
    assert all(kinds.values())
    assert set(kinds) == {*TEXTS, "RFC 4475", "mutated"}
    # Enough of the noise is left when what makes calls is taken out.
    assert len(kinds["mutated"]) > 1000


async def test_a_fax_and_options_get_through(tmp_path: Path, letter: Path) -> None:
    """The figures of a minute are those of ``python -m tests.benchmarks.hostile``."""
    outcome = await under_fire(tmp_path, 2, 100, letter)
    assert outcome.shots > 0
    assert outcome.fax["completed"] is True
    assert outcome.identical
    assert outcome.answered == outcome.asked > 0
    log = (tmp_path / "log").read_text()
    assert "refused an INVITE" in log
    assert all(line.isprintable() for line in log.splitlines())
    assert len(log) < 10_000
