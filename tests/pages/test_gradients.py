"""Grounds that go from one tone to another keep their tones, and text on them stays text."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from t38fsp.choices import Quality
from t38fsp.pages.bilevel import to_bilevel

_WIDTH, _HEIGHT = 1200, 900
_FONT = ImageFont.load_default(36)
_TEXT = "Item Name Price Sum"


def _graded(
    left: int, top: int, width: int, height: int, one: float, other: float, down: bool
) -> Image.Image:
    """A white page with a band that goes from one tone to another."""
    tones = np.full((_HEIGHT, _WIDTH), 255.0)
    step = np.linspace(one, other, height)[:, None] if down else np.linspace(one, other, width)
    tones[top : top + height, left : left + width] = step
    return Image.fromarray(np.round(tones).astype(np.uint8))


def _black(page: Image.Image, quality: Quality = Quality.BALANCED) -> NDArray[np.bool_]:
    rows = np.frombuffer(to_bilevel(page, 204, 196, quality), np.uint8)
    return np.unpackbits(rows.reshape(page.height, -1), axis=1).astype(np.bool_)


def _seen(pixels: NDArray[np.bool_]) -> NDArray[np.float64]:
    image = Image.fromarray(np.where(pixels, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(4)), np.float64)


@pytest.mark.parametrize("quality", [Quality.BALANCED, Quality.PHOTO, Quality.FAST])
@pytest.mark.parametrize(
    ("size", "tones", "down"),
    [((1000, 70), (76, 255), False), ((1000, 72), (76, 255), True), ((1000, 500), (20, 240), True)],
)
def test_a_band_keeps_its_tones(
    size: tuple[int, int], tones: tuple[int, int], down: bool, quality: Quality
) -> None:
    page = _graded(100, 100, *size, *tones, down)
    box = slice(112, 88 + size[1]), slice(112, 88 + size[0])
    meant = np.asarray(page.filter(ImageFilter.GaussianBlur(4)), np.float64)[box]
    error = np.sqrt(np.mean((_seen(_black(page, quality))[box] - meant) ** 2))
    assert error < 20, "as solid black or white it would be 70"


@pytest.mark.parametrize(("tones", "ink"), [((76, 255), 0), ((76, 200), 255), ((60, 230), 0)])
def test_text_on_a_band_is_text(tones: tuple[int, int], ink: int) -> None:
    page = _graded(100, 100, 1000, 90, *tones, False)
    ImageDraw.Draw(page).text((130, 122), _TEXT, ink, _FONT)
    mask = Image.new("L", page.size, 255)
    ImageDraw.Draw(mask).text((130, 122), _TEXT, 0, _FONT)
    letters = np.asarray(mask) < 128
    box = mask.point(list(range(255, -1, -1))).getbbox()
    assert box is not None
    left, top, right, bottom = box
    result = _black(page)[top:bottom, left:right]
    assert np.mean(result != (letters[top:bottom, left:right] != (ink == 255))) < 0.02
    # Further along it is screened.
    assert 0.1 < np.mean(_black(page)[110:180, 600:700]) < 0.9


def test_white_and_black_text_on_one_slide() -> None:
    page = _graded(0, 0, _WIDTH, _HEIGHT, 25, 235, True)
    draw = ImageDraw.Draw(page)
    draw.text((100, 120), _TEXT, 255, _FONT)
    draw.text((100, 700), _TEXT, 0, _FONT)
    result = _black(page)
    for top, ink in ((120, 255), (700, 0)):
        mask = Image.new("L", page.size, 255 - ink)
        ImageDraw.Draw(mask).text((100, top), _TEXT, ink, _FONT)
        box = slice(top + 8, top + 36), slice(100, 440)
        assert np.mean(result[box] != (np.asarray(mask)[box] < 128)) < 0.02


def test_a_light_gradient_under_dark_text_is_cleaned_as_a_tint_is() -> None:
    page = _graded(0, 0, _WIDTH, _HEIGHT, 240, 170, True)
    draw = ImageDraw.Draw(page)
    for row in range(8):
        draw.text((100, 80 + 90 * row), _TEXT, 0, _FONT)
    assert np.mean(_black(page)) < 0.05


def test_the_light_on_a_photographed_page_is_no_gradient() -> None:
    """It falls off as evenly, but with the noise of a camera, however little."""
    page = _graded(0, 0, _WIDTH, _HEIGHT, 245, 120, False)
    draw = ImageDraw.Draw(page)
    for row in range(8):
        draw.text((100, 80 + 90 * row), _TEXT * 2, 30, _FONT)
    noise = np.random.default_rng(1).standard_normal((_HEIGHT, _WIDTH)) * 2
    file = BytesIO()
    Image.fromarray(np.clip(np.asarray(page) + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=75)
    assert np.mean(_black(Image.open(file))) < 0.08


def test_a_grey_rule_beside_a_tint_stays_a_line() -> None:
    page = Image.new("L", (_WIDTH, _HEIGHT), 255)
    draw = ImageDraw.Draw(page)
    draw.rectangle((100, 60, 1100, 130), 120)
    rules = [200 + 41 * number for number in range(8)]  # each at another place in its tile
    for top in rules:
        draw.line((100, top, 1100, top), 220)
        draw.line((100, top + 1, 1100, top + 1), 164)
    result = _black(page)
    inside = result[:, 110:1090].mean(axis=1)
    for top in rules:
        assert inside[top : top + 2].max() == 1.0, "dots instead of a line"
