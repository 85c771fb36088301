"""The demo keeps its promises.

Accuracy, equal engines, four formats in one network, and the same result for the same seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyqkit.accelerator import Accelerator
from pyqkit.demo import run
from pyqkit.errors import UserError
from pyqkit.studies.datasets import digits


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    target = tmp_path_factory.mktemp("demo") / "demo"
    return target, run(target, seed=0)


def test_accuracy_and_equal_codes(demo: tuple[Path, dict]) -> None:
    _, result = demo
    assert set(result["accuracy"]) == {"float", "quantised PyTorch", "accelerator"}
    assert min(result["accuracy"].values()) > 0.95
    assert result["codes_differing"] == 0
    assert result["agreement"] > 0.99
    assert result["frames"] == 540


def test_formats_in_one_residual_network(demo: tuple[Path, dict]) -> None:
    layers = Accelerator.load(demo[0] / "accelerator").report().layers
    weights = {layer.weight_format for layer in layers}
    assert {"e2m1", "e3m2", "lp4_0_3", "int4"} <= weights
    assert sum(layer.operator == "add" for layer in layers) == 3


def test_what_it_leaves_behind(demo: tuple[Path, dict]) -> None:
    target, result = demo
    assert (target / "demo.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (target / "demo.png").stat().st_size > 10_000
    accelerator = Accelerator.load(target / "accelerator")
    assert accelerator.board.name == "ZCU104"
    assert accelerator.selftest(target / "accelerator") == 0
    _, _, x, y = digits(0)
    assert float((accelerator(x).argmax(1) == y).mean()) == result["accuracy"]["accelerator"]


def test_an_existing_folder_is_kept(demo: tuple[Path, dict], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"a new folder was expected, but .* exists; choose another name or pass --force"
    ):
        run(demo[0])
    (demo[0] / "thesis.txt").write_text("mine")
    with pytest.raises(
        UserError,
        match=r"a folder of an earlier demo and nothing else was expected, but .*thesis.txt is not part "
        r"of it",
    ):
        run(demo[0], force=True)
    assert (demo[0] / "thesis.txt").read_text() == "mine"
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="a folder of an earlier demo to replace was expected"):
        run(tmp_path, force=True)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_the_split_is_fixed_and_disjoint() -> None:
    x, y, x_test, y_test = digits(0)
    assert (len(x), len(x_test)) == (1257, 540) and len(x) == len(y) and len(x_test) == len(y_test)
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    np.testing.assert_array_equal(x, digits(0)[0])
    assert not np.array_equal(x_test, digits(1)[2])


def test_the_same_seed_trains_the_same_network() -> None:
    import torch

    from pyqkit.studies.networks.digits import network
    from pyqkit.studies.trainer import Recipe, logits, train

    x, y, x_test, _ = digits(0)
    outputs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = network(quantised=False)
        train(model, x[:256], y[:256], Recipe(epochs=1, batch=64, rate=1e-3), seed)
        outputs.append(logits(model, x_test[:8]))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])
