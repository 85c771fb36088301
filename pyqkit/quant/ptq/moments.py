"""What the rounding of a layer depends on: second moments of its inputs.

The squared error of a convolution or linear layer is a quadratic form of the error of its weights, so GPTQ
and learned rounding need the second moments alone, however many frames they are from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf

import torch
from torch import Tensor, nn

from pyqkit.errors import UserError, brief
from pyqkit.quant.ptq import by_shifts
from pyqkit.quant.ptq.layers import WeightLayer, padded

_ENOUGH = 2**17  # positions; moments of more differ by less than rounding does


def rows(layer: WeightLayer, values: Tensor) -> Tensor:
    """Weights or their scales as (groups, outputs of a group, columns), the shape of `second_moments`."""
    if values.numel() == 1:
        return values.reshape(1, 1, 1)
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    return values.reshape(groups, len(values) // groups, -1)


def columns(layer: WeightLayer, x: Tensor) -> Tensor:
    """What the weights of an output are multiplied with: (groups, columns, positions)."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1]).T[None]
    x = padded(layer, x)
    window = [layer.kernel_size, layer.dilation, layer.stride]
    if isinstance(layer, nn.Conv1d):
        x, window = x[:, :, None], [(1, *length) for length in window]
    places = _windows(x, *window).unflatten(1, (layer.groups, -1))
    return places.permute(1, 2, 5, 6, 0, 3, 4).flatten(4).flatten(1, 3)


def _windows(x: Tensor, kernel: Sequence[int], dilation: Sequence[int], stride: Sequence[int]) -> Tensor:
    """What a kernel lies on at each of its places: a view, (frames, channels, height, width, *kernel)."""
    reach = [step * (length - 1) + 1 for length, step in zip(kernel, dilation)]
    size = [(length - far) // step + 1 for length, far, step in zip(x.shape[2:], reach, stride)]
    between = x.stride()[2:]
    apart = [near * step for near, step in zip(between, stride)]
    inside = [near * step for near, step in zip(between, dilation)]
    return x.as_strided((*x.shape[:2], *size, *kernel), (*x.stride()[:2], *apart, *inside))


def second_moments(layer: WeightLayer, inputs: Sequence[Tensor]) -> Tensor:
    """Mean products of columns: (groups, columns, columns), float64.

    Parameters
    ----------
    layer : WeightLayer
    inputs : sequence of Tensor
        Batches of its inputs.
    """
    return moments_with(layer, inputs, None)[0]


def moments_with(
    layer: WeightLayer, inputs: Sequence[Tensor], others: Sequence[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """`second_moments`, and those of the same frames in another network with them.

    Element (i, j) of the latter is the mean of column i of `others` times column j of `inputs`. Without
    others they are the moments.
    """
    share = max(1, columns(layer, inputs[0][:1]).shape[-1] * sum(map(len, inputs)) // _ENOUGH)
    inputs, others = inputs[::share], None if others is None else others[::share]
    positions = sum(map(len, inputs)) * columns(layer, inputs[0][:1]).shape[-1]
    if by_shifts.serves(layer):
        own = by_shifts.sums(layer, inputs, inputs) / positions
        return own, own if others is None else by_shifts.sums(layer, inputs, others) / positions
    moments, cross = [], []
    for at, batch in enumerate(inputs):
        found = columns(layer, batch)
        moments.append((found @ found.mT).double())
        if others is not None:
            cross.append((columns(layer, others[at]) @ found.mT).double())
    means = [torch.stack(products).sum(0) / positions for products in (moments, cross) if products]
    return means[0], means[-1]


def squared_error(error: Tensor, moments: Tensor) -> Tensor:
    """Mean squared error of each output, (groups, outputs), by an error of its weights."""
    error = error.to(moments)
    return (error @ moments * error).sum(-1)


def matched(weight: Tensor, moments: Tensor, cross: Tensor, damping: float) -> Tensor:
    """Real weights that come closest, on the inputs there are, to what `weight` makes of the true ones.

    Parameters
    ----------
    weight : Tensor
        (groups, outputs, columns).
    moments, cross : Tensor
        Of the inputs there are; of the true ones (`others`) with them.
    damping : float
        Share of the mean moment that is added to each, which draws the result towards `weight`.
    """
    moved = weight.double() @ (cross - moments)
    with inverted(moments.shape[-1], damping):
        return (weight + torch.linalg.solve(damped(moments, damping), moved, left=False)).to(weight)


@contextmanager
def inverted(columns: int, damping: float) -> Iterator[None]:
    """Moments of so many columns are inverted here.

    Raises
    ------
    UserError
        If they have no inverse: frames are too few for so many columns, or some columns are zero in all.
    """
    try:
        yield
    except torch.linalg.LinAlgError:
        raise UserError(
            f"second moments with an inverse were expected, but those of {columns} columns with damping of "
            f"{brief(damping)} have none; calibrate with more frames, or take damping of 0.01"
        ) from None


def damped(moments: Tensor, damping: float) -> Tensor:
    """Moments with a share of their mean added to each; positive definite.

    Raises
    ------
    UserError
        If the share is no number from 0.
    """
    if isinstance(damping, bool) or not isinstance(damping, (int, float)) or not 0 <= damping < inf:
        raise UserError(
            f"a share of the mean moment from 0 was expected as damping, but {brief(damping)} came; take 0.01"
        )
    mean = moments.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    unit = torch.eye(moments.shape[-1], dtype=moments.dtype)
    return moments + torch.where(mean > 0, damping * mean, 1.0) * unit
