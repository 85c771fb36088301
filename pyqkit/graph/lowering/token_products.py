"""Matrix products of two tensors that both depend on the input: scores and contexts of attention."""

from __future__ import annotations

from math import prod

import numpy as np

from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.products import unit_of_product
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.tokens import COMMAND, as_heads, one_scale
from pyqkit.graph.ops.matrix_product import MatrixProduct
from pyqkit.graph.ops.product import WIDEST


def matrix_product(lowering: Lowering, left: Real, right: Real, name: str) -> Real:
    """``left @ right`` of (heads, rows, depth) and (heads, depth, columns), heads being any axes."""
    heads = left.shape[:-2]
    if right.shape[:-2] != heads:
        raise Unlowerable(
            f"its factors have heads of shape {heads} and {right.shape[:-2]}",
            "give queries, keys and values as many heads each",
        )
    groups = prod(heads)
    left, right = (_with_heads(real, groups) for real in (left, right))
    for real in (left, right):
        _check(lowering, real)
    across = _runs_across(right)
    rows, columns = left.shape[1], right.shape[2]
    stems = (f"{lowering.stem(name)}_{side}" for side in ("left", "right"))
    turned = right if across else _view(right, right.view.transpose(0, 2, 1))
    left, right = (as_heads(lowering, real, stem) for real, stem in zip((left, turned), stems))
    (first,), (second,) = left.terms, right.terms
    formats = [lowering.graph.tensors[term.tensor].format for term in (first, second)]
    factor = _factors(left, right, groups, across, columns) * unit_of_product(*formats)
    out = lowering.emit(MatrixProduct, name, [first.tensor, second.tensor], groups=groups, across=across)
    view = np.arange(prod(out.shape)).reshape(rows, groups, columns).transpose(1, 0, 2)
    view = view.reshape(*heads, rows, columns)
    return Real((Term(out.name, factor),), fractions(0, out.shape[2]), out.shape, view)


def _view(real: Real, view: np.ndarray) -> Real:
    return Real(real.terms, real.offset, real.base, view)


def _with_heads(real: Real, groups: int) -> Real:
    """Three axes: (heads, rows, columns)."""
    return real if not real.is_linear else _view(real, real.view.reshape(groups, *real.shape[-2:]))


def _check(lowering: Lowering, real: Real) -> None:
    """Refuse a factor that is not quantised."""
    check_quantised(real)
    bits = [lowering.graph.tensors[term.tensor].format.bits for term in real.terms]
    if len(real.terms) != 1 or not real.is_linear or any(real.offset) or bits[0] > WIDEST:
        raise Unlowerable("one of its two factors is not quantised", COMMAND)
    if (real.view < 0).any():
        raise Unlowerable("one of its two factors is padded", "quantise between the padding and the product")


def _runs_across(right: Real) -> bool:
    """Whether sums run over pixels of the right factor (heads, depth, columns)."""
    pixels = right.view // right.channels
    if (pixels == pixels[:, :1]).all():
        return False
    if (pixels == pixels[:, :, :1]).all():
        return True
    raise Unlowerable(
        "neither rows nor columns of its second factor are tokens",
        "multiply queries by keys, and probabilities by values",
    )


def _factors(left: Real, right: Real, groups: int, across: bool, columns: int) -> np.ndarray:
    """What a sum of each channel of the result is worth."""
    first = one_scale(left, groups)
    second = right.terms[0].factor if across else one_scale(right, groups)
    if first is None or second is None:
        raise Unlowerable(
            "a head of one of its factors has several scales", "use one scale for the whole tensor"
        )
    return np.repeat(first, columns) * (second if across else np.repeat(second, columns))
