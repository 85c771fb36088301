"""Tokens: tensors of three axes (batch, tokens, channels), and with heads of four.

A token is a pixel of one row, and heads are groups of its channels, whatever order the axes of the ONNX
tensor have.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import common_unit, single_term
from pyqkit.graph.lowering.view import is_in_stream_order, settle
from pyqkit.graph.ops.pixel_offset import PixelOffset

_WIDEST = 2**62  # of factors and offsets
COMMAND = "pyqkit quantise puts quantisers on what attention multiplies, on its scores and its probabilities"


def as_tokens(lowering: Lowering, real: Real, name: str) -> Real:
    """(tokens, channels) with each token as a pixel and nothing moved; the view keeps its axes."""
    tokens, channels = real.shape
    kept = (real.view >= 0).any(axis=1)
    if real.base[0] > 1 and kept.any() and not kept.all():  # zeros beside the pixels of an image
        inside = as_tokens(lowering, replace(real, view=real.view[kept]), name)
        view = np.full(real.shape, -1)
        view[kept] = inside.view
        real = replace(inside, view=view)
    rows, columns, _ = real.base
    if rows > 1 and rows * columns == tokens and real.channels != channels:  # channels first, then pixels
        image = settle(lowering, replace(real, view=real.view.T.reshape(channels, rows, columns)), name)
        real = replace(image, view=np.arange(tokens * channels).reshape(tokens, channels))
    if real.base[:2] != (1, tokens) or real.channels != channels or not is_in_stream_order(real):
        real = settle(lowering, replace(real, view=real.view.T[:, None, :]), name)
    return replace(real, view=np.arange(tokens * channels).reshape(tokens, channels))


def as_heads(lowering: Lowering, real: Real, name: str) -> Real:
    """(heads, tokens, channels) as (tokens, heads * channels), see `as_tokens`."""
    heads, tokens, channels = real.shape
    view = real.view.transpose(1, 0, 2).reshape(tokens, heads * channels)
    return as_tokens(lowering, replace(real, view=view), name)


def heads_apart(real: Real, heads: int) -> Real:
    """What `as_heads` has made with its axes as they were before."""
    tokens, channels = real.shape
    view = real.view.reshape(tokens, heads, channels // heads).transpose(1, 0, 2)
    return replace(real, view=view)


def one_scale(real: Real, groups: int) -> np.ndarray | None:
    """The scale of each of equal groups of channels, of one term; None where a group has several."""
    (term,) = real.terms
    rows = term.factor.reshape(groups, -1)
    return None if (rows != rows[:, :1]).any() else rows[:, 0]


# ---- constants of each token -------------------------------------------------------------------------------


def is_of_channels(real: Real, values: np.ndarray) -> bool:
    """Whether a constant is the same at every pixel of a channel."""
    try:
        real.per_channel(values)
    except Unlowerable:
        return False
    return True


def with_constants(lowering: Lowering, real: Real, values: np.ndarray, name: str) -> Real:
    """`real` plus a number for each of its elements."""
    check_quantised(real)
    if not real.is_linear:
        raise Unlowerable(
            "a constant of each pixel is added to what is not quantised",
            "put a quantiser (QuantIdentity) before it",
        )
    real = single_term(lowering, _all_pixels(lowering, real, name), name)
    (term,) = real.terms
    wanted = np.full(int(np.prod(real.base)), 0, object)
    wanted[real.view.ravel()] = fractions(np.broadcast_to(values, real.shape))
    wanted = wanted.reshape(real.base)
    units = [common_unit([f, *column]) for f, column in zip(term.factor, wanted.reshape(-1, real.channels).T)]
    factors = np.array([int(f / unit) for f, unit in zip(term.factor, units)], object)
    offsets = wanted / np.array(units, object)
    if max(abs(factors).max(), abs(offsets).max()) >= _WIDEST:
        raise Unlowerable(
            "a constant of each pixel is added whose steps and those of the tensor have no simple ratio",
            "quantise the constant, with the scale of the tensor or a power of two times it",
        )
    out = lowering.emit(
        PixelOffset, name, [term.tensor], factors=factors.astype(np.int64), offsets=offsets.astype(np.int64)
    )
    return replace(real, terms=(Term(out.name, fractions(np.array(units, object))),))


def _all_pixels(lowering: Lowering, real: Real, name: str) -> Real:
    """`real` with every element in one place of the tensor behind it."""
    places = real.view.ravel()
    if len(np.unique(places)) == len(places) and (places >= 0).all():
        return real
    return as_tokens(lowering, real, name) if real.view.ndim == 2 else settle(lowering, real, name)


def pixel_step(real: Real) -> Fraction:
    """What an integer of a quantised tensor is worth, whose channels have to have one scale."""
    scale = one_scale(real, 1)
    if scale is None or scale[0] == 0:
        raise Unlowerable("its channels have different scales", "use one scale for the whole tensor")
    return scale[0]
