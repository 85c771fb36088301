"""Family `microscopiq` in C++: items of weights with what their blocks share, activations with exponents."""

from __future__ import annotations

from pyqkit.array.hls.base import Elements, Powers, described, lane, weight_bits
from pyqkit.array.machine import Machine
from pyqkit.array.rtl.parameters import planes


@described.register("microscopiq")
def blocks(machine: Machine, powers: Powers) -> Elements:
    """With memories of their own, and networks where halves stay apart."""
    weights = f"{machine.weight_words}, {machine.columns}, {machine.stream_bits}"
    words = f"{machine.activation_words}, {machine.rows}, {planes(machine)}, {machine.stream_bits}"
    header, family = "blocks", f"Blocks<{lane(machine)}, {machine.operand_tables}>"
    if machine.merge != "load":
        networks = machine.networks if machine.merge == "butterfly" else 0
        header, family = "halves", f"Halves<{lane(machine)}, {machine.operand_tables}, {networks}>"
    return Elements(
        header,
        f"pyqkit::array::{family}",
        f"pyqkit::array::BlockItems<{weights}>",
        f"pyqkit::array::ShiftedSlots<{words}>",
        weight_bits(machine),
    )
