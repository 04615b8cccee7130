"""Pages of the corpus as scanners and cameras see them: grey paper, noise, skew, shadows, black borders."""

from __future__ import annotations

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tests.pages import drawn, written
from tests.pages.sheets import HEIGHT, WIDTH, Box, Kind, Paper, Sheet

_DPI = 200
_SIZE = round(WIDTH / 72 * _DPI), round(HEIGHT / 72 * _DPI)
_WHOLE: Box = (0, 0, WIDTH, HEIGHT)


def _seen(paper: Paper, of: Sheet, angle: float) -> Image.Image:
    """The page ``of`` on the glass: a little turned, and not quite sharp."""
    paper.words += of.paper.words
    paper.codes += of.paper.codes
    page = pypdfium2.PdfDocument(of.paper.pdf)[0]
    image = page.render(scale=_DPI / 72).to_pil().convert("RGB").resize(_SIZE)
    turned = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor="white")
    return turned.filter(ImageFilter.GaussianBlur(0.7))


def _with_noise(tones: NDArray[np.float64], seed: int, amount: float) -> Image.Image:
    noise = np.random.default_rng(seed).standard_normal(tones.shape[:2]) * amount
    return Image.fromarray(np.clip(tones + noise[..., None], 0, 255).astype(np.uint8))


def scan(paper: Paper) -> None:
    """A letter, turned by 1.4 degrees, on greyish paper with noise, specks and the black edge of the lid."""
    image = _seen(paper, Sheet("letter", Kind.BLACK, written.letter), 1.4)
    tones = 25 + np.asarray(image, np.float64) * (228 - 25) / 255
    chance = np.random.default_rng(3)
    for _ in range(500):
        x, y = chance.integers(0, _SIZE[0] - 2), chance.integers(0, _SIZE[1] - 2)
        tones[y : y + chance.integers(1, 3), x : x + chance.integers(1, 3)] = chance.integers(30, 120)
    down = np.arange(_SIZE[1])
    for row, edge in zip(down, _SIZE[0] - 45 + down // 90, strict=True):
        tones[row, edge:] = 22
    tones[:28] = 18
    paper.picture(_WHOLE, _with_noise(tones, 4, 6), photograph=False, quality=75)


def photo_of_form(paper: Paper) -> None:
    """A form as a telephone sees it: lit from one side, yellowish, turned, soft, noisy."""
    image = _seen(paper, Sheet("form", Kind.TONES, written.form), -0.8)
    down, across = np.mgrid[0 : _SIZE[1], 0 : _SIZE[0]]
    light = 0.92 - 0.38 * across / _SIZE[0] - 0.15 * (down / _SIZE[1]) ** 2
    tones = np.asarray(image, np.float64) * light[..., None] * np.array([1.0, 0.96, 0.86]) + 12
    paper.picture(_WHOLE, _with_noise(tones, 5, 5), photograph=False, quality=80)


def scanned_magazine(paper: Paper) -> None:
    """Text and pictures in one scanned image, slightly turned, as JPEG."""
    image = _seen(paper, Sheet("magazine", Kind.TONES, drawn.magazine), -0.5)
    tones = 15 + np.asarray(image, np.float64) * (240 - 15) / 255
    paper.picture(_WHOLE, _with_noise(tones, 6, 4), photograph=False, quality=80)


def scanned_twice(paper: Paper) -> None:
    """A copy of a copy: broken and thick letters, pepper, no greys left."""
    image = _seen(paper, Sheet("columns", Kind.BLACK, written.columns), 0.7).convert("L")
    tones = np.asarray(image.filter(ImageFilter.GaussianBlur(1.0)), np.float64)
    chance = np.random.default_rng(8)
    tones = np.where(tones + chance.standard_normal(tones.shape) * 22 < 150, 0.0, 255.0)
    pepper = chance.random(tones.shape) < 0.0006
    tones[pepper] = 0
    paper.picture(_WHOLE, Image.fromarray(tones.astype(np.uint8)), photograph=False, quality=92)
