"""FINN nodes for the graph's operators.

``PqConvolution``, ``PqAdd``, ... and ``PqConvolution_hls``, ..., made for every operator.

Importing this module registers them in FINN's own domains, because its passes know no others. A node carries
its operator (see `block.Block`) and answers FINN's questions from it, so a new operator needs no class here.
"""

from __future__ import annotations

from dataclasses import Field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import finn.custom_op.fpgadataflow as abstract_domain
import finn.custom_op.fpgadataflow.hls as hls_domain
import numpy as np
from finn.custom_op.fpgadataflow.hlsbackend import HLSBackend
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from onnx import NodeProto, TensorProto
from qonnx.core.datatype import BaseDataType, DataType
from qonnx.core.modelwrapper import ModelWrapper

from pyqkit.cache import cache_folder, load
from pyqkit.emulate.hls import HlsEngine, compile_library
from pyqkit.errors import UserError
from pyqkit.finn import synthesis
from pyqkit.finn.block import Block, array_fields, read
from pyqkit.finn.fork import Fork
from pyqkit.formats.port import End
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops import by_kind, kinds
from pyqkit.hardware.estimator import Estimate
from pyqkit.hls.generate import Design, generate_operator, library

EXACT_BITS = (
    24  # FINN holds codes in float32; wider ones go into float64, which its own nodes but the FIFO refuse
)
# The standard that Vitis HLS is told; -O3 gains nothing on one frame.
CPPSIM_FLAGS = ("-std=c++14", "-O1", "-fPIC", "-shared", "-w")
Context = dict[str, np.ndarray]


def op_type(kind: str) -> str:
    """Name of an operator's node: ``max_pool`` becomes ``PqMaxPool``."""
    return "Pq" + "".join(word.capitalize() for word in kind.split("_"))


def folding_attributes(kind: str) -> list[tuple[str, str, Field]]:
    """Name and ONNX type of the attribute of every axis (in capitals) and choice of an operator's folding."""
    found = fields(by_kind(kind).folding_type)
    return [(f.name.upper(), "i", f) if isinstance(f.default, int) else (f.name, "s", f) for f in found]


def container(tensor: Tensor) -> int:
    """ONNX type that holds a tensor's codes exactly."""
    return TensorProto.FLOAT if tensor.format.bits <= EXACT_BITS else TensorProto.DOUBLE


class PqNode(HWCustomOp):
    """A graph operator as FINN sees it; streams carry raw codes as unsigned integers.

    Attributes of the ONNX node, beside those of FINN and the operator's arrays:

    operator : str
        The operator and the tensors that it reads, as JSON.
    source : str
        Its name in pyqkit's graph.
    lanes : list of int
        Codes in a word of each input stream; the words of the outputs follow.
    PE, SIMD, multiplier, memory, ...
        Folding of the operator: its axes, as FINN writes them, and its choices.
    """

    kind = "operator"

    def get_nodeattr_types(self) -> dict[str, Any]:
        own = {
            "operator": ("s", True, ""),
            "source": ("s", False, ""),
            "lanes": ("ints", True, []),
            **{name: (kind, False, item.default) for name, kind, item in folding_attributes(self.kind)},
        }
        return {
            **super().get_nodeattr_types(),
            **own,
            **{name: ("t", False, None) for name in array_fields(self.kind)},
        }

    @cached_property
    def block(self) -> Block:
        """The operator."""
        return read(self.onnx_node)

    @property
    def lanes(self) -> list[int]:
        """Codes in a word of each input."""
        return list(self.get_nodeattr("lanes"))

    @property
    def folding(self) -> Folding:
        """How the operator is folded."""
        values = {item.name: self.get_nodeattr(name) for name, _, item in folding_attributes(self.kind)}
        return by_kind(self.kind).folding_type(**values)

    def fold(self, folding: Folding) -> None:
        """Set the attributes of a folding."""
        for name, _, item in folding_attributes(self.kind):
            self.set_nodeattr(name, getattr(folding, item.name))

    @property
    def estimate(self) -> Estimate:
        """Cycles, resources and the width of the output."""
        return self.block.estimate(self.lanes, self.folding)

    def execute_node(self, context: Context, graph: Any) -> None:
        """The operator's definition."""
        block = self.block
        self._store(context, block.op.execute(self._codes(context), block.inputs))

    def _codes(self, context: Context) -> list[np.ndarray]:
        return [
            context[name].astype(t.format.code_dtype)
            for name, t in zip(self.onnx_node.input, self.block.inputs)
        ]

    def _store(self, context: Context, codes: list[np.ndarray]) -> None:
        for name, tensor, values in zip(self.onnx_node.output, self.block.outputs, codes):
            context[name] = values.astype(
                np.float32 if container(tensor) == TensorProto.FLOAT else np.float64
            )

    # ---- what passes over a stream -------------------------------------------------------------------

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        return DataType[f"UINT{self.block.inputs[ind].format.bits}"]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        return DataType[f"UINT{self.block.outputs[ind].format.bits}"]

    def get_normal_input_shape(self, ind: int = 0) -> list[int]:
        return [1, *self.block.inputs[ind].shape]

    def get_normal_output_shape(self, ind: int = 0) -> list[int]:
        return [1, *self.block.outputs[ind].shape]

    def get_folded_input_shape(self, ind: int = 0) -> list[int]:
        return _folded(self.block.inputs[ind], self.lanes[ind])

    def get_folded_output_shape(self, ind: int = 0) -> list[int]:
        return _folded(self.block.outputs[ind], self.estimate.lanes)

    def get_instream_width(self, ind: int = 0) -> int:
        return self.lanes[ind] * self.block.inputs[ind].format.bits

    def get_outstream_width(self, ind: int = 0) -> int:
        return self.estimate.lanes * self.block.outputs[ind].format.bits

    def infer_node_datatype(self, model: ModelWrapper) -> None:
        for index, name in enumerate(self.onnx_node.output):
            model.set_tensor_datatype(name, self.get_output_datatype(index))

    def make_shape_compatible_op(self, model: ModelWrapper) -> NodeProto:
        node = super().make_shape_compatible_op(model)
        node.output[:] = self.onnx_node.output
        for attribute in node.attribute:
            if attribute.name == "dtype":
                attribute.i = container(self.block.outputs[0])
        return node

    # ---- what it takes -------------------------------------------------------------------------------

    def get_exp_cycles(self) -> int:
        return self.estimate.cycles

    def lut_estimation(self, fpgapart: str) -> int:
        return round(self.estimate.resources.lut_high)

    def bram_estimation(self, fpgapart: str) -> int:
        return round(2 * self.estimate.resources.bram36)

    def dsp_estimation(self, fpgapart: str) -> int:
        return round(self.estimate.resources.dsp)

    def get_op_and_param_counts(self) -> dict[str, int]:
        operator = self.block.op
        counts = {
            f"param_{name}": np.size(getattr(operator, name))
            for name in array_fields(self.kind)
            if getattr(operator, name) is not None
        }
        return {"op_mac": operator.macs(self.block.inputs), **counts}


