"""Products of two tensors that both depend on the input: a gate and its main branch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.formats import NumberFormat, product
from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real, Term
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.view import channels_back, settle_alike
from pyqkit.graph.ops.product import WIDEST, Product

_REMEDY = "put a quantiser (QuantIdentity, QuantReLU) before it"


def unit_of_product(left: NumberFormat, right: NumberFormat) -> Fraction:
    """What an integer of a product is worth, in products of the factors' integers.

    1 unless both are Logarithmic Posits, whose products leave their table as integers of another unit.
    """
    return Fraction(2) ** product(left, right).unit_exponent / (left.unit * right.unit)


def broadcast(reals: list[Real]) -> list[Real]:
    """Tensors in the one shape that they broadcast to."""
    try:
        shape = np.broadcast_shapes(*(real.shape for real in reals))
    except ValueError:
        shapes = " and ".join(str(real.shape) for real in reals)
        raise Unlowerable(f"shapes {shapes} do not broadcast", "give both tensors one shape") from None
    return [real if real.shape == shape else _spread(real, shape) for real in reals]


def _spread(real: Real, shape: tuple[int, ...]) -> Real:
    if not real.is_linear:
        raise Unlowerable("an operand that is spread over pixels is not quantised", _REMEDY)
    return replace(real, view=np.broadcast_to(real.view, shape))


def multiplied(lowering: Lowering, left: Real, right: Real, name: str) -> Real:
    """Product of two streams; an offset of one factor becomes a multiple of the other one."""
    for real in (left, right):
        check_quantised(real)
        if not real.is_linear:
            raise Unlowerable("a factor has passed an activation function and is not quantised", _REMEDY)
    factors, last = settle_alike(lowering, broadcast([left, right]), name)
    left, right = (single_term(lowering, real, name) for real in factors)
    (first,), (second,) = left.terms, right.terms
    formats = [lowering.graph.tensors[term.tensor].format for term in (first, second)]
    widest = max(fmt.bits for fmt in formats)
    if widest > WIDEST:
        raise Unlowerable(f"a factor has {widest} bits, more than the {WIDEST} that are multiplied", _REMEDY)
    if all(fmt.is_logarithmic for fmt in formats) and any((*left.offset, *right.offset)):
        raise Unlowerable("something is added to one of two factors that are Logarithmic Posits", _REMEDY)
    out = lowering.emit(Product, name, [first.tensor, second.tensor])
    terms = [Term(out.name, first.factor * second.factor * unit_of_product(*formats))]
    if any(left.offset):
        terms.append(Term(second.tensor, left.offset * second.factor))
    if any(right.offset):
        terms.append(Term(first.tensor, right.offset * first.factor))
    found = replace(left, terms=tuple(terms), offset=left.offset * right.offset)
    return channels_back(found) if last else found
