"""A training that goes through files is the one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from torch.nn import functional

from pyqkit.formats import parse
from pyqkit.quant import calibrate
from pyqkit.studies.datasets import views
from pyqkit.studies.networks.layers import Formats
from pyqkit.studies.networks.perceptron import perceptron
from pyqkit.studies.networks.straight_through import RoundActivations
from pyqkit.studies.runner import run
from pyqkit.studies.slices import limited_threads
from pyqkit.studies.torch_state import packed, unpack
from pyqkit.studies.trainer import Trainer, batches
from tests.studies.digits_training import IMAGES, DigitsTraining, digit_rows


def trained_in_one_go(study: DigitsTraining) -> dict[str, np.ndarray]:
    """Both phases with one trainer each, nothing packed or unpacked."""
    task = study.tasks()[0]
    x, y = digit_rows()[:2]
    images, labels = torch.from_numpy(x), torch.from_numpy(y).long()
    torch.manual_seed(task.seed)
    before = None
    models = [study.network(task, phase) for phase in (0, 1)]
    for phase, (model, recipe) in enumerate(zip(models, study.recipes(task))):
        if before is not None:
            model.load_state_dict(before.state_dict(), strict=False)
            calibrate(model, batches(x[:IMAGES]))
        torch.manual_seed(task.seed + phase)
        trainer = Trainer(model, recipe, IMAGES)
        for _ in range(recipe.epochs):
            trainer.epoch(lambda rows, m=model: functional.cross_entropy(m(images[rows]), labels[rows]))
        before = model
    assert before is not None
    return {name: tensor.numpy() for name, tensor in before.state_dict().items()}


def test_epochs_through_states_are_epochs_in_one_go(tmp_path: Path) -> None:
    study = DigitsTraining()
    with limited_threads(1):
        expected = trained_in_one_go(study)
    found = run(study, tmp_path / "digits", every=0.0).of("rate0.003")
    assert set(found.arrays) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found.arrays[name], array, err_msg=name)
    curve = [
        json.loads(line) for line in (tmp_path / "digits/curves/rate0.003.jsonl").read_text().splitlines()
    ]
    assert [point["step"] for point in curve] == [1, 2, 3, 4]
    assert found.values == {"top1": curve[-1]["top1"]} and curve[0]["loss"] > curve[1]["loss"]


def test_an_interrupted_training_goes_on_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two workers' worth of arms, one stopped after every epoch."""
    study = DigitsTraining(rates=(3e-3, 1e-3))
    expected = run(study, tmp_path / "whole")
    step = DigitsTraining.step

    def stopping(self, task, index, state):
        if index > stops[0]:
            stops[0] = index
            raise KeyboardInterrupt
        return step(self, task, index, state)

    stops = [0]
    monkeypatch.setattr(DigitsTraining, "step", stopping)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "parts", resume=True, every=0.0)
    found = run(study, tmp_path / "parts", resume=True, every=0.0)
    assert stops == [3] and found.digest == expected.digest


def test_the_generators_of_others_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(DigitsTraining(epochs=(1, 1)), tmp_path / "digits")
    np.testing.assert_array_equal(torch.rand(3).numpy(), expected.numpy())


@pytest.mark.parametrize(
    "damage",
    [
        lambda values, arrays: (None, arrays),
        lambda values, arrays: ({"network": {"tensor": 3}}, arrays),
        lambda values, arrays: ({"network": {"pairs": []}}, arrays),
        lambda values, arrays: (values, {k: v[:1] if v.ndim else v for k, v in arrays.items()}),
    ],
    ids=["none", "number", "empty", "shapes"],
)
def test_a_state_of_something_else_is_refused(damage: Callable) -> None:
    model = perceptron(Formats.of("int4"), widths=(8, 4, 2))
    values, arrays = damage(*packed({"network": model}))
    with pytest.raises((ValueError, RuntimeError)):
        unpack(values, arrays, {"network": model})


def test_views_are_crops_of_the_image_or_of_its_mirror() -> None:
    pixels = np.arange(2 * 32 * 32 * 3, dtype=np.uint32).reshape(2, 32, 32, 3).astype(np.uint8)
    found = views(pixels, np.random.default_rng(0))
    assert found.shape == pixels.shape and found.dtype == np.uint8
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    for image, view in zip(padded, found):
        crops = [image[r : r + 32, c : c + 32] for r in range(9) for c in range(9)]
        assert any(np.array_equal(view, side) for crop in crops for side in (crop, crop[:, ::-1]))


def test_the_fast_rounding_of_training_is_that_of_the_format() -> None:
    fmt = parse("uint4")
    x = np.concatenate(
        [np.linspace(-1, 17, 4001, dtype=np.float32), fmt.limits(np.float32), fmt.values.astype(np.float32)]
    )
    middles = (fmt.values[1:] + fmt.values[:-1]) / 2  # ties go their own way while training
    x = x[~np.isin(x, middles.astype(np.float32))]
    found = RoundActivations.apply(torch.from_numpy(x), 1.0, 15).numpy()
    np.testing.assert_array_equal(found, fmt.decode(fmt.encode(x)).astype(np.float32))
