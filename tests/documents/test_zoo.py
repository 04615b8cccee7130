"""Hostile documents (``tests/documents/zoo_files.py``): each is refused, or faxed within its limits.

What they take is printed by ``python -m tests.documents.zoo``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from t38fsp.image.pool import DEFAULT_MEMORY, ImagePool
from tests.documents.zoo import ALL, Seen, examined
from tests.documents.zoo_files import MIB, PDF, PICTURES
from tests.documents.zoo_office import Canary, Listener, hatch, listening

HEAVY = {
    "draws itself.pdf",
    "doubling forms.pdf",
    "a page of blanks.pdf",
    "a page of zeros.pdf",
    "object stream.pdf",
    "long page.pdf",
    "large picture.pdf",
    "deep picture.pdf",
    "fax picture.pdf",
    "pattern.pdf",
    "many operators.pdf",
    "colour.png",
}
"""They take seconds, or all the memory of a worker."""
LIGHT = {*PDF, *PICTURES} - HEAVY

REFUSED = {
    "draws itself.pdf",
    "a page of blanks.pdf",
    "a page of zeros.pdf",
    "object stream.pdf",
    "tiny page.pdf",
    "many pages.pdf",
    "truncated.pdf",
    "only a header.pdf",
    "page tree in a circle.pdf",
    "claims pages.pdf",
    "large.jpg",
    "bilevel.png",
    "deep.png",
    "large.bmp",
    "large.gif",
    "large.tif",
    "packed.tif",
    "picture.ppm",
}
SHOWN = {
    "references.pdf",
    "length of itself.pdf",
    "earlier table.pdf",
    "nested states.pdf",
    "jpeg picture.pdf",
}
"""Their text is drawn."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Canary:
    return hatch(tmp_path_factory.mktemp("zoo") / "canary", listener.port)


async def seen_of(folder: Path, canary: Canary, names: Collection[str]) -> dict[str, Seen]:
    """One after the other, by the same workers as far as they survive."""
    seen = {}
    async with ImagePool(workers=1) as pool:
        for name in sorted(names):
            path = folder / name
            path.write_bytes(ALL[name](canary))
            seen[name] = await examined(pool, path)
    return seen


def check(seen: dict[str, Seen]) -> None:
    assert not [name for name in REFUSED & seen.keys() if not seen[name].refusal]
    assert not [name for name in SHOWN & seen.keys() if seen[name].refusal or not seen[name].pages]
    assert not [name for name, each in seen.items() if not each.refusal and not each.pages]
    assert not [name for name, each in seen.items() if each.used.children > DEFAULT_MEMORY]
    assert not [name for name, each in seen.items() if each.used.own > 64 * MIB]


async def test_light_ones(tmp_path: Path, canary: Canary, listener: Listener) -> None:
    """Of what a page refers to, files, addresses and scripts, it has nothing: it is the same without them."""
    seen = await seen_of(tmp_path, canary, LIGHT)
    check(seen)
    assert seen["references.pdf"].pages == seen["plain.pdf"].pages
    assert listener.asked == []


@pytest.mark.full
async def test_heavy_ones(tmp_path: Path, canary: Canary) -> None:
    check(await seen_of(tmp_path, canary, HEAVY))


@pytest.mark.full
@pytest.mark.libreoffice
async def test_office_files_by_the_same_way(tmp_path: Path, canary: Canary, listener: Listener) -> None:
    """The page of a document with references is that of the same document without."""
    names = {"picture.docx", "picture.html"}
    seen = await seen_of(tmp_path, canary, names)
    nowhere = Canary(Path("/nowhere"), 9)
    (tmp_path / "nowhere").mkdir()
    without = await seen_of(tmp_path / "nowhere", nowhere, {"picture.docx"})
    assert seen["picture.html"].refusal
    assert seen["picture.docx"].pages == without["picture.docx"].pages
    assert len(seen["picture.docx"].pages) == 1
    assert listener.asked == []
