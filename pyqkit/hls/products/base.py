"""Policies of ``hls/product.hpp`` by the kind of product."""

from __future__ import annotations

from collections.abc import Callable

from pyqkit.discovery import ClassRegistry
from pyqkit.errors import UserError
from pyqkit.formats import NumberFormat, Product, product
from pyqkit.formats.products import WIDEST
from pyqkit.hls.emitter import Emitter

Rule = Callable[[Emitter, Product, int, bool], str]
_rules = ClassRegistry[Rule]("pyqkit.hls.products")


def multiplies(kind: type) -> Callable[[Rule], Rule]:
    """Decorator that registers how a kind of product is written in C++.

    The rule takes the emitter, the product, the bits of a signed product and whether DSPs multiply.
    """
    return _rules.register(kind)


def product_policy(e: Emitter, left: NumberFormat, right: NumberFormat, dsp: bool) -> str:
    """C++ type that multiplies codes of `left` and `right`.

    Products that could have more than 64 bits keep their lowest: operators have shown that those of the codes
    they hold need no more, since their sums do not.
    """
    pair = product(left, right)
    rule = _rules.get(type(pair))
    if rule is None:
        raise UserError(
            f"a product with a C++ type was expected, but {left} times {right} {pair.operation}; add a "
            "rule to pyqkit/hls/products"
        )
    return rule(e, pair, min(pair.bits, WIDEST), dsp)
