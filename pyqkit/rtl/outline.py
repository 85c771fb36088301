"""Blocks without their constants: of one operator, or of a network whose latency is wanted.

Quick, for estimates of many foldings from the rules that emit the design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.names import Identifiers
from pyqkit.rtl import schedule
from pyqkit.rtl.emitter import Block, Emitter, Stream, is_emitted, rule_for
from pyqkit.rtl.parts import Parameters

__all__ = ["blocks_of", "is_emitted", "latency"]


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
    """
    graph = Graph("outline", {tensor.name: tensor for tensor in (*inputs, output)}, [op])
    outline = _Outline(graph, {op.name: folding}, {}, Identifiers(), clock_mhz=clock_mhz)
    for tensor, width in zip(inputs, lanes):
        outline.edges[tensor.name, op.name] = Stream(tensor.name, tensor.format.bits, width)
    rule_for(op)(outline, op)
    return outline.blocks, outline.produced[output.name].lanes


def latency(graph: Graph, foldings: Mapping[str, Folding], clock_mhz: float) -> int:
    """Cycles of a network from a frame's first beat to its last result; see `schedule.latency`."""
    outline = _Outline(graph, dict(foldings), {}, Identifiers(), clock_mhz=clock_mhz)
    inputs, outputs = outline.emit(rule_for)
    return schedule.latency(outline.blocks, inputs, outputs)
