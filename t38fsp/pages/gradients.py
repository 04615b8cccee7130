"""Gradients: grounds whose tone a program lets go evenly from one to another, as behind a slide or the head
of a table.

The envelope of a page (:mod:`t38fsp.pages.envelope`) finds grounds of one tone. A gradient has all of them: a
gentle one is one ground, and the dark end of a steep one looks like a mark. Gradients are found by what
neither text nor scans nor photographs have: from pixel to pixel the tone changes by the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t38fsp.pages.components import Labels, components_of
from t38fsp.pages.tiles import Grid, Mask, PerTile, Tones

_BENT = 4.0
"""Second difference of quarters of tiles from which on a tone does not change evenly."""
_STRAIGHT, _MIXED = 0.6, 0.05
"""What a program drew is bent by less in the mean, since its tones are rounded; or the share of steps against
the gradient is less."""
_BLACK, _WHITE = 22, 233
"""Tones beyond which every screen is black and white (:mod:`t38fsp.pages.screens`)."""
_RANGE = 40
"""Tones of a gradient from the darkest to the lightest, at least."""
_LEAST = 12
"""Tiles."""
_LIGHT, _DARK = 150, 110
"""Gradients that are lighter, and have dark text, are cleaned as tints are; so are darker ones with light
text."""
_NEAR = 24
"""By which a ground between letters may differ from what the gradient beside them lets expect."""
_CONTRAST = 36
_FURTHEST = 60
"""Tiles across which a gradient is followed under text."""
_BETWEEN_WORDS, _ABOUT, _EVEN_EDGE = 6, 2, 6
"""Tiles that are kept clear between and about letters, and between what is clear."""
_INK = 3
"""Tiles about a tile from which its ink is taken."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """The gradients of a page, as tiles."""

    area: Mask
    """All tiles of gradients, those with text on them and those at their edges as well."""
    on_light: Mask
    """Those that are white for dark text, and"""
    on_dark: Mask
    """those that are black for light text."""
    level: NDArray[np.uint8]
    """What separates text from the gradient."""


def find_gradients(tones: Tones, grid: Grid, light: PerTile, dark: PerTile) -> Gradients | None:
    """The gradients of a page that a program has drawn, if there are any.

    ``light`` and ``dark`` are the closing and the opening in the middle of each tile.
    """
    # A tile of an odd height has no halves of whole pixels.
    if grid.height % 2:
        return None
    padded = _padded(tones, grid)
    quarters = _quarters(padded, grid)
    bent = _bent(quarters)
    even: Mask = np.logical_and.reduce(_four(bent <= _BENT))
    ground = _mean(quarters)
    # What every screen makes black or white needs no gradient, and is mostly paper.
    even &= (ground > _BLACK) & (ground < _WHITE)
    if np.count_nonzero(even) < _LEAST:
        return None
    labels = components_of(even)
    core = _wide_ones(labels, even, ground)
    if core.any():
        core = _drawn_ones(labels, core, _mean(bent), _steps(padded, grid))
    if not core.any():
        return None
    under = _Under(core, quarters, light, dark)
    under.follow()
    return under.found(_extremes(padded, grid))


def _padded(tones: Tones, grid: Grid) -> Tones:
    """With whole tiles only."""
    missing = grid.shape[0] * grid.height - grid.rows
    return np.pad(tones, ((0, missing), (0, 0)), "edge") if missing else tones


def _quarters(padded: Tones, grid: Grid) -> NDArray[np.float32]:
    """The mean tones of the quarters of all tiles."""
    down, across = grid.height // 2, grid.width // 2
    # Sums of slices, which need no copy of the page.
    rows = np.zeros((len(padded) // down, padded.shape[1]), np.uint16)
    for step in range(down):
        rows += padded[step::down]
    sums = np.zeros((len(rows), rows.shape[1] // across), np.float32)
    for step in range(across):
        sums += rows[:, step::across]
    return sums / np.float32(down * across)


def _bent(quarters: NDArray[np.float32]) -> NDArray[np.float32]:
    # On a straight line a tone is the mean of its neighbours.
    wide, twice = np.pad(quarters, 1, "edge"), 2 * quarters
    across, down = wide[1:-1, 2:] + wide[1:-1, :-2], wide[2:, 1:-1] + wide[:-2, 1:-1]
    result: NDArray[np.float32] = np.maximum(np.abs(across - twice), np.abs(down - twice))
    return result


def _four(quarters: NDArray[Any]) -> list[NDArray[Any]]:
    """Those of each tile: above left and right, below left and right."""
    return [quarters[v::2, h::2] for v in (0, 1) for h in (0, 1)]


def _mean(quarters: NDArray[np.float32]) -> NDArray[np.float32]:
    one, two, three, four = _four(quarters)
    result: NDArray[np.float32] = (one + two + three + four) / np.float32(4)
    return result


def _steps(padded: Tones, grid: Grid) -> tuple[PerTile, PerTile]:
    """Along the middle of each tile, across and down: how often the tone changes, and how often against the
    direction in which it mostly changes."""
    rows = padded[grid.height // 2 :: grid.height].reshape(*grid.shape, grid.width)
    columns = padded[:, grid.width // 2 :: grid.width].reshape(grid.shape[0], grid.height, grid.shape[1])
    changes, against = (np.zeros(grid.shape, np.int32) for _ in range(2))
    for lines in (rows, columns.transpose(0, 2, 1)):
        lighter, darker = (
            np.count_nonzero(one > other, axis=2)
            for one, other in ((lines[..., 1:], lines[..., :-1]), (lines[..., :-1], lines[..., 1:]))
        )
        changes += lighter + darker
        # The noise of a scan or of a photograph changes tones in both directions, a program in one.
        against += np.minimum(lighter, darker)
    return changes, against


def _range(
    labels: Labels, tiles: Mask, ground: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The darkest and the lightest ground among those ``tiles`` that each component has."""
    count = int(labels.max()) + 1
    darkest, lightest = np.full(count, 255.0), np.zeros(count)
    # ``bincount`` sums by label; for extremes numpy has no such function.
    np.minimum.at(darkest, labels[tiles], ground[tiles])
    np.maximum.at(lightest, labels[tiles], ground[tiles])
    return darkest, lightest


