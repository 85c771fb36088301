"""`palquant` on networks of torchvision's shape, what it refuses, and checkpoints by the authors' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from torch import nn

from pyqkit.errors import UserError
from pyqkit.quant.palquant import (
    CyclicShuffle,
    LsqConv2d,
    PalConv2d,
    PalResNet,
    channel_shuffle,
    groups_for,
    load_checkpoint,
    palquant,
    rotated,
)
from pyqkit.studies.networks.residual import BasicBlock, Bottleneck, SmallResNet
from tests.quant.palquant.equations import Numbers, convolution


def base(width: int = 4, blocks: int = 1, block: type = BasicBlock) -> SmallResNet:
    return SmallResNet(1, width, blocks, block=block)


def begun(network: PalResNet) -> PalResNet:
    """With ends found from a batch, and batch norms that have seen some."""
    torch.manual_seed(0)
    network.train()
    for _ in range(2):
        network(torch.rand(16, 1, 8, 8))
    return network.eval()


def plain_forward(network: PalResNet, x: torch.Tensor) -> torch.Tensor:
    """The authors' network, from its ``state_dict`` alone."""
    state, groups = network.state_dict(), network.groups

    def conv(name: str, x: torch.Tensor, **window: int) -> torch.Tensor:
        own = (state[f"{name}.{n}"] for n in ("weight", "lW", "uW", "lA", "uA", "output_scale"))
        return convolution(x, Numbers(*own), (2, 2), groups=groups, **window)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")
        )
        return nn.functional.batch_norm(x, mean, var, weight, bias)

    x = norm("bn1", nn.functional.conv2d(x, state["conv1.weight"], padding=1)).relu()
    for stage in (1, 2, 3):
        if stage > 1:
            shuffled = conv(f"shuffle{stage}.conv1.0", rotated(x, groups))
            x = x + norm(f"shuffle{stage}.conv1.1", shuffled).relu()
        at, stride = f"layer{stage}.0", 1 + (stage > 1)
        y = norm(f"{at}.bn1", conv(f"{at}.conv1", x, stride=stride, padding=1)).relu()
        y = norm(f"{at}.bn2", conv(f"{at}.conv2", y, padding=1))
        if stage > 1:
            y = channel_shuffle(y, groups)
            x = norm(f"{at}.downsample.1", conv(f"{at}.downsample.0", x, stride=stride))
        x = (x + y).relu()
    return nn.functional.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def test_a_network_is_the_authors(tmp_path: Path) -> None:
    """Plain PyTorch reads the state of a network by the authors' names, and computes the same."""
    network, x = begun(palquant(base(), 2)), torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(network(x), plain_forward(network, x))
    stem = {"conv1.weight", "bn1.running_mean", "layer2.0.downsample.1.bias", "fc.weight"}
    layer = {f"layer3.0.conv2.{n}" for n in ("weight", "uW", "lW", "uA", "lA", "output_scale", "init")}
    assert stem | layer | {"shuffle2.conv1.0.lA", "shuffle3.conv1.1.weight"} <= set(network.state_dict())


def test_checkpoints_of_the_authors_load(tmp_path: Path) -> None:
    network, x = begun(palquant(base(), 2)), torch.rand(4, 1, 8, 8)
    state = {f"module.{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    state["module.layer1.0.conv1.bkwd_scaling_factorW"] = np.zeros((), np.float32)
    np.savez(tmp_path / "authors.npz", **state)
    other = palquant(base(), 2)
    load_checkpoint(other, tmp_path / "authors.npz")
    np.testing.assert_array_equal(other.eval()(x).detach(), network(x).detach())
    with pytest.raises(UserError, match=r"4 groups was expected, but .* has 2; make .* groups=2"):
        load_checkpoint(palquant(base(), 4), tmp_path / "authors.npz")
    with pytest.raises(UserError, match="shuffle2.conv1"):
        load_checkpoint(palquant(base(), 2, shuffle=False), tmp_path / "authors.npz")
    state["module.layer1.0.conv1.bkwd_scaling_factorW"] += 1
    np.savez(tmp_path / "scaled.npz", **state)
    with pytest.raises(UserError, match="bkwd_scaling_factorW in .* is not zero"):
        load_checkpoint(palquant(base(), 2), tmp_path / "scaled.npz")


@pytest.mark.parametrize("groups", [1, 3])
def test_every_group_is_as_wide_as_the_network_was(groups: int) -> None:
    torch.manual_seed(0)
    for block in (BasicBlock, Bottleneck):
        network, small = (
            palquant(base(blocks=2, block=block), groups),
            dict(base(blocks=2, block=block).named_modules()),
        )
        layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, PalConv2d)}
        assert {name for name in layers if "shuffle" not in name} == {
            name for name, layer in small.items() if isinstance(layer, nn.Conv2d) and name != "conv1"
        }
        for name, layer in layers.items():
            assert layer.groups == groups
            if "shuffle" not in name:
                outputs, inputs, *kernel = small[name].weight.shape
                assert tuple(layer.weight.shape) == (outputs * groups, inputs, *kernel)
        assert sum(isinstance(m, CyclicShuffle) for m in network.modules()) == (2 if groups > 1 else 0)
        assert begun(network)(torch.rand(3, 1, 8, 8)).shape == (3, 10)


