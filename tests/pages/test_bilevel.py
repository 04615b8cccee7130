"""What ``to_bilevel`` promises to its callers."""

from __future__ import annotations

import random

import pytest
from PIL import Image

from t38fsp.choices import Quality
from t38fsp.pages.bilevel import to_bilevel


@pytest.mark.parametrize("quality", Quality)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_rows_are_packed_with_1_for_black(mode: str, quality: Quality) -> None:
    page = Image.new(mode, (64, 40), "white")
    page.paste("black", (8, 10, 16, 30))
    rows = to_bilevel(page, 204, 196, quality)
    assert len(rows) == 8 * 40
    assert [rows[8 * row : 8 * row + 8].hex() for row in (0, 20)] == ["00" * 8, "00ff" + "00" * 6]


def test_a_line_is_a_whole_number_of_octets() -> None:
    with pytest.raises(ValueError, match="1723"):
        to_bilevel(Image.new("L", (1723, 8)), 204, 196, Quality.BALANCED)


@pytest.mark.parametrize("size", [(8, 1), (8, 2), (16, 3), (24, 700), (1728, 5)])
@pytest.mark.parametrize("quality", Quality)
def test_any_size(size: tuple[int, int], quality: Quality) -> None:
    chance = random.Random(0)
    page = Image.frombytes("L", size, chance.randbytes(size[0] * size[1]))
    assert len(to_bilevel(page, 204, 98, quality)) == size[0] * size[1] // 8