def _wide_ones(labels: Labels, even: Mask, ground: NDArray[np.float32]) -> Mask:
    """The ``even`` tiles of components that go from one tone to quite another."""
    darkest, lightest = _range(labels, even, ground)
    area = np.bincount(labels.ravel(), even.ravel(), len(darkest))
    wide: Mask = ((area >= _LEAST) & (lightest - darkest >= _RANGE))[labels] & even
    return wide


def _drawn_ones(
    labels: Labels, even: Mask, bent: NDArray[np.float32], steps: tuple[PerTile, PerTile]
) -> Mask:
    """The ``even`` tiles of components that a program drew."""
    count = int(labels.max()) + 1
    area, bends, changes, against = (
        np.bincount(labels.ravel(), np.where(even, values, 0).ravel(), count) for values in (1, bent, *steps)
    )
    drawn: Mask = ((bends <= _STRAIGHT * area) | (against <= _MIXED * changes))[labels] & even
    return drawn


def _extremes(padded: Tones, grid: Grid) -> tuple[Tones, Tones]:
    """The lightest and the darkest pixel of each tile."""
    tiles = padded.reshape(grid.shape[0], grid.height, grid.columns)
    light, dark = tiles.max(axis=1), tiles.min(axis=1)
    return light.reshape(*grid.shape, -1).max(axis=2), dark.reshape(*grid.shape, -1).min(axis=2)


_BESIDE = ((0, 1), (0, -1), (1, 0), (-1, 0))
_CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


