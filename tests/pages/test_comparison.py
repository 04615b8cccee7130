"""Our pages beside those of other programs: what docs/pages.md says holds.

``python -m tests.pages`` also counts the words that tesseract does not read, of all pages by all methods;
here only of two pages of ours, against what the others were found to leave unread.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages.compare import MORE_UNREAD, OURS, figures, missed
from tests.pages.corpus import SHEETS
from tests.pages.others import OTHERS, made, octets
from tests.pages.sheets import Kind, Sheet

_PAGE = (Path(__file__).parents[2] / "docs" / "pages.md").read_text(encoding="utf-8")
_TOO_MANY_OCTETS = {"form", "watermark"}
"""Text on a pale ground, on which Ghostscript spends nearly nothing: half is little more than the text."""
_BY_NAME = {sheet.name: sheet for sheet in SHEETS}


def _recorded(name: str) -> list[int]:
    """Words on the page and those unread by the others, of the table."""
    table = _PAGE.split("### Words")[1].split("###")[0]
    match = re.search(rf"^\| {name} \|(.*)\|$", table, re.MULTILINE)
    assert match is not None, f"docs/pages.md has no words of {name}; run python -m tests.pages"
    return [int(cell) for cell in match[1].split("|")[: 1 + len(OTHERS)]]


def test_the_corpus_has_kinds_enough() -> None:
    assert len(SHEETS) >= 12
    assert len(_BY_NAME) == len(SHEETS)
    assert {sheet.kind for sheet in SHEETS} == set(Kind)


@pytest.mark.parametrize("name", ["columns", "table", "magazine"])
def test_octets_beside_a_threshold(name: str) -> None:
    """Clean text costs as much as by a threshold; a tint that is cleaned costs nothing."""
    sheet = _BY_NAME[name]
    most = {"columns": 1.03, "table": 1.3, "magazine": 2.3}[name]
    pdf = sheet.paper.pdf
    assert octets(made(OURS, pdf)) <= most * octets(made("threshold", pdf))


@pytest.mark.full
@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_what_is_asked_of_each_page(sheet: Sheet) -> None:
    found = {method: figures(sheet, method, words=False) for method in OTHERS}
    faults = list(missed(sheet, figures(sheet, OURS, words=False), found))
    if sheet.name in _TOO_MANY_OCTETS:
        faults = [fault for fault in faults if "octets" not in fault]
    assert not faults


@pytest.mark.full
@pytest.mark.parametrize("name", ["small-type", "coloured-text"])
def test_words_are_read(name: str) -> None:
    words, *others = _recorded(name)
    sheet = _BY_NAME[name]
    assert len(sheet.paper.words) == words
    unread = figures(sheet, OURS).unread
    assert unread is not None
    assert unread <= min(others) + MORE_UNREAD
