"""Which tiles of a page belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.intp]


def components(right: NDArray[np.bool_], down: NDArray[np.bool_]) -> Labels:
    """A number for each tile, from 0 without gaps: the same for tiles that are joined, also over others.

    ``right`` says of each tile but those of the last column whether it is joined to the next, ``down`` of
    each but those of the last row whether it is joined to the one below.
    """
    rows, columns = right.shape[0], down.shape[1]
    begins = np.ones((rows, columns), np.bool_)
    np.logical_not(right, out=begins[:, 1:])
    runs: Any = np.cumsum(begins.ravel()).reshape(rows, columns) - 1
    pairs = np.stack([runs[:-1][down], runs[1:][down]])
    # Two runs mostly touch at many tiles in a row.
    fresh = np.ones(pairs.shape[1], np.bool_)
    fresh[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    upper, lower = pairs[:, fresh]
    root: Any = np.arange(int(runs[-1, -1]) + 1)
    while upper.size:
        # A tree hooks onto the lowest of its neighbours, so that there are no circles.
        np.minimum.at(root, np.maximum(upper, lower), np.minimum(upper, lower))
        while not np.array_equal(above := root[root], root):
            root = above
        upper, lower = root[upper], root[lower]
        apart = upper != lower
        upper, lower = upper[apart], lower[apart]
    labels = np.cumsum(root == np.arange(root.size)) - 1
    result: Labels = labels[root][runs]
    return result


def components_of(tiles: NDArray[np.bool_]) -> Labels:
    """The same, where neighbours are joined if both are in ``tiles``; each other tile is one by itself."""
    return components(tiles[:, 1:] & tiles[:, :-1], tiles[1:] & tiles[:-1])
