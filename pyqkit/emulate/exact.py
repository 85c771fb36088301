"""Engine `exact`: the graph compiled once into a list of integer kernels on carriers that are proven exact.

Between operators a tensor is an array of its integers in the narrowest numpy type (a Logarithmic Posit
tensor: its codes). Convolutions pick the fastest carrier that holds every partial sum, decided from the real
weights:

    int8 x uint8 and int16 x int16 to int32     compiled kernels, fused with the requantiser that follows
    float32, float64                            BLAS on integer-valued matrices, exact below 2**24 and 2**53
    the operator's own definition               anything wider
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pyqkit.emulate import kernels
from pyqkit.emulate.carrier import carrier_type, from_carrier, integers_of, to_carrier
from pyqkit.emulate.convolutions import Compute, ConvolutionKernel
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.terms import compile_add, fits_32_bits
from pyqkit.formats.port import checked_codes
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale, Threshold

Values = dict[str, np.ndarray]
Step = Callable[[Values], None]
_CHUNK = 16  # frames whose activations stay in the cache
_CHUNK_BYTES = 1 << 26  # of the activations of several frames; one frame may have more


class ExactEngine:
    """The graph ready to run.

    Parameters
    ----------
    graph : Graph
    compiled : bool, optional
        Use compiled kernels; by default where g++ is installed. Results are the same.
    portable : bool
        Compile them without vector instructions.
    fuse : bool
        Let a requantiser run inside the kernel before it; off, every tensor exists.
    """

    name = "exact"

    def __init__(
        self, graph: Graph, compiled: bool | None = None, portable: bool = False, fuse: bool = True
    ) -> None:
        self.graph = graph
        self._options = (compiled, portable)
        self._library = None if compiled is False else kernels.load(portable)
        self._fuse = fuse
        self._steps: list[Step] = []
        self._reads: list[list[str]] = []  # tensors that each step needs
        self.carriers: dict[str, str] = {}
        self._types = {name: carrier_type(tensor) for name, tensor in graph.tensors.items()}
        self._compile()
        self._last_use = self._lifetimes()
        self._chunk = max(1, min(_CHUNK, _CHUNK_BYTES // self._bytes_of_a_frame()))

    def run(
        self, codes: dict[str, np.ndarray], keep: bool = False, progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Execute on frames.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Codes of the inputs, (frames, height, width, channels).
        keep : bool
            Return the codes of every tensor, instead of the outputs alone.
        progress : callable, optional
            Called with the number of frames done.
        """
        if keep and self._fuse:
            return ExactEngine(self.graph, *self._options, fuse=False).run(
                codes, keep=True, progress=progress
            )
        codes = {name: checked_codes(given, self.graph.tensors[name], name) for name, given in codes.items()}
        frames = len(next(iter(codes.values())))
        names = list(self.graph.tensors) if keep else [port.tensor for port in self.graph.outputs]
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for first in range(0, frames, self._chunk):
            live = {
                k: to_carrier(v[first : first + self._chunk], self.graph.tensors[k]) for k, v in codes.items()
            }
            for index, step in enumerate(self._steps):
                step(live)
                if not keep:
                    for name in self._last_use[index]:
                        live.pop(name, None)
            for name in names:
                parts[name].append(from_carrier(live[name], self.graph.tensors[name]))
            if progress is not None:
                progress(min(first + self._chunk, frames))
        return {name: np.concatenate(found) if len(found) > 1 else found[0] for name, found in parts.items()}

    def _lifetimes(self) -> list[list[str]]:
        """Tensors that nothing reads after each step."""
        outputs = {port.tensor for port in self.graph.outputs}
        found: list[list[str]] = [[] for _ in self._steps]
        for name, step in {name: i for i, names in enumerate(self._reads) for name in names}.items():
            if name not in outputs:
                found[step].append(name)
        return found

    def _bytes_of_a_frame(self) -> int:
        """The most that one operator reads and writes of a frame."""
        sizes = {
            t.name: self._types[t.name].itemsize * math.prod(t.shape) for t in self.graph.tensors.values()
        }
        return max(sum(sizes[name] for name in (*op.inputs, *op.outputs)) for op in self.graph.operators)

    # ---- compilation ---------------------------------------------------------------------------------------

    def _only_reader(self, op: Operator) -> Operator | None:
        (name,) = op.outputs
        readers = self.graph.consumers(name)
        taken = any(port.tensor == name for port in self.graph.outputs)
        return (
            readers[0]
            if len(readers) == 1 and not taken and self._fuse and self._library is not None
            else None
        )

    def _requantiser(self, op: Operator) -> Requantiser | None:
        """What runs inside an operator's kernel: the requantiser that is the only reader of its result."""
        reader = self._only_reader(op)
        if not isinstance(reader, (Threshold, Rescale)):
            return None
        requantiser = Requantiser(reader, *self.graph.output_tensors(op), *self.graph.output_tensors(reader))
        return requantiser if requantiser.fits_kernels else None

    def _joins(self) -> dict[str, Convolution]:
        """Additions by name, each with a convolution whose kernel may add the other branch.

        Its sums are never stored.
        """
        found: dict[str, Convolution] = {}
        for op in self.graph.operators:
            if not isinstance(op, Convolution):
                continue
            add = self._only_reader(op)
            if (
                isinstance(add, Add)
                and len(set(add.inputs)) == len(add.inputs) == 2
                and isinstance(self._only_reader(add), (Threshold, Rescale))
            ):
                found[add.name] = op  # of two convolutions the later one, when the other has run
        return found

    def _compile(self) -> None:
        joins = self._joins()
        waiting = {op.name for op in joins.values()}
        done: set[str] = set()
        for op in self.graph.operators:
            if op.name in done or op.name in waiting:
                continue
            if op.name in joins:
                done |= self._join(op, joins[op.name])
            else:
                done |= self._single(op)

    def _single(self, op: Operator) -> set[str]:
        """A step of an operator, and of the requantiser behind it if that can run inside; says which."""
        tensors, (out,) = self.graph.input_tensors(op), self.graph.output_tensors(op)
        requantiser = self._requantiser(op) if isinstance(op, (Convolution, Add)) else None
        compute: Compute | None = None
        if isinstance(op, Convolution):
            kernel = ConvolutionKernel(op, tensors[0], out, self._library)
            if kernel.carrier:
                self.carriers[op.name] = kernel.carrier
                compute = kernel.compile(requantiser)
                if kernel.sums_in_32_bits:
                    # As the kernel writes it: narrowing would cost a pass.
                    self._types[out.name] = np.dtype(np.int32)
        elif isinstance(op, Add) and requantiser is not None and self._library is not None:
            compute = compile_add(
                op, tensors, [self._types[t.name] for t in tensors], requantiser, self._library
            )
        if compute is None:
            requantiser, compute = None, self._plain(op, tensors, out)
        return self._add_step([op], list(op.inputs), compute, requantiser)

    def _join(self, add: Operator, convolution: Convolution) -> set[str]:
        """One step of both and the requantiser, or one each where their sums do not fit."""
        assert isinstance(add, Add)
        (source,), (sums,) = self.graph.input_tensors(convolution), self.graph.output_tensors(convolution)
        kernel = ConvolutionKernel(convolution, source, sums, self._library)
        requantiser, tensors = self._requantiser(add), self.graph.input_tensors(add)
        place = list(add.inputs).index(convolution.outputs[0])
        kinds = [np.dtype(np.int32) if i == place else self._types[t.name] for i, t in enumerate(tensors)]
        if requantiser is None or not kernel.joins or not fits_32_bits(add, tensors, kinds, requantiser):
            return self._single(convolution) | self._single(add)
        self.carriers[convolution.name] = kernel.carrier
        compute = kernel.compile(requantiser, (add.multipliers[place], add.multipliers[1 - place]))
        return self._add_step(
            [convolution, add], [*convolution.inputs, add.inputs[1 - place]], compute, requantiser
        )

    def _add_step(
        self, ops: list[Operator], names: list[str], compute: Compute, requantiser: Requantiser | None
    ) -> set[str]:
        last = ops[-1] if requantiser is None else self._only_reader(ops[-1])
        assert last is not None
        (result,) = last.outputs
        kind = self._types[result]

        def step(live: Values) -> None:
            value = compute([live[name] for name in names])
            live[result] = value if value.dtype == kind else value.astype(kind)

        self._steps.append(step)
        self._reads.append(names)
        return {op.name for op in ops} | {last.name}

    def _plain(self, op: Operator, tensors: list[Tensor], out: Tensor) -> Compute:
        fmt = tensors[0].format
        if isinstance(op, (Threshold, Rescale)):
            requantiser = Requantiser(op, tensors[0], out)
            return lambda x: requantiser.apply(integers_of(x[0], fmt), self._library)
        elif isinstance(op, Add):
            return lambda x: sum(
                m * integers_of(v, t.format).astype(np.int64) for m, v, t in zip(op.multipliers, x, tensors)
            )  # type: ignore[return-value]
        elif isinstance(op, SumPool):
            return lambda x: _sum_pool(op, integers_of(x[0], fmt), self._types[out.name])
        elif isinstance(op, MaxPool) and not fmt.is_logarithmic:
            return lambda x: _max_pool(op, x[0])
        elif isinstance(op, Pad):
            zero = fmt.zero_code if fmt.is_logarithmic else 0
            return lambda x: np.pad(x[0], ((0, 0), *zip(op.before, op.after)), constant_values=zero)
        elif isinstance(op, (Permute, Slice, Concat, Reshape)):
            # These move elements of any type.
            return lambda x: np.ascontiguousarray(op.execute(x, tensors)[0])
        return lambda x: to_carrier(
            op.execute([from_carrier(v, t) for v, t in zip(x, tensors)], tensors)[0], out
        )


def _sum_pool(op: SumPool, integers: np.ndarray, kind: np.dtype) -> np.ndarray:
    if tuple(op.window) == integers.shape[1:3] and not any(op.padding):
        return integers.sum(axis=(1, 2), keepdims=True, dtype=kind)
    return op._windows(integers.astype(kind), 0).sum(axis=(-2, -1), dtype=kind)


def _max_pool(op: MaxPool, values: np.ndarray) -> np.ndarray:
    return op._windows(values, np.iinfo(values.dtype).min).max(axis=(-2, -1))
