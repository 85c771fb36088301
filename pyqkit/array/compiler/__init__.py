"""From a graph to a program for an array.

`factors` rounds what is too wide, `lower` makes passes of operators, `requantise` parameters of thresholds,
`plan` tiles of weights; `segments` cuts passes into transfers, `memory` finds addresses, `schedule` writes
instructions.
"""

from __future__ import annotations

import numpy as np

from pyqkit.array.compiler.blocks import Block
from pyqkit.array.compiler.factors import rounded_graph
from pyqkit.array.compiler.lower import Lowering
from pyqkit.array.compiler.memory import Pool
from pyqkit.array.compiler.plan import Plan, Planner, Tile
from pyqkit.array.compiler.schedule import Scheduler
from pyqkit.array.compiler.segments import Box, Cutter, Work
from pyqkit.array.families import of
from pyqkit.array.host import HostStep
from pyqkit.array.machine import Machine
from pyqkit.array.program import Alias, Program, Section, Segment
from pyqkit.array.shared import together
from pyqkit.array.tensors import Input, Result
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution

__all__ = ["compile_graph", "fitted"]


def fitted(graph: Graph, machine: Machine) -> tuple[Graph, list[str]]:
    """The graph with factors that a machine holds, and the requantisers in which they were rounded.

    It is the same graph where all of them fit.

    Raises
    ------
    UserError
        Naming the layer, for what the machine lacks otherwise.
    """
    wide = Lowering(graph, machine, of(machine), rounding=True).wide
    return (rounded_graph(graph, machine, wide), wide) if wide else (graph, [])


def compile_graph(graph: Graph, machine: Machine) -> Program:
    """A program that computes a graph.

    Raises
    ------
    UserError
        Naming the layer, for numbers that the machine does not hold.
    """
    family = of(machine)
    lowered = Lowering(graph, machine, family)
    planner = Planner(machine, family, lowered.stored, lowered.passes)
    streamed = _weight_items(planner.plans) > machine.weight_words
    scheduler = Scheduler(machine, streamed)
    steps: list[Segment | HostStep] = []
    works: list[Work] = []
    for step in Cutter(machine, lowered, planner).steps():
        if isinstance(step, Work):
            works.append(step)
            steps.append(_segment(graph, lowered, scheduler, step))
        else:
            steps.append(step)
    if not works:
        raise UserError(
            f"a layer that the array {machine.name} has was expected, but the host would do all of them; "
            "compile without --array"
        )
    found = Program(
        machine,
        tuple(scheduler.instructions),
        _joined(scheduler.tables, np.zeros(0, np.uint64)),
        _joined(scheduler.parameters, np.zeros((0, machine.columns, 2), object)),
        _joined(scheduler.weights, np.zeros((0, family.weight_bytes(machine)), np.uint8)),
        tuple(steps),
        tuple(port.tensor for port in graph.outputs),
        tuple(
            Alias(name, stored, graph.tensors[name].shape)
            for name, stored in lowered.outside.items()
            if name != stored
        ),
        _sections(graph, works, scheduler),
    )
    together([found])  # it fits
    return found


def _joined(pool: Pool, nothing: np.ndarray) -> np.ndarray:
    return np.concatenate([nothing, *pool.pieces])


def _weight_items(plans: list[Plan]) -> int:
    """Items of all weights, equal tiles once."""
    pool = Pool()
    for plan in plans:
        for tile in plan.tiles:
            for group in tile.groups:
                pool.address(group.tiles.reshape(-1, group.tiles.shape[-1]))
    return pool.size


def _segment(graph: Graph, lowered: Lowering, scheduler: Scheduler, work: Work) -> Segment:
    """Instructions of a segment, what it takes and what it gives."""
    first = len(scheduler.instructions)
    scheduler.begin(work.layouts, work.addresses)
    for name in work.loaded:
        scheduler.load(name)
    results = []
    for plan in work.plans:
        order = scheduler.run(plan, plan is work.plans[-1])
        if plan.work.codes is None:
            results.append(_sent(graph, plan, order, work.top))
    for name, box in work.kept.items():
        scheduler.store(name)
        tensor = graph.tensors.get(name) or lowered.stored[name]
        given = tensor.name, tensor.shape, tensor.format, work.layouts[name], box.top, box.left
        results.append(Result(*given))
    scheduler.end()
    inputs = tuple(_input(graph, lowered, work, box) for box in work.loaded.values())
    last = len(scheduler.instructions)
    return Segment(first, last, tuple(scheduler.loaded), inputs, tuple(results))


def _sent(graph: Graph, plan: Plan, order: list[tuple[Tile, Block]], top: int) -> Result:
    """Sums, as they are made."""
    tensor = graph.tensors[plan.work.output]
    tiles = tuple(
        (
            top + block.top,
            block.left,
            block.rows,
            1 if plan.work.gathered else block.columns,
            tile.first,
            tile.channels,
        )
        for tile, block in order
    )
    return Result(tensor.name, tensor.shape, tensor.format, None, shift=plan.shift, tiles=tiles)


def _input(graph: Graph, lowered: Lowering, work: Work, box: Box) -> Input:
    beside, left = lowered.beside.get(box.tensor, 1), 0
    if beside > 1:
        (op,) = graph.consumers(box.tensor)
        assert isinstance(op, Convolution)
        left = op.padding[1]
    shape = (graph.tensors.get(box.tensor) or lowered.stored[box.tensor]).shape
    return Input(box.tensor, work.layouts[box.tensor], shape, beside, left, box.top)


def _sections(graph: Graph, works: list[Work], scheduler: Scheduler) -> tuple[Section, ...]:
    operators = {op.name: op for op in graph.operators}
    found = []
    for index, (part, plan) in enumerate((work.part, plan) for work in works for plan in work.plans):
        mine = [at for at, section in enumerate(scheduler.sections) if section == index]
        ops = [operators[name] for name in plan.work.layers]
        macs = round(sum(op.macs(graph.input_tensors(op)) for op in ops) * part)
        found.append(Section(plan.work.layers, mine[0], mine[-1] + 1, macs, plan.peak))
    return tuple(found)
