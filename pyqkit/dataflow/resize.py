"""The steps of a resizing: in which a word is taken, and in which one is given."""

from __future__ import annotations

import numpy as np

from pyqkit.graph.ops.resize import Resize


def steps(op: Resize, words: int) -> tuple[np.ndarray, np.ndarray]:
    """What happens in each step of a frame; `words` are those of a pixel.

    A row comes as often as it says, and in it every pixel. What comes for the first time is taken; what is
    dropped comes once, and a pixel of a dropped column once in every pass of its row.

    Returns
    -------
    takes, gives : numpy.ndarray of bool, shape (steps,)
    """
    columns, rows = (np.array(times) for times in (op.columns, op.rows))
    column = np.repeat(np.arange(len(columns)), np.maximum(columns, 1))
    first, kept = np.diff(column, prepend=-1) > 0, columns[column] > 0
    taken, given = [], []
    for times in rows:
        if times == 0:
            taken.append(np.ones(len(columns), bool))
            given.append(np.zeros(len(columns), bool))
            continue
        taken += [first, np.zeros((times - 1) * len(first), bool)]
        given.append(np.tile(kept, times))
    return np.repeat(np.concatenate(taken), words), np.repeat(np.concatenate(given), words)