class _Under:
    """The gradients followed under the text that is on them."""

    def __init__(
        self,
        core: Mask,
        quarters: NDArray[np.float32],
        light: PerTile,
        dark: PerTile,
    ) -> None:
        self._core = core
        self._area = core.copy()
        self._light, self._dark = light, dark
        # From one tile to the next, twice as far as between its quarters.
        one, two, three, four = _four(quarters)
        self._plane = np.stack([_mean(quarters), three + four - one - two, two + four - one - three]) * core
        """Of each tile its tone, and by how much those below it and right of it are lighter."""

    def follow(self) -> None:
        """A tile beside one of a gradient is on it, too, if its lightest or darkest tone of some extent is
        what the gradient would be there."""
        # One tile further in all directions each time.
        for _ in range(_FURTHEST):
            places, planes = self._expected(self._light, self._dark, _BESIDE)
            if not len(places[0]):
                break
            self._plane[:, *places] = planes
            self._area[places] = True

    def _expected(
        self, light: NDArray[Any], dark: NDArray[Any], steps: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]:
        """Tiles beside the area whose ``light`` or ``dark`` tone continues it, and their plane."""
        rows, columns = self._area.shape
        places = np.nonzero(_widened(self._area, 1, 1) & ~self._area)
        light, dark = light[places].astype(np.int32), dark[places].astype(np.int32)
        planes = np.zeros((3, len(light)), np.float32)
        count = np.zeros(len(light), np.float32)
        for v, h in steps:
            y, x = places[0] - v, places[1] - h
            inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
            y, x = y.clip(0, rows - 1), x.clip(0, columns - 1)
            plane = self._plane[:, y, x]
            plane[0] += v * plane[1] + h * plane[2]
            near = _between(light, plane[0]) | _between(dark, plane[0])
            near &= inside & self._area[y, x] & (plane[0] > _BLACK) & (plane[0] < _WHITE)
            planes += plane * near
            count += near
        found = count > 0
        return (places[0][found], places[1][found]), planes[:, found] / count[found]

    def found(self, pixels: tuple[Tones, Tones]) -> Gradients | None:
        """``pixels`` are the lightest and the darkest of each tile."""
        ground = self._plane[0]
        # What is at the edge of a gradient differs from it, too, and is no text.
        inner = self._area & ~self._core & ~_widened(~self._area, 1, 1)
        below, above = ground - self._dark, self._light - ground
        dark_ink = inner & (below >= _CONTRAST) & (below >= above)
        light_ink = inner & (above >= _CONTRAST) & (above > below)
        kept = self._but_tints(dark_ink, light_ink)
        self._area &= kept
        if not self._area.any():
            return None
        dark_ink, light_ink = dark_ink & kept, light_ink & kept
        # A tile with letters of both kinds goes to dark ones; see the last line.
        on_light, on_dark = (_clear(ink) & self._area for ink in (dark_ink, light_ink))
        ink = _extreme(np.where(dark_ink, self._dark, 255), np.minimum)
        paint = _extreme(np.where(light_ink, self._light, 0), np.maximum)
        level = np.where(
            on_light,
            np.minimum((ground + ink) / 2, ground - _CONTRAST / 2),
            np.maximum((ground + paint) / 2, ground + _CONTRAST / 2),
        )
        edges, _ = self._expected(*pixels, _BESIDE + _CORNERS)
        self._area[edges] = True
        # 0 would make no pixel black.
        level = np.clip(level, 1, 255).astype(np.uint8)
        return Gradients(self._area, on_light, on_dark & ~on_light, level)

    def _but_tints(self, dark_ink: Mask, light_ink: Mask) -> Mask:
        """All but gradients that are light or dark enough to be cleaned for their text."""
        area, core, ground = self._area, self._core, self._plane[0]
        labels = components_of(area)
        darkest, lightest = _range(labels, core, ground)
        dark, light = (
            np.bincount(labels.ravel(), ink.ravel(), len(darkest)) for ink in (dark_ink, light_ink)
        )
        clean = (darkest >= _LIGHT) & (dark > 0) & (light == 0)
        clean |= (lightest <= _DARK) & (light > 0) & (dark == 0)
        result: Mask = ~clean[labels]
        return result


def _between(tones: NDArray[np.int32], expected: NDArray[np.float32]) -> Mask:
    """Whether they are the ``expected`` ones, and neither black nor white."""
    near: Mask = (np.abs(tones - expected) <= _NEAR) & (tones > _BLACK) & (tones < _WHITE)
    return near


def _widened(tiles: Mask, down: int, across: int) -> Mask:
    result = tiles.copy()
    for _ in range(down):
        before = result.copy()
        result[1:] |= before[:-1]
        result[:-1] |= before[1:]
    for _ in range(across):
        before = result.copy()
        result[:, 1:] |= before[:, :-1]
        result[:, :-1] |= before[:, 1:]
    return result


def _clear(ink: Mask) -> Mask:
    """What is kept clear for letters: the words of a line are one piece."""
    wide = _joined(ink, _BETWEEN_WORDS)
    return _joined(_widened(wide, _ABOUT, _ABOUT), _EVEN_EDGE)


def _joined(tiles: Mask, across: int) -> Mask:
    return ~_widened(~_widened(tiles, 0, across), 0, across) | tiles


def _extreme(values: PerTile, extreme: Any) -> PerTile:
    """The least or the greatest value about each tile."""
    padded = np.pad(values, _INK, "edge")
    size = 2 * _INK + 1
    rows = extreme.reduce([padded[step : step + values.shape[0]] for step in range(size)])
    result: PerTile = extreme.reduce([rows[:, step : step + values.shape[1]] for step in range(size)])
    return result