def _folded(tensor: Tensor, lanes: int) -> list[int]:
    return [1, *tensor.shape[:2], tensor.shape[2] // lanes, lanes]


class PqHls(PqNode, HLSBackend):
    """A node with its C++: the operator's own block with pyqkit's headers, and none of finn-hlslib's."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        return {**HLSBackend.get_nodeattr_types(self), **PqNode.get_nodeattr_types(self)}

    def design(self, name: str = "network") -> Design:
        """Generated C++ with a top function of this name."""
        return generate_operator(self.block.op, self.block.inputs, self.lanes, self.folding, name)

    def execute_node(self, context: Context, graph: Any) -> None:
        """By definition, by the compiled C++ (``cppsim``) or the Verilog of Vitis HLS (``rtlsim``)."""
        mode = self.get_nodeattr("exec_mode")
        if mode == "cppsim":
            given = dict(zip((tensor.name for tensor in self.block.inputs), self._codes(context)))
            results = CompiledNode(self).run(given)
            self._store(context, [results[tensor.name] for tensor in self.block.outputs])
        elif mode == "rtlsim":
            HLSBackend.execute_node(self, context, graph)
        else:
            super().execute_node(context, graph)

    def code_generation_cppsim(self, model: ModelWrapper) -> None:
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        for name, text in self.design().files.items():
            (folder / name).write_text(text)

    def compile_singlenode_code(self) -> None:
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        files = {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".hpp", ".cpp")}
        self.set_nodeattr(
            "executable_path", str(compile_library(files, cache_folder(), library(), flags=CPPSIM_FLAGS))
        )

    def code_generation_ipgen(self, model: ModelWrapper, fpgapart: str, clk: float) -> None:
        folder, name = Path(self.get_nodeattr("code_gen_dir_ipgen")), self.onnx_node.name
        directives = [*self.ipgen_default_directives(), *self.ipgen_extra_directives()]
        synthesis.write(
            self.design(name).files, name, self.get_ap_int_max_w(), fpgapart, clk, directives, folder
        )

    def get_ap_int_max_w(self) -> int:
        """Widest word at any end; FINN's own looks at the first ones."""
        node = self.onnx_node
        widths = [self.get_instream_width(i) for i in range(len(node.input))] + [
            self.get_outstream_width(i) for i in range(len(node.output))
        ]
        return synthesis.check_width(node.name, max(widths))

    def _no_template(self, *arguments: Any) -> None:
        raise TypeError("pyqkit writes the whole top function; FINN's templates have no part in it")

    global_includes = defines = docompute = blackboxfunction = _no_template


class CompiledNode(HlsEngine):
    """The library that `PqHls.compile_singlenode_code` made, in the simulation with bounded streams."""

    def __init__(self, node: PqHls) -> None:
        path = node.get_nodeattr("executable_path")
        if not path:
            raise UserError(
                f"a node with compiled C++ was expected, but {node.onnx_node.name} has none; apply "
                "PrepareCppSim and CompileCppSim"
            )
        inputs = [End(t.name, t.shape, t.format, lanes) for t, lanes in zip(node.block.inputs, node.lanes)]
        outputs = [End(t.name, t.shape, t.format, node.estimate.lanes) for t in node.block.outputs]
        self.design = Design((), {}, inputs, outputs, {})
        self._library = load(Path(path))


def register(kind: str) -> None:
    """Make the nodes of an operator known to FINN, if they are not."""
    if op_type(kind) in abstract_domain.custom_op:
        return
    text = f"Operator {kind}."
    node = type(op_type(kind), (PqNode,), {"kind": kind, "__doc__": text, "__module__": __name__})
    abstract_domain.register_custom_op(node)
    in_cpp = {"__doc__": f"{text[:-1]} in C++.", "__module__": __name__}
    hls_domain.register_custom_op(type(f"{op_type(kind)}_hls", (node, PqHls), in_cpp))


for _kind in (*(kind for kind, op in kinds().items() if op.streamed), Fork.kind):
    register(_kind)
