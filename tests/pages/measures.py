"""How good a black and white page is: for programs that read it, and for the eye."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.pages.sheets import X_DPI, Y_DPI, Box
from tests.peers.programs import find

_SIGMA = 4.0
"""Of the Gaussian through which the eye sees tones, in pixels: half a millimetre."""
_WINDOW = 1.5
"""Sigma of the window of SSIM."""
_DPI = f"{X_DPI}"

Tones = NDArray[np.float32]


def unread_words(page: Image.Image, words: list[str]) -> int:
    """How many of ``words`` tesseract does not read from the page, in whatever order."""
    text = _ran([find("tesseract", "tesseract-ocr"), "-", "-", "--dpi", _DPI, "-l", "eng"], page)
    return sum((Counter(words) - Counter(text.replace("’", "'").split())).values())


def read_codes(page: Image.Image) -> set[str]:
    """What zbar reads from the page."""
    return set(_ran([find("zbarimg", "zbar-tools"), "--quiet", "--raw", "-"], page).splitlines())


def _ran(command: list[str], page: Image.Image) -> str:
    file = BytesIO()
    page.save(file, "PNG", compress_level=1)
    ran = subprocess.run(
        command,
        input=file.getvalue(),
        capture_output=True,
        check=False,
        timeout=240,
        env=os.environ | {"OMP_THREAD_LIMIT": "1"},
    )
    return ran.stdout.decode()


def tone_error(page: Image.Image, reference: Image.Image, box: Box) -> float:
    """Root mean square of the difference of both, from 0 to 255, as seen from a distance."""
    seen, meant = (_blurred(_cut(image, box), _SIGMA) for image in (page, reference))
    return float(np.sqrt(np.mean((seen - meant) ** 2)))


def likeness(page: Image.Image, reference: Image.Image, box: Box) -> float:
    """SSIM (Wang, Bovik, Sheikh and Simoncelli 2004), 1 if both are the same."""
    one, other = _cut(page, box), _cut(reference, box)
    mean_one, mean_other = _blurred(one, _WINDOW), _blurred(other, _WINDOW)
    square_one = _blurred(one * one, _WINDOW) - mean_one**2
    square_other = _blurred(other * other, _WINDOW) - mean_other**2
    both = _blurred(one * other, _WINDOW) - mean_one * mean_other
    small, less = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_one * mean_other + small) * (2 * both + less)
    bottom = (mean_one**2 + mean_other**2 + small) * (square_one + square_other + less)
    return float(np.mean(top / bottom))


def _cut(image: Image.Image, box: Box) -> Tones:
    left, top, right, bottom = box
    x, y = X_DPI / 72, Y_DPI / 72
    pixels = (round(left * x), round(top * y), round(right * x), round(bottom * y))
    return np.asarray(image.crop(pixels).convert("L"), np.float32)


def _blurred(tones: Tones, sigma: float) -> Tones:
    """With its borders repeated outwards."""
    reach = round(3 * sigma)
    weights = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2).astype(np.float32)
    weights /= weights.sum()
    for _ in range(2):
        padded = np.pad(tones, ((reach, reach), (0, 0)), "edge")
        tones = sum(
            (weight * padded[step : step + len(tones)] for step, weight in enumerate(weights)),
            np.zeros_like(tones),
        ).T
    return tones
