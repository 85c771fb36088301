"""Rows of image classifiers: every method on a small ResNet, and on a pretrained one where the data are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pyqkit.errors import UserError
from pyqkit.quant.microscopiq.activations import Microscale
from pyqkit.studies.microscopiq.images import KEPT, METHODS, ImageStudy, rounded, rows_of
from pyqkit.studies.microscopiq.methods import layers
from pyqkit.studies.networks.cifar10 import ResNet, zero_padded
from pyqkit.studies.networks.layers import Float
from pyqkit.studies.study import State
from tests.studies.microscopiq.test_microscopiq import DATA, needs_data

FRAMES = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def small() -> nn.Module:
    torch.manual_seed(0)
    network = ResNet(Float(), 1, zero_padded, "linear")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("method", [method for method in METHODS if not method.endswith(".a4")])
def test_methods_on_convolutions(method: str) -> None:
    network = small()
    made, bits = rounded(small(), FRAMES, method)
    for name in KEPT:
        assert torch.equal(made.get_submodule(name).weight, network.get_submodule(name).weight)
    count = sum(layer.weight.numel() for layer in layers(network, KEPT))
    assert count == sum(layer.weight.numel() for layer in layers(made, KEPT))
    with torch.inference_mode():
        error = float((made(FRAMES) - network(FRAMES)).square().mean() / network(FRAMES).var())
    if method == "float":
        assert (bits, error) == (32 * count, 0)
        return
    slots = int(method.lstrip("abcdefghijklmnopqrstuvwxyz")[0])
    assert slots < bits / count < slots + 1.6
    assert 0 < error < (2 if slots == 2 else 0.3)


def test_activations_in_blocks_change_what_comes_out() -> None:
    for name in ("rtn4", "msq4"):
        made = [rounded(small(), FRAMES, f"{name}{acts}")[0] for acts in ("", ".a8", ".a4")]
        with torch.inference_mode():
            plain, fine, coarse = (network(FRAMES) for network in made)
        assert 0 < float((fine - plain).abs().max()) < float((coarse - plain).abs().max())
    assert sum(isinstance(module, Microscale) for module in made[1].modules()) == 6  # of msq4


@pytest.mark.long  # it unpacks 20,000 images
@needs_data
def test_a_row_of_the_study() -> None:
    rows = rows_of(["resnet20"], ["rtn4"], DATA, 8, 100)
    study = ImageStudy(rows, str(DATA))
    before, after = (study.step(task, 0, State()) for task in study.tasks())
    assert isinstance(before.values, dict) and isinstance(after.values, dict)
    assert before.values["top1"] == 100 * before.arrays["hits"].mean() > 85
    assert before.arrays["hits"].shape == (100,)
    assert 60 < after.values["top1"] <= before.values["top1"] + 5  # type: ignore[operator]
    assert 4 < after.values["bits"] < 4.3  # type: ignore[operator]


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a network out of"):
        rows_of(["vgg"], ["rtn4"], tmp_path, 8, 8)
    with pytest.raises(UserError, match="a method out of"):
        rows_of(["resnet20"], ["awq"], tmp_path, 8, 8)
    with pytest.raises(UserError, match="npz archive of images"):
        rows_of(["resnet20"], ["rtn4"], tmp_path, 8, 8)
    assert np.unique(METHODS).size == len(METHODS)
