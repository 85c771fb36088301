"""What the overlay of an array will be, before anything is made."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.array.compiler.example import example
from pyqkit.array.machine import Machine
from pyqkit.array.network import ArrayNetwork
from pyqkit.boards import Board
from pyqkit.digest import digest
from pyqkit.emulate.array import network
from pyqkit.overlay import array_block
from pyqkit.overlay.plan import Plan, check_name


@dataclass(frozen=True)
class ArrayPlan(Plan):
    """The overlay of an array.

    Attributes
    ----------
    network : ArrayNetwork
        That it is tested with: packed.
    """

    network: ArrayNetwork

    @property
    def machine(self) -> Machine:
        """What is programmed."""
        return self.network.program.machine


def plan(
    machine: Machine, board: Board, name: str | None = None, clock_mhz: float | None = None
) -> ArrayPlan:
    """Design the overlay of a machine, called after it by default, at its own clock by default.

    Raises
    ------
    OverlayError
        If the name is no label (`pyqkit.names.is_label`).
    """
    name = machine.name if name is None else name
    check_name(name, "it")
    made = network(example(machine), machine)
    packed = made.to_bytes()
    clock = machine.clock_mhz if clock_mhz is None else clock_mhz
    design = array_block.design(name, board.part, board.family, clock, machine.stream_bits // 8)
    return ArrayPlan(f"the array {machine.name}", name, board, design, packed, digest(packed), made)
