"""A compiled network for the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.onnx, x.npy and the build folder net."""
    from tests.cli.calls import run  # here, so that tests are skipped where onnx or click is missing
    from tests.graph.qonnx_builder import Builder

    folder = tmp_path_factory.mktemp("built")
    b = Builder(2, 6, 6)
    x = b.quantise("x", "int4", 0.5)
    y = b.quantise(b.node("Relu", b.batch_norm(b.conv(x, "e2m1", 4, 2), 4)), "int4", 0.5)
    y = b.quantise(b.node("Relu", b.node("Add", b.batch_norm(b.conv(y, "e2m1", 4, 4), 4), y)), "int4", 0.5)
    y = b.node(
        "Gemm",
        b.node("Flatten", y),
        b.weights("int8", 3, 144, scale=0.01),
        b.constant([0.5, -1, 2]),
        transB=1,
    )
    (folder / "net.onnx").write_bytes(b.model(y).SerializeToString())
    np.save(folder / "x.npy", np.random.default_rng(0).normal(0, 2, (7, 2, 6, 6)).astype(np.float32))
    result = run("compile", folder / "net.onnx", "-o", folder / "net", "--board", "pynq-z2")
    assert result.exit_code == 0, result.output
    return folder
