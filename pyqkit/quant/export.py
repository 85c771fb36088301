"""Export to QONNX: FloatQuant for signed minifloats, Quant for integers, and one own operator, FormatQuant, for the rest."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from brevitas.export.inference.handler import InferenceHandler
from brevitas.export.inference.manager import InferenceManager
from brevitas.export.onnx.handler import ONNXBaseHandler
from brevitas.export.onnx.qonnx.manager import QONNXManager
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from pyqkit.files import check_file, replacing
from pyqkit.formats import Microscaled
from pyqkit.quant.table import RoundToTable, TableActProxy, TableWeightProxy

DOMAIN, VERSION = "pyqkit.custom_op.general", 1


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
        # Traced, the tables would be constants inside this node, and a second place that shares the quantiser would not find them.
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
        scale, zero_point, bit_width = (t.detach().clone() for t in (module.scale(), module.zero_point(), module.bit_width()))
        self.name, self.scale, self.metadata = fmt.name, scale, (scale, zero_point, bit_width)
        self.axis = int(module.quant_injector.block_axis) if isinstance(fmt, Microscaled) else -1
        if isinstance(fmt, Microscaled):
            self.quantise = lambda x: torch.from_numpy(fmt.quantise(x.detach().numpy(), self.axis)).to(x)
        else:
            values, limits = torch.tensor(fmt.values, dtype=torch.float32), torch.tensor(fmt.limits("float32"))
            self.quantise = lambda x: scale * RoundToTable.apply(x / scale, values, limits)

    def symbolic_execution(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (_FormatQuant.apply(x, self.scale, self.quantise, self.name, self.axis), *self.metadata)


class _WeightHandler(_Handler):
    handled_layer = TableWeightProxy


class _ActHandler(_Handler):
    handled_layer = TableActProxy


class Manager(QONNXManager):
    """Brevitas' QONNX exporter with FormatQuant."""

    handlers = [*QONNXManager.handlers, _WeightHandler, _ActHandler]  # noqa: RUF012 - Brevitas' own shape

    @classmethod
    def export_onnx(cls, module: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(m, (TableActProxy, TableWeightProxy)) for m in module.modules()):  # the exporter warns of unused domains
            kwargs.setdefault("custom_opsets", {})[DOMAIN] = VERSION
        return super().export_onnx(module, *args, **kwargs)


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


def export_qonnx(model: torch.nn.Module, example_input: torch.Tensor, path: str | Path, *, force: bool = False) -> Path:
    """Write a quantised model as QONNX.

    Parameters
    ----------
    model : torch.nn.Module
        With Brevitas layers; left in the mode it was in.
    example_input : torch.Tensor
        Input of the right shape; its first frame is traced, so that the file has a batch of 1.
    path : str or Path
    force : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file exists, or cannot be written.
    """
    target = Path(path)
    check_file(target, force)
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns about every Python branch inside Brevitas
            model(example_input[:1])
            # dynamo=False: tracing with dynamo drops Brevitas' quantised tensors and is several times slower.
            exported = Manager.export(model, example_input[:1], dynamo=False, input_names=["input"], output_names=["output"])
    finally:
        model.train(training)
    exported = ModelWrapper(exported).transform(InferShapes()).model  # qonnx executes only graphs with all shapes
    exported.opset_import.sort(key=lambda opset: opset.domain)  # '' first: qonnx executes constants with the first version
    with replacing(target, force) as beside:
        beside.write_bytes(exported.SerializeToString())
    return target
