"""One Brevitas quantiser for every format that is a table of values, and one for blocks with a shared scale.

Both take their meaning from a `pyqkit.formats` object: values and exact float32 limits of a `NumberFormat`,
or the encoding of a `Microscaled` format. Signed minifloats and integers do not come here; Brevitas has
quantisers for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import brevitas.jit
import numpy as np
import torch
from brevitas.core.function_wrapper.misc import Identity
from brevitas.core.utils import StatelessBuffer
from brevitas.inject import ExtendedInjector, value
from brevitas.proxy.parameter_quant import WeightQuantProxyFromInjectorBase
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjectorBase
from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver
from brevitas.quant_tensor import QuantTensor, _unpack_quant_tensor

from pyqkit.formats import Microscaled, NumberFormat


class RoundToTable(torch.autograd.Function):
    """Nearest value of a format, by its exact limits.

    The gradient passes where the input is inside the range.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, values: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward((x >= values[0]) & (x <= values[-1]))
        return values[torch.bucketize(x, limits, right=True)]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None


class TableQuant(brevitas.jit.ScriptModule):
    """Scale, round to a table, scale back."""

    def __init__(
        self, table_format: NumberFormat, scaling_impl: torch.nn.Module, input_view_impl: torch.nn.Module
    ) -> None:
        super().__init__()
        self.values = StatelessBuffer(torch.tensor(table_format.values, dtype=torch.float32))
        self.limits = StatelessBuffer(torch.tensor(table_format.limits(np.float32)))
        self.scaling_impl, self.input_view_impl = scaling_impl, input_view_impl
        self.bit_width = StatelessBuffer(torch.tensor(float(table_format.bits)))
        self.zero_point = StatelessBuffer(torch.tensor(0.0))
        self.observer_only = brevitas.jit.Attribute(False, bool)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        scale = self.scaling_impl(x, self.values()[-1])
        y = (
            x
            if self.observer_only
            else scale * RoundToTable.apply(self.input_view_impl(x) / scale, self.values(), self.limits())
        )
        return y, scale, self.zero_point(), self.bit_width()


class BlockQuant(brevitas.jit.ScriptModule):
    """Blocks along one axis with a power-of-two scale found from the data; straight-through gradient."""

    def __init__(self, table_format: Microscaled, block_axis: int) -> None:
        super().__init__()
        self.table_format, self.block_axis = table_format, block_axis
        self.one = StatelessBuffer(torch.tensor(1.0))
        self.zero_point = StatelessBuffer(torch.tensor(0.0))
        self.bit_width = StatelessBuffer(torch.tensor(float(table_format.element.bits)))
        self.input_view_impl = Identity()
        self.observer_only = brevitas.jit.Attribute(False, bool)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not self.observer_only and x.ndim > self.block_axis:
            rounded = self.table_format.quantise(x.detach().cpu().numpy(), self.block_axis)
            x = x + (torch.from_numpy(rounded).to(x) - x).detach()
        return x, self.one(), self.zero_point(), self.bit_width()


class _Fields(NamedTuple):
    value: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor
    bit_width: torch.Tensor
    signed_t: torch.Tensor
    training_t: torch.Tensor


