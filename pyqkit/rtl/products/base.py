"""Which block of ``rtl/`` multiplies two formats, and with which parameters.

All blocks are combinational and have the ports ``input [A-1:0] a, input [B-1:0] b, output signed [W-1:0] p``;
p is the integer of `pyqkit.formats.products`. Codes that are no numbers (NaN, the code that a narrow range
leaves out) never occur, and p is undefined for them.

There is one file a kind of `pyqkit.formats.products`, which registers its block with `multiplies`; a kind
without one takes that of what it is derived from, in the end the table of all products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from pyqkit.discovery import ClassRegistry
from pyqkit.formats import NumberFormat, Product, product
from pyqkit.formats.products import WIDEST
from pyqkit.rtl.emitter import PREFIX, Parameters


@dataclass(frozen=True)
class ProductBlock:
    """A module of ``rtl/`` and its parameters.

    Attributes
    ----------
    module : str
        Without the prefix of the library.
    parameters : dict of str to int or str
        A str is a SystemVerilog literal.
    width : int
        Bits of the signed product, parameter ``W``.
    sign_magnitude : bool
        Whether the block takes ``MAGNITUDE``: then p is the magnitude, and the product is negative where
        `sign` says so. Adders that subtract (`dot_product_sum`) save the negation of every lane.
    sign_bits : tuple of bool
        Whether the top bit of a, of b takes part in the sign.
    """

    module: str
    parameters: Parameters
    width: int
    sign_magnitude: bool = False
    sign_bits: tuple[bool, bool] = (False, False)

    def instance(self, name: str, a: str, b: str, p: str, **more: int | str) -> str:
        """SystemVerilog that instantiates the block; `more` adds parameters (``MAGNITUDE=1``)."""
        parameters = ", ".join(f".{key}({value})" for key, value in {**self.parameters, **more}.items())
        return f"{PREFIX}{self.module} #({parameters}) {name} (.a({a}), .b({b}), .p({p}));"

    @property
    def magnitude(self) -> Parameters:
        """What `instance` takes so that p is the magnitude; empty for a block that cannot."""
        return {"MAGNITUDE": 1} if self.sign_magnitude else {}

    @property
    def signs(self) -> int:
        """1 if the product can be minus the magnitude, as parameter ``SIGNS`` of the blocks that add."""
        return int(any(self.sign_bits))

    def sign(self, a: str, b: str) -> str:
        """SystemVerilog of whether the product is minus the magnitude.

        Given the names of the top bits of both codes.
        """
        return " ^ ".join(top for top, signed in zip((a, b), self.sign_bits) if signed) or "1'b0"


Rule = Callable[[Product, int], ProductBlock]
_rules = ClassRegistry[Rule]("pyqkit.rtl.products")


def multiplies(kind: type) -> Callable[[Rule], Rule]:
    """Decorator that registers the block of a kind of product.

    The rule takes the product and the bits of the signed result.
    """
    return _rules.register(kind)


@lru_cache(maxsize=256)
def product_block(left: NumberFormat, right: NumberFormat, widest: int = WIDEST) -> ProductBlock:
    """The block that multiplies codes of `left` (port a) by codes of `right` (port b).

    A product that could have more than `widest` bits keeps its lowest: operators have shown that those of the
    codes they hold need no more, since their sums do not.
    """
    pair = product(left, right)
    rule = _rules.get(type(pair))
    assert rule is not None  # the table fits every kind
    found = rule(pair, min(pair.bits, widest))
    return (
        found
        if found.width <= widest
        else replace(found, parameters={**found.parameters, "W": widest}, width=widest)
    )


def literal(values: Iterable[int], width: int) -> str:
    """A SystemVerilog literal of all values, `width` bits each in two's complement, the first one lowest."""
    bits, count = 0, 0
    for value in values:
        bits |= (value & (2**width - 1)) << (width * count)
        count += 1
    return f"{width * count}'h{bits:x}"
