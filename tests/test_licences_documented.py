"""docs/licences.md has each package that comes with ours, with the licence it states, and each peer."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
_REQUIREMENT = re.compile(r"[\w.-]+")


def required(name: str, found: set[str], extra: str = "") -> set[str]:
    """``found`` with all packages that ``name``, with one ``extra`` or none, is installed with here."""
    for text in distribution(name).requires or ():
        match = _REQUIREMENT.match(text)
        assert match is not None
        package, of_extra = match[0].lower(), re.search(r"extra == ['\"](\w+)", text)
        if package in found or (of_extra is not None and of_extra[1] != extra):
            continue
        try:
            distribution(package)
        except PackageNotFoundError:
            continue  # of another platform or Python
        found.add(package)
        required(package, found, "binary" if package == "psycopg" else "")
    return found


RUN_TIME = sorted(required("t38fsp", {"t38fsp"}, "service") - {"t38fsp"})


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


ROWS = {
    normal(name.split(" (")[0]): licence
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| package", "| extra"))
    for cells in [line.strip("| ").split(" | ")]
    for names, licence in [cells[:2] if not cells[0].startswith("`") else cells[1:3]]
    for name in names.split(", ")
}


@pytest.mark.parametrize("name", RUN_TIME)
def test_a_package_that_is_installed_with_ours(name: str) -> None:
    stated = distribution(name).metadata
    licence = ROWS[normal(name)]
    texts = [stated["License-Expression"], stated["License"], *stated.get_all("Classifier", [])]
    assert any(licence.split("-")[0] in text for text in texts if text), texts


def test_run_time_packages_were_found() -> None:
    found = {normal(name) for name in RUN_TIME}
    assert {"pillow", "dnspython", "typer", "pydantic", "rich", "psycopg-binary", "starlette"} <= found


def test_the_extras_and_the_peers() -> None:
    extras = {
        normal(match[0])
        for text in distribution("t38fsp").requires or ()
        if "extra ==" in text and (match := _REQUIREMENT.match(text))
    }
    peers = re.findall(
        r"packages\+?=\((.*?)\)", (ROOT / ".ci" / "peers").read_text(encoding="utf-8"), re.DOTALL
    )
    assert peers
    missing = (extras | set(" ".join(peers).split())) - set(ROWS) - {"t38fsp"}
    assert not missing, f"docs/licences.md has no row for {', '.join(sorted(missing))}"
