"""The dataflow graph: a few neutral operators on integer codes. This page is what an accelerator computes.

A tensor is a stream of codes, pixel by pixel in raster order, channels innermost, so its shape is (height,
width, channels) without the batch; a vector of F features is (1, 1, F). Its format says what a code means;
operators work on the format's *integers* (value = integer * unit, the unit being the format's business) and
are exact. Real scales do not appear between operators: they live in requantiser thresholds, and in `Port` at
the two ends.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from pyqkit.errors import UserError, brief
from pyqkit.formats import Integer, NumberFormat
from pyqkit.formats.encoding import Encoding
from pyqkit.formats.input_frames import encode_input
from pyqkit.formats.port import Port, decode_output, order_codes, to_integers
from pyqkit.graph import limits
from pyqkit.graph.fields import is_sized, names_field, text_field
from pyqkit.graph.folding import Folding, FoldingSpace
from pyqkit.graph.links import Links
from pyqkit.host.part import HostPart
from pyqkit.names import LONGEST, is_identifier

__all__ = [
    "Graph",
    "GraphError",
    "Operator",
    "Port",
    "Tensor",
    "decode_output",
    "encode_input",
    "order_codes",
    "to_integers",
]


class GraphError(UserError):
    """A graph that breaks its own rules (an unknown operator, a wrong shape, a name used twice)."""


def _check_name(what: str, name: object) -> None:
    """Refuse names that are no keys and no stems of names in generated text and of files."""
    if not is_identifier(name):
        raise GraphError(
            f"lower-case letters, digits and underscores, a letter first and at most {LONGEST}, "
            f"were expected as the name of a {what}, "
            f"but {brief(name)} came; compile the network again"
        )


class FieldError(GraphError):
    """A field of an operator is what none of its kind can have.

    The message is half a sentence, for those who know where it came from.
    """


@dataclass(frozen=True)
class Tensor:
    """One edge of the graph.

    Attributes
    ----------
    name : str
        An identifier (`pyqkit.names`); `GraphError` for any other.
    shape : tuple of int
        (height, width, channels).
    format : NumberFormat
        An `Integer` of up to 64 bits for accumulators.
    low, high : int
        Range of the integers that can occur; at most the range of the format.
    """

    name: str
    shape: tuple[int, int, int]
    format: NumberFormat
    low: int
    high: int

    def __post_init__(self) -> None:
        _check_name("tensor", self.name)
        height, width, channels = self.shape
        if (
            min(self.shape) < 1
            or channels > limits.CHANNELS
            or height * width * channels > limits.TENSOR_ELEMENTS
        ):
            raise GraphError(
                f"a tensor of 1 to {limits.TENSOR_ELEMENTS} elements and at most {limits.CHANNELS} "
                f"channels was expected, but {self.name} "
                f"has the shape {self.shape}; use a smaller image or fewer channels"
            )

    @classmethod
    def of(cls, name: str, shape: tuple[int, int, int], fmt: NumberFormat) -> Tensor:
        """A tensor that may hold every code of its format."""
        if isinstance(fmt, Integer):
            return cls(name, shape, fmt, fmt.low, fmt.high)
        return cls(name, shape, fmt, int(fmt.integers.min()), int(fmt.integers.max()))

    @classmethod
    def accumulator(cls, name: str, shape: tuple[int, int, int], low: int, high: int) -> Tensor:
        """A tensor of exact sums from `low` to `high`, in the narrowest integer format."""
        return cls(name, shape, Integer.for_range(low, high), int(low), int(high))

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.shape[0] * self.shape[1]


@dataclass
class Operator:
    """Base of all operators; subclasses are dataclasses registered with `operator` (see `pyqkit.graph.ops`).

    A subclass states its meaning once, in `execute`; engines and emitters only translate it.

    Attributes
    ----------
    name : str
        An identifier (`pyqkit.names`), unique in its graph; `Graph.add` raises `GraphError` for any other.
    inputs, outputs : list of str
        Tensor names.
    """

    name: str = text_field()
    inputs: list[str] = names_field()
    outputs: list[str] = names_field()

    kind: ClassVar[str] = "operator"
    streamed: ClassVar[bool] = True  # dataflow accelerators have a block for it
    folding_type: ClassVar[type[Folding]] = Folding

    def check(self) -> None:
        """Raise `GraphError` for fields that no operator of this kind can have, whatever it reads.

        `Graph.add` calls it.
        """

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        """Output tensors from input tensors; raises `GraphError` where shapes or formats do not fit.

        What `check` refuses does not come here.
        """
        raise TypeError(f"operator {self.kind} does not say what it produces")

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        """The definition: codes of shape (frames, height, width, channels) to codes. Clear rather than fast.

        `tensors` are the input tensors, in the order of `inputs`.
        """
        raise TypeError(f"operator {self.kind} does not say what it computes")

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        """For each input: how many of its pixels must have come before output pixel i + 1 can leave.

        Each array has one entry per output pixel and does not decrease. Used for FIFO depths.
        """
        (output,) = self.infer(tensors)
        if any(t.pixels != output.pixels for t in tensors):
            raise TypeError(f"operator {self.kind} does not say which pixels it needs")
        return [np.arange(1, output.pixels + 1) for _ in tensors]

    def pixels_taken(self, tensors: list[Tensor]) -> list[np.ndarray]:
        """For each input: how many of its pixels the C++ takes, at most, until output pixel i + 1 has left.

        A process reads and writes in the same trip of its loop, so that what it reads ahead has to come
        before it can go on. Used for FIFO depths.
        """
        return self.pixels_needed(tensors)

    def pixels_folded(
        self, tensors: list[Tensor], folding: Folding
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """`pixels_needed` and `pixels_taken` with a folding, for operators in which it changes them."""
        return self.pixels_needed(tensors), self.pixels_taken(tensors)

    @property
    def parameter_encoding(self) -> Encoding | None:
        """How the constants are stored that it multiplies by; None for an operator without such."""
        return None

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """Shape of the constants that it multiplies by."""
        return (0,)

    @property
    def parameter_format(self) -> NumberFormat | None:
        """Format of the constants that it multiplies by; None for an operator without such."""
        encoding = self.parameter_encoding
        return None if encoding is None else encoding.element

    @property
    def parameter_bits(self) -> int:
        """Bits in which the constants are stored that it multiplies by, side fields included."""
        encoding = self.parameter_encoding
        return 0 if encoding is None else encoding.stored_bits(self.parameter_shape)

    @property
    def switched(self) -> frozenset[str]:
        """Fields that may differ from pass to pass where hardware is used again; all others are built in."""
        return frozenset()

    def macs(self, tensors: list[Tensor]) -> int:
        """Multiply-accumulates of a frame."""
        return 0

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        """Axes along which it is folded, and choices of what it is built of; `tensors` are its inputs."""
        return FoldingSpace(self.folding_type)

    def footprint(self, inputs: list[Tensor], outputs: list[Tensor]) -> Hashable:
        """What its hardware depends on beside the folding: operators of equal footprint take the same.

        These are kind, formats, ranges and fields, of fields that are `sized` the shape alone. An operator
        whose hardware does not see ranges says so by a footprint of its own.
        """
        ranges = tuple((tensor.low, tensor.high) for tensor in (*inputs, *outputs))
        return self._own_footprint(inputs, outputs), ranges

    def _own_footprint(self, inputs: list[Tensor], outputs: list[Tensor]) -> Hashable:
        streams = tuple((tensor.shape, tensor.format) for tensor in (*inputs, *outputs))
        reads = tuple(self.inputs.index(name) for name in self.inputs)
        named = {item.name for item in fields(Operator)}
        own = tuple(
            _key(getattr(self, item.name), is_sized(item)) for item in fields(self) if item.name not in named
        )
        return self.kind, streams, reads, own


def _key(value: object, sized: bool) -> Hashable:
    """A field's share of a footprint."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    return value.shape if sized else (value.shape, value.tobytes())


