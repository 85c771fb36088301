"""What a node type is called by the one who wrote the network, and the layers that have no operator.

Messages and docs/layers.md take names from here; a rule says its own beside ``@handles``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyqkit.graph.lowering import attention, masks

if TYPE_CHECKING:
    from pyqkit.graph.lowering.rules import Node


@dataclass(frozen=True)
class Layer:
    """A node type, and what becomes such a node when a network is exported.

    Attributes
    ----------
    node : str
        Type of the ONNX node.
    torch : tuple of str
        Names in PyTorch, as one would import them: ``torch.nn.Conv2d``.
    brevitas : tuple of str
        Names in ``brevitas.nn``: ``QuantConv2d``.
    note : str
        What is taken, where attributes do not say it; who writes such nodes, where no layer does. A phrase
        without a full stop.
    """

    node: str
    torch: tuple[str, ...] = ()
    brevitas: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Missing:
    """A layer that has no operator.

    Attributes
    ----------
    layer : Layer
    reason, remedy : str
        Why a node of this type is refused, and what to do instead; as for `Unlowerable`.
    special : callable or None
        Reason and remedy of one node in particular, where there are better ones.
    """

    layer: Layer
    reason: str
    remedy: str
    special: Callable[[Node], tuple[str, str] | None] | None = None

    def refusal(self, node: Node) -> tuple[str, str]:
        """Reason and remedy for a node."""
        found = None if self.special is None else self.special(node)
        return (self.reason, self.remedy) if found is None else found


_GROUPS = (
    (
        "it needs the mean and the spread of each frame",
        "use a batch norm (torch.nn.BatchNorm2d), whose statistics are constants",
        (
            Layer("GroupNormalization", ("torch.nn.GroupNorm",)),
            Layer("InstanceNormalization", ("torch.nn.InstanceNorm2d",)),
            Layer("LRN", ("torch.nn.LocalResponseNorm",)),
        ),
    ),
    (
        "it needs the length of each vector",
        "use torch.nn.RMSNorm of the last axis, which gives the same times the root of its size, or a batch "
        "norm (torch.nn.BatchNorm2d)",
        (
            Layer("ReduceL2", ("torch.nn.functional.normalize", "torch.linalg.vector_norm")),
            Layer("LpNormalization", note="other frameworks' unit vectors"),
        ),
    ),
    (
        "it feeds back what it computes, and streams go forward alone",
        "use convolutions over time, or keep it outside the accelerator",
        (
            Layer("LSTM", ("torch.nn.LSTM",), ("QuantLSTM",)),
            Layer("GRU", ("torch.nn.GRU",)),
            Layer("RNN", ("torch.nn.RNN",), ("QuantRNN",)),
        ),
    ),
    (
        "its way through the network depends on values",
        "trace the model with example inputs (torch.onnx.export without scripting)",
        (
            Layer("If", ("torch.cond",)),
            Layer("Loop", note="`torch.jit.script`"),
            Layer("Scan", note="`torch.jit.script`"),
        ),
    ),
    (
        "it reads or writes places that depend on values",
        "keep it outside the accelerator",
        (
            Layer("GridSample", ("torch.nn.functional.grid_sample",)),
            Layer("GatherElements", ("torch.gather",)),
            Layer("GatherND", ("torch.take",)),
            Layer("ScatterND", ("torch.index_put",)),
            Layer("ScatterElements", ("torch.scatter",)),
            Layer("NonMaxSuppression", note="`torchvision.ops.nms`"),
            Layer("RoiAlign", note="`torchvision.ops.roi_align`"),
            Layer("Where", ("torch.where",)),
        ),
    ),
    (
        "its scores and probabilities have no quantisers, and none can be put inside",
        "let pyqkit quantise write it out as MatMul, Softmax and MatMul with quantisers between",
        (Layer("Attention", ("torch.nn.functional.scaled_dot_product_attention",)),),
    ),
    (
        "its scale is found while the network runs",
        "use static scales: quantize_static instead of quantize_dynamic",
        (Layer("DynamicQuantizeLinear", note="onnxruntime's quantize_dynamic"),),
    ),
    (
        "it computes with integers, whose formats it does not name",
        "export QuantizeLinear and DequantizeLinear instead (onnxruntime: quant_format=QuantFormat.QDQ)",
        tuple(
            Layer(node, note="onnxruntime's QuantFormat.QOperator and quantize_dynamic")
            for node in (
                "ConvInteger",
                "MatMulInteger",
                "QGemm",
                "QLinearAdd",
                "QLinearAveragePool",
                "QLinearConcat",
                "QLinearConv",
                "QLinearGlobalAveragePool",
                "QLinearLeakyRelu",
                "QLinearMatMul",
                "QLinearMul",
                "QLinearSigmoid",
                "QLinearSoftmax",
            )
        ),
    ),
)

_SPECIAL: Mapping[str, Callable[[Node], tuple[str, str] | None]] = {
    "Attention": attention.refusal,
    "Where": masks.refusal,
}

MISSING: dict[str, Missing] = {
    layer.node: Missing(layer, reason, remedy, _SPECIAL.get(layer.node))
    for reason, remedy, layers in _GROUPS
    for layer in layers
}
