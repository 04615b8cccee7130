"""Photographs made by code: they have what those of a camera have, smooth skies, texture, shadows, edges."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Tones = NDArray[np.float64]


def _noise(chance: np.random.Generator, height: int, width: int, slope: float) -> Tones:
    """Noise whose amplitude falls with frequency as 1 / f ** slope, from 0 to 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(chance.standard_normal((height, width))) / frequency**slope
    field = np.fft.irfft2(spectrum, (height, width))
    low, high = np.percentile(field, (1, 99))
    return np.clip((field - low) / (high - low), 0, 1)


def _image(*channels: Tones) -> Image.Image:
    return Image.fromarray(np.clip(np.stack(channels, axis=-1) * 255, 0, 255).astype(np.uint8))


@cache
def landscape(width: int, height: int, seed: int = 1) -> Image.Image:
    """A bright sky with clouds, hills that fade into the distance, and a meadow."""
    chance = np.random.default_rng(seed)
    down = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    clouds = np.clip(_noise(chance, height, width, 1.6) * 1.8 - 0.7, 0, 1)
    red, green, blue = (
        base + (1 - base) * clouds * 0.9
        for base in (0.35 + 0.45 * down, 0.55 + 0.3 * down, 0.85 + 0.1 * down)
    )
    for layer, (level, light) in enumerate([(0.45, 0.62), (0.55, 0.45), (0.66, 0.28)]):
        ridge = level + 0.16 * (_noise(chance, 2, width, 1.3)[0] - 0.5)
        hill = down > ridge[None, :]
        shade = light * (0.7 + 0.6 * _noise(chance, height, width, 1.2))
        red = np.where(hill, shade * (0.8 + 0.1 * layer), red)
        green = np.where(hill, shade * (0.95 + 0.05 * layer), green)
        blue = np.where(hill, shade * (1.05 - 0.2 * layer), blue)
    meadow = down > 0.8 + 0.04 * (_noise(chance, 2, width, 1.5)[0][None, :] - 0.5)
    grass = 0.15 + 0.5 * _noise(chance, height, width, 0.8)
    red, green, blue = (
        np.where(meadow, grass * tint, channel) for tint, channel in ((0.75, red), (1.0, green), (0.4, blue))
    )
    return _image(red, green, blue)


@cache
def still_life(width: int, height: int, seed: int = 2) -> Image.Image:
    """Fruit on a table under a lamp: round shapes, soft shadows, a dark ground, bright spots."""
    chance = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    x, y = across / width, down / height
    ground = 0.25 + 0.3 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.15)
    grain = _noise(chance, height, width, 1.0)
    table = y > 0.62
    tones = np.where(table, (0.45 + 0.25 * grain) * (1.15 - 0.5 * x), ground * (0.9 + 0.2 * grain))
    red, green, blue = tones * 1.1, tones * 0.9, tones * 0.75
    scale = height / width
    for centre, radius, colour in (
        ((0.3, 0.6), 0.17, (0.9, 0.25, 0.15)),
        ((0.56, 0.66), 0.14, (0.95, 0.75, 0.2)),
        ((0.76, 0.58), 0.12, (0.45, 0.7, 0.25)),
        ((0.45, 0.8), 0.1, (0.55, 0.2, 0.5)),
    ):
        off_x, off_y = (x - centre[0]) / radius, (y - centre[1]) * scale / radius
        shadow = np.exp(-((off_x - 0.5) ** 2 + ((off_y - 0.95) * 2.6) ** 2))
        red, green, blue = (channel * (1 - 0.6 * shadow * table) for channel in (red, green, blue))
        inside = off_x**2 + off_y**2 < 1
        z = np.sqrt(np.clip(1 - off_x**2 - off_y**2, 0, 1))
        light = np.clip(-0.5 * off_x - 0.6 * off_y + 0.62 * z, 0, 1)
        spot = np.clip(light, 0, 1) ** 30
        skin = 0.12 + 0.85 * light * (0.85 + 0.3 * grain)
        red, green, blue = (
            np.where(inside, skin * tint + 0.8 * spot, channel)
            for tint, channel in zip(colour, (red, green, blue), strict=True)
        )
    noise = chance.standard_normal((height, width)) * 0.012
    return _image(red + noise, green + noise, blue + noise)


@cache
def street(width: int, height: int, seed: int = 3) -> Image.Image:
    """Buildings in perspective: windows, many straight edges, hard light and shade."""
    chance = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    x, y = across / width, down / height
    tones = 0.75 + 0.2 * (1 - y) + 0.1 * _noise(chance, height, width, 1.8)
    left = 0.0
    while left < 1:
        right = left + float(chance.uniform(0.09, 0.2))
        roof = float(chance.uniform(0.1, 0.45))
        wall = (x >= left) & (x < right) & (y > roof)
        light = float(chance.uniform(0.25, 0.8))
        tones = np.where(wall, light * (0.9 + 0.2 * _noise(chance, height, width, 0.9)), tones)
        rows, columns = (y - roof) * 14 % 1, (x - left) / (right - left) * 5 % 1
        window = wall & (rows > 0.3) & (rows < 0.8) & (columns > 0.25) & (columns < 0.75) & (y < 0.85)
        tones = np.where(window, 0.12 + 0.35 * (1 - rows) * x, tones)
        left = right
    road = y > 0.86
    tones = np.where(road, 0.3 + 0.15 * _noise(chance, height, width, 0.7), tones)
    stripe = road & (abs(y - 0.93) < 0.008) & (x * 9 % 1 < 0.6)
    tones = np.where(stripe, 0.9, tones)
    return _image(tones * 1.02, tones, tones * 0.93)
