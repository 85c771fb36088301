"""How Brevitas' quantisers are written as QONNX, and run fast.

What its exporter lacks or writes otherwise than it computes.
"""

from __future__ import annotations

from typing import Any

import torch
from brevitas.core.quant.binary import BinaryQuant, ClampedBinaryQuant
from brevitas.export.inference.handler import InferenceHandler
from brevitas.export.inference.manager import InferenceManager
from brevitas.export.manager import _set_recurrent_layer_export_mode
from brevitas.export.onnx.handler import ONNXBaseHandler
from brevitas.export.onnx.qonnx.function import BrevitasBinaryQuantOp, BrevitasQuantOp
from brevitas.export.onnx.qonnx.handler import (
    BrevitasActQuantProxyHandler,
    BrevitasDecoupledWeightQuantProxyHandler,
    BrevitasDecoupledWeightQuantWithInputProxyHandler,
    BrevitasWeightQuantProxyHandler,
)
from brevitas.export.onnx.qonnx.manager import QONNXManager
from brevitas.proxy.quant_proxy import QuantProxyProtocol

from pyqkit.errors import UserError
from pyqkit.graph.layer_names import layer_of
from pyqkit.quant.table import RoundToTable, TableActProxy, TableWeightProxy

DOMAIN, VERSION = "pyqkit.custom_op.general", 1
ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO")


class _FormatQuant(torch.autograd.Function):
    """The operator as the tracer sees it."""

    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, quantiser: Any, name: str, axis: int) -> Any:
        attributes = {"format_s": name} | ({"axis_i": axis} if axis >= 0 else {})
        result = g.op(f"{DOMAIN}::FormatQuant", x, scale, **attributes)
        result.setType(x.type())
        return result

    @staticmethod
    def forward(ctx: Any, x: Any, scale: Any, quantiser: Any, name: str, axis: int) -> Any:
        # Traced, the tables would be constants inside this node, and a second place that shares the quantiser
        # would not find them.
        tracer: Any = torch._C
        state = tracer._get_tracing_state()
        tracer._set_tracing_state(None)
        try:
            return quantiser(x)
        finally:
            tracer._set_tracing_state(state)


class _Handler(ONNXBaseHandler):
    """Writes a table quantiser; the module is kept to compute the traced values."""

    def prepare_for_export(self, module: Any) -> None:
        if not module.is_quant_enabled:
            return
        fmt = module.quant_injector.table_format
        # A scale of its own device and no history: the file holds a constant.
        scale, zero_point, bit_width = (
            t.detach().clone() for t in (module.scale(), module.zero_point(), module.bit_width())
        )
        self.name, self.scale, self.metadata = fmt.name, scale, (scale, zero_point, bit_width)
        self.axis = int(module.quant_injector.block_axis) if fmt.block else -1
        if fmt.block:
            self.quantise = lambda x: torch.from_numpy(fmt.quantise(x.detach().numpy(), self.axis)).to(x)
        else:
            values, limits = (
                torch.tensor(fmt.values, dtype=torch.float32),
                torch.tensor(fmt.limits("float32")),
            )
            self.quantise = lambda x: scale * RoundToTable.apply(x / scale, values, limits)

    def symbolic_execution(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (_FormatQuant.apply(x, self.scale, self.quantise, self.name, self.axis), *self.metadata)


class _WeightHandler(_Handler):
    handled_layer = TableWeightProxy


class _ActHandler(_Handler):
    handled_layer = TableActProxy


class _SignedBit(torch.autograd.Function):
    """An integer of one bit with a sign, -1 or 0. A Quant node of one bit would be bipolar, -1 or 1."""

    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, *_: Any) -> Any:
        result = g.op(f"{DOMAIN}::FormatQuant", x, scale, format_s="int1")
        result.setType(x.type())
        return result

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        return BrevitasQuantOp.torchscript.forward(ctx, *arguments)


class _SignedBitOp:
    torchscript = _SignedBit


def _mend_one_bit(handler: Any, module: Any) -> None:
    """Brevitas writes every quantiser of one bit as BipolarQuant, whose values are -1 and 1.

    Most are integers.
    """
    binary = any(isinstance(m, (BinaryQuant, ClampedBinaryQuant)) for m in module.modules())
    if handler.quant_op is BrevitasBinaryQuantOp and not binary:
        handler.quant_op = _SignedBitOp if handler.symbolic_kwargs["signed"] else BrevitasQuantOp


class _IntegerActHandler(BrevitasActQuantProxyHandler):
    def prepare_for_export(self, module: Any) -> None:
        super().prepare_for_export(module)
        if module.is_quant_enabled:
            _mend_one_bit(self, module)


