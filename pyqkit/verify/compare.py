"""Verification.

Engines against each other, against the QONNX model in exact arithmetic, and against its float32 execution;
the host's part against the nodes that it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.compiled import encode
from pyqkit.emulate.exact import ExactEngine
from pyqkit.engines import Engine, Redefined, Say
from pyqkit.errors import UserError
from pyqkit.formats import NumberFormat
from pyqkit.formats.input_frames import InputRange
from pyqkit.graph.graph import Graph, Port, to_integers
from pyqkit.graph.model import parse_model
from pyqkit.reference.quantised import Moved, Quantised, Value, plain_of, real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32, rounded
from pyqkit.verify.host_part import HostComparison, before

if TYPE_CHECKING:
    from onnx import ModelProto

_FRAMES, _ELEMENTS = 50, 1 << 17  # that run together, at most: of larger tensors the cache holds too little
_ROUNDING = 2.0**-40  # relative: far more than float64 and a ratio of scales rounded to 63 bits are off


@dataclass
class Layer:
    """What the comparison of a layer's codes has found; see `verify`."""

    codes: int = 0
    differing: int = 0
    saturated: int = 0
    ties: int = 0
    distinct: set[int] = field(default_factory=set)

    def add(self, found: np.ndarray, expected: np.ndarray, fmt: NumberFormat, ties: int) -> None:
        """Count codes (ONNX layout)."""
        ends = {int(code) for code in (fmt.codes[0], fmt.codes[-1])}
        if fmt.has_zero:
            ends -= {fmt.zero_code}  # what a ReLU cuts off is not saturated
        self.codes += found.size
        self.differing += int((found != expected).sum())
        self.saturated += int(np.isin(found, list(ends)).sum())
        self.ties += ties
        self.distinct |= set(np.unique(found).tolist())

    def add_output(self, port: Port, integers: np.ndarray, expected: Value) -> int:
        """Count elements of an output, and say of how many frames the largest one is the same."""
        real, wanted, wrong = _against_output(port, integers, expected)
        self.codes += wrong.size
        self.differing += int(wrong.sum())
        return int((real.argmax(axis=1) == wanted.argmax(axis=1)).sum())

    def summary(self) -> dict[str, int]:
        """The counts, and how many different codes there were."""
        return {**vars(self), "distinct": len(self.distinct)}


def verify(
    x: np.ndarray,
    names: Sequence[str],
    engine: Callable[[str], Engine],
    exact: ExactEngine,
    model: bytes | None,
    progress: Say | None = None,
) -> dict[str, Any]:
    """Compare engines and reference.

    Parameters
    ----------
    x : numpy.ndarray, shape (frames, *input shape)
    names : sequence of str
        Engines; the first is compared with the reference.
    engine : callable
        Gives an engine by its name.
    exact : ExactEngine
        Gives the codes of every layer.
    model : bytes or None
        The QONNX file, if it is at hand.
    progress : callable, optional
        Called with a word on what runs next.

    Returns
    -------
    dict
        frames, engines, mismatches (codes of outputs, probes among them, that differ between engines),
        rounded (by engines whose factors are rounded: what that moves, see `pyqkit.verify.rounded.Moved`),
        input (what the frames hold beside what the input holds, see `pyqkit.formats.input_frames.Seen`), and
        reference: codes compared, codes_differing, differing_layers (names, in the order of the network; an
        output that no quantiser made counts as a layer), top1_agreement (None unless the network has one
        output, a vector), layers (codes, differing, saturated, ties, distinct codes), moved (codes that a
        written definition, such as that of a softmax, makes of real numbers: how many, how many differ from
        what rounding the real numbers gives, and how many of these lie farther from a boundary than the
        definition says), host (by what the host
        computes: values, and those differing from exact ones; see `pyqkit.verify.host_part`), and float32
        (what float32 execution gives otherwise, and why; see `pyqkit.verify.float32.compare`). The reference
        is None for a model that is not at hand.
    """
    say = progress or (lambda _: None)
    codes = encode(exact.graph, x)
    (port,) = exact.graph.inputs
    seen = InputRange(port, exact.graph.tensors[port.tensor]).look(x)
    outputs, moved = [], {}
    for name in names:
        say(f"engine {name}")
        made = engine(name)
        found = made.run(codes)
        definition = made.definition if isinstance(made, Redefined) else exact.graph
        if definition is exact.graph:
            outputs.append(found)
        else:
            say(f"rounded factors of {name}")
            moved[name] = rounded.moved(exact.graph, definition, codes, found)
    outputs = outputs or [exact.run(codes)]
    mismatches = sum(int((outputs[0][k] != other[k]).sum()) for other in outputs[1:] for k in outputs[0])
    result: dict[str, Any] = {
        "frames": len(x),
        "engines": list(names),
        "mismatches": mismatches + sum(one.differing for one in moved.values()),
        "rounded": {name: one.to_json() for name, one in moved.items()},
        "input": seen.to_json(),
        "reference": None,
    }
    if model is not None:
        parsed = parse_model(model, "model.onnx")
        result["reference"] = against_reference(exact, parsed, x, outputs[0], say)
        say("float32 execution")
        result["reference"]["float32"] = float32.compare(exact, before(exact.graph, parsed), x)
    return result


