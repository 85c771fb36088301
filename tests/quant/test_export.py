"""The exported file computes what the module does, or one sentence says which layer it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import brevitas.nn as qnn
import brevitas.quant as quantisers
from torch import nn

import pyqkit
from pyqkit.errors import UserError
from pyqkit.quant import act_quantizer, export_qonnx, weight_quantizer
from pyqkit.quant.handlers import Manager

Layer = Callable[[], nn.Module]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The weights of a test do not depend on the tests before it."""
    torch.manual_seed(0)


def first() -> nn.Module:
    return qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)


def convolution(**options: Any) -> nn.Module:
    return qnn.QuantConv2d(2, 4, 3, bias=False, **{"weight_bit_width": 4, **options})


def trained(*layers: nn.Module, shape: tuple[int, ...] = (2, 6, 6)) -> tuple[nn.Module, Any]:
    """Layers behind one another, with scales from data, in eval mode."""
    torch.manual_seed(0)
    module, x = nn.Sequential(*layers), torch.randn(4, *shape)
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(x)
    return module.eval(), x


def computed(module: nn.Module, x: Any, factor: float = 1.0) -> np.ndarray:
    """What the module gives where the input of its last layer is `factor` times as large."""
    *_, last = module.children()
    scaled = last.register_forward_pre_hook(
        lambda _, inputs: (getattr(inputs[0], "value", inputs[0]) * factor,)
    )
    with torch.no_grad():
        y = module(x)
    scaled.remove()
    return getattr(y, "value", y).numpy().astype(np.float32)


def agrees(module: nn.Module, x: Any) -> None:
    """The accelerator gives what the module gives, to the last code.

    A value within the rounding error of float32 sums from a boundary of the last quantiser is left out:
    the order in which PyTorch sums on this processor decides there. Scales that come from the largest
    value put a few values on a boundary.
    """
    expected = computed(module, x)
    decided = computed(module, x, 1 - 2**-20) == computed(module, x, 1 + 2**-20)
    found = pyqkit.compile(module, x).emulate(x.numpy())
    assert len(np.unique(expected)) > 1
    assert decided.mean() > 0.95
    np.testing.assert_array_equal(found[decided], expected[decided])


ACTIVATIONS: dict[str, Layer] = {
    "ReLU of one bit": lambda: qnn.QuantReLU(bit_width=1),
    "identity of one bit": lambda: qnn.QuantIdentity(bit_width=1),
    "bipolar": lambda: qnn.QuantIdentity(
        act_quant=quantisers.SignedBinaryActPerTensorConst, scaling_init=0.5
    ),
    "ternary": lambda: qnn.QuantIdentity(act_quant=quantisers.SignedTernaryActPerTensorConst, threshold=0.5),
    "up": lambda: qnn.QuantIdentity(bit_width=4, float_to_int_impl_type="ceil"),
    "down": lambda: qnn.QuantReLU(bit_width=4, float_to_int_impl_type="floor"),
    "to zero": lambda: qnn.QuantIdentity(bit_width=4, float_to_int_impl_type="round_to_zero"),
    "zero point": lambda: qnn.QuantIdentity(act_quant=quantisers.ShiftedUint8ActPerTensorFloat),
    "minifloat": lambda: qnn.QuantIdentity(act_quant=quantisers.Fp8e4m3OCPActPerTensorFloat),
    "last layer returns a quantised tensor": lambda: qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
    "tanh": lambda: qnn.QuantTanh(bit_width=4),
}
WEIGHTS: dict[str, dict[str, Any]] = {
    "accumulator-aware": {"weight_quant": quantisers.Int8AccumulatorAwareWeightQuant},
    "accumulator-aware, centred": {"weight_quant": quantisers.Int8AccumulatorAwareZeroCenterWeightQuant},
    "normalised": {"weight_quant": quantisers.Int8WeightNormL2PerChannelFixedPoint},
    "decoupled": {"weight_quant": quantisers.Int8WeightPerChannelFloatDecoupled},
    "up": {"weight_float_to_int_impl_type": "ceil"},
    "down": {"weight_float_to_int_impl_type": "floor"},
    "to zero": {"weight_float_to_int_impl_type": "round_to_zero"},
    "up at ties": {"weight_float_to_int_impl_type": "dpu"},
    "bipolar": {"weight_quant": quantisers.SignedBinaryWeightPerTensorConst, "weight_scaling_init": 0.5},
    "minifloat": {"weight_quant": quantisers.Fp8e5m2OCPWeightPerTensorFloat},
}


@pytest.mark.parametrize("what", ACTIVATIONS)
def test_activations_leave_as_they_compute(what: str) -> None:
    agrees(*trained(first(), convolution(), ACTIVATIONS[what]()))


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_leave_as_they_compute(what: str) -> None:
    options = {"weight_bit_width": 8, **WEIGHTS[what]}
    agrees(*trained(first(), convolution(**options), qnn.QuantIdentity(bit_width=8)))


