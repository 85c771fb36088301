"""Which block of ``rtl/`` multiplies two formats, and with which parameters.

All blocks are combinational and have the ports ``input [A-1:0] a, input [B-1:0] b, output signed [W-1:0] p``;
p is the integer of `pyqkit.formats.products`. Codes that are no numbers (NaN, the code that a narrow range
leaves out) never occur, and p is undefined for them.

A pair of families announces its block with `multiplies`; any other pair decodes both codes by tables and
multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from pyqkit.formats import Integer, LogPosit, Minifloat, NumberFormat, product
from pyqkit.formats.logposit import linear_table
from pyqkit.formats.products import WIDEST
from pyqkit.formats.widths import signed_bits
from pyqkit.rtl.emitter import PREFIX

TABLE_BITS = 8  # bits of both codes together up to which a table of all products is considered


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
    parameters: dict[str, int | str]
    width: int
    sign_magnitude: bool = False
    sign_bits: tuple[bool, bool] = (False, False)

    def instance(self, name: str, a: str, b: str, p: str, **more: int | str) -> str:
        """SystemVerilog that instantiates the block; `more` adds parameters (``MAGNITUDE=1``)."""
        parameters = ", ".join(f".{key}({value})" for key, value in {**self.parameters, **more}.items())
        return f"{PREFIX}{self.module} #({parameters}) {name} (.a({a}), .b({b}), .p({p}));"

    @property
    def magnitude(self) -> dict[str, int | str]:
        """What `instance` takes so that p is the magnitude; empty for a block that cannot."""
        return {"MAGNITUDE": 1} if self.sign_magnitude else {}

    @property
    def signs(self) -> int:
        """1 if the product can be minus the magnitude, as parameter ``SIGNS`` of the blocks that add."""
        return int(any(self.sign_bits))

    def sign(self, a: str, b: str) -> str:
        """SystemVerilog of whether the product is minus the magnitude, given the names of the top bits of
        both codes.
        """
        return " ^ ".join(top for top, signed in zip((a, b), self.sign_bits) if signed) or "1'b0"


Rule = Callable[[NumberFormat, NumberFormat, int], "ProductBlock | None"]
_rules: dict[tuple[type, type], Rule] = {}


def multiplies(left: type, right: type) -> Callable[[Rule], Rule]:
    """Decorator that announces the block of two families.

    The rule takes both formats and the product's width.
    """

    def announce(rule: Rule) -> Rule:
        _rules[left, right] = rule
        return rule

    return announce


@lru_cache(maxsize=256)
def product_block(left: NumberFormat, right: NumberFormat, widest: int = WIDEST) -> ProductBlock:
    """The block that multiplies codes of `left` (port a) by codes of `right` (port b).

    A product that could have more than `widest` bits keeps its lowest: operators have shown that those of the
    codes they hold need no more, since their sums do not.
    """
    left, right = left.base, right.base
    width = min(product(left, right).bits, widest)
    rule = _rules.get((type(left), type(right)))
    found = (rule(left, right, width) if rule else None) or decoded_block(left, right, width)
    return (
        found
        if found.width <= widest
        else replace(found, parameters={**found.parameters, "W": widest}, width=widest)
    )


@lru_cache(maxsize=256)
def dsp_block(left: NumberFormat, right: NumberFormat) -> ProductBlock:
    """The block that multiplies codes of two formats in a DSP: integers as they are, anything else decoded by
    tables.

    Not every pair has one; `pyqkit.formats.products.dsp.dsp_refusal` says why.
    """
    left, right = left.base, right.base
    width = product(left, right).bits
    plain = (
        _integers(left, right, width) if isinstance(left, Integer) and isinstance(right, Integer) else None
    )
    found = plain or decoded_block(left, right, width)
    return replace(found, parameters={**found.parameters, "DSP": 1})


def literal(values: Iterable[int], width: int) -> str:
    """A SystemVerilog literal of all values, `width` bits each in two's complement, the first one lowest."""
    bits, count = 0, 0
    for value in values:
        bits |= (value & (2**width - 1)) << (width * count)
        count += 1
    return f"{width * count}'h{bits:x}"


