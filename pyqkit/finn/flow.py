"""The usual order of FINN's passes over a converted graph.

Up to a model that can be simulated, reported and built.
"""

from __future__ import annotations

from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from pyqkit.finn.convert import to_finn
from pyqkit.finn.passes import CompileCppSim, Fold, PrepareCppSim
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph


def dataflow_model(graph: Graph, foldings: dict[str, Folding], part: str) -> ModelWrapper:
    """Every operator as a folded C++ node, with FINN's width converters and FIFOs between.

    Parameters
    ----------
    graph : Graph
    foldings : dict of str to Folding
        Such as `Accelerator.foldings`.
    part : str
        FPGA, as FINN's ``pynq_part_map`` and pyqkit's boards call it.

    Returns
    -------
    ModelWrapper
        Ready for FINN's reports, for `simulated`, and for ``ZynqBuild``.
    """
    model = to_finn(graph).transform(InferShapes()).transform(InferDataTypes())
    model = model.transform(SpecializeLayers(part)).transform(Fold(graph, foldings))
    model = model.transform(InsertDWC()).transform(InsertFIFO()).transform(SpecializeLayers(part))
    return model.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames())


def simulated(model: ModelWrapper) -> ModelWrapper:
    """The model with its C++ compiled by g++ and every node set to ``cppsim``.

    Libraries are kept in pyqkit's cache.
    """
    return model.transform(PrepareCppSim()).transform(CompileCppSim()).transform(SetExecMode("cppsim"))
