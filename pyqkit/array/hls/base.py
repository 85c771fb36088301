"""What C++ says of a family of processing elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyqkit.array.machine import Machine
from pyqkit.discovery import Registry

Powers = Callable[[int], Sequence[int]]
described = Registry[Callable[[Machine, Powers], "Elements"]]("pyqkit.array.hls")


@dataclass(frozen=True)
class Elements:
    """A family's part of a machine.

    Attributes
    ----------
    header : str
        In ``hls/array``.
    family, weights, activations : str
        Types: of elements, and of both memories.
    members : str
        Declarations of the machine that they need, `mode(index)` among them.
    """

    header: str
    family: str
    weights: str
    activations: str
    members: str


def lane(machine: Machine) -> int:
    """Bits of the widest sum."""
    return max(mode.lane_bits for mode in machine.modes)


def slots(machine: Machine, items: int, count: int, planes: int) -> str:
    """A memory of `items` words of `count` slots of a byte."""
    return f"pyqkit::array::Slots<{items}, {count}, {planes}, {machine.stream_bits}>"


def weight_bits(machine: Machine) -> str:
    """A mode is the bits of a weight."""
    bits = ", ".join(str(mode.weight_bits) for mode in machine.modes)
    return (
        f"  static int mode(int index) {{\n    static const int bits[] = {{{bits}}};\n"
        "    return bits[index];\n  }\n"
    )
