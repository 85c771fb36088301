"""Which block of ``rtl/`` multiplies two formats, and with which parameters.

All blocks have the ports ``input [A-1:0] a, input [B-1:0] b, output signed [W-1:0] p``; p is the integer of
`pyqkit.formats.products`. Codes that are no numbers (NaN, the code that a narrow range leaves out) never
occur, and p is undefined for them. A block that can be pipelined has ``input clock, enable`` and a parameter
``STAGES`` too: p is the product of the codes so many steps ago, without stages of those that are there.

There is one file a kind of `pyqkit.formats.products`, which registers its block with `multiplies`; a kind
without one takes that of what it is derived from, in the end the table of all products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

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
    delays_ns : tuple of float
        Longest path from register to register with 0, 1, 2, ... ``STAGES``, of magnitudes where it makes
        them, estimated; see `pyqkit.rtl.pipelining`. Empty for a block that has none.
    """

    module: str
    parameters: Parameters
    width: int
    sign_magnitude: bool = False
    sign_bits: tuple[bool, bool] = (False, False)
    delays_ns: tuple[float, ...] = ()

    def instance(
        self,
        name: str,
        a: str,
        b: str,
        p: str,
        stages: int = 0,
        enable: str = "1'b1",
        magnitude: bool = False,
    ) -> str:
        """SystemVerilog that instantiates the block, for magnitudes if it can and that is asked for.

        With `stages` it moves with the wire ``clock`` where `enable` is set.
        """
        values, ports = {**self.parameters, **(self.magnitude if magnitude else {})}, {"a": a, "b": b, "p": p}
        if self.delays_ns:
            values["STAGES"] = stages
            ports |= {"clock": "clock", "enable": enable} if stages else {"clock": "1'b0", "enable": "1'b0"}
        parameters, connections = (
            ", ".join(f".{key}({value})" for key, value in found.items()) for found in (values, ports)
        )
        return f"{PREFIX}{self.module} #({parameters}) {name} ({connections});"

    @property
    def magnitude(self) -> Parameters:
        """What `instance` takes so that p is the magnitude; empty for a block that cannot."""
        return {"MAGNITUDE": 1} if self.sign_magnitude else {}

    @property
    def signed_delays_ns(self) -> tuple[float, ...]:
        """As `delays_ns`, if the block makes signed products."""
        if not self.sign_magnitude or not self.delays_ns:
            return self.delays_ns
        negation = 1.2 + 0.03 * self.width
        return (*(ns + negation for ns in self.delays_ns), max(self.delays_ns[-1], 1.0 + negation))

    @property
    def signs(self) -> int:
        """1 if the product can be minus the magnitude, as parameter ``SIGNS`` of the blocks that add."""
        return int(any(self.sign_bits))

    def sign(self, a: str, b: str) -> str:
        """SystemVerilog of whether the product is minus the magnitude.

        Given the names of the top bits of both codes.
        """
        return " ^ ".join(top for top, signed in zip((a, b), self.sign_bits) if signed) or "1'b0"


LUT_BITS = 6  # that a LUT takes
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


def rows_ns(width: int, rows: int) -> tuple[float, ...]:
    """Delays of `product_booth` with 0, 1, ... stages: rows of `width` bits of the multiplicand."""
    row = 1.7 + 0.08 * width
    return tuple(round(0.9 + ceil(rows / (stages + 1)) * row, 2) for stages in range(rows))


def unsigned_ns(a: int, b: int) -> tuple[float, ...]:
    """Delays of `product_unsigned`."""
    return rows_ns(a, b // 2 + 1) if a + b > LUT_BITS else (1.4,)


def multiplier_ns(left: tuple[int, bool], right: tuple[int, bool]) -> tuple[float, ...]:
    """Delays of a multiplier in LUTs of integers of so many bits, signed or not."""
    (a, a_signed), (b, b_signed) = left, right
    if not a_signed and not b_signed:
        return unsigned_ns(a, b)
    if a_signed and b_signed:
        recoded, other = min(a, b), max(a, b)
    else:
        recoded, other = (b, a) if b_signed else (a, b)
    return rows_ns(other, (recoded + 1) // 2)


def literal(values: Iterable[int], width: int) -> str:
    """A SystemVerilog literal of all values, `width` bits each in two's complement, the first one lowest."""
    bits, count = 0, 0
    for value in values:
        bits |= (value & (2**width - 1)) << (width * count)
        count += 1
    return f"{width * count}'h{bits:x}"
