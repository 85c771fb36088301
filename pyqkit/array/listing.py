"""Instructions as text."""

from __future__ import annotations

from dataclasses import fields

from pyqkit.array.isa import Instruction, Unit


def listing(instruction: Instruction) -> str:
    """An instruction as one line of text; fields that have their usual value are left out."""
    told = [
        f"{entry.name}={getattr(instruction, entry.name)}"
        for entry in fields(instruction)[len(fields(Instruction)) :]
        if getattr(instruction, entry.name) != entry.default
    ]
    waits = [unit.name.lower() for unit in Unit if instruction.wait & unit and unit.name]
    behind = (
        [f"wait={'+'.join(waits)}"] * bool(waits)
        + ["last"] * bool(instruction.last)
        + ["mark"] * bool(instruction.mark)
    )
    return " ".join([type(instruction).__name__.upper(), *told, *behind])
