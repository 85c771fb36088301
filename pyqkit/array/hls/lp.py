"""Family `lp` in C++: logarithms and the table by which they leave the logarithmic domain."""

from __future__ import annotations

from pyqkit.array.families import of
from pyqkit.array.hls.base import Elements, Powers, described, lane, slots, weight_bits
from pyqkit.array.machine import Machine
from pyqkit.array.rtl.parameters import planes

FRACTION = 6  # bits of a logarithm behind the point, in tables


@described.register("lp")
def logarithms(machine: Machine, powers: Powers) -> Elements:
    """With the significands of all fractions."""
    significands = (
        "  struct Significands {\n    static int value(int fraction) {\n"
        f"      static const pyqkit::Constant<8, false> table[{1 << FRACTION}] = "
        f"{{{', '.join(map(str, powers(FRACTION)))}}};\n      return table[fraction];\n    }}\n  }};\n"
    )
    looked_at = of(machine).activation_bits(machine)
    return Elements(
        "logarithms",
        f"pyqkit::array::Logarithms<Significands, {lane(machine)}, {machine.operand_tables}, {looked_at}>",
        slots(machine, machine.weight_words, machine.columns, 1),
        slots(machine, machine.activation_words, machine.rows, planes(machine)),
        significands + weight_bits(machine),
    )