def test_rounded_weights_are_written_where_they_are_needed_alone(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    for option, same in (("round", True), ("floor", False)):
        module, x = trained(
            first(), convolution(weight_float_to_int_impl_type=option), qnn.QuantReLU(bit_width=4)
        )
        model = onnx.load(export_qonnx(module, x, tmp_path / f"{option}.onnx"))
        (weights,) = (numpy_helper.to_array(t) for t in model.graph.initializer if t.dims == [4, 2, 3, 3])
        assert np.array_equal(weights, module[1].weight.detach().numpy()) == same


class Branches(nn.Module):
    """One quantiser in two branches, and a padding.

    The file has its nodes in another order than the module its calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image, self.left, self.right = first(), convolution(), convolution(padding=1, stride=1)
        self.branch, self.last = qnn.QuantIdentity(bit_width=8), qnn.QuantReLU(bit_width=4)

    def forward(self, x: Any) -> Any:
        x = self.image(x)
        y = self.branch(self.left(nn.functional.pad(x.value, (1, 1, 1, 1))))
        return self.last(y + self.branch(self.right(x)))


def test_a_quantiser_of_two_branches() -> None:
    module, x = trained(Branches())
    agrees(module, x)


class Recurrent(nn.Module):
    def __init__(self, recurrent: nn.Module) -> None:
        super().__init__()
        self.image, self.memory = first(), recurrent

    def forward(self, x: Any) -> Any:
        return self.memory(self.image(x))[0]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.attention = first(), qnn.QuantScaledDotProductAttention()

    def forward(self, x: Any) -> Any:
        x = self.image(x).value
        return self.attention(x, x, x)


class Two(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


ROUNDS = "where ROUND, CEIL, FLOOR, ROUND_TO_ZERO are known; take one of pyqkit.quant for that layer"
UNWRITABLE = "a quantiser that QONNX can describe was expected in layer"
UNEXPORTABLE = "layers that ONNX can describe were expected, but layer"
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "rounding of DPUs": (
        lambda: trained(first(), convolution(), qnn.QuantIdentity(float_to_int_impl_type="dpu")),
        f"{UNWRITABLE} 2, but it rounds by DPU, {ROUNDS}",
    ),
    "random rounding": (
        lambda: trained(first(), convolution(), qnn.QuantIdentity(float_to_int_impl_type="stochastic_round")),
        f"{UNWRITABLE} 2, but it rounds by STOCHASTIC_ROUND, {ROUNDS}",
    ),
    "no largest value": (
        lambda: trained(first(), convolution(weight_quant=quantisers.Fp8e4m3WeightPerTensorFloat), first()),
        f"{UNWRITABLE} 1, but 'Fp8e4m3WeightPerTensorFloat' can not resolve attribute 'max_available_float'; "
        "take one of pyqkit.quant for that layer",
    ),
    "blocks": (
        lambda: trained(first(), convolution(weight_quant=quantisers.MXInt8Weight), first()),
        f"{UNWRITABLE} 1, but GroupwiseWeightQuantProxyFromInjector has no operator in it; take one "
        "of pyqkit.quant for that layer",
    ),
    "no scale": (
        lambda: trained(first(), convolution(weight_bit_width=1), first()),
        f"{UNWRITABLE} 1, but its scale is inf; take one of pyqkit.quant for that layer",
    ),
    "threshold": (
        lambda: trained(first(), convolution(), nn.Threshold(0.1, 0.2), first()),
        f"{UNEXPORTABLE} 2 cannot be exported (Unsupported: ONNX export of operator threshold, non-zero "
        "threshold); replace it by layers that pyqkit lowers, or keep it outside of the module",
    ),
    "attention": (
        lambda: trained(Attention(), shape=(2, 5, 6)),
        f"{UNEXPORTABLE} 0.attention cannot be exported (Exporting the operator 'aten::isneginf' to "
        "ONNX opset version",
    ),
    "memory cells": (
        lambda: trained(Recurrent(qnn.QuantLSTM(6, 4, batch_first=True)), shape=(5, 6)),
        "layers that pyqkit lowers were expected, but layer 0.memory",
    ),
    "recurrent": (
        lambda: trained(Recurrent(qnn.QuantRNN(6, 4, batch_first=True)), shape=(5, 6)),
        f"{UNEXPORTABLE} 0.memory cannot be exported (Brevitas has no way to write it); "
        "replace it by layers that pyqkit lowers, or keep it outside of the module",
    ),
    "two inputs": (
        lambda: (Two(), torch.zeros(1, 4)),
        "a module that runs on one frame of shape (4,) was expected, but it raises TypeError (",
    ),
    "wrong shape": (
        lambda: (trained(first(), convolution(), first())[0], torch.zeros(1, 3, 6, 6)),
        "a module that runs on one frame of shape (3, 6, 6) was expected, but it raises RuntimeError in 1 (",
    ),
    "a list": (
        lambda: (trained(first(), convolution(), first())[0], [torch.zeros(1, 2, 6, 6)]),
        "one tensor of frames was expected as example input, but list came; pass torch.zeros(1, "
        "channels, height, width)",
    ),
    "no frame": (
        lambda: (trained(first(), convolution(), first())[0], torch.zeros(0, 2, 6, 6)),
        "an example input with a frame along its first axis was expected, but shape (0, 2, 6, 6) "
        "came; pass a batch",
    ),
    "complex": (
        lambda: (trained(first(), convolution(), first())[0], torch.zeros(1, 2, 6, 6, dtype=torch.complex64)),
        "real numbers were expected as example input, but torch.complex64 came; convert it to float32",
    ),
    "NaN": (
        lambda: (trained(first(), convolution(), first())[0], torch.full((1, 2, 6, 6), torch.nan)),
        "finite numbers were expected as example input, but NaN or infinity came; pass frames of the data",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_exported_is_one_sentence_and_nothing_else(
    what: str, capfd: Any, recwarn: Any, tmp_path: Path
) -> None:
    make, sentence = REFUSED[what]
    module, x = make()
    capfd.readouterr()
    recwarn.clear()
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}") as caught:
        export_qonnx(module, x, tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list and not list(tmp_path.iterdir())


def test_exporting_prints_nothing(capfd: Any, recwarn: Any, tmp_path: Path) -> None:
    module, x = trained(first(), convolution(), qnn.QuantReLU(bit_width=1))
    capfd.readouterr()
    recwarn.clear()
    export_qonnx(module, x, tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "") and not recwarn.list
    print("printing still works")
    assert capfd.readouterr().out == "printing still works\n"


def mixed_modes() -> tuple[nn.Module, Any]:
    module, x = trained(first(), convolution(), nn.BatchNorm2d(4), qnn.QuantReLU(bit_width=4))
    module.train()
    module[2].eval()  # a batch norm that is frozen
    return module, x


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_is(fails: bool, tmp_path: Path) -> None:
    module, x = mixed_modes()
    if fails:
        module.append(nn.Threshold(0.1, 0.2))
    modes = [m.training for m in module.modules()]
    state = {k: v.clone() for k, v in module.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()]
    try:
        export_qonnx(module, x, tmp_path / "net.onnx")
    except UserError:
        assert fails
    else:
        assert not fails
    assert modes == [m.training for m in module.modules()]
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()]
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert all(getattr(m, "export_handler", None) is None for m in module.modules())


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8", "numpy"])
def test_example_inputs_of_other_types(dtype: str, tmp_path: Path) -> None:
    module, x = trained(first(), convolution(), qnn.QuantReLU(bit_width=4))
    x = (x * 10).round().abs()
    given = x.numpy() if dtype == "numpy" else x.to(getattr(torch, dtype))
    expected = export_qonnx(module, x, tmp_path / "float32.onnx").read_bytes()
    assert len(export_qonnx(module, given, tmp_path / "other.onnx").read_bytes()) == len(expected)


def changed(how: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that writes something else."""
    right = Manager.export

    def wrong(*arguments: Any, **options: Any) -> Any:
        model = right(*arguments, **options)
        how(model)
        return model

    monkeypatch.setattr(Manager, "export", wrong)


def network() -> tuple[nn.Module, Any]:
    weights, act = weight_quantizer("int4"), act_quantizer("uint4")
    body = nn.Sequential(
        qnn.QuantConv2d(2, 4, 3, weight_quant=weights), nn.BatchNorm2d(4), qnn.QuantReLU(act_quant=act)
    )
    head = qnn.QuantLinear(64, 5, weight_quant=weights)
    return trained(first(), nn.Sequential(body, nn.Flatten()), head)


def node(model: Any, name: str) -> Any:
    (found,) = (node for node in model.graph.node if node.name == name)
    return found


def floor(model: Any) -> None:
    (mode,) = (
        a
        for a in node(model, "/1/1.0/1.0.2/act_quant/export_handler/Quant").attribute
        if a.name == "rounding_mode"
    )
    mode.s = b"FLOOR"


def weights_times_minus_one(model: Any) -> None:
    from onnx import numpy_helper

    (tensor,) = (t for t in model.graph.initializer if t.name == "1.0.0.weight")
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))


def no_activation_function(model: Any) -> None:
    (relu,) = (n for n in model.graph.node if n.op_type == "Relu")
    relu.op_type = "Neg"


def one_bias(model: Any) -> None:
    from onnx import numpy_helper

    (tensor,) = (t for t in model.graph.initializer if t.name == "2.bias")
    tensor.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32([0, 0, 1e-4, 0, 0]), tensor.name)
    )


@pytest.mark.parametrize(
    ("how", "what", "where"),
    [
        (floor, "how it rounds", " in layer 1.0.2"),
        (weights_times_minus_one, "how it rounds", " in layer 1.0.0"),
        (no_activation_function, "what it is given", " in layer 1.0.2"),
        (one_bias, "the output", ""),
    ],
)
def test_an_export_that_changes_the_network_is_refused_by_layer(
    how: Callable[[Any], None], what: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module, x = network()
    export_qonnx(module, x, tmp_path / "right.onnx")
    changed(how, monkeypatch)
    sentence = (
        f"a file that computes what the module does was expected, but the exporter changed {what}{where}: "
    )
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}[1-9][0-9]* of [0-9]+ values differ; "):
        pyqkit.compile(module, x)
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}"):
        export_qonnx(module, x, tmp_path / "wrong.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["right.onnx"]
