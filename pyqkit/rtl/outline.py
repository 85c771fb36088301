"""Blocks without their constants: of one operator, of ends, or of a network whose latency is wanted.

Quick, for estimates of many foldings from the rules that emit the design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pyqkit.dataflow.streams import PACKET_ENDS, input_port, output_reader, readers
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.names import Identifiers
from pyqkit.rtl import schedule
from pyqkit.rtl.emitter import Block, Emitter, Stream, is_emitted, rule_for
from pyqkit.rtl.parts import Parameters

__all__ = ["blocks_of", "ends_of", "interval", "is_emitted", "latency"]


class _Outline(Emitter):
    """Names tables and leaves them empty."""

    def file(self, name: str, words: np.ndarray, bits: int) -> str:
        return f'"{name}.hex"'

    def memory(
        self, name: str, values: np.ndarray, lanes: int, bits: int, file: str, literal: str
    ) -> Parameters:
        return {file: f'"{name}.hex"'}


def blocks_of(
    op: Operator,
    inputs: Sequence[Tensor],
    output: Tensor,
    lanes: Sequence[int],
    folding: Folding,
    clock_mhz: float,
    later: tuple[Operator, ...] = (),
) -> tuple[list[Block], int]:
    """Blocks that an operator becomes, without FIFOs, and the codes in a word of its result.

    Parameters
    ----------
    op : Operator
    inputs : sequence of Tensor
    output : Tensor
    lanes : sequence of int
        Codes in a word of each input.
    folding : Folding
    clock_mhz : float
        That blocks are pipelined for.
    later : tuple of Operator
        What the operator is in later passes of a frame.
    """
    graph = Graph(
        "outline", {tensor.name: tensor for tensor in (*inputs, output)}, [op], later={op.name: later}
    )
    outline = _Outline(graph, {op.name: folding}, {}, Identifiers(), clock_mhz=clock_mhz)
    for tensor, width in zip(inputs, lanes):
        outline.edges[tensor.name, op.name] = Stream(tensor.name, tensor.format.bits, width)
    rule_for(op)(outline, op)
    return outline.blocks, outline.produced[output.name].lanes


def ends_of(
    graph: Graph, tensor: str, lanes: int, foldings: Mapping[str, Folding], clock_mhz: float
) -> list[Block]:
    """Blocks around a tensor that belong to no operator: ends of the network, forks, and all its FIFOs.

    Parameters
    ----------
    graph : Graph
    tensor : str
    lanes : int
        Codes in a word of it.
    foldings : mapping of str to Folding
        Those of output ports are looked at.
    clock_mhz : float
        That blocks are pipelined for.
    """
    entered = [i for i, port in enumerate(graph.inputs) if port.tensor == tensor]
    ends = {input_port(i): EndFolding(lanes) for i in entered}
    outline = _Outline(graph, {**foldings, **ends}, {}, Identifiers(), clock_mhz=clock_mhz)
    outline.produced[tensor] = Stream(tensor, graph.tensors[tensor].format.bits, lanes)
    for index in entered:
        outline.enter(graph.inputs[index], index)
    outline.hand_out(tensor, outline.produced[tensor], readers(graph, tensor))
    for index, port in enumerate(graph.outputs):
        if port.tensor == tensor:
            outline.edges[PACKET_ENDS, output_reader(index)] = Stream("ends", 1, 1)
            outline.leave(port, index)
    return outline.blocks


def interval(graph: Graph, foldings: Mapping[str, Folding], clock_mhz: float) -> int:
    """Cycles between frames of a network; see `schedule.interval`."""
    outline = _Outline(graph, dict(foldings), {}, Identifiers(), clock_mhz=clock_mhz)
    outline.emit(rule_for)
    return schedule.interval(outline.blocks)


def latency(graph: Graph, foldings: Mapping[str, Folding], clock_mhz: float) -> int:
    """Cycles of a network from a frame's first beat to its last result; see `schedule.latency`."""
    outline = _Outline(graph, dict(foldings), {}, Identifiers(), clock_mhz=clock_mhz)
    inputs, outputs = outline.emit(rule_for)
    return schedule.latency(outline.blocks, inputs, outputs)
