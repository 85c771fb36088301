"""Networks that come with Brevitas, and one as QKeras writes it: random weights, settled on noise.

Brevitas' examples have no LeNet of their own: this one is that of its page "Getting started".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.quant import Int32Bias
from brevitas_examples.bnn_pynq.models import get_model_cfg, model_impl
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SETTLING = 4  # batches of noise from which batch norms and quantisers take their statistics


@dataclass(frozen=True)
class Model:
    """A network that a script makes.

    Attributes
    ----------
    write : callable
        Writes it to a path, with weights from a seed.
    input_format : str or None
        What an input without a quantiser holds.
    """

    write: Callable[[Path, int], None]
    input_format: str | None = None


class LeNet(nn.Module):
    """LeNet-5 with 4-bit weights and activations and 32-bit biases."""

    def __init__(self) -> None:
        super().__init__()
        self.quant_inp = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.conv1 = _convolution(3, 6)
        self.relu1 = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.conv2 = _convolution(6, 16)
        self.relu2 = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.fc1 = _linear(16 * 5 * 5, 120)
        self.relu3 = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.fc2 = _linear(120, 84)
        self.relu4 = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.fc3 = _linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        out = self.relu1(self.conv1(self.quant_inp(x)))
        out = self.relu2(self.conv2(nn.functional.max_pool2d(out, 2)))
        out = nn.functional.max_pool2d(out, 2)
        out = out.reshape(out.shape[0], -1)
        return self.fc3(self.relu4(self.fc2(self.relu3(self.fc1(out)))))


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return qnn.QuantConv2d(inputs, outputs, 5, bias=True, weight_bit_width=4, bias_quant=Int32Bias)


def _linear(inputs: int, outputs: int) -> nn.Module:
    return qnn.QuantLinear(inputs, outputs, bias=True, weight_bit_width=4, bias_quant=Int32Bias)


def from_examples(name: str, size: int) -> nn.Module:
    """A network of `brevitas_examples.bnn_pynq`; the last pool of its ResNet-18 takes the whole frame."""
    config = get_model_cfg(name)
    model = model_impl[config.get("MODEL", "ARCH")](config)
    if name.startswith("resnet"):
        model.final_pool.kernel_size = size // 8
    return model


def exported(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> Callable[[Path, int], None]:
    """Writer of a Brevitas network by Brevitas' own exporter."""

    def write(path: Path, seed: int) -> None:
        torch.manual_seed(seed)
        model = make().train()
        with torch.no_grad():
            for _ in range(SETTLING):
                model(torch.rand(8, *shape))
        export_qonnx(model.eval(), torch.rand(1, *shape), str(path), dynamo=False)

    return write


def qkeras_like(path: Path, seed: int) -> None:
    """An MLP as QKeras' converter writes it: channels last, MatMul and Add, a Softmax at the end."""
    generator = np.random.default_rng(seed)
    image = (8, 8, 3)
    sizes = (192, 64, 32, 32, 5)
    nodes, constants = [], {"zero": np.zeros((), np.float32)}

    def constant(name: str, value: object) -> str:
        constants[name] = np.asarray(value, np.float32)
        return name

    def quantised(name: str, source: str, bits: int, scale: float, signed: int) -> str:
        given = [source, constant(f"{name}_scale", scale), "zero", constant(f"{name}_bits", bits)]
        nodes.append(
            helper.make_node(
                "Quant",
                given,
                [name],
                name=name,
                domain="qonnx.custom_op.general",
                signed=signed,
                narrow=signed,
                rounding_mode="ROUND",
            )
        )
        return name

    flat = [quantised("input_quant", "input", 8, 2.0**-5, 1), "flat_shape"]
    nodes.append(helper.make_node("Reshape", flat, ["flat"], name="flatten"))
    last = "flat"
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        weights = constant(f"kernel_{index}", generator.normal(0, inputs**-0.5, (inputs, outputs)))
        bias = constant(f"bias_{index}", generator.normal(0, 0.1, outputs))
        parts = [last, quantised(f"kernel_quant_{index}", weights, 6, 2.0**-6, 1)]
        nodes.append(helper.make_node("MatMul", parts, [f"product_{index}"], name=f"dense_{index}"))
        parts = [f"product_{index}", quantised(f"bias_quant_{index}", bias, 6, 2.0**-6, 1)]
        nodes.append(helper.make_node("Add", parts, [f"sum_{index}"], name=f"biased_{index}"))
        last = f"sum_{index}"
        if index < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [last], [f"relu_{index}"], name=f"relu_{index}"))
            last = quantised(f"relu_quant_{index}", f"relu_{index}", 6, 2.0**-5, 0)
    nodes.append(helper.make_node("Softmax", [last], ["output"], name="softmax", axis=-1))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])]
        for name, shape in (("input", image), ("output", sizes[-1:]))
    ]
    initialisers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    initialisers.append(numpy_helper.from_array(np.array([-1, sizes[0]], np.int64), "flat_shape"))
    graph = helper.make_graph(nodes, "mlp", *ends, initialisers)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)


def _example(name: str, *shape: int) -> Model:
    """Brevitas' ResNet-18 takes pixels as they are, and has no quantiser that says so."""
    pixels = "uint8:1/255" if name.startswith("resnet") else None
    return Model(exported(lambda: from_examples(name, shape[-1]), shape), pixels)


MODELS: dict[str, Model] = {
    "lenet_4w4a": Model(exported(LeNet, (3, 32, 32))),
    **{
        f"{kind}_{bits}": _example(f"{kind}_{bits}", 1, 28, 28)
        for kind in ("tfc", "sfc", "lfc")
        for bits in ("1w1a", "1w2a", "2w2a")
        if (kind, bits) != ("lfc", "2w2a")
    },
    **{f"cnv_{bits}": _example(f"cnv_{bits}", 3, 32, 32) for bits in ("1w1a", "1w2a", "2w2a")},
    "resnet18_4w4a_64": _example("resnet18_4w4a", 3, 64, 64),
    "resnet18_4w4a_224": _example("resnet18_4w4a", 3, 224, 224),
    "qkeras_like_mlp": Model(qkeras_like),
}
