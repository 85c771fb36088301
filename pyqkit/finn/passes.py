"""Transformations of our own: foldings, and FINN's transformations that start processes, which then know our nodes."""

from __future__ import annotations

from math import gcd

from finn.transformation.fpgadataflow import compile_cppsim, hlssynth_ip, prepare_cppsim
from finn.util.basic import getHWCustomOp
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from pyqkit.finn.nodes import EXACT_BITS, PqNode
from pyqkit.graph.graph import Graph
from pyqkit.hardware.fifo import pixels_waiting
from pyqkit.hardware.folding import check
from pyqkit.hardware.folding_types import Folding
from pyqkit.hls.emitter import fifo_words, largest_lanes


class Fold(Transformation):
    """Give every node its PE, SIMD, word widths and FIFO depths; before or after `SpecializeLayers`, before `InsertDWC`.

    A node takes words as its producer makes them. Where several streams meet they take words of the width that divides all, so
    that `InsertDWC` has converters to insert; FINN's converters are exact to 24 bits, and wider codes are converted inside.

    Parameters
    ----------
    graph : Graph
        What the model was made of.
    foldings : dict of str to Folding
        By operator, as `pyqkit.hardware.folding` finds or reads them; a convolution that is missing does one product a cycle.
    """

    def __init__(self, graph: Graph, foldings: dict[str, Folding]) -> None:
        super().__init__()
        self.graph = graph
        self.foldings = check(foldings, graph, "foldings")
        self._waiting = pixels_waiting(graph)

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Walk the nodes in order, producers first."""
        made = {port.tensor: largest_lanes(t := self.graph.tensors[port.tensor], t.shape[2]) for port in self.graph.inputs}
        for proto in model.graph.node:
            node = getHWCustomOp(proto)
            if not isinstance(node, PqNode):
                made.update(dict.fromkeys(proto.output, made[proto.input[0]]))
                continue
            lanes = [made[name] for name in proto.input]
            if all(tensor.format.bits <= EXACT_BITS for tensor in node.block.inputs):
                lanes = [gcd(*lanes)] * len(lanes)
            folding = self.foldings.get(node.get_nodeattr("source"), Folding())
            for name, value in (("lanes", lanes), ("PE", folding.pe), ("SIMD", folding.simd), ("inFIFODepths", self._depths(node, lanes))):
                node.set_nodeattr(name, value)
            made.update(dict.fromkeys(proto.output, node.estimate.lanes))
        return model, False

    def _depths(self, node: PqNode, lanes: list[int]) -> list[int]:
        """Words of the FIFO in front of each input: what has to wait there, see `pyqkit.hardware.fifo`."""
        source = node.get_nodeattr("source")
        op = next((op for op in self.graph.operators if op.name == source), None)
        names = op.inputs if op else [None] * len(lanes)
        ends = [port.tensor for port in self.graph.outputs]
        depths = []
        for name, tensor, count in zip(names, node.block.inputs, lanes):
            readers = len(self.graph.consumers(name)) + ends.count(name) if name else 1
            depths.append(fifo_words(tensor.shape[2] // count, self._waiting.get((name, source), 0) if name else 0, readers))
        return depths


class PrepareCppSim(prepare_cppsim.PrepareCppSim):
    """FINN's, of this module: a process that receives it imports our nodes with it, however it was started."""


class CompileCppSim(compile_cppsim.CompileCppSim):
    """FINN's, of this module; see `PrepareCppSim`."""


class HLSSynthIP(hlssynth_ip.HLSSynthIP):
    """FINN's, of this module; see `PrepareCppSim`."""
