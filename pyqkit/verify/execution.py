"""A QONNX model executed in float32 by qonnx: whole, cut behind its quantisers, and node by node."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pyqkit.errors import MissingToolError, UserError, shortened
from pyqkit.graph.model import attribute_values, has_any_batch, needed_names, network_inputs, opset_version

CUT = "/exact"  # appended to the name of a tensor whose exact values replace what float32 gave
# What QONNX says of attributes that a node leaves out, which its executor refuses to do without.
_INTEGER = {"signed": 1, "narrow": 0}
_DEFAULTS = {
    "Quant": _INTEGER,
    "IntQuant": _INTEGER,
    "FloatQuant": {"has_inf": 0, "has_nan": 0, "has_subnormal": 1, "saturation": 1},
}


class Execution:
    """A model ready for qonnx, beside a copy in which quantised tensors are read from new inputs.

    Parameters
    ----------
    model : onnx.ModelProto
    quantised : dict of str to shape
        Tensors behind which the copy is cut.

    Raises
    ------
    MissingToolError
        Without qonnx.
    UserError
        If qonnx or ONNX Runtime refuse the model; each execution may raise it too.
    """

    def __init__(self, model: Any, quantised: dict[str, tuple[int, ...]]) -> None:
        from onnx import helper

        try:
            from qonnx.core.modelwrapper import ModelWrapper
            from qonnx.core.onnx_exec import execute_node, execute_onnx
            from qonnx.transformation.infer_shapes import InferShapes
        except ImportError as error:
            raise MissingToolError(
                "qonnx was expected for the float32 comparison, but it is not installed; pip "
                "install 'pyqkit[host]'"
            ) from error
        self._execute_node, self._execute = execute_node, execute_onnx
        with _foreign():
            self._whole = ModelWrapper(_readable(model)).transform(InferShapes())
            self._cut = ModelWrapper(_cut(self._whole.model, quantised))
        self._opsets = self._cut.get_opset_imports()
        self._types = {
            value.name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            for value in self._cut.graph.input
        }

    @property
    def nodes(self) -> list[Any]:
        """Nodes of the cut copy."""
        return list(self._cut.graph.node)

    def whole(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All tensors of the model as it is, for as many frames as it takes at once."""
        return self._run(self._whole, given)

    def cut(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All tensors of the cut copy, for as many frames and the exact values of every quantised tensor."""
        return self._run(self._cut, given)

    def _run(self, model: Any, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with _foreign():
            typed = {name: values.astype(self._types[name]) for name, values in given.items()}
            return self._execute(model, typed, return_full_exec_context=True)

    def node(self, node: Any, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs of one node of the cut copy.

        `tensors` holds its inputs, and something in the shape of its outputs.
        """
        # '' is an input left out.
        context: dict[str, Any] = {name: tensors.get(name) for name in (*node.input, *node.output)}
        with _foreign():
            self._execute_node(node, context, self._cut.graph, self._opsets.get(node.domain, 1))
        return [context[name] for name in node.output]


@contextmanager
def _foreign() -> Iterator[None]:
    """What qonnx and ONNX Runtime raise becomes one sentence.

    They warn at every node of incomplete shapes, which is not heard.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            raise UserError(
                "a model that qonnx executes was expected, but it refuses this one "
                f"({shortened(' '.join(str(error).split()))}); "
                "export the layer in a way that ONNX Runtime understands"
            ) from error


def _readable(model: Any) -> Any:
    """A copy as qonnx wants it.

    It has no nodes that no output needs, no attribute of a quantiser is left out, rounding modes have the
    names that qonnx knows, ONNX's own domain has none, averages are what all op-sets agree on, and an open
    batch is one frame. It has no annotations of types: qonnx refuses values that are none of the type, such
    as those of an input whose quantiser is declared.
    """
    from onnx import helper

    copy = type(model).FromString(model.SerializeToString())
    for value in network_inputs(copy.graph):
        if has_any_batch(value):
            value.type.tensor_type.shape.dim[0].dim_value = 1
            del copy.graph.value_info[:]  # they say the batch's name
            _forget_shapes(copy.graph.output)
    del copy.graph.quantization_annotation[:]
    needed = needed_names(copy.graph)
    nodes = [node for node in copy.graph.node if needed.intersection(node.output)]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    for named in (*copy.graph.node, *copy.opset_import):
        named.domain = "" if named.domain == "ai.onnx" else named.domain
    _uncounted_overhang(copy.graph, opset_version(copy))
    for node in copy.graph.node:
        for attribute in node.attribute:
            if attribute.name == "rounding_mode" and attribute.s.upper() == b"ROUND_TO_ZERO":
                attribute.s = b"DOWN"
        stated = {attribute.name for attribute in node.attribute}
        left_out = {
            name: value for name, value in _DEFAULTS.get(node.op_type, {}).items() if name not in stated
        }
        node.attribute.extend(helper.make_attribute(name, value) for name, value in left_out.items())
    return copy


def _uncounted_overhang(graph: Any, opset: int) -> None:
    """Averages with counted padding and ceil_mode: as padding, and averages that count none.

    Before op-set 19 ONNX Runtime counts what hangs over the padding too, which PyTorch, ONNX' own reference
    implementation and later versions do not.
    """
    from onnx import helper

    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        stated = attribute_values(node)
        if (
            node.op_type == "AveragePool"
            and stated.get("ceil_mode", 0)
            and stated.get("count_include_pad", 0)
        ):
            pads = stated.get("pads", [0, 0, 0, 0])
            half = len(pads) // 2
            sides = [0, 0, *pads[:half], 0, 0, *pads[half:]]
            padded = f"{node.output[0]}/padded"
            if opset < 11:
                graph.node.append(helper.make_node("Pad", [node.input[0]], [padded], pads=sides))
            else:
                graph.initializer.append(helper.make_tensor(f"{padded}/pads", 7, [len(sides)], sides))
                graph.node.append(helper.make_node("Pad", [node.input[0], f"{padded}/pads"], [padded]))
            kept = [a for a in node.attribute if a.name not in ("pads", "count_include_pad")]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.input[0] = padded
        graph.node.append(node)


def _forget_shapes(values: Iterable[Any]) -> None:
    """Drop the shapes of tensors, so that they are inferred."""
    for value in values:
        value.type.tensor_type.ClearField("shape")


def _cut(model: Any, quantised: dict[str, tuple[int, ...]]) -> Any:
    from onnx import TensorProto, helper

    copy = type(model).FromString(model.SerializeToString())
    for node in copy.graph.node:
        for index, name in enumerate(node.input):
            if name in quantised:
                node.input[index] = name + CUT
    copy.graph.input.extend(
        helper.make_tensor_value_info(name + CUT, TensorProto.FLOAT, list(shape))
        for name, shape in quantised.items()
    )
    return copy
