"""Networks whose weights lie in blocks, quantised after training: MicroScopiQ's and those of OCP MX.

`NAMES` are those of formats that `engine_ratio.py` measures:

* ``mx32_e2m1``: weights in blocks of 32 channels, activations e2m1, first and last layer e4m3.
* ``msq4.static``, ``msq2.static``: weights rounded by algorithm 1 of MicroScopiQ, activations int8 with one
  calibrated exponent each.
* ``msq4.microscale``, ``msq2.microscale``: the same weights. Activations have 16 bits, and what a layer reads
  passes operator `microscale`: 8 bits in blocks of 128 channels, whose exponents are found in every frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import zoo

from pyqkit.formats.microscopiq.values import BlockWeight
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.microscale import Microscale
from pyqkit.graph.ops.requantise import Rescale
from pyqkit.quant import calibrate, weight_quantizer
from pyqkit.quant.microscopiq import Options
from pyqkit.quant.microscopiq import quantised as in_blocks
from pyqkit.quant.microscopiq.network import MicroscopiqConv2d
from pyqkit.studies.networks.layers import Formats, Quantised

MX = "mx32_e2m1"
MICROSCALE = ".microscale"
NAMES = (MX, *(f"msq{bits}{acts}" for bits in (4, 2) for acts in (".static", MICROSCALE)))
_ROUNDING = 64  # training images of algorithm 1
_EDGE = {"scaling": "power_of_two"}
_LOWEST = 1  # exponent of a block: with seven more its 7 bits are the upper ones of 15


def quantised(network: str, name: str, data: Path, training: np.ndarray) -> torch.nn.Module:
    """A network for images in one of `NAMES`, calibrated on training images."""
    if name == MX:
        formats = Formats(MX, "e2m1", "e2m1", "e4m3", "e4m3", "e4m3")
        model = zoo.load(network, data, Quantised(formats, {}, _EDGE))
    else:
        model = _microscopiq(network, name, data, training)
    calibrate(model, zoo.batches(training, 64))
    zoo.logits(model, training[:1])  # weight scales come into being in the first forward pass
    return model


def _microscopiq(network: str, name: str, data: Path, training: np.ndarray) -> torch.nn.Module:
    weights = name.partition(".")[0]
    acts = "int16" if name.endswith(MICROSCALE) else "int8"
    formats = Formats(weights, acts, acts, "int8", "int8", "int8")
    model = zoo.load(network, data, Quantised(formats, {**_EDGE, "per": "tensor"}, _EDGE))
    floating = zoo.load(network, data)
    zoo.merge_batch_norms(floating)
    ends = ("conv1", "linear")
    rounded = in_blocks(floating.eval(), training[:_ROUNDING], Options(int(weights[3:])), keep=ends)
    for path, layer in rounded.named_modules():
        if isinstance(layer, MicroscopiqConv2d):
            _take(model.get_submodule(path), layer.weight.data, BlockWeight(layer.encoded.slots.bits))
    return model


def _take(layer: torch.nn.Module, values: torch.Tensor, fmt: BlockWeight) -> None:
    """Weights that are integers of a format times a power of two, and a quantiser that leaves them so."""
    unit = 1 / max(float(v).as_integer_ratio()[1] for v in values.unique())
    layer.weight.data = values.clone()
    quantiser = weight_quantizer(
        fmt.name, per="tensor", scaling_impl_type="const", scaling_init=fmt.maximum * unit
    )
    layer.weight_quant = quantiser.proxy_class(layer, quantiser)


def microscaled(graph: Graph) -> Graph:
    """The graph with a `Microscale` before every convolution whose weights are MicroScopiQ's."""
    tensors = {port.tensor: graph.tensors[port.tensor] for port in graph.inputs}
    made = Graph(graph.name, tensors, inputs=graph.inputs, outputs=graph.outputs)
    smaller: set[str] = set()  # tensors whose integers are divided by the unit of blocks
    for op in graph.operators:
        if isinstance(op, Convolution) and isinstance(op.weight_format, BlockWeight):
            blocks = f"{op.inputs[0]}_blocks"
            if blocks not in made.tensors:
                made.add(Microscale(blocks, list(op.inputs), [blocks], 8, _LOWEST))
            made.add(replace(op, inputs=[blocks]))
            smaller.add(op.outputs[0])
        else:
            made.add(_of_smaller(op, smaller) if smaller & set(op.inputs) else op)
    return made


def _of_smaller(op: Operator, smaller: set[str]) -> Operator:
    """An operator with constants for smaller integers."""
    if isinstance(op, Add):
        shifts = np.array([[_LOWEST * (name in smaller)] for name in op.inputs])
        return replace(op, multipliers=op.multipliers << shifts)
    assert isinstance(op, Rescale)  # of 16 bits: too many steps for thresholds
    return replace(op, multiplier=op.multiplier << _LOWEST)
