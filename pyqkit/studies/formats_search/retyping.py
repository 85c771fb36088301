"""The dataflow graph of a network in any formats, for its cost alone, without lowering it again.

The network is lowered once, in one format. In that graph the formats of weights and of rounded tensors are
then replaced: weights are rounded to codes anew, so that sums are as wide as they become, and requantisers
get tables of the right size. What is not known without lowering, such as the single thresholds, is not what
the models of hardware look at. Such a graph is never executed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.errors import UserError, listed
from pyqkit.formats import Integer, NumberFormat, product
from pyqkit.graph.graph import Graph, GraphError, Operator, Tensor
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.model import parse_model
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.quant import export_qonnx
from pyqkit.studies.formats_search.subject import BASE, Genome, Subject

_FEW_VALUES, _FEW_BITS, _WIDE_BITS = 16, 8, 25  # lowering's rules for multipliers instead of thresholds
_TABLE_BITS = 10  # widest output of thresholds


@dataclass(frozen=True)
class Typed:
    """A tensor in other formats.

    Attributes
    ----------
    tensor : Tensor
    ratio : numpy.ndarray, shape (channels,) or (1,)
        How many times as much one of its integers is worth as in the graph that was lowered.
    """

    tensor: Tensor
    ratio: np.ndarray


class Retyping:
    """A lowered network, and how its operators change with formats.

    Parameters
    ----------
    subject : Subject
        Rounded in `BASE`.

    Attributes
    ----------
    graph : Graph
        In `BASE`.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        subject.set((BASE,) * len(subject.places))
        self.graph, made_by = lowered(subject)
        owner = {name: i for i, place in enumerate(subject.places) for name in place.names}
        self.tensors = {
            tensor: owner[made_by[source]]
            for tensor, source in self.graph.sources.items()
            if made_by.get(source) in owner
        }
        self.layers = self._layers()
        self._check()

    def place_of(self, op: Operator) -> int | None:
        """The place whose format an operator has: of its weights, or of what it makes; None for none."""
        return self.layers.get(op.name, self.tensors.get(op.outputs[0]))

    @property
    def order(self) -> list[int]:
        """Places in the order in which a frame comes by."""
        ports = [self.tensors.get(port.tensor) for port in self.graph.inputs]
        passed = [*ports, *(self.place_of(op) for op in self.graph.operators)]
        return list(dict.fromkeys(place for place in passed if place is not None))

    def input(self, name: str, genome: Genome) -> Typed:
        """An input of the graph."""
        place = self.tensors.get(name)
        tensor = self.graph.tensors[name]
        if place is None:
            return Typed(tensor, np.ones(1))
        return Typed(self._tensor(tensor, place, genome[place]), self._ratio(place, genome[place]))

    def retyped(self, op: Operator, given: list[Typed], name: str | None) -> tuple[Operator, Typed]:
        """An operator with other inputs, and with the format of a name at its place, if it has one."""
        if isinstance(op, Convolution):
            assert name is not None
            return self._convolution(op, given[0], name)
        if isinstance(op, Add):
            return self._add(op, given)
        place = self.tensors.get(op.outputs[0])
        if isinstance(op, (Threshold, Rescale)) and place is not None and name is not None:
            return self._requantiser(op, given[0], place, name)
        (made,) = op.infer([typed.tensor for typed in given])
        return op, Typed(made, given[0].ratio)

    # ---- operators

    def _convolution(self, op: Convolution, given: Typed, name: str) -> tuple[Operator, Typed]:
        place, fmt = self.layers[op.name], self._format(self.layers[op.name], name)
        codes = self._codes(place, name).reshape(op.weights.shape)
        new = replace(op, weights=codes, weight_format=fmt)
        (made,) = new.infer([given.tensor])
        base = product(self.graph.tensors[op.inputs[0]].format, op.weight_format).unit_exponent
        units = product(given.tensor.format, fmt).unit_exponent - base
        tensors = given.tensor.format.unit_exponent - self.graph.tensors[op.inputs[0]].format.unit_exponent
        scale = self._scale(place, name) / self._scale(place, BASE)
        ratio = given.ratio.max() * scale * 2.0 ** (units - tensors)
        return new, Typed(made, ratio)

    def _add(self, op: Add, given: list[Typed]) -> tuple[Operator, Typed]:
        channels = op.multipliers.shape[1]
        worth = np.array([np.broadcast_to(typed.ratio, channels) for typed in given]) * op.multipliers
        exponents = np.round(np.log2(np.abs(np.where(op.multipliers == 0, np.inf, worth))))
        least = exponents[np.isfinite(exponents)].min()
        powers = np.where(np.isfinite(exponents), exponents - least, 0).astype(np.int64)
        factors = np.where(op.multipliers == 0, 0, np.sign(op.multipliers) << np.minimum(powers, 40))
        new = replace(op, multipliers=factors.astype(np.int64))
        (made,) = new.infer([typed.tensor for typed in given])
        return new, Typed(made, np.full(1, 2.0**least))

    def _requantiser(
        self, op: Threshold | Rescale, given: Typed, place: int, name: str
    ) -> tuple[Operator, Typed]:
        fmt, ratio = self._format(place, name), self._ratio(place, name)
        factor, offset = _line(op, self.graph.tensors[op.inputs[0]])
        factor, offset = factor * given.ratio / ratio, offset / ratio
        new = _rescale(op, fmt, factor, offset, given.tensor) or _threshold(op, fmt, given.tensor)
        (made,) = new.infer([given.tensor])
        return new, Typed(self._tensor(made, place, name), ratio)

    # ---- formats and scales

    def _format(self, place: int, name: str) -> NumberFormat:
        return self.subject.places[place].format(name)

    def _tensor(self, tensor: Tensor, place: int, name: str) -> Tensor:
        """All numbers of a format, but for negative ones where there are none."""
        full = Tensor.of(tensor.name, tensor.shape, self._format(place, name))
        return replace(full, low=0) if self.subject.places[place].never_negative else full

    def _scale(self, place: int, name: str) -> np.ndarray:
        return self.subject.quantiser(place, name).scale.double().numpy().reshape(-1)

    def _ratio(self, place: int, name: str) -> np.ndarray:
        units = self._format(place, name).unit_exponent - self._format(place, BASE).unit_exponent
        return self._scale(place, name) / self._scale(place, BASE) * 2.0**units

    def _codes(self, place: int, name: str) -> np.ndarray:
        quantiser = self.subject.quantiser(place, name)
        weight = self.subject.weight(place, name)
        return quantiser.format.encode((weight / quantiser.scale).numpy())

    # ---- which operator is which layer

    def _layers(self) -> dict[str, int]:
        """Places of convolutions, found by the weights: in the order of the stream they are the same."""
        waiting: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
        for place, described in enumerate(self.subject.places):
            if described.is_weights:
                waiting.setdefault(_key(self._codes(place, BASE)), []).append(place)
        found = {}
        for op in self.graph.operators:
            same = waiting.get(_key(op.weights)) if isinstance(op, Convolution) else None
            if same:
                found[op.name] = same.pop(0) if len(same) > 1 else same[0]
        return found

    def _check(self) -> None:
        """Every format has one place in the graph, and no operator hides one."""
        places = self.subject.places
        seen = {*self.layers.values(), *self.tensors.values()}
        lost = [place.label for i, place in enumerate(places) if i not in seen]
        ports = {port.tensor for port in self.graph.inputs}
        made = {t for op in self.graph.operators if isinstance(op, (Threshold, Rescale)) for t in op.outputs}
        lost += [name for name in self.tensors if name not in made | ports]
        lost += [
            op.name
            for op in self.graph.operators
            if isinstance(op, Convolution) and op.name not in self.layers
        ]
        if lost:
            raise UserError(
                "a network whose layers keep their weights and are rounded behind their sums was "
                f"expected, but formats of {listed(sorted(set(lost)))} cannot be changed; search a "
                "network of convolutions, linear layers, additions, ReLUs and pools"
            )


