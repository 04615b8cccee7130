"""What is kept and what is cleaned, on small pages drawn for it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from t38fsp.choices import Quality
from t38fsp.image.coder import encode_pixels
from t38fsp.pages.bilevel import simplified, to_bilevel
from t38fsp.pages.envelope import closing, opening
from t38fsp.pages.screens import diffused, dots, runs
from t38fsp.t30.vocabulary import Coding, Resolution
from tests.pages.scenery import landscape

_WIDTH, _HEIGHT = 800, 640
_BOX = (80, 80, 720, 400)
_FONT = ImageFont.load_default(34)
_FINER = (Quality.PHOTO, Quality.BALANCED, Quality.FAST)


def black(page: Image.Image, quality: Quality = Quality.BALANCED) -> NDArray[np.bool_]:
    rows = np.frombuffer(to_bilevel(page, 204, 196, quality), np.uint8)
    return np.unpackbits(rows.reshape(page.height, -1), axis=1).astype(np.bool_)


def written(ground: int, ink: int, paper: int = 255) -> Image.Image:
    """A box with text on it, on a page with text."""
    page = Image.new("L", (_WIDTH, _HEIGHT), paper)
    draw = ImageDraw.Draw(page)
    draw.rectangle(_BOX, ground)
    for row in range(7):
        draw.text((110, 90 + 42 * row), "Text on a ground of some tone 2026", ink, _FONT)
    draw.text((110, 500), "Text on the paper that is below it", 0, _FONT)
    return page


def inside(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    left, top, right, bottom = _BOX
    return pixels[top + 4 : bottom - 4, left + 4 : right - 4]


@pytest.mark.parametrize(
    ("ground", "ink", "paper"),
    [
        (230, 0, 255),
        (180, 0, 255),
        (120, 0, 255),
        (90, 255, 255),
        (40, 230, 255),
        (0, 160, 255),
        (225, 120, 240),
    ],
)
def test_text_is_text_on_every_ground(ground: int, ink: int, paper: int) -> None:
    page = written(ground, ink, paper)
    between = (ground + ink) / 2
    tones = inside(np.asarray(page))
    expected = tones < between
    assert np.mean(inside(black(page)) != expected) < 0.02


@pytest.mark.parametrize("tone", [140, 190])
def test_an_area_without_text_keeps_its_tone(tone: int) -> None:
    page = Image.new("L", (_WIDTH, _HEIGHT), 255)
    page.paste(tone, _BOX)
    assert np.mean(inside(black(page))) == pytest.approx(1 - tone / 255, abs=0.03)


@pytest.mark.parametrize(("tone", "share"), [(240, 0.0), (15, 1.0)])
def test_the_ends_of_the_scale_are_cleaned(tone: int, share: float) -> None:
    page = Image.new("L", (_WIDTH, _HEIGHT), 255)
    page.paste(tone, _BOX)
    assert np.mean(inside(black(page))) == share


@pytest.mark.parametrize("screen", [dots, runs, diffused])
def test_screens_keep_the_mean_tone(screen: object) -> None:
    assert callable(screen)
    for tone in (60, 128, 200):
        tones = np.full((240, 240), tone, np.uint8)
        assert np.mean(screen(tones, 204, 196)) == pytest.approx(1 - tone / 255, abs=0.03)


def test_a_picture_beside_text_is_screened_and_the_text_is_not() -> None:
    page = written(255, 0)
    page.paste(landscape(640, 320).convert("L"), _BOX[:2])
    result = black(page)
    text = np.asarray(page)[480:560] < 128
    assert np.mean(result[480:560] != text) < 0.01
    grey = 1 - inside(np.asarray(page)).mean() / 255
    assert inside(result).mean() == pytest.approx(grey, abs=0.06)
    assert np.mean(inside(result)[:, 1:] != inside(result)[:, :-1]) > 0.05, "no dots"


def test_what_does_not_fit_gets_ever_simpler_screens() -> None:
    page = written(255, 0)
    page.paste(landscape(640, 320).convert("L"), _BOX[:2])
    tried: dict[bytes, int] = {}

    def over(rows: bytes) -> float:
        tried[rows] = len(encode_pixels(rows, _WIDTH, Coding.MMR, Resolution.R8_FINE))
        return tried[rows]

    least, done = simplified(page, 204, 196, Quality.PHOTO, over)
    assert done
    assert tried[least] == min(tried.values())
    qualities = [to_bilevel(page, 204, 196, quality) for quality in _FINER]
    assert [rows for rows in tried if rows in qualities] == qualities
    # From error diffusion to dots is the one big step; the last one is to no screen at all.
    octets = list(tried.values())[1:-1]
    assert all(0.6 * more < less < more for more, less in pairwise(octets))
    # Text is the same in all of them.
    assert len({rows[480 * _WIDTH // 8 : 560 * _WIDTH // 8] for rows in tried}) == 1


def test_the_first_that_fits_is_taken() -> None:
    page = Image.new("L", (_WIDTH, _HEIGHT), 255)
    page.paste(landscape(640, 320).convert("L"), _BOX[:2])
    usual = to_bilevel(page, 204, 196, Quality.BALANCED)
    assert simplified(page, 204, 196, Quality.BALANCED, lambda rows: 0.0) == (usual, "")
    rows, done = simplified(page, 204, 196, Quality.BALANCED, lambda rows: rows == usual)
    assert "dots" in done
    assert rows not in (usual, to_bilevel(page, 204, 196, Quality.FAST))


def test_a_page_without_pictures_cannot_be_simplified() -> None:
    page = written(230, 0)
    rows = to_bilevel(page, 204, 196, Quality.PHOTO)
    assert simplified(page, 204, 196, Quality.PHOTO, lambda rows: 1.0) == (rows, "")


@pytest.mark.parametrize("window", [1, 3, 5, 25])
def test_the_envelope_is_that_of_its_definition(window: int) -> None:
    tones = np.random.default_rng(1).integers(0, 256, (40, 48)).astype(np.uint8)

    def extreme(values: NDArray[np.uint8], light: bool) -> NDArray[np.uint8]:
        reach = window // 2
        padded = np.pad(values, reach, constant_values=0 if light else 255)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
        return windows.max(axis=(2, 3)) if light else windows.min(axis=(2, 3))

    assert np.array_equal(closing(tones, window, window), extreme(extreme(tones, True), False))
    assert np.array_equal(opening(tones, window, window), extreme(extreme(tones, False), True))
