"""Transformations of our own.

Foldings, and FINN's transformations that start processes, which then know our nodes.
"""

from __future__ import annotations

from math import gcd

from finn.transformation.fpgadataflow import compile_cppsim, hlssynth_ip, prepare_cppsim
from finn.util.basic import getHWCustomOp
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import FIFO_WORDS, fifo_words, input_lanes, readers
from pyqkit.errors import UserError
from pyqkit.finn.nodes import EXACT_BITS, PqNode
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.hardware.folding import check


class Fold(Transformation):
    """Give every node its PE, SIMD, word widths and FIFO depths.

    Before or after `SpecializeLayers`, before `InsertDWC`.

    A node takes words as its producer makes them. Where several streams meet they take words of the width
    that divides all, so that `InsertDWC` has converters to insert; FINN's converters are exact to 24 bits,
    and wider codes are converted inside.

    Parameters
    ----------
    graph : Graph
        What the model was made of.
    foldings : dict of str to Folding
        By operator, as `pyqkit.hardware.folding` finds or reads them; a convolution that is missing does one
        product a cycle.

    Raises
    ------
    UserError
        For a folding that does not fit its layer, or a node that is not pyqkit's.
    """

    def __init__(self, graph: Graph, foldings: dict[str, Folding]) -> None:
        super().__init__()
        self.graph = graph
        self.foldings = check(foldings, graph, "foldings")
        waiting = pixels_waiting(graph, ahead=True, foldings=self.foldings)
        self._waits = {
            op.name: [(waiting[name, op.name], len(readers(graph, name))) for name in op.inputs]
            for op in graph.operators
        }

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Walk the nodes in order, producers first."""
        tensors = [self.graph.tensors[port.tensor] for port in self.graph.inputs]
        made = {value.name: input_lanes(tensor) for value, tensor in zip(model.graph.input, tensors)}
        for proto in model.graph.node:
            node = getHWCustomOp(proto)
            if not isinstance(node, PqNode):
                raise UserError(
                    f"nodes of pyqkit alone were expected, but {proto.name} is a {proto.op_type}; "
                    "fold before other passes insert theirs"
                )
            inputs, source = node.block.inputs, node.get_nodeattr("source")
            lanes = [made[name] for name in proto.input]
            if all(tensor.format.bits <= EXACT_BITS for tensor in inputs):
                lanes = [gcd(*lanes)] * len(lanes)
            # A fork is no operator of the graph; nothing waits in front of it.
            waits = self._waits.get(source, [(0, 1)])
            depths = [
                fifo_words(t.shape[2] // count, pixels, copies)
                for t, count, (pixels, copies) in zip(inputs, lanes, waits)
            ]
            node.set_nodeattr("lanes", lanes)
            node.fold(self.foldings.get(source) or node.folding)
            node.set_nodeattr("inFIFODepths", depths)
            node.set_nodeattr(
                "outFIFODepths", [2 if model.find_consumers(name) else FIFO_WORDS for name in proto.output]
            )
            made.update(dict.fromkeys(proto.output, node.estimate.lanes))
        return model, False


class PrepareCppSim(prepare_cppsim.PrepareCppSim):
    """FINN's, of this module.

    A process that receives it imports our nodes with it, however it was started.
    """


class CompileCppSim(compile_cppsim.CompileCppSim):
    """FINN's, of this module; see `PrepareCppSim`."""


class HLSSynthIP(hlssynth_ip.HLSSynthIP):
    """FINN's, of this module; see `PrepareCppSim`."""