def decoded_block(left: NumberFormat, right: NumberFormat, width: int) -> ProductBlock:
    """Both codes decoded by tables and multiplied: fits any two formats."""
    parameters: dict[str, int | str] = {}
    for side, fmt in (("A", left), ("B", right)):
        bits = signed_bits(fmt.integers)
        parameters |= {
            side: fmt.bits,
            f"{side}_WIDTH": bits,
            f"{side}_TABLE": literal((int(i) for i in fmt.integers), bits),
        }
    return ProductBlock("product_decoded", {**parameters, "W": width}, width)


def table_block(left: NumberFormat, right: NumberFormat, width: int) -> ProductBlock:
    """The table of all products."""
    entries = (int(p) for row in product(left, right).table for p in row)
    return ProductBlock(
        "product_table",
        {"A": left.bits, "B": right.bits, "W": width, "TABLE": literal(entries, width)},
        width,
    )


@multiplies(Integer, Integer)
def _integers(left: NumberFormat, right: NumberFormat, width: int) -> ProductBlock | None:
    assert isinstance(left, Integer) and isinstance(right, Integer)
    if max(abs(left.zero_point), abs(right.zero_point)) >= 2**31:
        return None
    parameters: dict[str, int | str] = {}
    for side, fmt in (("A", left), ("B", right)):
        bits = signed_bits(fmt.integers) if fmt.zero_point else fmt.bits
        parameters |= {
            side: fmt.bits,
            f"{side}_SIGNED": int(fmt.signed),
            f"{side}_ZERO": fmt.zero_point,
            f"{side}_WIDTH": bits,
        }
    return ProductBlock("product_integer", {**parameters, "W": width}, width)


@multiplies(Minifloat, Minifloat)
def _minifloats(left: NumberFormat, right: NumberFormat, width: int) -> ProductBlock:
    assert isinstance(left, Minifloat) and isinstance(right, Minifloat)
    parameters: dict[str, int | str] = {}
    for side, fmt in (("A", left), ("B", right)):
        fields = {
            "EXPONENT": fmt.exponent_bits,
            "SIGNIFICAND": fmt.significand_bits,
            "SIGNED": int(fmt.signed),
        }
        parameters |= {f"{side}_{key}": value for key, value in fields.items()}
    # codes of infinities and NaN are read as numbers, so the width is that of the formats without them
    full = product(replace(left, variant=""), replace(right, variant="")).bits
    return ProductBlock(
        "product_minifloat", {**parameters, "W": full}, full, True, (left.signed, right.signed)
    )


@multiplies(LogPosit, LogPosit)
def _logarithms(left: NumberFormat, right: NumberFormat, width: int) -> ProductBlock:
    assert isinstance(left, LogPosit) and isinstance(right, LogPosit)
    fraction = max(left.fraction_bits, right.fraction_bits)
    logs: dict[str, list[int]] = {}
    lowest = 0
    for side, fmt in (("A", left), ("B", right)):
        found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
        up = fraction - fmt.fraction_bits
        base = min(x[1] for x in found if x) << up
        lowest += base
        logs[side] = [0 if x is None else (x[1] << up) - base for x in found[: len(found) // 2]]
    bits = max(1, max(max(values) for values in logs.values()).bit_length())
    parameters: dict[str, int | str] = {
        "A": left.bits,
        "B": right.bits,
        "L": bits,
        "F": fraction,
        "LOWEST": lowest & (2**fraction - 1),
    }
    parameters |= {f"{side}_TABLE": literal(values, bits) for side, values in logs.items()}
    parameters |= {"SIGNIFICANDS": literal(linear_table(fraction), 8), "W": width}
    return ProductBlock("product_logposit", parameters, width, True, (True, True))
