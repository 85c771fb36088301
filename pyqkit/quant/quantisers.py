"""Format names to quantisers of stock ``brevitas.nn`` layers."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.core.function_wrapper import CeilSte
from brevitas.core.stats import AbsMax
from brevitas.inject.enum import RestrictValueType, ScalingPerOutputType
from brevitas.quant.base import MSESymmetricScale, MSESymmetricScaleSubInjector
from brevitas.quant.float_base import ScaledFloatActBase, ScaledFloatWeightBase
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat

from pyqkit.formats import FormatError, Integer, Minifloat, NumberFormat, parse
from pyqkit.quant.table import BlockAct, BlockWeight, TableAct, TableWeight

MAX_BITS = 16
_SCALES = {"power_of_two": RestrictValueType.POWER_OF_TWO, "float": RestrictValueType.FP}
_PER = {"tensor": ScalingPerOutputType.TENSOR, "channel": ScalingPerOutputType.CHANNEL}


class TwiceLargest(torch.nn.Module):
    """Upper end of a search for scales: twice the largest magnitude.

    Brevitas searches up to the largest magnitude itself, but the best power of two may be above it, and
    formats with sparse large values (Logarithmic Posits) may do better without them.
    """

    def __init__(self, stats_reduce_dim: int | None = None) -> None:
        super().__init__()
        self.largest = AbsMax(stats_reduce_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.largest(x)


class _Search(MSESymmetricScaleSubInjector):
    mse_init_op = TwiceLargest
    mse_iters = 40  # steps as fine as Brevitas' 20 up to the largest magnitude


class _SearchedScale(MSESymmetricScale):
    mse_scale = _Search


def weight_quantizer(
    name: str,
    *,
    per: str = "channel",
    scaling: str = "power_of_two",
    scale_search: str = "max",
    **overrides: Any,
) -> type:
    """Weight quantiser of a format, for ``weight_quant=`` of a Brevitas layer.

    Parameters
    ----------
    name : str
        Any name `pyqkit.formats.parse` knows. Names of blocks (``mx32_e2m1``) quantise along the input
        channels.
    per : {"channel", "tensor"}
        One scale for each output channel, or for the whole tensor.
    scaling : {"power_of_two", "float"}
        Powers of two cost hardware nothing. They are rounded up, because a scale below the largest weight
        clips it; those of activations, which come from a percentile, to the nearest.
    scale_search : {"max", "mse"}
        Scale from the largest magnitude, or the one with the smallest squared error.
    **overrides
        Further attributes of the Brevitas injector.

    Raises
    ------
    FormatError
        For an unknown name or one that Brevitas cannot hold.
    """
    fmt = _checked(name)
    if fmt.block:
        return type(f"{_class_name(fmt)}Weight", (BlockWeight,), {"table_format": fmt, **overrides})
    base = {"int": Int8WeightPerTensorFloat, "float": ScaledFloatWeightBase, "table": TableWeight}[_kind(fmt)]
    upwards = {"restrict_value_float_to_int_impl": CeilSte} if scaling == "power_of_two" else {}
    attributes = {
        "scaling_impl_type": "parameter_from_stats",
        **_shared(fmt, per, scaling),
        **upwards,
        **overrides,
    }
    return _make(fmt, "Weight", base, scale_search, attributes)


def act_quantizer(
    name: str,
    *,
    per: str = "tensor",
    scaling: str = "power_of_two",
    scale_search: str = "max",
    **overrides: Any,
) -> type:
    """Activation quantiser of a format, for ``act_quant=`` of a Brevitas layer.

    Its scale is static, set by calibration.

    Parameters are those of `weight_quantizer`; `per` is "tensor" in hardware. Names of blocks find their
    scales while the network runs and need no calibration; such activations train, but do not lower to
    hardware.
    """
    fmt = _checked(name)
    if fmt.block:
        return type(f"{_class_name(fmt)}Act", (BlockAct,), {"table_format": fmt, **overrides})
    unsigned_int = isinstance(fmt, Integer) and not fmt.signed
    base = {
        "int": Uint8ActPerTensorFloat if unsigned_int else Int8ActPerTensorFloat,
        "float": ScaledFloatActBase,
        "table": TableAct,
    }[_kind(fmt)]
    statistics = {"scaling_stats_op": "percentile", "high_percentile_q": 99.99, "collect_stats_steps": 300}
    return _make(fmt, "Act", base, scale_search, {**statistics, **_shared(fmt, per, scaling), **overrides})


def _checked(name: str) -> Any:
    fmt = parse(name)
    element = fmt.element
    if element.bits > MAX_BITS:
        raise FormatError(
            f"a format of at most {MAX_BITS} bits was expected for a quantiser, but {name} came; "
            "choose a narrower one"
        )
    if not element.maximum < 3e38:
        raise FormatError(
            f"a format whose values fit float32 was expected for a quantiser, but {name} reaches "
            f"{element.maximum:g}; choose another"
        )
    return fmt


def _kind(fmt: NumberFormat) -> str:
    if isinstance(fmt, Integer) and not fmt.zero_point and fmt.width > 1 and (fmt.signed or not fmt.narrow):
        return "int"
    # Brevitas' float quantiser squares the largest exponent in its gradient: from 7 exponent bits on a table
    # is safer.
    return "float" if isinstance(fmt, Minifloat) and fmt.signed and fmt.exponent_bits <= 6 else "table"


def _class_name(fmt: Any) -> str:
    return "".join(c if c.isalnum() else "_" for c in fmt.name).upper()


def _shared(fmt: NumberFormat, per: str, scaling: str) -> dict[str, Any]:
    if scaling not in _SCALES or per not in _PER:
        raise FormatError(
            "scaling 'power_of_two' or 'float' and per 'channel' or 'tensor' were expected, but "
            f"{scaling!r} and {per!r} came; use one of them"
        )
    shared: dict[str, Any] = {"restrict_scaling_type": _SCALES[scaling], "scaling_per_output_type": _PER[per]}
    if isinstance(fmt, Integer) and _kind(fmt) == "int":
        return {**shared, "bit_width": fmt.width, "signed": fmt.signed, "narrow_range": fmt.narrow}
    if isinstance(fmt, Minifloat) and _kind(fmt) == "float":
        return {**shared, **_minifloat(fmt)}
    return {**shared, "table_format": fmt}


def _minifloat(fmt: Minifloat) -> dict[str, Any]:
    # Codes of the top exponent by their significand bits, as Brevitas writes them.
    significands = [format(i, f"0{fmt.significand_bits}b") for i in range(2**fmt.significand_bits)]
    specials = {
        "": (None, None),
        "fn": (None, (significands[-1],)),
        "ieee": ((significands[0],), tuple(significands[1:])),
    }
    infinities, nans = specials[fmt.variant]
    return {
        "bit_width": fmt.bits,
        "exponent_bit_width": fmt.exponent_bits,
        "mantissa_bit_width": fmt.significand_bits,
        "saturating": True,
        "inf_values": infinities,
        "nan_values": nans,
        "max_available_float": fmt.maximum,
    }


def _make(fmt: NumberFormat, role: str, base: type, scale_search: str, attributes: dict[str, Any]) -> type:
    if scale_search not in ("max", "mse"):
        raise FormatError(
            f"scale_search 'max' or 'mse' was expected, but {scale_search!r} came; use one of them"
        )
    if scale_search == "mse":  # Brevitas takes the search from the first base
        for key in ("scaling_impl_type", "scaling_stats_op", "high_percentile_q"):
            attributes.pop(key, None)
        return type(f"{_class_name(fmt)}{role}", (_SearchedScale, base), attributes)
    return type(f"{_class_name(fmt)}{role}", (base,), attributes)
