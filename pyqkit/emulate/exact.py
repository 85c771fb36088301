"""Engine `exact`: the graph compiled once into a list of integer kernels on carriers that are proven exact.

Between operators a tensor is an array of its integers in the narrowest numpy type (a Logarithmic Posit tensor: its codes).
Convolutions pick the fastest carrier that holds every partial sum, decided from the real weights:

    int8 x uint8 and int16 x int16 to int32     compiled kernels, fused with the requantiser that follows
    float32, float64                            BLAS on integer-valued matrices, exact below 2**24 and 2**53
    the operator's own definition               anything wider
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pyqkit.emulate import kernels
from pyqkit.emulate.carrier import carrier_type, from_carrier, integers_of, to_carrier
from pyqkit.emulate.operands import Operands, linear_operands, log_operands
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.formats import LogPosit
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale, Threshold

Values = dict[str, np.ndarray]
Step = Callable[[Values], None]
_CHUNK = 16  # frames whose activations stay in the cache
_LANES = 16
_INT32 = 2**31 - 1
_COMPILED = ("int8", "int16", "int16 depthwise")  # carriers of convolutions whose kernels write 32-bit sums


def _pointer(array: np.ndarray | None) -> Any:
    return None if array is None else ctypes.c_void_p(array.ctypes.data)


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

    def __init__(self, graph: Graph, compiled: bool | None = None, portable: bool = False, fuse: bool = True) -> None:
        self.graph = graph
        self._options = (compiled, portable)
        self._library = None if compiled is False else kernels.load(portable)
        self._fuse = fuse
        self._steps: list[Step] = []
        self.carriers: dict[str, str] = {}
        self._types = {name: carrier_type(tensor) for name, tensor in graph.tensors.items()}
        done: set[str] = set()
        for op in graph.operators:
            if op.name not in done:
                self._steps.append(self._step(op, done))
        self._last_use = self._lifetimes()

    def run(self, codes: dict[str, np.ndarray], keep: bool = False, progress: Callable[[int], None] | None = None) -> dict[str, np.ndarray]:
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
            return ExactEngine(self.graph, *self._options, fuse=False).run(codes, keep=True, progress=progress)
        frames = len(next(iter(codes.values())))
        names = list(self.graph.tensors) if keep else [port.tensor for port in self.graph.outputs]
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for first in range(0, frames, _CHUNK):
            live = {k: to_carrier(v[first : first + _CHUNK], self.graph.tensors[k]) for k, v in codes.items()}
            for index, step in enumerate(self._steps):
                step(live)
                if not keep:
                    for name in self._last_use[index]:
                        live.pop(name, None)
            for name in names:
                parts[name].append(from_carrier(live[name], self.graph.tensors[name]))
            if progress is not None:
                progress(min(first + _CHUNK, frames))
        return {name: np.concatenate(found) if len(found) > 1 else found[0] for name, found in parts.items()}

    def _lifetimes(self) -> list[list[str]]:
        """Tensors that nothing reads after each step."""
        outputs = {port.tensor for port in self.graph.outputs}
        reads = [self._reads[step] for step in self._steps]
        last: dict[str, int] = {name: i for i, names in enumerate(reads) for name in names}
        return [[name for name, at in last.items() if at == i and name not in outputs] for i in range(len(self._steps))]

    # ---- compilation ---------------------------------------------------------------------------------------------

    @property
    def _reads(self) -> dict[Step, list[str]]:
        return self.__dict__.setdefault("_read_names", {})

    def _follower(self, op: Operator) -> Threshold | Rescale | None:
        """The requantiser that is the only reader of an operator's result."""
        (name,) = op.outputs
        readers = self.graph.consumers(name)
        taken = any(port.tensor == name for port in self.graph.outputs)
        one = readers[0] if len(readers) == 1 and not taken and self._fuse else None
        return one if isinstance(one, (Threshold, Rescale)) else None

    def _step(self, op: Operator, done: set[str]) -> Step:
        tensors, (out,) = self.graph.input_tensors(op), self.graph.output_tensors(op)
        follower = self._follower(op) if isinstance(op, (Convolution, Add)) else None
        compute: Callable[[list[np.ndarray]], np.ndarray] | None = None
        if follower is not None and self._library is not None:
            (final,) = self.graph.output_tensors(follower)
            requantiser = Requantiser(follower, out, final)
            if not requantiser.fits_kernels:
                pass
            elif isinstance(op, Convolution):
                compute = self._convolution(op, tensors[0], out, requantiser)
            elif isinstance(op, Add):
                compute = self._fused_add(op, tensors, out, requantiser)
            if compute is not None:
                done.add(follower.name)
                out = final
        if compute is None:
            compute = self._plain(op, tensors, out)
        if isinstance(op, Convolution) and self.carriers.get(op.name) in _COMPILED and out.name in op.outputs:
            self._types[out.name] = np.dtype(np.int32)  # as the kernel writes it: narrowing would cost a pass
        names, result, kind = list(op.inputs), out.name, self._types[out.name]

        def step(live: Values) -> None:
            value = compute([live[name] for name in names])
            live[result] = value if value.dtype == kind else value.astype(kind)

        self._reads[step] = names
        return step

    def _plain(self, op: Operator, tensors: list[Tensor], out: Tensor) -> Callable[[list[np.ndarray]], np.ndarray]:
        fmt = tensors[0].format
        if isinstance(op, Convolution):
            made = self._convolution(op, tensors[0], out, None)
            if made is not None:
                return made
        elif isinstance(op, (Threshold, Rescale)):
            requantiser = Requantiser(op, tensors[0], out)
            return lambda x: requantiser.apply(integers_of(x[0], fmt), self._library)
        elif isinstance(op, Add):
            return lambda x: sum(m * integers_of(v, t.format).astype(np.int64) for m, v, t in zip(op.multipliers, x, tensors))  # type: ignore[return-value]
        elif isinstance(op, SumPool):
            return lambda x: _sum_pool(op, integers_of(x[0], fmt), self._types[out.name])
        elif isinstance(op, MaxPool) and not fmt.is_logarithmic:
            return lambda x: _max_pool(op, x[0])
        elif isinstance(op, Pad):
            zero = fmt.zero_code if fmt.is_logarithmic else 0
            return lambda x: np.pad(x[0], ((0, 0), *zip(op.before, op.after)), constant_values=zero)
        elif isinstance(op, (Permute, Slice, Concat, Reshape)):
            return lambda x: np.ascontiguousarray(op.execute(x, tensors)[0])  # these move elements of any type
        return lambda x: to_carrier(op.execute([from_carrier(v, t) for v, t in zip(x, tensors)], tensors)[0], out)

    def _convolution(self, op: Convolution, tensor: Tensor, out: Tensor, requantiser: Requantiser | None) -> Callable | None:
        logarithmic = isinstance(tensor.format, LogPosit) and isinstance(op.weight_format, LogPosit)
        operands = log_operands(op, tensor) if logarithmic else linear_operands(op, tensor)
        if operands is None:
            return None
        library, bound = self._library, operands.largest_sum
        plain_window = op.groups == 1 and op.dilation == (1, 1) and op.kernel[0] <= 64
        if library is not None and plain_window and operands.fits(8) and 255 * operands.weight_sum <= _INT32 and not logarithmic:
            self.carriers[op.name] = "int8"
            return self._compiled(op, tensor, out, operands, requantiser, 4)
        if library is not None and plain_window and operands.fits(16) and bound <= _INT32:
            self.carriers[op.name] = "int16"
            return self._compiled(op, tensor, out, operands, requantiser, 2)
        depthwise = op.groups == tensor.shape[2] == len(op.weights) and op.dilation == (1, 1)
        if library is not None and depthwise and operands.fits(16) and bound <= _INT32 and operands.lookup is None:
            self.carriers[op.name] = "int16 depthwise"
            return self._depthwise(op, tensor, out, operands, requantiser)
        if bound < 2**53:
            kind = np.float32 if bound < 2**24 else np.float64
            self.carriers[op.name] = np.dtype(kind).name
            multiply = operands.multiplier(op, kind)
            if library is not None and plain_window and kind is np.float64:
                chosen = operands.copies > 1 and np.abs(operands.weights).max() < 2**24
                self.carriers[op.name] = "float32 products in float64" if chosen else "float64"
                multiply = (self._chosen_convolution if chosen else self._wide_convolution)(op, tensor, out, operands)
            if requantiser is None:
                return lambda x: multiply(x[0])
            return lambda x: requantiser.apply(multiply(x[0]), library)
        return None

    def _compiled(
        self, op: Convolution, tensor: Tensor, out: Tensor, operands: Operands, requantiser: Requantiser | None, group: int
    ) -> Callable:
        library = self._library
        assert library is not None
        rows, columns, outputs = out.shape
        signed = operands.low < 0
        flip = int(group == 4 and signed)
        panels, start = operands.panels(group, flip)
        channels = tensor.shape[2] * operands.copies
        top, left, bottom, right = op.padding
        border = 128 if flip else 0
        kind = np.dtype(np.int16 if group == 2 else np.int8 if signed else np.uint8)
        window = [*tensor.shape[:2], channels, rows, columns, outputs, *op.kernel, *op.stride, top, left, bottom, right]
        shapes: dict[int, np.ndarray] = {}
        constants = (group, flip, border, _pointer(panels), _pointer(start))

        def compute(x: list[np.ndarray]) -> np.ndarray:
            values = operands.expand(x[0], kind)
            frames = len(values)
            shape = shapes.setdefault(frames, np.array([frames, *window], np.int32))
            if requantiser is None:
                result = np.empty((frames, rows, columns, outputs), np.int32)
                library.pyqkit_convolve(_pointer(values), _pointer(shape), *constants, _pointer(result), None, None)
            else:
                result = np.empty((frames, rows, columns, outputs), requantiser.out_type)
                library.pyqkit_convolve(_pointer(values), _pointer(shape), *constants, None, requantiser.argument, _pointer(result))
            return result

        compute.keep = panels, start  # type: ignore[attr-defined] # the pointers above live as long as the step
        return compute

    def _wide_convolution(self, op: Convolution, tensor: Tensor, out: Tensor, operands: Operands) -> Callable[[np.ndarray], np.ndarray]:
        library = self._library
        assert library is not None
        rows, columns, outputs = out.shape
        window = [*tensor.shape[:2], tensor.shape[2] * operands.copies, rows, columns, outputs, *op.kernel, *op.stride, *op.padding]
        blocks = -(-outputs // _LANES)
        padded = np.zeros((blocks * _LANES, operands.weights[0].size))
        padded[:outputs] = operands.weights.reshape(outputs, -1)
        panels = np.ascontiguousarray(padded.reshape(blocks, _LANES, -1).transpose(0, 2, 1))

        def multiply(carrier: np.ndarray) -> np.ndarray:
            values = operands.expand(carrier, np.dtype(np.float64))
            shape = np.array([len(values), *window], np.int32)
            sums = np.empty((len(values), rows, columns, outputs))
            library.pyqkit_convolve_wide(_pointer(values), _pointer(shape), _pointer(panels), _pointer(sums))
            return sums.astype(np.int64)

        return multiply

    def _chosen_convolution(self, op: Convolution, tensor: Tensor, out: Tensor, operands: Operands) -> Callable[[np.ndarray], np.ndarray]:
        """One product for each activation, although it has several copies: the others are zero."""
        library = self._library
        assert library is not None and operands.lookup is not None
        rows, columns, outputs = out.shape
        window = [*tensor.shape, rows, columns, outputs, *op.kernel, *op.stride, *op.padding]
        chosen = np.abs(operands.lookup).argmax(axis=1).astype(np.int32)
        scale = np.take_along_axis(operands.lookup, chosen[:, None], axis=1)[:, 0].astype(np.float64)
        blocks = -(-outputs // _LANES)
        padded = np.zeros((blocks * _LANES, op.weights[0].size, operands.copies), np.float32)
        padded[:outputs] = operands.weights.reshape(outputs, -1, operands.copies)
        panels = np.ascontiguousarray(padded.reshape(blocks, _LANES, -1, operands.copies).transpose(0, 3, 2, 1))
        constants = (tensor.format.zero_code, len(chosen), _pointer(chosen), _pointer(scale), operands.copies, _pointer(panels))

        def multiply(carrier: np.ndarray) -> np.ndarray:
            codes = np.ascontiguousarray(carrier, np.uint8)
            shape = np.array([len(codes), *window], np.int32)
            sums = np.empty((len(codes), rows, columns, outputs))
            library.pyqkit_convolve_chosen(_pointer(codes), _pointer(shape), *constants, _pointer(sums))
            return sums.astype(np.int64)

        multiply.keep = chosen, scale, panels  # type: ignore[attr-defined] # the pointers above live as long as the step
        return multiply

    def _depthwise(self, op: Convolution, tensor: Tensor, out: Tensor, operands: Operands, requantiser: Requantiser | None) -> Callable:
        library = self._library
        assert library is not None
        rows, columns, outputs = out.shape
        weights = np.ascontiguousarray(operands.weights.reshape(outputs, -1).T.astype(np.int32))
        window = [*tensor.shape, rows, columns, outputs, *op.kernel, *op.stride, *op.padding]

        def compute(x: list[np.ndarray]) -> np.ndarray:
            values = np.ascontiguousarray(x[0], np.int16)
            shape = np.array([len(values), *window], np.int32)
            sums = np.empty((len(values), rows, columns, outputs), np.int32)
            library.pyqkit_depthwise(_pointer(values), _pointer(shape), _pointer(weights), _pointer(sums))
            return sums if requantiser is None else requantiser.apply(sums, library)

        return compute

    def _wide_add(self, op: Add, requantiser: Requantiser) -> Callable | None:
        """Two branches whose sums need up to 64 bits."""
        library = self._library
        assert library is not None
        if requantiser.sum_type != np.int64:
            return None
        left, right = (np.ascontiguousarray(m, np.int64) for m in op.multipliers)

        def compute(x: list[np.ndarray]) -> np.ndarray:
            a, b = (np.ascontiguousarray(v, np.int32) for v in x)
            result = np.empty(a.shape, requantiser.out_type)
            channels = a.shape[-1]
            library.pyqkit_add_wide(
                _pointer(a),
                _pointer(b),
                a.size // channels,
                channels,
                _pointer(left),
                _pointer(right),
                requantiser.argument,
                _pointer(result),
            )
            return result

        return compute

    def _fused_add(self, op: Add, tensors: list[Tensor], out: Tensor, requantiser: Requantiser) -> Callable | None:
        library = self._library
        assert library is not None
        kinds = [self._types[t.name] for t in tensors]
        logarithmic = any(t.format.is_logarithmic for t in tensors)
        terms = [int(np.abs(m.astype(object)).max()) * max(-t.low, t.high) for m, t in zip(op.multipliers, tensors)]
        if len(tensors) != 2 or logarithmic or np.dtype(np.int64) in kinds:
            return None
        if sum(terms) > _INT32 or requantiser.sum_type != np.int32:
            return self._wide_add(op, requantiser)
        order = [0, 1] if kinds[0].itemsize >= kinds[1].itemsize else [1, 0]
        wide, narrow = (kinds[i] for i in order)
        names = {
            ("int8", "int8"): "8_8",
            ("uint8", "uint8"): "u8_u8",
            ("int16", "int16"): "16_16",
            ("int32", "int8"): "32_8",
            ("int32", "uint8"): "32_u8",
        }
        names |= {("int32", "int16"): "32_16"}
        pair = names.get((wide.name, narrow.name))
        types = (wide, narrow) if pair else (np.dtype(np.int32), np.dtype(np.int32))
        call = getattr(library, f"pyqkit_add_{pair or '32_32'}")
        left, right = (np.ascontiguousarray(op.multipliers[i], np.int32) for i in order)

        def compute(x: list[np.ndarray]) -> np.ndarray:
            a, b = (np.ascontiguousarray(x[i], t) for i, t in zip(order, types))
            result = np.empty(a.shape, requantiser.out_type)
            channels = a.shape[-1]
            call(
                _pointer(a),
                _pointer(b),
                a.size // channels,
                channels,
                _pointer(left),
                _pointer(right),
                requantiser.argument,
                _pointer(result),
            )
            return result

        return compute


def _sum_pool(op: SumPool, integers: np.ndarray, kind: np.dtype) -> np.ndarray:
    if tuple(op.window) == integers.shape[1:3] and not any(op.padding):
        return integers.sum(axis=(1, 2), keepdims=True, dtype=kind)
    return op._windows(integers.astype(kind), 0).sum(axis=(-2, -1), dtype=kind)


def _max_pool(op: MaxPool, values: np.ndarray) -> np.ndarray:
    return op._windows(values, np.iinfo(values.dtype).min).max(axis=(-2, -1))
