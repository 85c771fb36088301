"""The networks of the benchmarks against outputs recorded from an independent implementation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PYQKIT_DATA", ROOT.parent / "shared" / "data"))
sys.path.insert(0, str(ROOT / "benchmarks"))

import zoo

pytestmark = pytest.mark.skipif(
    not (DATA / "reference_logits.npz").is_file(),
    reason=f"no evaluation data in {DATA}; set PYQKIT_DATA to the folder",
)


def archive(name: str, count: int) -> np.ndarray:
    with np.load(DATA / name, allow_pickle=False) as found:
        return found["x"][:count]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return archive("cifar10_test_a.npz", 16)


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_float_network_reproduces_recorded_outputs(name: str, pixels: np.ndarray) -> None:
    with np.load(DATA / "reference_logits.npz", allow_pickle=False) as recorded:
        expected = recorded[name]
    found = zoo.logits(zoo.load(name, DATA), zoo.images(name, pixels))
    # float32 sums in another order: no exact equality to be had
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("fmt", ["int4", "lp4_0_3"])
def test_quantised_network_is_what_every_reference_says(fmt: str, pixels: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("brevitas")
    from qonnx_reference import QonnxReference
    from real_networks import compare_with_qonnx, quantised

    from pyqkit.graph.importer import import_qonnx
    from pyqkit.quant import export_qonnx
    from pyqkit.reference.quantised import real_of
    from pyqkit.reference.reference import Reference

    x = zoo.images("resnet8", pixels[:4])
    model = quantised(
        "resnet8", fmt, "power_of_two", DATA, zoo.images("resnet8", archive("cifar10_train_20k.npz", 64))
    )
    path = export_qonnx(model, torch.from_numpy(x[:1]), tmp_path / "network.onnx")
    fast, slow = QonnxReference(path), Reference(path)
    expected, found = slow.run(x[:2], keep=True), fast.run(x[:2])
    assert len(found.codes) == 9
    for name, codes in found.codes.items():
        np.testing.assert_array_equal(codes, expected[name].codes())
        assert len(np.unique(codes)) > 2
    for name, values in found.outputs.items():
        np.testing.assert_array_equal(values, real_of(expected[name]).high)
    compared = compare_with_qonnx(import_qonnx(path), fast, x)
    assert compared["mismatches"] == 0
    assert compared["codes"] > 4 * 16 * 32 * 32


def test_reference_decides_what_float64_cannot() -> None:
    pytest.importorskip("brevitas")
    from fractions import Fraction

    from qonnx_reference import QonnxReference, Sum

    from pyqkit.formats import Integer
    from pyqkit.reference.doubledouble import DoubleDouble
    from pyqkit.reference.node import Node
    from pyqkit.reference.quantisers import Quantiser
    from pyqkit.reference.rounding import Grid

    # 3/4 - 1/4 and a sliver that float64 drops: the tie of int4 between 0 and 1 goes to 0, a sliver above it
    # to 1.
    integers = np.array([[3.0, 3.0]])
    for sliver, code in ((2.0**-80, 1), (0.0, 0), (-(2.0**-80), 0)):
        total = Sum(
            ((integers, DoubleDouble.of_fraction(Fraction(1, 4))),),
            DoubleDouble.of(-0.25) + DoubleDouble.of(sliver),
        )
        machine = QonnxReference.__new__(QonnxReference)
        machine.decided, machine._grids = 0, {}
        node = Node("x", "Quant", [], [], 1, {}, 1, lambda inputs: [])
        made = machine._quantise(
            node, total, Quantiser(Integer(4), Grid.of_format(Integer(4)), DoubleDouble.of(1.0))
        )
        np.testing.assert_array_equal(made.codes(), [[code, code]])
        assert machine.decided == 2
