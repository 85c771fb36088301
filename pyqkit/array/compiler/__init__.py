"""From a graph to a program for an array.

`factors` rounds what is too wide, `lower` makes passes of operators, `requantise` parameters of thresholds,
`plan` tiles of weights, `memory` addresses, `schedule` instructions.
"""

from __future__ import annotations

import numpy as np

from pyqkit.array.compiler.factors import rounded_graph
from pyqkit.array.compiler.lower import Lowering
from pyqkit.array.compiler.memory import Pool, allocate
from pyqkit.array.compiler.plan import Plan, Planner, Tile
from pyqkit.array.compiler.schedule import Block, Scheduler
from pyqkit.array.families import of
from pyqkit.array.machine import Machine
from pyqkit.array.program import Input, Program, Result, Section, together
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
        Naming the layer, for what the machine lacks.
    """
    family = of(machine)
    lowered = Lowering(graph, machine, family)
    planner = Planner(machine, family, lowered.stored, lowered.passes)
    sent = [name for name in lowered.results if name in lowered.stored]
    addresses = allocate(machine, planner.layouts, planner.plans, set(sent))
    streamed = _weight_items(planner.plans) > machine.weight_words
    scheduler = Scheduler(machine, planner.layouts, addresses, streamed)
    for port in graph.inputs:
        scheduler.load(port.tensor)
    steps = [scheduler.run(plan) for plan in planner.plans]
    for name in sent:
        scheduler.store(name)
    scheduler.end()
    found = Program(
        machine,
        tuple(scheduler.instructions),
        _joined(scheduler.tables, np.zeros(0, np.uint64)),
        _joined(scheduler.parameters, np.zeros((0, machine.columns, 2), object)),
        _joined(scheduler.weights, np.zeros((0, machine.columns), np.uint8)),
        tuple(scheduler.loaded),
        _inputs(graph, lowered, planner),
        _results(graph, lowered, planner, steps),
        _sections(graph, planner.plans, scheduler),
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


def _inputs(graph: Graph, lowered: Lowering, planner: Planner) -> tuple[Input, ...]:
    found = []
    for name in (port.tensor for port in graph.inputs):
        beside, left = lowered.beside[name], 0
        if beside > 1:
            (op,) = graph.consumers(name)
            assert isinstance(op, Convolution)
            left = op.padding[1]
        found.append(Input(planner.layouts[name], graph.tensors[name].shape, beside, left))
    return tuple(found)


def _results(
    graph: Graph, lowered: Lowering, planner: Planner, steps: list[list[tuple[Tile, Block]]]
) -> tuple[Result, ...]:
    """What comes back, in its order: sums as they are made, then codes."""
    found = []
    for plan, order in zip(planner.plans, steps):
        if plan.work.codes is None:
            tensor = graph.tensors[plan.work.output]
            tiles = tuple(
                (block.top, block.left, block.rows, block.columns, tile.first, tile.channels)
                for tile, block in order
            )
            found.append(Result(tensor.name, tensor.shape, tensor.format, None, plan.shift, tiles))
    for name, port in zip(lowered.results, graph.outputs):
        if name in lowered.stored:
            tensor = graph.tensors[port.tensor]
            found.append(Result(tensor.name, tensor.shape, tensor.format, planner.layouts[name]))
    return tuple(found)


def _sections(graph: Graph, plans: list[Plan], scheduler: Scheduler) -> tuple[Section, ...]:
    operators = {op.name: op for op in graph.operators}
    found = []
    for index, plan in enumerate(plans):
        mine = [at for at, section in enumerate(scheduler.sections) if section == index]
        ops = [operators[name] for name in plan.work.layers]
        macs = sum(op.macs(graph.input_tensors(op)) for op in ops)
        found.append(Section(plan.work.layers, mine[0], mine[-1] + 1, macs, plan.peak))
    return tuple(found)