class _RoundedWeights(BrevitasWeightQuantProxyHandler):
    """Weights whose quantiser does not round to nearest are written rounded.

    So do A2Q, learned and stochastic rounding, and quantisers with another scale before.

    Brevitas writes the weights that were trained, and a node that rounds them to nearest.
    """

    def prepare_for_export(self, module: Any) -> None:
        super().prepare_for_export(module)
        self.rounded: dict[int, torch.Tensor] = {}
        if module.is_quant_enabled:
            _mend_one_bit(self, module)
            function = self.quant_op.torchscript.forward
            for layer in module.tracked_module_list:
                value = self.quant_weight_values[layer.weight.data_ptr()]
                if not torch.equal(function(None, layer.weight, *self.symbolic_kwargs.values()), value):
                    self.rounded[layer.weight.data_ptr()] = value.detach().clone()

    def symbolic_execution(self, x: torch.Tensor, *arguments: Any) -> Any:
        return super().symbolic_execution(self.rounded.get(x.data_ptr(), x), *arguments)


class _IntegerWeightHandler(_RoundedWeights):
    pass


class _DecoupledHandler(_RoundedWeights, BrevitasDecoupledWeightQuantProxyHandler):
    handled_layer = BrevitasDecoupledWeightQuantProxyHandler.handled_layer


class _DecoupledWithInputHandler(_RoundedWeights, BrevitasDecoupledWeightQuantWithInputProxyHandler):
    handled_layer = BrevitasDecoupledWeightQuantWithInputProxyHandler.handled_layer


_OWN = [
    _IntegerActHandler,
    _IntegerWeightHandler,
    _DecoupledHandler,
    _DecoupledWithInputHandler,
    _WeightHandler,
    _ActHandler,
]


class Manager(QONNXManager):
    """Brevitas' QONNX exporter with FormatQuant, and with quantisers written as they compute."""

    handlers = [*_OWN, *QONNXManager.handlers]  # noqa: RUF012 - Brevitas' own shape; the first that fits is taken

    @classmethod
    def set_export_mode(cls, model: Any, enabled: bool) -> None:
        for name, module in model.named_modules():
            if isinstance(module, QuantProxyProtocol) and hasattr(module, "export_mode"):
                try:
                    module.export_mode = enabled
                except Exception as error:  # whatever Brevitas raises, this quantiser is what it cannot write
                    raise _unwritable(name, str(error) or type(error).__name__) from error
                if enabled and module.is_quant_enabled:
                    _check_handler(name, module)
        _set_recurrent_layer_export_mode(model, enabled)

    @classmethod
    def export_onnx(cls, module: Any, *args: Any, **kwargs: Any) -> Any:
        # Which operators come is known when handlers are prepared; the exporter warns of domains that are not
        # used.
        kwargs.setdefault("custom_opsets", {})[DOMAIN] = VERSION
        return super().export_onnx(module, *args, **kwargs)


def _check_handler(name: str, module: Any) -> None:
    """Refuse a quantiser that would be written as something else, or as nothing."""
    if module.export_handler is None:
        raise _unwritable(name, f"{type(module).__name__} has no operator in it")
    parameters = getattr(module.export_handler, "symbolic_kwargs", {})
    rounding, scale = parameters.get("rounding_mode"), parameters.get("scale")
    if rounding is not None and rounding.upper() not in ROUNDINGS:
        raise _unwritable(name, f"it rounds by {rounding.upper()}, where {', '.join(ROUNDINGS)} are known")
    if scale is not None and not bool((torch.isfinite(scale) & (scale != 0)).all()):
        raise _unwritable(
            name, f"its scale is {scale[~torch.isfinite(scale) | (scale == 0)].flatten()[0].item()}"
        )


def _unwritable(path: str, reason: str) -> UserError:
    return UserError(
        f"a quantiser that QONNX can describe was expected in layer {layer_of(path)}, but "
        f"{' '.join(reason.split())}; take one of pyqkit.quant for that layer"
    )


class _Inference(InferenceHandler):
    """Table quantisers in ``quant_inference_mode``: the same rounding, without looking up modules."""

    def __init__(self) -> None:
        super().__init__()

    def prepare_for_export(self, module: Any) -> None:
        if module.is_quant_enabled:
            handler = _Handler()
            handler.prepare_for_export(module)
            self._quantise, self._metadata = handler.quantise, handler.metadata

    def quantize(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        return self._quantise(x)

    def dequantize(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        return x  # `quantize` gives real values already

    def inner_forward(self, x: torch.Tensor, *_: Any) -> tuple[torch.Tensor]:
        return (self._quantise(x),)

    def forward(self, x: torch.Tensor, *_: Any) -> tuple[torch.Tensor, ...]:
        return (self._quantise(x), *self._metadata)


class _WeightInference(_Inference):
    handled_layer = TableWeightProxy


class _ActInference(_Inference):
    handled_layer = TableActProxy


class FastInference(InferenceManager):
    """For ``quant_inference_mode(model, export_manager=FastInference)``."""

    handlers = [*InferenceManager.handlers, _WeightInference, _ActInference]  # noqa: RUF012 - Brevitas' own shape