def lowered(subject: Subject) -> tuple[Graph, dict[str, str]]:
    """The graph of the network as it is rounded now, and the quantiser that each ONNX output is of."""
    assert subject.network.module is not None
    with tempfile.TemporaryDirectory() as folder:
        path = export_qonnx(subject.network.module, subject.network.data[:1], Path(folder) / "network.onnx")
        model: Any = parse_model(path.read_bytes(), "the network")
    made_by = {
        node.output[0]: node.input[1].removesuffix(".scale")
        for node in model.graph.node
        if len(node.input) > 1
    }
    return import_qonnx(model, type(subject.network.float).__name__.lower()), made_by


def _key(codes: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """The same for weights in any order of their inputs."""
    rows = np.sort(codes.reshape(len(codes), -1).astype(np.int64), axis=1)
    return rows.shape, rows.tobytes()


def _line(op: Threshold | Rescale, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of each channel, in integers of its output for one of its input."""
    if isinstance(op, Rescale):
        return op.multiplier / 2.0**op.shift, op.offset / 2.0**op.shift
    inside = np.clip(op.thresholds, tensor.low, tensor.high + 1).astype(float)
    steps = np.maximum(inside[:, -1] - inside[:, 0], 1.0)
    reach = op.format.integers.max() - op.format.integers.min()
    factor = np.where(op.falling, -1.0, 1.0) * reach / steps
    return factor, -factor * inside[:, 0]


def _rescale(
    op: Operator, fmt: NumberFormat, factor: np.ndarray, offset: np.ndarray, tensor: Tensor
) -> Rescale | None:
    """As lowering makes one of integers whose scales are powers of two, None where it takes thresholds."""
    if not isinstance(fmt, Integer):
        return None
    counts = factor != 0  # a channel of one value takes any slope
    exponents = np.round(np.log2(np.abs(np.where(counts, factor, 1.0)))).astype(int)
    shift = min(max(-int(exponents[counts].min(initial=0)), 0), 40)
    powers = np.where(counts, np.maximum(exponents + shift, 0), 0)
    few = len(fmt.codes) <= _FEW_VALUES
    if powers.max() > (_FEW_BITS if few else _WIDE_BITS - 1):
        return None
    multiplier = (np.sign(factor) * (np.int64(1) << powers.astype(np.int64))).astype(np.int64)
    offsets = np.round(np.clip(offset * 2.0**shift, -(2.0**50), 2.0**50)).astype(np.int64)
    made = Rescale(op.name, op.inputs, op.outputs, fmt, multiplier, offsets, shift, False)
    try:
        made.infer([tensor])
    except GraphError:
        return None
    return made


def _threshold(op: Operator, fmt: NumberFormat, tensor: Tensor) -> Threshold:
    """Thresholds that lie evenly: how many and how wide they are is all that counts."""
    channels, steps = tensor.shape[2], len(fmt.codes) - 1
    spread = [tensor.low + (tensor.high - tensor.low) * Fraction(i + 1, steps + 1) for i in range(steps)]
    table = np.tile(np.array([int(at) for at in spread], np.int64), (channels, 1))
    return Threshold(op.name, op.inputs, op.outputs, fmt, table, np.zeros(channels, np.bool_))
