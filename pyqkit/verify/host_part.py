"""The host's part against the reference, step by step.

Each node of the ONNX file that the host computes is computed again by `pyqkit.reference`, in exact arithmetic
and from the numbers that the host gave it: an integer has to be the same, a real number the exact one,
rounded to the type that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.graph import Graph, decode_output
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.quantised import Quantised, Value, real_of
from pyqkit.reference.reference import Reference

if TYPE_CHECKING:
    from onnx import ModelProto

_WIDER = 1 + 2.0**-20  # what float64 loses on the way to float32
_FLOAT64 = 2.0**-50  # relative: results that stay float64 lose a few bits


@dataclass
class Step:
    """What the comparison of a step has found: numbers compared, and those that differ."""

    values: int = 0
    differing: int = 0


def before(graph: Graph, model: ModelProto) -> ModelProto:
    """The model as the accelerator computes it: it ends where the host goes on."""
    from onnx import TensorProto, helper

    if graph.host is None:
        return model
    copy = type(model).FromString(model.SerializeToString())
    ends = [port.onnx_name for port in graph.results]
    inside = [value for value in copy.graph.value_info if value.name not in ends]
    del copy.graph.output[:], copy.graph.value_info[:]
    copy.graph.value_info.extend(inside)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ends)
    return copy


class HostComparison:
    """The steps of a host's part, compared batch by batch.

    Attributes
    ----------
    steps : dict of str to Step
        By the ONNX tensor that is made.
    """

    def __init__(self, graph: Graph, model: ModelProto) -> None:
        self._graph = graph
        self.steps: dict[str, Step] = {}
        if graph.host is not None:
            self._reference = Reference(model)
            self._makers = {name: proto for proto in model.graph.node for name in proto.output}
            self.steps = {name: Step() for step in graph.host.steps for name in step.makes}

    def add(self, codes: dict[str, np.ndarray]) -> None:
        """Count the numbers that the host makes of codes of the accelerator's outputs."""
        host, graph = self._graph.host, self._graph
        if host is None:
            return
        ends = {
            port.onnx_name: decode_output(port, graph.tensors[port.tensor], codes[port.tensor])
            for port in graph.results
        }
        found = host.execute(ends, keep=True)
        known = self._reference.constants | {name: _value(array) for name, array in found.items()}
        for name, entry in self.steps.items():
            exact = real_of(self._reference.execute(self._makers[name], known)[name])
            entry.values += found[name].size
            entry.differing += int(_differs(found[name], exact).sum())


def _value(array: np.ndarray) -> Value:
    """Numbers as the reference takes them: those of 8 bits may be what a QuantizeLinear has made."""
    if array.dtype.kind in "iu" and array.itemsize == 1:
        return Quantised(array.astype(np.int64), Integer(8, array.dtype.kind == "i"), DoubleDouble.of(1.0))
    return DoubleDouble.of(array.astype(np.float64))


def _differs(found: np.ndarray, exact: DoubleDouble) -> np.ndarray:
    """Which numbers are not the exact ones in their type."""
    if found.shape != exact.shape:
        return np.ones(found.shape, bool)
    distance = abs((found.astype(np.float64) - exact.high) - exact.low)
    if found.dtype.kind != "f":
        return distance != 0
    info = np.finfo(found.dtype)
    share = float(info.eps) / 2 * _WIDER if found.dtype != np.float64 else _FLOAT64
    return ~(distance <= share * abs(exact.high) + float(info.smallest_subnormal) / 2 * _WIDER + exact.error)
