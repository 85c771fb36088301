"""Small models, what is right of them, and the one problem of those that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyqkit
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]


def frames(model: Any) -> np.ndarray:
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    return (np.random.default_rng(0).integers(-40, 41, (3, *shape)) / 16).astype(np.float32)


def assert_right(model: Any) -> Any:
    """Every output of engine `exact` is what the reference says; returns the accelerator."""
    accelerator = pyqkit.compile(model)
    found, expected = accelerator.emulate_outputs(frames(model)), Reference(model).run(frames(model))
    assert set(found) == set(expected)
    for name, values in found.items():
        np.testing.assert_array_equal(values, real_of(expected[name]).high.astype(np.float32))
    return accelerator


def network(make: Make | None = None) -> Any:
    """A quantiser, a convolution, a quantiser, and between them what `make` adds."""
    b = Builder(3, 4, 4)
    x = b.conv(b.quantise("x", "int4", 0.5), "int4", 4, 3, scale=0.5)
    return b.model(b.quantise(make(b, x) if make else x, "int8", 0.25))


def refusal(model: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        import_qonnx(model)
    (problem,) = caught.value.problems
    assert problem.node and problem.reason and problem.remedy and "breaks the importer" not in problem.reason
    return f"{problem.node}: {problem.reason}"
