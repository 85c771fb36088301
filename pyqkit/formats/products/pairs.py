"""The product of a pair of formats, found by their families."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from pyqkit.discovery import import_modules
from pyqkit.formats.base import NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.products.base import Product
from pyqkit.formats.products.decoded import decoded

Left = TypeVar("Left", bound=NumberFormat)
Right = TypeVar("Right", bound=NumberFormat)
_rules: dict[tuple[type, type], Callable[..., Product]] = {}


def multiplies(
    left: type[Left], right: type[Right]
) -> Callable[[Callable[[Left, Right], Product]], Callable[[Left, Right], Product]]:
    """Decorator that registers how two families are multiplied.

    The rule takes both formats; their `prescale` has no part in products.
    """

    def register(rule: Callable[[Left, Right], Product]) -> Callable[[Left, Right], Product]:
        _rules[left, right] = rule
        product.cache_clear()
        return rule

    return register


@lru_cache(maxsize=256)
def product(left: NumberFormat, right: NumberFormat) -> Product:
    """How codes of `left` and `right` are multiplied.

    Raises
    ------
    FormatError
        For accumulators, whose integers have no table.

    Examples
    --------
    >>> from pyqkit.formats import parse
    >>> pair = product(parse("e2m1"), parse("e2m1"))
    >>> pair.low, pair.high, pair.unit_exponent
    (-144, 144, -2)
    """
    import_modules("pyqkit.formats.products")
    rule = _rules.get((type(left), type(right)), decoded)
    return rule(left, right)


def accumulator(left: NumberFormat, right: NumberFormat, count: int) -> Integer:
    """Narrowest integer format that holds any sum of `count` products.

    Wider than 64 bits raises `FormatError`.

    Examples
    --------
    >>> from pyqkit.formats import parse
    >>> accumulator(parse("int4"), parse("int4"), 9).name
    'int11'
    """
    pair = product(left, right)
    return Integer.for_range(min(0, pair.low * count), max(0, pair.high * count))