def test_lsq_goes_by_its_own_name() -> None:
    network = begun(palquant(base(), 2, quantiser="lsq"))
    assert sum(isinstance(layer, LsqConv2d) for layer in network.modules()) == 10
    assert not any(isinstance(layer, PalConv2d) for layer in network.modules())


def test_the_rule_of_groups() -> None:
    assert [groups_for(*pair) for pair in ((4, 2), (8, 4), (8, 2), (4, 4))] == [2, 2, 4, 1]
    for wrong in ((4, 3), (2, 4), (4, 0)):
        with pytest.raises(UserError, match="multiple of the hardware's"):
            groups_for(*wrong)


def test_a_network_of_eight_bits_runs_on_four_and_on_two() -> None:
    for hardware_bits in (4, 2):
        groups = groups_for(8, hardware_bits)
        network = begun(palquant(base(), groups, hardware_bits, hardware_bits))
        layer = network.get_submodule("layer1.0.conv1")
        assert layer.groups == groups and layer.weight_quant.format.bits == hardware_bits


def changed(path: str, layer: nn.Module) -> nn.Module:
    network = base()
    owner, _, name = path.rpartition(".")
    setattr(network.get_submodule(owner), name, layer)
    return network


@pytest.mark.parametrize(
    "network, sentence",
    [
        (nn.Sequential(nn.Linear(3, 4)), "layer conv1 is no plain convolution"),
        (
            changed("layer2.0.conv2", nn.Conv2d(8, 8, 3, groups=2, bias=False)),
            r"layer layer2\.0\.conv2 is no conv",
        ),
        (changed("layer2.0.bn2", nn.GroupNorm(2, 8)), r"layer layer2\.0\.bn2 is no batch norm"),
        (
            changed("layer1.0.attention", nn.Linear(4, 4)),
            r"layer1\.0 is neither BasicBlock nor Bottleneck: it has att",
        ),
        (
            changed("layer3.0.downsample", nn.Conv2d(8, 16, 1)),
            r"layer3\.0\.downsample is no convolution with a",
        ),
        (
            changed("layer1.0.conv1", nn.Conv2d(4, 4, (3, 1), bias=False)),
            r"conv1 differs in height and width",
        ),
        (changed("extra", nn.Conv2d(4, 4, 1)), "layer extra is a Conv2d"),
        (changed("fc", nn.Identity()), "it has no stages"),
        (changed("fc", nn.Linear(16, 10, bias=False)), "layer fc is a Linear without bias"),
        (changed("conv1", nn.Conv2d(1, 4, 3, padding=2, dilation=2, bias=False)), "layer conv1 is dilated"),
        (
            changed("conv1", nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect", bias=False)),
            "layer conv1 is dilated, or does not pad with zeros",
        ),
        (changed("avgpool", nn.AdaptiveAvgPool2d(2)), "layer avgpool averages to more than one pixel"),
        (changed("drop", nn.Dropout(0.5)), "layer drop is a Dropout"),
    ],
)
def test_other_shapes_are_refused_by_name(network: nn.Module, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        palquant(network, 2)


def test_other_settings_are_refused() -> None:
    with pytest.raises(UserError, match="1 to 8 bits were expected, but 0 and 2 came"):
        palquant(base(), 2, weight_bits=0)
    with pytest.raises(UserError, match="'palquant' or 'lsq'"):
        palquant(base(), 2, quantiser="pact")  # type: ignore[arg-type]
    for groups in (0, 2.5):
        with pytest.raises(UserError, match="1 group or more"):
            palquant(base(), groups)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"1 to 8 bits were expected, but 2\.5 and 2 came"):
        palquant(base(), 2, weight_bits=2.5)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="a network was expected, but a NoneType came"):
        palquant(None, 2)  # type: ignore[arg-type]
