"""Pages that a scanner made: turned, noisy, with specks and borders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from t38fsp.choices import Quality
from t38fsp.pages.bilevel import to_bilevel
from t38fsp.pages.components import components
from t38fsp.pages.scans import noisy, skew, turned, without_specks
from t38fsp.pages.seconds import page_seconds
from tests.sweep import sweep

_SIZE = 1000, 900


def letter(angle: float = 0.0, paper: int = 255) -> Image.Image:
    """Lines of text that rise by ``angle`` degrees."""
    page = Image.new("L", _SIZE, paper)
    draw = ImageDraw.Draw(page)
    for row in range(16):
        draw.text(
            (100, 110 + 42 * row), "Line of a letter that was scanned 2026", 0, ImageFont.load_default(30)
        )
    return page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)


@sweep(push=6, angle=[-4.5, -3.0, -1.4, -0.6, 0.6, 0.9, 2.0, 4.5], dpi=[(204, 196), (408, 391)])
def test_skew_is_found(angle: float, dpi: tuple[int, int]) -> None:
    page = letter(angle)
    if dpi[0] > 204:
        page = page.resize((2 * _SIZE[0], 2 * _SIZE[1]))
    tones = np.asarray(page)
    # The pixels of the letter are square, those of the line nearly so.
    assert skew(tones, dpi[0], dpi[0]) == pytest.approx(angle, abs=0.16)
    assert skew(turned(tones, angle, dpi[0], dpi[0]), dpi[0], dpi[0]) == 0


def test_what_is_straight_or_has_no_lines_is_not_turned() -> None:
    assert skew(np.asarray(letter()), 204, 196) == 0
    noise = np.random.default_rng(3).integers(0, 256, _SIZE).astype(np.uint8)
    assert skew(noise, 204, 196) == 0
    assert skew(np.full(_SIZE, 255, np.uint8), 204, 196) == 0


def test_a_scan_becomes_white_paper_without_border_and_specks() -> None:
    chance = np.random.default_rng(4)
    tones = np.asarray(letter(1.2, 225), np.float64).copy()
    for _ in range(80):
        y, x = chance.integers(0, 880), chance.integers(0, 980)
        tones[y : y + 2, x : x + 2] = 60
    tones[:30], tones[:, -40:] = 20, 25
    tones += chance.standard_normal(tones.shape) * 5
    scan = np.clip(tones, 0, 255).astype(np.uint8)
    assert noisy(scan)
    rows = to_bilevel(Image.fromarray(scan), 204, 196, Quality.BALANCED)
    black = np.unpackbits(np.frombuffer(rows, np.uint8).reshape(_SIZE[1], -1), axis=1)
    # A speck that is not alone, or became larger, may be left.
    assert black[:60].mean() < 0.002
    assert black[:, -60:].mean() < 0.002
    clean = np.asarray(letter()) < 128
    assert black.sum() == pytest.approx(clean.sum(), rel=0.15)


def test_specks_go_and_full_stops_stay() -> None:
    black = np.zeros((70, 80), np.bool_)
    black[10:12, 10:13] = True  # alone
    black[30:34, 30:34] = True  # too large
    black[50, 20:62:7] = True  # dots of a line
    black[55:, 40:] = True  # an area
    result = without_specks(black)
    assert not result[:20].any()
    assert np.array_equal(result[20:], black[20:])


def test_components_are_those_of_a_search() -> None:
    chance = np.random.default_rng(5)
    for share in (0.3, 0.6, 0.9):
        right, down = chance.random((20, 29)) < share, chance.random((19, 30)) < share
        labels = components(right, down)
        assert np.array_equal(labels, _searched(right, down))


def _searched(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    labels = np.full((20, 30), -1)
    for start in np.ndindex(20, 30):
        if labels[start] >= 0:
            continue
        number, left = labels.max() + 1, [start]
        while left:
            y, x = left.pop()
            if labels[y, x] >= 0:
                continue
            labels[y, x] = number
            left += [(y, x + 1)] if x < 29 and right[y, x] else []
            left += [(y, x - 1)] if x and right[y, x - 1] else []
            left += [(y + 1, x)] if y < 19 and down[y, x] else []
            left += [(y - 1, x)] if y and down[y - 1, x] else []
    return labels


def test_seconds_of_a_page() -> None:
    assert page_seconds(18_000, 14_400, ecm=False) == 10
    assert page_seconds(18_000, 14_400) == pytest.approx(10.6)
    # A second block costs a turn of both ends.
    assert page_seconds(70_000, 14_400) - page_seconds(65_536, 14_400) > 3
