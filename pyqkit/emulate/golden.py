"""Golden vectors: a few frames of codes with the codes they must give."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.exact import ExactEngine

GOLDEN_FRAMES = 4


def golden(exact: ExactEngine) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Codes of inputs and of outputs by tensor: all smallest, all largest, and random ones."""
    random = np.random.default_rng(0)
    inputs = {}
    for port in exact.graph.inputs:
        tensor = exact.graph.tensors[port.tensor]
        frames = np.stack([random.choice(tensor.format.codes, tensor.shape) for _ in range(GOLDEN_FRAMES)])
        frames[0], frames[1] = tensor.format.codes[0], tensor.format.codes[-1]
        inputs[port.tensor] = frames
    return inputs, exact.run(inputs)
