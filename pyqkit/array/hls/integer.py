"""Family `integer` in C++: digits, and which of them each product takes."""

from __future__ import annotations

from pyqkit.array.hls.base import Elements, Powers, described, lane, slots
from pyqkit.array.machine import Machine
from pyqkit.array.rtl.parameters import DIGITS, planes


@described.register("integer")
def digits(machine: Machine, powers: Powers) -> Elements:
    """With the digits of each mode."""
    modes = [DIGITS[mode.weight_bits, mode.activation_bits] for mode in machine.modes]
    rows = ", ".join(
        f"{{{{{', '.join(map(str, d.weights))}}}, {{{', '.join(map(str, d.activations))}}}, "
        f"{d.inner}, {d.outer}}}"
        for d in modes
    )
    return Elements(
        "digits",
        f"pyqkit::array::Digits<{lane(machine)}, {machine.operand_tables}>",
        slots(machine, machine.weight_words, machine.columns, 1),
        slots(machine, machine.activation_words, machine.rows, planes(machine)),
        "  static const DigitMode &mode(int index) {\n"
        f"    static const DigitMode modes[] = {{{rows}}};\n    return modes[index];\n  }}\n",
    )
