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
    not (DATA / "reference_logits.npz").is_file(), reason=f"no evaluation data in {DATA}; set PYQKIT_DATA to the folder"
)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    with np.load(DATA / "cifar10_test_a.npz", allow_pickle=False) as archive:
        return archive["x"][:16]


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_float_network_reproduces_recorded_outputs(name: str, pixels: np.ndarray) -> None:
    with np.load(DATA / "reference_logits.npz", allow_pickle=False) as archive:
        expected = archive[name]
    found = zoo.logits(zoo.load(name, DATA), zoo.images(name, pixels))
    # float32 sums in another order: no exact equality to be had
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))
