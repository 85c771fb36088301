"""Engine `exact`: the graph compiled once into a list of integer kernels on carriers that are proven exact.

Between operators a tensor is an array of its integers in the narrowest numpy type (a Logarithmic Posit
tensor: its codes). Convolutions pick the fastest carrier that holds every partial sum, decided from the real
weights:

    int8, int16                 products added in int32 by compiled kernels, fused with what follows; of a
                                Logarithmic Posit with few fractions those of a word for each of them
    int16 depthwise             the same, where each output has a channel of its own
    int16 lookups               products of Logarithmic Posits, looked up in registers and added in int64
    int16 digits                passes over 16-bit digits of wider integers, added in int64
    float32 products in float64, float64
                                compiled kernels, exact below 2**53
    float32 by BLAS, float64 by BLAS
                                integer-valued matrices, exact below 2**24 and 2**53
    the operator's own definition, for anything wider
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np

from pyqkit.designs import Designs
from pyqkit.emulate import kernels
from pyqkit.emulate.carrier import carrier_type
from pyqkit.emulate.compute import Compute, Kernel
from pyqkit.emulate.explain import Explained
from pyqkit.emulate.plan import Plan, Step
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Choice, Context, Factors, Runner, runner_for
from pyqkit.engines import Counts, Say, engine
from pyqkit.formats.port import checked_codes
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Rescale, Threshold

_ROUNDS = 3  # of a measurement, of which the shortest counts
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
    threads : int, optional
        Among which frames are divided; `default_threads` by default. Results are the same.

    Attributes
    ----------
    carriers : dict of str to str
        What the products of each operator are summed in.
    threads : int
        Among which frames are divided from the next `run` on.
    """

    name = "exact"
    counts: Counts | None = None

    def __init__(
        self,
        graph: Graph,
        compiled: bool | None = None,
        portable: bool = False,
        fuse: bool = True,
        threads: int | None = None,
    ) -> None:
        self.graph = graph
        self._options = (compiled, portable)
        self._library = None if compiled is False else kernels.load(portable)
        self._fuse = fuse
        self.threads = default_threads() if threads is None else threads
        self._choices: dict[str, Choice] = {}
        self._steps: list[Step] = []
        self.carriers: dict[str, str] = {}
        self._types = {name: carrier_type(tensor) for name, tensor in graph.tensors.items()}
        self._runners: dict[str, Runner] = {}
        self._compile()
        self._runners.clear()  # what steps need of them they hold themselves
        self._plans: dict[tuple[int, bool], list[Plan]] = {}  # that no thread uses
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
            self._unfused.threads = self.threads
            return self._unfused.run(codes, keep=True, progress=progress)
        codes = {name: checked_codes(given, self.graph.tensors[name], name) for name, given in codes.items()}
        frames = len(next(iter(codes.values())))
        names = list(self.graph.tensors) if keep else [port.tensor for port in self.graph.outputs]
        size = max(1, min(self._chunk, -(-frames // self.threads)))
        starts, parts = range(0, frames, size), []

        def run_from(first: int) -> list[np.ndarray]:
            return self._run_piece({name: given[first : first + size] for name, given in codes.items()}, keep)

        for first, part in zip(starts, _in_order(run_from, starts, self.threads)):
            parts.append(part)
            if progress is not None:
                progress(min(first + size, frames))
        return {name: _joined([part[index] for part in parts]) for index, name in enumerate(names)}

    @cached_property
    def _unfused(self) -> ExactEngine:
        """The same graph with every tensor stored, made when somebody wants to see them all."""
        return ExactEngine(self.graph, *self._options, fuse=False)

    def _run_piece(self, codes: dict[str, np.ndarray], keep: bool) -> list[np.ndarray]:
        frames = len(next(iter(codes.values())))
        idle = self._plans.setdefault((frames, keep), [])
        plan: Plan | None = None
        with suppress(IndexError):  # another thread may have taken it
            plan = idle.pop()
        plan = plan or self._planned(frames, keep)
        found = plan.run(codes)
        idle.append(plan)
        return found

    def _planned(self, frames: int, keep: bool) -> Plan:
        names = list(self.graph.tensors) if keep else [port.tensor for port in self.graph.outputs]
        return Plan(self.graph, self._steps, self._types, frames, names)

    def explain(self, codes: dict[str, np.ndarray]) -> list[Explained]:
        """How each step runs and why, and what it takes for the first frames.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            As for `run`.
        """
        codes = {name: checked_codes(given, self.graph.tensors[name], name) for name, given in codes.items()}
        some = {name: given[: self._chunk] for name, given in codes.items()}
        frames = len(next(iter(some.values())))
        rounds = [self._planned(frames, False).seconds(some) for _ in range(_ROUNDS)]
        found = []
        for step, seconds in zip(self._steps, zip(*rounds)):
            names = [op.name for op in step.operators]
            (carrier,) = {self.carriers.get(name, "") for name in names if name in self.carriers} or {""}
            choice = next((self._choices[name] for name in names if name in self._choices), Choice())
            macs = sum(op.macs(self.graph.input_tensors(op)) for op in step.operators)
            kinds = tuple(op.kind for op in step.operators)
            compiled = isinstance(step.compute, Kernel)
            found.append(
                Explained(tuple(names), kinds, carrier, choice, compiled, macs, min(seconds) / frames)
            )
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
        (source,), (out,) = self.graph.output_tensors(op), self.graph.output_tensors(reader)
        requantiser = Requantiser(reader, source, out, self._library)
        return requantiser if requantiser.fits_kernels else None

    def _runner(self, op: Operator) -> Runner:
        if op.name not in self._runners:
            (out,) = self.graph.output_tensors(op)
            context = Context(self.graph.input_tensors(op), out, self._types, self._library)
            self._runners[op.name] = runner_for(op, context)
        return self._runners[op.name]

    def _joins(self) -> dict[str, Operator]:
        """Additions by name, each with an operator whose kernel may add the other branch.

        Its result is never stored.
        """
        found: dict[str, Operator] = {}
        for op in self.graph.operators:
            add = self._only_reader(op)
            if (
                isinstance(add, Add)
                and len(add.inputs) == 2
                and isinstance(self._only_reader(add), (Threshold, Rescale))
                and self._runner(op).joins
            ):
                found[add.name] = op  # of two the later one, when the other has run
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
        runner, requantiser = self._runner(op), self._requantiser(op)
        if runner.carrier:
            self._chose(op.name, runner)
        compute = None if requantiser is None else runner.fused(requantiser)
        if compute is not None:
            return self._add_step([op], list(op.inputs), compute, requantiser)
        kind = runner.result_type()
        if kind is not None:
            self._types[op.outputs[0]] = kind
        return self._add_step([op], list(op.inputs), runner.alone(), None)

    def _chose(self, name: str, runner: Runner) -> None:
        self.carriers[name], self._choices[name] = runner.carrier, runner.choice()

    def _join(self, add: Operator, joined: Operator) -> set[str]:
        """One step of both and the requantiser, or one each where their sums do not fit."""
        assert isinstance(add, Add)
        runner, requantiser, tensors = (
            self._runner(joined),
            self._requantiser(add),
            self.graph.input_tensors(add),
        )
        place = list(add.inputs).index(joined.outputs[0])
        other = tensors[1 - place]
        scales = add.multipliers[place], add.multipliers[1 - place]
        factors = Factors(*scales, other, self._types[other.name])
        compute = None if requantiser is None else runner.joined(requantiser, factors)
        if compute is None:
            return self._single(joined) | self._single(add)
        self._chose(joined.name, runner)
        names = [*joined.inputs, add.inputs[1 - place]]
        return self._add_step([joined, add], names, compute, requantiser)

    def _add_step(
        self, ops: list[Operator], names: list[str], compute: Compute, requantiser: Requantiser | None
    ) -> set[str]:
        last = ops[-1] if requantiser is None else self._only_reader(ops[-1])
        assert last is not None
        (result,) = last.outputs
        done = ops if requantiser is None else [*ops, last]
        self._steps.append(Step(done, names, result, compute))
        return {op.name for op in ops} | {last.name}


def _in_order(
    run: Callable[[int], list[np.ndarray]], starts: Sequence[int], threads: int
) -> Iterator[list[np.ndarray]]:
    """Results of pieces in their order, by so many threads: kernels do not hold the interpreter."""
    if threads == 1 or len(starts) == 1:
        yield from map(run, starts)
        return
    from concurrent.futures import ThreadPoolExecutor  # one thread does without

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(run, starts)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def default_threads() -> int:
    """What ``OMP_NUM_THREADS`` says, else the processors that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@engine("exact")
def make(designs: Designs, say: Say | None = None) -> ExactEngine:
    """The engine of a compiled network."""
    return ExactEngine(designs.compiled.graph)
