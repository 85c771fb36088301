"""Multiply-accumulate units and dot products of any two formats as circuits of their own.

What arithmetic costs without a network.
"""

from __future__ import annotations

from pyqkit.formats import NumberFormat
from pyqkit.rtl.emitter import PREFIX
from pyqkit.rtl.products import ProductBlock
from pyqkit.rtl.synthesis import Circuit


def multiply_accumulate(
    name: str, left: NumberFormat, right: NumberFormat, block: ProductBlock, sum_bits: int
) -> Circuit:
    """A product a cycle, added to an exact sum: registers behind the product and the sum.

    Ports: ``clock``, ``enable``, ``first`` (the sum starts anew with the product of the cycle before), ``a``,
    ``b``, ``sum``.
    """
    product = (
        f"  wire signed [{block.width - 1}:0] p;\n  "
        f"{block.instance('multiply', 'a', 'b', 'p', magnitude=True)}\n"
    )
    return Circuit(
        name,
        f"module {name} (input wire clock, enable, first, input wire [{left.bits - 1}:0] a, input "
        f"wire [{right.bits - 1}:0] b,\n"
        f"    output reg signed [{sum_bits - 1}:0] sum);\n{product}"
        f"  reg signed [{block.width - 1}:0] term;\n  reg negative;\n  wire [{sum_bits - 1}:0] total;\n"
        f"  {PREFIX}add_subtract #(.W({sum_bits}), .BESIDE(1)) add (.x(first ? {sum_bits}'d0 : sum), "
        f".y({sum_bits}'(term)), .negate(negative), .sum(total));\n"
        "  always_ff @(posedge clock) if (enable) begin\n    term <= p;\n    negative <= "
        f"{_sign(block, left, right)};\n"
        "    sum <= total;\n  end\nendmodule\n",
    )


def dot_product(
    name: str, left: NumberFormat, right: NumberFormat, block: ProductBlock, lanes: int
) -> Circuit:
    """Exact dot product of `lanes` codes: products, then an adder tree with a register after every level.

    Ports: ``clock``, ``enable``, ``a``, ``b``, ``sum`` and ``negative``: the result is -sum if that is set,
    so that who accumulates subtracts instead of negating.
    """
    sum_bits = block.width + (lanes - 1).bit_length()
    a, b = f"a[i*{left.bits}+:{left.bits}]", f"b[i*{right.bits}+:{right.bits}]"
    return Circuit(
        name,
        f"module {name} (input wire clock, enable, input wire [{lanes * left.bits - 1}:0] a, input "
        f"wire [{lanes * right.bits - 1}:0] b,\n"
        f"    output wire signed [{sum_bits - 1}:0] sum, output wire negative);\n"
        f"  wire [{lanes * block.width - 1}:0] terms;\n  wire [{lanes - 1}:0] negate;\n"
        f"  for (genvar i = 0; i < {lanes}; i++) begin : g_lane\n    "
        f"{block.instance('multiply', a, b, f'terms[i*{block.width}+:{block.width}]', magnitude=True)}\n"
        f"    wire sign = {_sign(block, left, right, 'i')};\n"
        "    assign negate[i] = sign ^ (i % 2 == 1 && g_lane[i-i%2].sign);\n  end\n"
        f"  {PREFIX}dot_product_sum #(.LANES({lanes}), .W({block.width}), .S({sum_bits}), "
        f".SIGNS({block.signs})) tree (\n"
        "      .clock, .enable, .terms, .negate, .sum, .negative\n  );\nendmodule\n",
    )


def _sign(block: ProductBlock, left: NumberFormat, right: NumberFormat, lane: str = "0") -> str:
    return block.sign(
        *(f"{port}[{lane}*{fmt.bits}+{fmt.bits - 1}]" for port, fmt in (("a", left), ("b", right)))
    )
