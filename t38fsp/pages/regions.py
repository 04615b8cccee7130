"""What each part of a page is: a ground with text or lines on it, a flat tint, or a picture.

Grounds are found by the envelope of the page (:mod:`t38fsp.pages.envelope`), in which text does not appear:
a sheet of paper, a coloured box and a shaded row of a table are each one *component* of tiles whose tones
differ little from one to the next. What is on a component tells what it is. Text has hard edges: nearly all
of its pixels are as dark as the ink or as light as the ground. In a picture tones go over into each other,
and its ground is *rough*: the tone changes from tile to tile, but not by much.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t38fsp.pages.components import Labels, components, components_of
from t38fsp.pages.envelope import closing, darkest, lightest, opening
from t38fsp.pages.gradients import Gradients, find_gradients
from t38fsp.pages.tiles import (
    CONTRAST,
    EDGE_MM,
    MOSTLY_THIN,
    STROKE_MM,
    THIN_MM,
    Grid,
    Mask,
    PerTile,
    Tones,
    about,
    neighbours,
    odd_pixels,
    reduced,
    reduction,
    third,
)

_JOINED = 6
"""Tones by which neighbouring tiles of one ground may differ."""
_ROUGH = 0.65
"""Mean difference of neighbouring tiles, from which on a ground is that of a picture."""
_SOFT = 0.12
"""Share of soft pixels among those with contrast from which on they are not text."""
_HARD = 0.04
"""Share of a ground that has contrast, from which on it counts whether that is hard."""
_VERY_SOFT = 0.25
"""The same of few tiles."""
_PAPER, _LIGHT, _DARK = 215, 225, 30
"""Grounds at least as light as paper are white in any case; tints at least as light as ``_LIGHT``, at most as
dark as ``_DARK``, are white and black."""
_LEAST_MARKS = 0.01
"""Share of a ground that is covered with marks, from which on it is kept clear for them."""
_LEAST_LIGHT_MARKS = 0.02
_LEAST_MARKS_ON_DARK = 0.003
_DARK_BOARD = 110
_LINES_ALONE = 0.7
"""Between letters there is contrast; where marks are nearly all that has any, they are lines at an area."""
_TINY = 12
"""Too small for a screen, in tiles."""
_SMALL, _AMONG_MARKS, _REACH = 40, 0.2, 8
"""Components of fewer tiles, more of which is covered with marks, belong to the ground beside them, if that
is not further than ``_REACH`` tiles."""
_DARKEST_PAGE, _LIGHTEST_BOARD = 50, 175
"""The darkest ground that becomes white for dark marks, the lightest that becomes black for light ones."""


class Part(IntEnum):
    """What becomes of the pixels of a tile that are not marks."""

    WHITE = 0
    BLACK = 1
    TINT = 2
    PICTURE = 3


@dataclass(frozen=True, slots=True)
class Regions:
    """What :func:`find_regions` found.

    ``level`` is for each pixel the tone below which it is black, outside of tints and pictures.
    ``tones`` are those of the grounds of the tiles.
    """

    grid: Grid
    level: Tones
    marks: Mask
    """Pixels with contrast about them."""
    parts: NDArray[np.uint8]
    """The :class:`Part` of each tile."""
    tones: NDArray[np.uint8]


def find_regions(tones: Tones, x_dpi: float, y_dpi: float) -> Regions:
    """The regions of a page. A fine one is looked at in fewer pixels, which shows as much."""
    rows, columns = tones.shape
    across, down = by = reduction(tones, x_dpi, y_dpi)
    coarse = _regions(reduced(tones, by), x_dpi / across, y_dpi / down)
    if by == (1, 1):
        return coarse

    def enlarged(pixels: NDArray[Any]) -> Any:
        return np.repeat(np.repeat(pixels, across, axis=1), down, axis=0)[:rows]

    grid = coarse.grid.enlarged(rows, columns, down, across)
    return Regions(grid, enlarged(coarse.level), enlarged(coarse.marks), coarse.parts, coarse.tones)


def _regions(tones: Tones, x_dpi: float, y_dpi: float) -> Regions:
    grid = Grid.of(tones, x_dpi, y_dpi)
    across, down = (odd_pixels(STROKE_MM, dpi) for dpi in (x_dpi, y_dpi))
    light, dark = closing(tones, across, down), opening(tones, across, down)
    span = light - dark
    marks = span >= CONTRAST
    # At the edge of a stroke the envelope is as grey as the pixel itself: take the ink beside it.
    across, down = (odd_pixels(EDGE_MM, dpi) for dpi in (x_dpi, y_dpi))
    low, high = (
        np.minimum(dark, darkest(tones, across, down)),
        np.maximum(light, lightest(tones, across, down)),
    )
    span = high - low
    middle = high - (span >> 1)
    contrast = grid.count(marks)
    ink = marks & (tones < middle)
    inked = grid.count(ink)
    soft = grid.count(marks & _soft(tones, middle, span))
    on_light = 2 * inked <= contrast
    # Of a grey line on paper all contrast is the line itself.
    on_paper = grid.centres(light) >= _LIGHT
    on_light |= on_paper & (inked == contrast) & (contrast > 0) & (2 * contrast <= grid.pixels)
    ground = np.where(on_light, grid.centres(light), grid.centres(dark))
    gradients = find_gradients(tones, grid, grid.centres(light), grid.centres(dark))
    parts = _Parts(grid, ground, grid.centres(middle), contrast, inked, soft, gradients)
    # A thin stroke is paler than a thick one. In small type, what is a third from its ground is ink.
    part = third(span)
    small = _in_small_type(grid, tones, middle, ink, inked, x_dpi, y_dpi)
    level = np.where(grid.spread(small), high - part, middle)
    level = np.where(grid.spread(parts.on_light.astype(np.uint8)), level, low + part)
    level = np.where(marks, level, grid.spread(parts.levels()))
    if gradients is not None:
        clear = grid.spread((gradients.on_light | gradients.on_dark).astype(np.uint8))
        level = np.where(clear, grid.spread(gradients.level), level)
    return Regions(grid, level, marks, parts.parts.astype(np.uint8), parts.tones())


def _in_small_type(
    grid: Grid, tones: Tones, middle: Tones, ink: Mask, inked: PerTile, x_dpi: float, y_dpi: float
) -> NDArray[np.uint8]:
    """The tiles about which most strokes are thin."""
    across, down = (odd_pixels(THIN_MM, dpi) for dpi in (x_dpi, y_dpi))
    thin = grid.count(ink & (closing(tones, across, down) >= middle))
    return (about(thin) >= MOSTLY_THIN * about(inked)).astype(np.uint8)


def _soft(tones: Tones, middle: Tones, span: Tones) -> Mask:
    """Pixels neither dark nor light where tones change slowly: the edges of letters are steep."""
    # 3/8 of the contrast, for tones and for the step from one side of a pixel to the other.
    part = span >> 2
    part += part >> 1
    steep = np.zeros_like(tones)
    steep[:, 1:-1] = _difference(tones[:, 2:], tones[:, :-2])
    np.maximum(steep[1:-1], _difference(tones[2:], tones[:-2]), out=steep[1:-1])
    result: Mask = np.maximum(steep, _difference(tones, middle)) < part
    return result


def _difference(one: Tones, other: Tones) -> Tones:
    result: Tones = np.maximum(one, other) - np.minimum(one, other)
    return result


class _Parts:
    """The decision on each component, and then on what hangs together with pictures."""

    def __init__(
        self,
        grid: Grid,
        ground: PerTile,
        middle: PerTile,
        contrast: PerTile,
        inked: PerTile,
        soft: PerTile,
        gradients: Gradients | None,
    ) -> None:
        self._grid, self._contrast = grid, contrast
        right, down = np.abs(np.diff(ground, axis=1)), np.abs(np.diff(ground, axis=0))
        self._joined = right <= _JOINED, down <= _JOINED
        if gradients is not None:
            self._keep_apart(gradients.area)
        self._label(components(*self._joined))
        rough = self._rough(right, down)
        tone = self._sum(ground) / self._area
        marked = self._sum(contrast)
        small = (self._area < _SMALL) & (marked >= _AMONG_MARKS * self._area * grid.pixels)
        small &= self._sum(soft) < _VERY_SOFT * marked
        labels = _absorbed(self._labels, ground, tone, small)
        kept = np.unique(labels)
        self._label(np.searchsorted(kept, labels))
        self.tone, self._roughness = tone[kept], rough[kept]
        self.on_light = on_light = self.tone[self._labels] >= middle
        pixels = self._area * grid.pixels
        self._dark_marks = self._sum(np.where(on_light, inked, 0)) / pixels
        self._light_marks = self._sum(np.where(on_light, 0, contrast - inked)) / pixels
        self._marked = self._sum(contrast) / pixels
        self._softness = self._sum(soft) / np.maximum(1, self._sum(contrast))
        decided = self._decide()
        self.parts = decided[self._labels]
        self._join_pictures(soft)
        # What is soft, but in no picture, is a letter in a scan.
        small = (self._area < _SMALL) & (self._marked >= _AMONG_MARKS)
        taken = decided[_absorbed(self._labels, ground, self.tone, small)]
        single = small[self._labels] & (self.parts != Part.PICTURE) & (taken != Part.PICTURE)
        self.parts = np.where(single, taken, self.parts)
        if gradients is not None:
            self.parts[gradients.area] = Part.PICTURE
            self.parts[gradients.on_light] = Part.WHITE
            self.parts[gradients.on_dark] = Part.BLACK

    def _keep_apart(self, area: Mask) -> None:
        right, down = self._joined
        self._joined = right & (area[:, 1:] == area[:, :-1]), down & (area[1:] == area[:-1])

    def _label(self, labels: Labels) -> None:
        self._labels = labels
        self._count = int(labels.max()) + 1
        self._area = np.bincount(labels.ravel(), minlength=self._count)

    def _sum(self, values: PerTile) -> NDArray[np.float64]:
        return np.bincount(self._labels.ravel(), values.ravel(), self._count).astype(np.float64)

    def _rough(self, right: PerTile, down: PerTile) -> NDArray[np.float64]:
        total = np.zeros(self._count)
        steps = np.zeros(self._count)
        pairs = (right, self._labels[:, :-1]), (down, self._labels[:-1])
        for (difference, labels), joined in zip(pairs, self._joined, strict=True):
            total += np.bincount(labels[joined], difference[joined], self._count)
            steps += np.bincount(labels[joined], minlength=self._count)
        return total / np.maximum(1, steps)

    def _decide(self) -> NDArray[np.int32]:
        tone = self.tone
        # Much contrast with steep edges is text or a drawing, on whatever ground.
        hard = (self._marked >= _HARD) & (self._softness < _SOFT / 2)
        soft = (self._marked >= _HARD / 2) & (self._softness >= _SOFT)
        soft &= (self._area >= _SMALL) | (self._softness >= _VERY_SOFT)
        # A few tiles may differ by chance.
        rough = (self._roughness >= _ROUGH) & (self._area >= _SMALL)
        picture = (self._area >= 8) & ~hard & (tone < _PAPER) & (rough | soft)
        dark_marks = (self._dark_marks >= _LEAST_MARKS) & (tone >= _DARKEST_PAGE)
        dark_marks &= self._dark_marks <= _LINES_ALONE * self._marked
        # An even dark ground, as of a heading in white on black: few letters are enough to keep it clear.
        board = (tone <= _DARK_BOARD) & (self._roughness < _ROUGH)
        least = np.where(board, _LEAST_MARKS_ON_DARK, _LEAST_LIGHT_MARKS)
        light_marks = (self._light_marks >= least) & (tone <= _LIGHTEST_BOARD)
        light_marks &= self._light_marks <= _LINES_ALONE * self._marked
        light_marks &= (self._light_marks > self._dark_marks) | (tone < _DARKEST_PAGE)
        # Half of the page is its paper, even if it is grey, as that of a poor scan.
        biggest = self._area >= self._area.sum() / 2
        # From the weakest reason to the strongest: a later line overrides those before it.
        parts = np.full(self._count, Part.TINT, np.int32)
        parts[tone <= _DARK] = Part.BLACK
        parts[(tone >= _LIGHT) | dark_marks | biggest & (tone >= 150)] = Part.WHITE
        parts[light_marks] = Part.BLACK
        parts[picture] = Part.PICTURE
        paper = self._paper_beside(parts)
        tint = parts == Part.TINT
        # Hardly darker than the paper beside it: a shadow rather than a tint.
        parts[tint & (tone >= paper - (255 - _LIGHT))] = Part.WHITE
        tiny = tint & (self._area <= _TINY)
        parts[tiny & (tone < paper - 50)] = Part.BLACK
        # Beside no paper at all: a small light place in a picture or on a board.
        parts[tiny & (paper > 255) & (tone >= _DARK_BOARD)] = Part.WHITE
        return parts

    def _paper_beside(self, parts: NDArray[np.int32]) -> NDArray[np.float64]:
        """For each component the lightest white one that it touches; 512 if there is none."""
        # A few white tiles may be the inside of letters.
        paper = np.where((parts == Part.WHITE) & (self._area >= 50), self.tone, -1.0)
        beside = np.full(self._count, -1.0)
        labels = self._labels
        for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
            border = one != other
            np.maximum.at(beside, one[border], paper[other[border]])
            np.maximum.at(beside, other[border], paper[one[border]])
        return np.where(beside < 0, 512.0, beside)

    def _join_pictures(self, soft: PerTile) -> None:
        """A part that is not text on paper, and for the most part picture, is a picture as a whole."""
        written = (self._dark_marks >= _LEAST_MARKS) | (self._light_marks >= _LEAST_LIGHT_MARKS)
        written &= (self._area >= 50) & (self._softness < _SOFT)
        apart = (written | (self.tone >= _LIGHT))[self._labels]
        free = ~apart | (self.parts == Part.PICTURE)
        blobs = components_of(free)
        count = int(blobs.max()) + 1
        seen = (self.parts == Part.PICTURE) | (soft * 8 >= self._grid.pixels)
        area = np.bincount(blobs.ravel(), minlength=count)
        share = np.bincount(blobs.ravel(), seen.ravel(), count) / area
        whole = ((share >= 0.35) & (area >= 60))[blobs]
        self.parts = np.where(whole & free, Part.PICTURE, self.parts)
        # What looked like a picture, but is mostly something else: a screen of its own would frame it.
        self.parts[~whole & (self.parts == Part.PICTURE)] = Part.TINT

    def tones(self) -> NDArray[np.uint8]:
        """For each tile the tone of its ground."""
        return self.tone.astype(np.uint8)[self._labels]

    def levels(self) -> NDArray[np.uint8]:
        """For each tile the tone that separates its grounds from each other."""
        tone = self.tone[self._labels].astype(np.int32)
        white = neighbours(np.where(self.parts == Part.WHITE, tone, 256), least=True)
        black = neighbours(np.where(self.parts == Part.BLACK, tone, -1), least=False)
        both = (white <= 255) & (black >= 0) & (white > black)
        # With one ground in reach, a mark is two fifths of the way from it to the other end of the scale.
        own = np.where(self.parts == Part.BLACK, tone + (255 - tone) * 2 // 5, tone * 3 // 5)
        level = np.where(both, (white + black) // 2, own)
        level = np.where((white <= 255) & (black < 0), white * 3 // 5, level)
        level = np.where((white > 255) & (black >= 0), black + (255 - black) * 2 // 5, level)
        return np.clip(level, 1, 255).astype(np.uint8)


def _absorbed(labels: Labels, ground: PerTile, tone: NDArray[np.float64], small: Mask) -> Labels:
    """``labels`` in which ``small`` components belong to the ground beside them whose tone is the nearest.

    Between and inside of letters a tile may show no ground at all.
    """
    wide = labels.shape[1] + 2
    padded = np.pad(np.where(small[labels], -1, labels), 1, constant_values=-1).ravel()
    tones = np.pad(ground, 1).ravel()
    left = np.flatnonzero(np.pad(small[labels], 1).ravel())
    for _ in range(_REACH):
        nearest = np.full(left.size, 1000.0)
        found = np.full(left.size, -1)
        for step in (-wide - 1, -wide, 1 - wide, -1, 1, wide - 1, wide, wide + 1):
            beside = padded[left + step]
            away = np.where(beside < 0, 1000.0, np.abs(tone[beside] - tones[left]))
            closer = away < nearest
            nearest[closer], found[closer] = away[closer], beside[closer]
        padded[left] = found
        left = left[found < 0]
        if not left.size:
            break
    taken = padded.reshape(-1, wide)[1:-1, 1:-1]
    return np.where(taken < 0, labels, taken)
