"""Algorithm 1 of MicroScopiQ (ISCA 2025) on the weights of one layer, in two orientations.

*Along outputs* (the one that hardware can run) a block holds the weights of one input, one for each output:
all of them meet one activation, and the halves of an outlier are added behind their products. Inputs are
rounded one after the other, and the later ones make up for the errors. Within a block all weights have the
same Hessian, so the pruned ones are simply the smallest.

*Along inputs* (the algorithm alone) a block holds weights of one output. There the Hessian tells which of
them may be pruned. Exponents and outliers of a macro-block are found when its first input is reached, upper
and lower places of a micro-block when its own first is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pyqkit.errors import UserError, brief
from pyqkit.formats.microscopiq import Blocks, Counts, MicroscopiqTensor, Plan, Rule, Slots, spread_window
from pyqkit.formats.microscopiq.blocks import outliers
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.formats.microscopiq.tensor import MACRO, in_micros
from pyqkit.quant.ptq.moments import damped
from pyqkit.quant.ptq.steps.gptq import Compensation, Nearest

Along = Literal["outputs", "inputs"]
Scaling = Literal["none", "shift", "scale"]
MAX_SWEEPS = 100  # each takes as long as rounding without any
SCALING_BITS: Mapping[Scaling, int] = {"none": 0, "shift": 4, "scale": 16}  # of an output


@dataclass(frozen=True)
class Options:
    """How weights are rounded.

    Attributes
    ----------
    bits : {2, 4}
        Of a slot.
    along : {"outputs", "inputs"}
    rule : {"mse", "floor"}
        Of the exponents of inliers.
    spread : int
        Largest difference between two exponents of a layer.
    compensate : bool
        Otherwise each weight is rounded by itself.
    ordered : bool
        Along outputs: begin with the inputs of the largest moments. It costs no metadata.
    damping : float
        Share of the mean second moment that is added to each.
    scaling : {"none", "shift", "scale"}
        What every output has of its own, so that blocks along outputs hold weights of one size: a power of
        two or a float16. It is no part of the paper; hardware shifts or scales sums anyway.
    sweeps : int
        Along outputs: how often all inputs are rounded once more, each making up for the errors of all
        others; at most `MAX_SWEEPS`. It costs no metadata, and is no part of the paper, whose inputs make up
        for earlier ones only.
    aimed : bool
        In a network: round the weights that come closest, on what the rounded layers before make, to what the
        float layer makes in the float network.
    """

    bits: int = 2
    along: Along = "outputs"
    rule: Rule = "mse"
    spread: int = 7
    compensate: bool = True
    ordered: bool = True
    damping: float = 0.01
    scaling: Scaling = "none"
    sweeps: int = 0
    aimed: bool = False

    def __post_init__(self) -> None:
        if type(self.bits) is not int:
            raise UserError(
                f"a whole number of bits, 2 or 4, was expected, but {brief(self.bits)} came; take one"
            )
        Blocks(Slots(self.bits), self.rule)
        if self.along not in get_args(Along) or type(self.spread) is not int or self.spread < 0:
            raise UserError(
                "blocks along outputs or inputs and a spread from 0 were expected, but "
                f"{brief(self.along)} and {brief(self.spread)} came; take 'outputs' and 7"
            )
        if self.scaling not in get_args(Scaling):
            raise UserError(
                f"a scaling of outputs out of {', '.join(SCALING_BITS)} was expected, but "
                f"{brief(self.scaling)} came; take one of them"
            )
        if type(self.sweeps) is not int or not 0 <= self.sweeps <= MAX_SWEEPS:
            raise UserError(
                f"a number of sweeps from 0 to {MAX_SWEEPS} was expected, but {brief(self.sweeps)} came; "
                "take 0 to 3"
            )
        if self.sweeps and (self.along != "outputs" or not self.compensate):
            raise UserError(
                "no sweeps were expected along inputs or without compensation, but "
                f"{brief(self.sweeps)} came; take 0"
            )

    def blocks(self, rows: np.ndarray) -> Blocks:
        """Those of a layer, with the window that its spread allows."""
        window = spread_window(rows, self.bits, self.rule, self.spread)
        return Blocks(Slots(self.bits), self.rule, window)


@dataclass(frozen=True, eq=False)
class Rounded:
    """Weights of a layer in MicroScopiQ's encoding.

    Attributes
    ----------
    tensor : MicroscopiqTensor
        Rows of all groups: (groups * columns, outputs) along outputs, (groups * outputs, columns) along
        inputs.
    counts : Counts
    values : Tensor, float64, shape (groups, outputs, columns)
        What the tensor decodes to, scaled.
    scales : Tensor, float64, shape (groups, outputs)
        By which outputs are multiplied: powers of two or float16.
    scale_bits : int
        Of all scales in memory, none if they are 1.
    """

    tensor: MicroscopiqTensor
    counts: Counts
    values: Tensor
    scales: Tensor
    scale_bits: int


def microscopiq(weight: Tensor, moments: Tensor, options: Options) -> Rounded:
    """Round the weights of a layer.

    Parameters
    ----------
    weight : Tensor
        (groups, outputs, columns), finite.
    moments : Tensor
        Second moments of the inputs, (groups, columns, columns).
    options : Options
    """
    along_outputs = options.along == "outputs"
    weight = weight.detach().double()
    scales = scales_of(weight, options.scaling)
    even = weight / scales[..., None]
    turned = even.mT if along_outputs else even
    rows = turned.reshape(-1, turned.shape[-1]).numpy()
    blocks = options.blocks(rows)
    if not options.compensate:
        plan, counts = blocks.plan(rows)
    elif along_outputs:
        plan, counts, rows = _along_outputs(even, moments, blocks, options)
    else:
        plan, counts, rows = _along_inputs(even, moments, blocks, options)
    tensor = MicroscopiqTensor(blocks.slots, rows.shape[1], plan, plan.codes(in_micros(rows), blocks.slots))
    values = torch.from_numpy(tensor.decode()).reshape(turned.shape)
    values = values.mT if along_outputs else values
    if options.scaling == "scale" and options.compensate:
        scales = _fitted(weight, values, damped(moments.double(), options.damping), scales)
    stored = SCALING_BITS[options.scaling] * scales.numel() if bool((scales != 1).any()) else 0
    return Rounded(tensor, counts, (values * scales[..., None]).contiguous(), scales, stored)


def scales_of(weight: Tensor, scaling: Scaling) -> Tensor:
    """Of outputs, by the root of their mean square; from 1 for the largest down to what their bits hold.

    Parameters
    ----------
    weight : Tensor, float64, shape (groups, outputs, columns)
    scaling : {"none", "shift", "scale"}

    Returns
    -------
    Tensor, float64, shape (groups, outputs)
    """
    size = weight.square().mean(-1).sqrt()
    if scaling == "none":
        return torch.ones_like(size)
    size = torch.where(size > 0, size, size.amax().clamp(min=torch.finfo(size.dtype).tiny))
    if scaling == "scale":
        return _half(size / size.amax())
    power = torch.frexp(size * 2**0.5).exponent  # the nearest power of two
    lowest = 1 - 2 ** SCALING_BITS["shift"]
    return torch.ldexp(torch.ones_like(size), (power - power.amax()).clamp(min=lowest))


def _half(scales: Tensor) -> Tensor:
    """The nearest float16 that are normal numbers."""
    limits = torch.finfo(torch.float16)
    return scales.clamp(limits.tiny, limits.max).half().double()


def _fitted(weight: Tensor, values: Tensor, moments: Tensor, scales: Tensor) -> Tensor:
    """Scales of outputs with the smallest squared error of what they make; those of zeros stay."""
    along = values @ moments
    size = (along * values).sum(-1)
    best = (along * weight).sum(-1) / torch.where(size > 0, size, 1.0)
    return torch.where((size > 0) & (best > 0), _half(best), scales)


def _along_outputs(
    weight: Tensor, moments: Tensor, blocks: Blocks, options: Options
) -> tuple[Plan, Counts, np.ndarray]:
    """Plan, counts and rows (groups * columns, outputs), one row of every group at a time."""
    found: dict[int, tuple[Plan, Counts]] = {}

    def nearest(x: Tensor, at: int) -> Tensor:
        """Inputs (groups, outputs) that come as number `at` of their groups."""
        column = x.numpy()
        plan, counts = blocks.plan(column)
        found[at] = plan, counts
        micro = plan.values(plan.codes(in_micros(column), blocks.slots), blocks.slots)
        return torch.from_numpy(micro.reshape(len(column), -1)[:, : column.shape[1]])

    compensation = Compensation.of(moments, options.damping, options.ordered)
    rounded = compensation.rounded(weight, lambda left, at: nearest(left[:, :, at], at)[:, :, None])
    all_moments = damped(moments.double(), options.damping)
    for _ in range(options.sweeps):
        _sweep(weight, rounded, all_moments, compensation.order, nearest)
    groups, columns = compensation.order.shape
    place = np.empty((groups, columns), np.int64)  # of a row in what was found
    when = np.arange(columns) * groups + np.arange(groups)[:, None]
    np.put_along_axis(place, compensation.order.numpy(), when, -1)
    plan = Plan.joined([found[at][0] for at in range(columns)]).take(place.ravel())
    rows = rounded.mT.reshape(groups * columns, -1).numpy()
    return plan, sum((counts for _, counts in found.values()), Counts()), rows


def _sweep(weight: Tensor, rounded: Tensor, moments: Tensor, order: Tensor, nearest: Nearest) -> None:
    """Round each input to where the error of the layer is least while all others stay as they are."""
    group = torch.arange(len(order))
    for at, columns in enumerate(order.T):
        row = moments[group, columns]
        moved = ((weight - rounded) @ row[:, :, None])[:, :, 0] / row[group, columns][:, None]
        rounded[group, :, columns] = nearest(rounded[group, :, columns] + moved, at)


class _AlongInputs:
    """Rounds the columns of a layer in their order, and keeps what its blocks share."""

    def __init__(self, blocks: Blocks, diagonal: Tensor) -> None:
        self.blocks, self.diagonal = blocks, diagonal
        self.counts = Counts()
        self.exponents: list[np.ndarray] = []
        self.away = np.zeros((0, 0), bool)
        self.micros: list[tuple[np.ndarray, ...]] = []

    def nearest(self, left: Tensor, at: int) -> Tensor:
        """Column `at` as the plan of its micro-block has it."""
        slots, start = self.blocks.slots, at - at % MICRO
        if at % MACRO == 0:
            macro = self._rows(left[:, :, at : at + MACRO])
            self.away = outliers(macro)
            exponents, clamped = self.blocks.inlier_exponents(macro, self.away)
            self.exponents.append(exponents)
            self.counts += Counts(clamped=clamped)
        x = self._rows(left[:, :, start : start + MICRO])
        if at == start:
            self._begin(x, left.shape[1], at)
        plan = Plan(self.exponents[-1], *self.micros[-1])
        micro = plan.values(plan.codes(in_micros(x), slots), slots)[:, 0, at - start]
        return torch.from_numpy(micro).reshape(*left.shape[:2], 1)

    def _begin(self, x: np.ndarray, outputs: int, at: int) -> None:
        away = self.away[:, at % MACRO : at % MACRO + MICRO]
        inverse = self.diagonal[:, at : at + MICRO].repeat_interleave(outputs, 0).numpy()
        cost = (x / inverse) ** 2
        *found, counts = self.blocks.micro_plan(in_micros(x), in_micros(away), in_micros(cost), x.shape[1])
        self.micros.append(tuple(found))
        self.counts += counts

    @staticmethod
    def _rows(part: Tensor) -> np.ndarray:
        return np.ascontiguousarray(part.reshape(-1, part.shape[-1]).numpy())

    def plan(self) -> Plan:
        """Of all blocks."""
        micros = (np.concatenate(parts, 1) for parts in zip(*self.micros))
        return Plan(np.concatenate(self.exponents, 1), *micros)


def _along_inputs(
    weight: Tensor, moments: Tensor, blocks: Blocks, options: Options
) -> tuple[Plan, Counts, np.ndarray]:
    """Plan, counts and rows (groups * outputs, columns)."""
    compensation = Compensation.of(moments, options.damping, ordered=False)
    columns = _AlongInputs(blocks, compensation.factor.diagonal(dim1=-2, dim2=-1))
    rounded = compensation.rounded(weight, columns.nearest, MACRO)
    return columns.plan(), columns.counts, rounded.reshape(-1, weight.shape[-1]).numpy()
