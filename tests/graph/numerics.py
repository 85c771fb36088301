"""Small networks whose outputs QONNX' own executor computes exactly: frames and comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

import pyqkit
from tests.graph.qonnx_builder import Builder
from tests.graph.qonnx_executor import execute

CHANNELS = 4


SIGNS = np.array([1.0, -1.0, 0.5, -2.0]).reshape(-1, 1, 1, 1)


def frames(count: int = 3, size: int = 5) -> np.ndarray:
    """Multiples of an eighth, so that many values lie on ties."""
    return (np.random.default_rng(7).integers(-60, 61, (count, CHANNELS, size, size)) / 8).astype(np.float32)


def agree(model: Any, x: np.ndarray) -> pyqkit.Accelerator:
    """Assert that the accelerator computes what QONNX' executor does; return it."""
    accelerator = pyqkit.compile(model, fold={})
    np.testing.assert_array_equal(accelerator.emulate(x), execute(model, x))
    return accelerator


def quarters(b: Builder, *shape: int) -> str:
    return b.constant(b.random.integers(-24, 25, shape) / 4)
