"""Sorted thresholds as the search trees of kernels/search_tree.hpp, whose nodes are float32."""

from __future__ import annotations

import numpy as np

MOST_STEPS = 255  # of a tree
_LONGEST_READ = 32  # nodes from the first of a level on


def search_trees(rows: np.ndarray) -> np.ndarray:
    """Nodes of rows of thresholds, of which each has one less than a power of two; level l from 2**l on.

    Parameters
    ----------
    rows : numpy.ndarray, shape (trees, thresholds)
        Each rises.
    """
    size = rows.shape[1] + 1
    node = np.arange(1, size)
    level = np.frexp(node)[1] - 1  # which begins at that power of two
    place = ((2 * (node - 2**level) + 1) * size >> (level + 1)) - 1
    trees = np.zeros(len(rows) * size + _LONGEST_READ, np.float32)
    trees[: len(rows) * size].reshape(-1, size)[:, 1:] = rows[:, place]
    return trees
