"""The machine for a network and a board: the fewest cycles of those that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from pyqkit.array.area import Area, area
from pyqkit.array.compiler import compile_graph, fitted
from pyqkit.array.families import of
from pyqkit.array.isa import Run
from pyqkit.array.machine import MODES, Machine, Memory, Mode
from pyqkit.array.program import Program
from pyqkit.array.touches import touched
from pyqkit.array.waits import segment_cycles
from pyqkit.boards import Board
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution

SIDES = (4, 8, 12, 16, 24, 32)  # rows and columns that are tried
SUMS = (512, 256, 128)  # accumulators
LUT_SHARE = 0.7  # of a board, that may be taken
ROUND = 512  # items of memories come in multiples of it: the words of a block RAM
LEAST = 1024  # items of activations and of weights
ROOM = 1.25  # of a program, for the LOADs of weights that do not stay


@dataclass(frozen=True)
class _Sizes:
    """Items of memories; names are those of `Machine`."""

    activation_words: int
    weight_words: int
    accumulators: int
    parameter_words: int
    table_words: int
    program_words: int

    def of(self, machine: Machine) -> Machine:
        """A machine with these memories."""
        return replace(machine, **vars(self))


_LARGE = _Sizes(2**16, 2**18, SUMS[0], 2**14, 2**16, 2**14)


@dataclass(frozen=True)
class Candidate:
    """A machine that was looked at.

    Attributes
    ----------
    machine : Machine
    area : Area
        Estimated.
    cycles : int
        Of a frame (modelled); 0 if it was not worth compiling for it.
    lacks : str
        Of what the board has too little; empty if it fits.
    """

    machine: Machine
    area: Area
    cycles: int = 0
    lacks: str = ""


@dataclass(frozen=True)
class Choice:
    """What was found.

    Attributes
    ----------
    machine : Machine
    candidates : tuple of Candidate
        All that were looked at, the largest first; the one of the machine is among them.
    """

    machine: Machine
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        """The candidate of the machine."""
        return next(one for one in self.candidates if one.machine == self.machine)


def choose(
    graph: Graph,
    board: Board,
    lut_share: float = LUT_SHARE,
    resource_share: float = 1.0,
    say: Callable[[str], None] | None = None,
) -> Choice:
    """The machine that runs a network in the fewest cycles, and of those the one with the fewest LUTs.

    Sides come out of `SIDES`, modes are those that the network needs. Memories hold all of the network if the
    board has the block RAM; else weights are streamed, then fewer sums and activations are kept.

    Parameters
    ----------
    lut_share, resource_share : float
        Parts of the board's LUTs, and of its other resources, that may be taken.
    say : callable, optional
        Told which machine is compiled for.

    Raises
    ------
    UserError
        If no machine holds the network's formats, or none fits the board.
    """
    limits = {name: count * resource_share for name, count in board.resources.items()}
    limits["lut"] = board.resources["lut"] * lut_share
    smallest, graph = _smallest(graph)
    found: list[Candidate] = []
    best: Candidate | None = None
    for rows, columns in _sides():
        machine = replace(smallest, name=f"{smallest.family}{rows}x{columns}", rows=rows, columns=columns)
        taken = area(_Sizes(LEAST, LEAST, SUMS[-1], ROUND, ROUND, ROUND).of(machine))
        lacks = taken.over(limits)
        if lacks is not None:
            found.append(Candidate(machine, taken, lacks=lacks))
            continue
        if best is not None and _least_cycles(graph, machine) >= best.cycles:
            continue
        if say is not None:
            say(machine.name)
        found.append(_with_memories(graph, machine, limits))
        if found[-1].cycles and (best is None or found[-1].cycles < best.cycles):
            best = found[-1]
    if best is None:
        raise UserError(
            f"a board that holds an array of {SIDES[0]} x {SIDES[0]} elements for this network was expected, "
            f"but {board.name} has too little {found[-1].lacks} for it; take a larger board or larger shares"
        )
    return Choice(best.machine, tuple(found))


def _sides() -> list[tuple[int, int]]:
    """Rows and columns, the most elements first, and the squarest of as many."""
    pairs = [(rows, columns) for rows, columns in product(SIDES, SIDES) if columns <= rows]
    return sorted(pairs, key=lambda pair: (-pair[0] * pair[1], pair[0]))


def _smallest(graph: Graph) -> tuple[Machine, Graph]:
    """A machine of the family and the modes that a network needs, and the network as it holds it."""
    family = min(MODES, key=lambda name: (_refused(graph, name), name))
    most = _large(family, MODES[family][-1])
    held, _ = fitted(graph, most)
    program = compile_graph(held, most)
    for modes in (*MODES[family][:-1], _used(program, True), _used(program, False)):
        try:
            machine = _large(family, modes)
            compile_graph(held, machine)
        except UserError:
            continue
        return machine, held
    return most, held


def _large(family: str, modes: tuple[Mode, ...]) -> Machine:
    return Machine(family, family, SIDES[1], SIDES[1], modes, *vars(_LARGE).values())


def _used(program: Program, needed: bool) -> tuple[Mode, ...]:
    """Modes that a program runs in; with `needed` only those of layers that multiply weights."""
    sections = [section for section in program.sections if section.macs or not needed]
    runs = [run for one in sections for run in program.instructions[one.first : one.last]]
    used = {run.mode for run in runs if isinstance(run, Run)}
    return tuple(mode for index, mode in enumerate(program.machine.modes) if index in used)


def _refused(graph: Graph, family: str) -> int:
    """Layers whose codes a family does not multiply."""
    machine, count = _large(family, MODES[family][-1]), 0
    for op in graph.operators:
        if isinstance(op, Convolution):
            try:
                activations, used = graph.tensors[op.inputs[0]].format, np.unique(op.weights)
                of(machine).pair(machine, activations, op.weight_format, used=used)
            except UserError:
                count += 1
    return count


def _least_cycles(graph: Graph, machine: Machine) -> float:
    """Of all products if every element were busy in its fastest mode."""
    macs = sum(op.macs(graph.input_tensors(op)) for op in graph.operators)
    family = of(machine)
    most = max(family.lanes(mode) * family.planes(mode) for mode in machine.modes)
    return macs / (machine.rows * machine.columns * most)


def _with_memories(graph: Graph, machine: Machine, limits: dict[str, float]) -> Candidate:
    """A machine with the first memories that fit the board and hold the network."""
    large = compile_graph(graph, machine)
    made, taken, lacks = machine, area(machine), "bram36"
    for sizes in _sizes(large):
        made = sizes.of(machine)
        taken = area(made)
        over = taken.over(limits)
        if over is not None:
            lacks = over
            continue
        try:
            return Candidate(made, taken, _cycles(compile_graph(graph, made)))
        except UserError:
            continue
    return Candidate(made, taken, lacks=lacks)


def _cycles(program: Program) -> int:
    """Of a frame."""
    return sum(segment_cycles(program))


def _sizes(program: Program) -> Iterator[_Sizes]:
    """Items of each memory, the best first: all that a program needs, then less of what can be less."""
    instructions, tables, parameters, weights = program.sizes()
    fixed = _rounded(parameters), _rounded(tables), _rounded(instructions * ROOM)
    words = [
        touch.last
        for instruction in program.instructions
        for touch in touched(program.machine, instruction)
        if touch.what == Memory.ACTIVATIONS.name
    ]
    for kept in _less(_rounded(max(words))):
        for sums in SUMS:
            for stay in _less(_rounded(weights)):
                yield _Sizes(kept, stay, sums, *fixed)


def _less(most: int) -> list[int]:
    """So many items, and halves of it."""
    found = [most]
    while found[-1] // 2 >= LEAST:
        found.append(_rounded(found[-1] / 2))
    return found


def _rounded(count: float) -> int:
    return max(1, -(-int(count) // ROUND)) * ROUND
