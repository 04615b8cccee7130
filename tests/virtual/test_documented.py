"""docs/virtual-gateway.md lists the quirks that there are, as the code tells of them.

``python -m tests.virtual.test_documented`` writes its tables anew.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from t38fsp.audio.leg import Role
from t38fsp.image.sample import write_sample
from t38fsp.virtual.hooks import BOTH, Quirk
from t38fsp.virtual.quirks import GROUPS, QUIRKS, describe

PAGE = Path(__file__).parents[2] / "docs" / "virtual-gateway.md"
BEGIN = "<!-- written by: python -m tests.virtual.test_documented -->\n"


def tables() -> str:
    """A table for each group of quirks."""
    return "\n".join(
        f"\n### {title}\n\n| quirk | what it does | what goes wrong |\n|---|---|---|\n"
        + "\n".join(map(row, quirks))
        for title, quirks in GROUPS.items()
    )


def row(kind: type[Quirk]) -> str:
    assert kind.__doc__ is not None
    does, harms = (" ".join(part.split()).replace("``", "`") for part in kind.__doc__.split("\n\n"))
    if kind.roles != BOTH:
        (role,) = kind.roles
        harms += f" Only when it {'answers' if role is Role.ANSWERING else 'calls'}."
    return f"| `{describe(kind())}` | {does} | {harms} |"


def test_the_tables_say_what_the_code_says() -> None:
    _, marker, written = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert marker
    assert written == tables(), "write them anew: python -m tests.virtual.test_documented"


def test_the_example_of_a_route_comes_out_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / "sample.tif")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```pycon\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    parsed = doctest.DocTestParser().get_doctest(example, {}, "virtual-gateway.md", str(PAGE), 0)
    told: list[str] = []
    results = doctest.DocTestRunner().run(parsed, out=told.append)
    assert results.attempted == 7
    assert not results.failed, "".join(told)


@pytest.mark.parametrize("name", QUIRKS)
def test_every_quirk_is_explained(name: str) -> None:
    """By one sentence that says what it does, and by what it does to those who fall for it."""
    does, harms = (" ".join(part.split()) for part in (QUIRKS[name].__doc__ or "").split("\n\n"))
    assert does.endswith(".")
    assert ". " not in does.replace("T.38 ", "T38 ")
    assert harms.endswith(".")


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(f"{before}{BEGIN}{tables()}", encoding="utf-8")