def against_reference(
    exact: ExactEngine,
    model: ModelProto,
    x: np.ndarray,
    outputs: dict[str, np.ndarray],
    progress: Say | None = None,
) -> dict[str, Any]:
    """Compare the codes of every layer with the QONNX model in exact arithmetic.

    Parameters
    ----------
    exact : ExactEngine
    model : onnx.ModelProto
    x : numpy.ndarray, shape (frames, *input shape)
    outputs : dict of str to numpy.ndarray
        Codes of the same frames by output tensor, which are compared too.
    progress : callable, optional
        Called with a word on how many frames are done.

    Returns
    -------
    dict
        What `verify` calls reference, but for float32.
    """
    say = progress or (lambda _: None)
    graph, reference = exact.graph, Reference(before(exact.graph, model))
    host = HostComparison(graph, model)
    layers = {name: Layer() for name in graph.sources}
    ends = {port.tensor: Layer() for port in graph.results}
    agreed, moved = 0, Moved()
    together = _together(graph)
    for first in range(0, len(x), together):
        part = slice(first, first + together)
        say(f"reference in exact arithmetic, {first} of {len(x)} frames")
        expected = reference.run(x[part], keep=True)
        moved = sum((v.moved for v in map(plain_of, expected.values()) if isinstance(v, Quantised)), moved)
        tensors = exact.run(encode(graph, x[part]), keep=True)
        for name, source in graph.sources.items():
            value = _quantised(expected[source], name)
            found = graph.as_source(name, tensors[name]).reshape(value.shape)
            layers[name].add(found, value.codes(), graph.tensors[name].format, value.ties)
        given = {port.tensor: outputs[port.tensor][part] for port in graph.results}
        for port in graph.results:
            integers = to_integers(given[port.tensor], graph.tensors[port.tensor].format)
            agreed += ends[port.tensor].add_output(port, integers, expected[port.onnx_name])
        host.add(given)
    every = [*layers.items(), *ends.items()]
    return {
        "codes": sum(layer.codes for _, layer in every),
        "codes_differing": sum(layer.differing for _, layer in every),
        "differing_layers": list(dict.fromkeys(name for name, layer in every if layer.differing)),
        "top1_agreement": agreed / len(x) if _is_vote(graph.results) else None,
        "layers": {name: layer.summary() for name, layer in layers.items()},
        "moved": asdict(moved),
        "host": {name: asdict(step) for name, step in host.steps.items()},
    }


def _together(graph: Graph) -> int:
    """Frames that are compared at a time, with all of their tensors."""
    return max(1, min(_FRAMES, _ELEMENTS // max(math.prod(t.shape) for t in graph.tensors.values())))


def _quantised(value: Value, layer: str) -> Quantised:
    if not isinstance(value, Quantised):
        raise UserError(
            f"a quantised tensor was expected by the reference at {layer}, but real numbers came; "
            "report this model"
        )
    return value


def _is_vote(results: list[Port]) -> bool:
    """Whether the largest element of the output means something: one vector for each frame."""
    return len(results) == 1 and len(results[0].onnx_shape) == 1 and results[0].order.size > 1


def _against_output(
    port: Port, integers: np.ndarray, expected: Value
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real values of an output in ONNX's order, (frames, elements), those expected, and which are wrong.

    An output is an offset and a multiple of its step: both must be right to what float64 holds, and no step
    may be missing.
    """
    order, frames = port.order.ravel(), len(integers)

    def ordered(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, integers.shape).reshape(frames, -1)[:, order]

    step, offset = ordered(port.scale), ordered(port.offset)
    multiple = ordered(integers) * step
    real = multiple + offset
    wanted = real_of(expected).high.reshape(real.shape)
    distance = real - wanted
    wrong = (abs(distance) > abs(step) / 2) & (step != 0)
    wrong |= abs(distance) > _ROUNDING * (abs(multiple) + abs(offset))
    return real, wanted, wrong