def expect(condition: bool, op: Operator, what: str) -> None:
    """Raise `FieldError`, unless `condition` holds, that says what an operator has instead."""
    if not condition:
        raise FieldError(f"{op.name} has {what}")


@dataclass
class Graph:
    """Operators in topological order, with one input and one output port or more.

    Attributes
    ----------
    name : str
        As the ONNX graph calls itself: any text, to be shown alone.
    tensors : dict of str to Tensor
    operators : list of Operator
        To be appended to by `add`, or replaced as a whole.
    inputs, outputs : list of Port
        The network's results come first among the outputs, then probes (see `pyqkit.graph.probes`).
    host : HostPart or None
        What the host computes of the results, where they are not the network's outputs already.
    notes : list of str
        What lowering had to decide, one sentence each (for the conversion report).
    sources : dict of str to str
        For tensors that a quantiser node made: its ONNX output, so that layers can be compared.
    channels_last : list of str
        Those of `sources` whose ONNX tensors have their channels last, as streams do; others have them first.
    later : dict of str to tuple of Operator
        What operators are in later passes through their hardware (see `pyqkit.graph.reuse`).
    """

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    host: HostPart | None = None
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    channels_last: list[str] = field(default_factory=list)
    later: dict[str, tuple[Operator, ...]] = field(default_factory=dict)
    _links: Links = field(default_factory=Links, init=False, repr=False, compare=False)

    @property
    def results(self) -> list[Port]:
        """Outputs that the network needs, or that the host does for it; the others are probes."""
        return [port for port in self.outputs if not port.probe]

    @property
    def result_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the results, without the frames, by their names in the ONNX graph."""
        return {port.onnx_name: port.onnx_shape for port in self.results}

    def output_names(self, codes: bool = False) -> list[str]:
        """Outputs of the network by their names in the ONNX graph; with `codes` those of the accelerator."""
        if self.host is None or codes:
            return [port.onnx_name for port in self.results]
        return [result.name for result in self.host.results]

    def decode(self, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The network's outputs by their names in the ONNX graph, of codes of the results by tensor.

        Without a host's part they are float32.
        """
        ends = {
            port.onnx_name: decode_output(port, self.tensors[port.tensor], codes[port.tensor])
            for port in self.results
        }
        return ends if self.host is None else self.host.execute(ends)

    @property
    def probes(self) -> list[str]:
        """Tensors that are outputs for comparison alone."""
        return [port.tensor for port in self.outputs if port.probe]

    def add(self, op: Operator) -> list[Tensor]:
        """Append an operator; its output tensors follow from `Operator.infer`.

        Whatever reaches an engine or a generator has passed here: graphs that were lowered, and those read
        from a file.
        """
        _check_name(op.kind, op.name)
        if op.name in self._links.of(self.operators).names:
            raise GraphError(f"a new name was expected for a {op.kind}, but {op.name} exists; rename one")
        expect(
            0 < len(op.inputs) == len(set(op.inputs)),
            op,
            f"the inputs {brief(op.inputs)}, which are not different ones",
        )
        expect(len(op.outputs) > 0, op, "no outputs")
        op.check()
        produced = op.infer([self.tensors[name] for name in op.inputs])
        expect(
            [t.name for t in produced] == op.outputs,
            op,
            f"the outputs {brief(op.outputs)} instead of {len(produced)}",
        )
        for tensor in produced:
            if tensor.name in self.tensors:
                raise GraphError(
                    f"a new name was expected of {op.name}, but tensor {tensor.name} exists; rename one"
                )
            self.tensors[tensor.name] = tensor
        self.operators.append(op)
        return produced

    def input_tensors(self, op: Operator) -> list[Tensor]:
        """Tensors that `op` reads."""
        return [self.tensors[name] for name in op.inputs]

    def output_tensors(self, op: Operator) -> list[Tensor]:
        """Tensors that `op` writes."""
        return [self.tensors[name] for name in op.outputs]

    def as_source(self, tensor: str, codes: np.ndarray) -> np.ndarray:
        """Codes of one of `sources` in the order of its ONNX tensor, with all axes of an image."""
        return codes if tensor in self.channels_last else codes.transpose(0, 3, 1, 2)

    def consumers(self, tensor: str) -> list[Operator]:
        """Operators that read a tensor."""
        return list(self._links.of(self.operators).readers.get(tensor, ()))

    def producer(self, tensor: str) -> Operator | None:
        """Operator that writes a tensor; None for a graph input."""
        return self._links.of(self.operators).writers.get(tensor)

    def prune(self) -> None:
        """Drop operators, tensors and inputs that no output needs."""
        needed = {port.tensor for port in self.outputs}
        kept: list[Operator] = []
        for op in reversed(self.operators):
            if needed & set(op.outputs):
                kept.append(op)
                needed |= set(op.inputs)
        self.operators = kept[::-1]
        self.inputs = [port for port in self.inputs if port.tensor in needed]
        live = needed | {port.tensor for port in self.inputs} | {name for op in kept for name in op.outputs}
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if name in live}
        self.sources = {name: source for name, source in self.sources.items() if name in live}
        self.channels_last = [name for name in self.channels_last if name in live]

    def execute(self, codes: dict[str, np.ndarray], keep: bool = False) -> dict[str, np.ndarray]:
        """Run the definitions, operator by operator: the reference that every engine is tested against.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Codes of the input tensors, (frames, height, width, channels).
        keep : bool
            Return every tensor instead of the outputs alone.
        """
        live: dict[str, np.ndarray] = dict(codes)
        for op in self.operators:
            results = op.execute([live[name] for name in op.inputs], self.input_tensors(op))
            live.update(zip(op.outputs, results))
        return live if keep else {port.tensor: live[port.tensor] for port in self.outputs}