class TableQuantTensor(_Fields, QuantTensor):
    """A quantised tensor with its scale; any torch function takes its value."""

    def __new__(
        cls, value: Any, scale: Any, zero_point: Any, bit_width: Any, signed: Any, training: Any
    ) -> TableQuantTensor:
        signed, training = (
            t if isinstance(t, torch.Tensor) else torch.tensor(t, dtype=torch.bool)
            for t in (signed, training)
        )
        return super().__new__(cls, value, scale, zero_point, bit_width, signed, training)

    @property
    def signed(self) -> bool:
        return bool(self.signed_t)

    @property
    def training(self) -> bool:
        return bool(self.training_t)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*_unpack_quant_tensor(args), **_unpack_quant_tensor(kwargs or {}))

    def __add__(self, other: Any) -> torch.Tensor:  # type: ignore[override]
        return self.value + (other.value if isinstance(other, QuantTensor) else other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> torch.Tensor:  # type: ignore[override]
        return self.value * (other.value if isinstance(other, QuantTensor) else other)

    __rmul__ = __mul__  # type: ignore[assignment]


class _Cached:
    """What Brevitas keeps of a quantised tensor."""

    def __init__(self, tensor: TableQuantTensor, metadata_only: bool) -> None:
        self.shape = tensor.value.shape
        self.value = None if metadata_only else tensor.value
        self.quant_tensor = tensor.set(value=None) if metadata_only else tensor
        self.scale, self.zero_point, self.bit_width = tensor.scale, tensor.zero_point, tensor.bit_width
        self.signed = tensor.signed


class TableWeightProxy(WeightQuantProxyFromInjectorBase):
    """Brevitas' handle on a weight quantiser of a table format."""

    def __init__(self, quant_layer: Any, quant_injector: Any) -> None:
        super().__init__(quant_layer, quant_injector)
        self.cache_class = _Cached
        self.quant_tensor_class = TableQuantTensor

    def scale(self) -> torch.Tensor:
        return self.retrieve_attribute("scale")

    def zero_point(self) -> torch.Tensor:
        return self.retrieve_attribute("zero_point")

    def bit_width(self) -> torch.Tensor:
        return self.retrieve_attribute("bit_width")

    @property
    def input_view_impl(self) -> torch.nn.Module:
        return Identity() if self.tensor_quant is None else self.tensor_quant.input_view_impl

    def create_quant_tensor(self, qt_args: tuple) -> TableQuantTensor:
        value, scale, zero_point, bit_width = qt_args
        return TableQuantTensor(value, scale, zero_point, bit_width, self.is_signed, self.training)


class TableActProxy(ActQuantProxyFromInjectorBase):
    """Brevitas' handle on an activation quantiser of a table format."""

    def __init__(self, quant_layer: Any, quant_injector: Any) -> None:
        super().__init__(quant_layer, quant_injector)
        self.cache_class = _Cached

    def scale(self, force_eval: bool = True) -> torch.Tensor:
        return self.retrieve_attribute("scale", force_eval)

    def zero_point(self, force_eval: bool = True) -> torch.Tensor:
        return self.retrieve_attribute("zero_point", force_eval)

    def bit_width(self, force_eval: bool = True) -> torch.Tensor:
        return self.retrieve_attribute("bit_width", force_eval)

    @property
    def input_view_impl(self) -> torch.nn.Module:
        proxy = self.fused_activation_quant_proxy
        return (
            Identity()
            if proxy is None or not hasattr(proxy.tensor_quant, "input_view_impl")
            else proxy.tensor_quant.input_view_impl
        )

    def create_quant_tensor(self, qt_args: Any, x: Any = None) -> Any:
        if isinstance(qt_args, tuple):
            value, scale, zero_point, bit_width = qt_args
            return TableQuantTensor(value, scale, zero_point, bit_width, self.is_signed, self.training)
        return x.set(value=qt_args)  # a pass-through activation keeps the metadata of its input


class TableBase(ExtendedInjector):
    """What weight and activation quantisers of table formats share.

    `table_format` is filled in by `pyqkit.quant`.
    """

    tensor_quant = TableQuant
    scaling_min_val = 1e-10
    scaling_stats_op = "max"

    @value
    def signed(table_format: NumberFormat) -> bool:
        return table_format.minimum < 0

    @value
    def bit_width(table_format: NumberFormat) -> int:
        return table_format.bits


class TableWeight(TableBase, WeightQuantSolver):
    """Weights of a table format."""

    proxy_class = TableWeightProxy
    scaling_impl_type = "parameter_from_stats"


class TableAct(TableBase, ActQuantSolver):
    """Activations of a table format."""

    proxy_class = TableActProxy
    scaling_impl_type = "parameter_from_stats"
    collect_stats_steps = 300


class BlockWeight(ExtendedInjector):
    """Weights in microscaled blocks along the input channels."""

    tensor_quant = BlockQuant
    proxy_class = TableWeightProxy
    signed = True
    block_axis = 1


class BlockAct(ExtendedInjector):
    """Activations in microscaled blocks along the channels, their scales found frame by frame."""

    tensor_quant = BlockQuant
    proxy_class = TableActProxy
    signed = True
    block_axis = 1
