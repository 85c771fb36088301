"""How often float32 execution of the QONNX model gives other codes than exact arithmetic, and why, layer by layer.

The model is executed twice by qonnx: as it is, and cut behind every quantiser, so that each layer starts from exact inputs.
A code that differs in the first run but not in the second one follows from an earlier layer. One that differs in both is
made by its own layer: its exact value lies on a boundary between codes (a tie, which the error of a float32 sum decides),
it has passed the log-to-linear table of Logarithmic Posits (which float32 arithmetic does not have), or it lies so near a
boundary that the rounding errors of float32 sums carry it over.
"""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.errors import MissingToolError
from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Graph, decode_output
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.quantised import Quantised, real_of
from pyqkit.reference.reference import Reference

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator

REASONS = ("ties", "log_table", "float32_sums", "earlier_layers")
_CUT = "/exact"  # appended to the name of a tensor whose exact values replace what float32 gave


def compare(accelerator: Accelerator, model: Any, x: np.ndarray) -> dict[str, Any]:
    """Compare the codes of engine exact with float32 execution.

    Parameters
    ----------
    accelerator : Accelerator
    model : onnx.ModelProto
    x : numpy.ndarray, shape (frames, *input shape)
        Few: qonnx takes seconds for each frame.

    Returns
    -------
    dict
        frames, codes, codes_differing, top1_agreement, and layers: differing codes of each, split into ties, log_table,
        float32_sums and earlier_layers.

    Raises
    ------
    MissingToolError
        Without qonnx.
    """
    graph = accelerator.graph
    expected: Any = Reference(model).run(x, keep=True)
    tensors = accelerator.engine("exact").run(accelerator.encode(x), keep=True)
    producers = {name: node.input[0] for node in model.graph.node for name in node.output}
    layers = {name: dict.fromkeys(("codes", "differing", *REASONS), 0) for name in graph.sources}
    outputs = []
    for frame in range(len(x)):
        whole, cut = _execute(accelerator, model, x[frame : frame + 1], expected, frame)
        for name, source in graph.sources.items():
            exact, made = real_of(expected[producers[source]]), expected[source]
            found = tensors[name][frame].transpose(2, 0, 1).ravel()
            differs, local = ((_codes(values[source], made, frame) != found) for values in (whole, cut))
            ties = np.zeros_like(differs)
            for index in np.flatnonzero(differs & local):
                ties[index] = _is_tie(exact, made, frame, int(index))
            _count(layers[name], differs, local, ties, _logarithmic(graph, name))
        outputs.append(whole[graph.outputs[0].onnx_name].ravel())
    port = graph.outputs[0]
    real = decode_output(port, graph.tensors[port.tensor], tensors[port.tensor]).reshape(len(x), -1)
    return {
        "frames": len(x),
        "codes": sum(entry["codes"] for entry in layers.values()),
        "codes_differing": sum(entry["differing"] for entry in layers.values()),
        "top1_agreement": float((np.stack(outputs).argmax(1) == real.argmax(1)).mean()),
        "layers": layers,
    }


def _count(entry: dict[str, int], differs: np.ndarray, local: np.ndarray, ties: np.ndarray, logarithmic: bool) -> None:
    own = int((differs & local & ~ties).sum())
    entry["codes"] += differs.size
    entry["differing"] += int(differs.sum())
    entry["ties"] += int((differs & local & ties).sum())
    entry["log_table" if logarithmic else "float32_sums"] += own
    entry["earlier_layers"] += int((differs & ~local).sum())


def _execute(accelerator: Accelerator, model: Any, x: np.ndarray, expected: Any, frame: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """All tensors of the model as it is, and of the model cut behind its quantisers."""
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes
    except ImportError as error:
        raise MissingToolError(
            "qonnx was expected for the float32 comparison, but it is not installed; pip install 'pyqkit[host]'"
        ) from error
    given = {accelerator.graph.inputs[0].onnx_name: x.astype(np.float32)}
    exact = {
        source + _CUT: real_of(expected[source]).high[frame : frame + 1].astype(np.float32) for source in accelerator.graph.sources.values()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's shape annotations are incomplete, which qonnx says at every node
        shaped = ModelWrapper(model).transform(InferShapes())
        whole = execute_onnx(shaped, given, return_full_exec_context=True)
        cut = execute_onnx(ModelWrapper(_cut(shaped.model, exact)), {**given, **exact}, return_full_exec_context=True)
    return whole, cut


def _cut(model: Any, exact: dict[str, np.ndarray]) -> Any:
    """A copy in which the readers of every quantised tensor read a new input instead."""
    from onnx import TensorProto, helper

    copy = type(model).FromString(model.SerializeToString())
    for node in copy.graph.node:
        for index, name in enumerate(node.input):
            if name + _CUT in exact:
                node.input[index] = name + _CUT
    copy.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(v.shape)) for name, v in exact.items())
    return copy


def _unit(made: Quantised) -> Fraction:
    """What the scale of a quantised tensor is in units of: the format's integer 1, or its value 1."""
    return Fraction(1) if made.format.is_logarithmic else Fraction(made.format.unit)


def _codes(values: np.ndarray, made: Quantised, frame: int) -> np.ndarray:
    """Codes of float32 values that a quantiser gave, flat."""
    step = np.broadcast_to(made.scale.high, made.content.shape)[frame].ravel() / float(_unit(made))
    return made.format.encode(np.asarray(values, np.float64).ravel() / step)


def _is_tie(exact: DoubleDouble, made: Quantised, frame: int, index: int) -> bool:
    """Whether the exact input of a quantiser lies on a boundary between two codes."""

    def at(array: np.ndarray) -> Fraction:
        return Fraction(float(np.broadcast_to(array, made.content.shape)[frame].ravel()[index]))

    value = (at(exact.high) + at(exact.low)) * _unit(made) / (at(made.scale.high) + at(made.scale.low))
    if isinstance(made.format, Integer):
        return value.denominator == 2
    return any(boundary.position == value for boundary in made.format.boundaries())


def _logarithmic(graph: Graph, tensor: str) -> bool:
    """Whether Logarithmic Posits reach a quantised tensor without another quantiser in between."""
    op = graph.producer(tensor)
    formats: list[NumberFormat] = []
    waiting = list(op.inputs) if op else []
    while waiting:
        name = waiting.pop()
        formats.append(graph.tensors[name].format)
        before = graph.producer(name)
        if before is not None and name not in graph.sources:
            formats += [getattr(before, "weight_format", graph.tensors[name].format)]
            waiting += before.inputs
    return any(fmt.is_logarithmic for fmt in formats)
