"""Delays of 7-series cells, read from the ``specify`` blocks of Yosys's cell library (`cells_sim.v`).

Those are figures of Project X-Ray for the slowest speed grade, -1. Three things have none there and are
judgement: enables of block RAMs and DSPs (`_UNSTATED`), and what other grades and families are faster
(`_GRADES`, `_FAMILIES`; ratios of the switching characteristics in AMD's data sheets, as far as remembered).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PERMUTED = re.compile(
    r"LUT\d"
)  # cells whose inputs any signal may take: routers give the late one the fast pin
# Setup (ns) of pins of clocked cells for which the library has none, by the first letters of the cell.
_UNSTATED = {"RAMB": 0.443, "DSP48": 0.3}
# Memories of LUTs with one port, and those whose figures they have; the last bit of 256 words has none.
_SINGLE_PORT = {
    "RAM32X1S": "RAM32X1D",
    "RAM64X1S": "RAM64X1D",
    "RAM128X1S": "RAM128X1D",
    "RAM256X1S": "RAM128X1D",
}
_GRADES = {1: 1.0, 2: 0.85, 3: 0.77}
_FAMILIES = {"zynq-7000": 1.0, "zynq-mpsoc": 0.65}
_GRADE = re.compile(r"-(\d)(?!\d)")  # xc7z020clg400-1, xck26-sfvc784-2LV-c

Pin = tuple[str, int | None]  # name and bit; None for every bit of a bus that has one figure

_PIN = r"(\w+)(?:\[(\d+)\])?"
_SUM = r"(\d[\d\s+]*)"
_THROUGH = re.compile(rf"\({_PIN}\s*(?:=>|\*>)\s*{_PIN}\)\s*=\s*{_SUM};")
_CLOCKED = re.compile(
    rf"(?:if\s*\((.*)\)\s*)?\((?:pos|neg)edge\s+\w+\s*=>\s*\({_PIN}\s*:[^)]*\)\)\s*=\s*{_SUM};"
)
_SETUP = re.compile(rf"\$setup\(\s*{_PIN}\s*,[^;]*,\s*{_SUM}\);")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_MODULE = re.compile(r"^module\s+(\w+)\b(.*?)^endmodule", re.DOTALL | re.MULTILINE)


@dataclass
class Cell:
    """Delays of one kind of cell, in ns.

    Attributes
    ----------
    through : dict of (Pin, Pin) to float
        From an input to an output, without a clock.
    clocked : dict of Pin to float
        From the clock to an output.
    registered : dict of Pin to float
        The same where the output has a register of its own (block RAM).
    setup : dict of Pin to float
        How long before the clock an input must hold.
    """

    through: dict[tuple[Pin, Pin], float] = field(default_factory=dict)
    clocked: dict[Pin, float] = field(default_factory=dict)
    registered: dict[Pin, float] = field(default_factory=dict)
    setup: dict[Pin, float] = field(default_factory=dict)

    @property
    def is_clocked(self) -> bool:
        """Whether paths begin or end in it."""
        return bool(self.clocked or self.setup)


def read(text: str) -> dict[str, Cell]:
    """Cells of a library in Verilog, by name; those without figures are left out."""
    found = {name: _cell(_COMMENT.sub("", body)) for name, body in _MODULE.findall(text) if "specify" in body}
    known = {name: cell for name, cell in found.items() if cell.through or cell.is_clocked}
    return known | {name: _single(known[like]) for name, like in _SINGLE_PORT.items() if like in known}


@cache
def library(path: Path) -> dict[str, Cell]:
    """As `read`, from a file."""
    return read(path.read_text())


def _cell(body: str) -> Cell:
    cell = Cell()
    for a, i, b, j, figure in _THROUGH.findall(body):
        _keep(cell.through, (_pin(a, i), _pin(b, j)), figure)
    for condition, name, index, figure in _CLOCKED.findall(body):
        # The library writes the case without a register as &DOA_REG, that with one as |DOA_REG.
        _keep(cell.registered if "|DO" in condition else cell.clocked, _pin(name, index), figure)
    for name, index, figure in _SETUP.findall(body):
        _keep(cell.setup, _pin(name, index), figure)
    return cell


def _single(double: Cell) -> Cell:
    """A memory of LUTs with one port, as the one with two whose slices it takes."""
    bits = [("A", bit) for bit in range(8)]
    names: dict[Pin, list[Pin]] = {pin: [pin, (f"A{pin[1]}", None)] for pin in bits}
    names |= {("SPO", None): [("O", None)]}

    def renamed(pin: Pin) -> list[Pin]:
        return names.get(pin, [pin])

    through = {(a, o): ns for (i, j), ns in double.through.items() for a in renamed(i) for o in renamed(j)}
    clocked = {o: ns for pin, ns in double.clocked.items() for o in renamed(pin)}
    setup = {i: ns for pin, ns in double.setup.items() for i in renamed(pin)}
    return Cell(through, clocked, setup=setup)


def _pin(name: str, index: str) -> Pin:
    return name, int(index) if index else None


def _keep(found: dict, key: object, figure: str) -> None:
    """The largest figure counts; figures are sums in ps."""
    found[key] = max(found.get(key, 0.0), sum(map(int, figure.split("+"))) / 1000)


def unstated_setup(kind: str, default: float) -> float:
    """Setup of a pin of a clocked cell for which the library has no figure."""
    return next((figure for start, figure in _UNSTATED.items() if kind.startswith(start)), default)


def speed(family: str, part: str) -> float:
    """What delays of a part are multiplied by: 1 for a 7-series of grade -1, less for faster ones."""
    grade = _GRADE.search(part)
    return _FAMILIES.get(family, 1.0) * _GRADES.get(int(grade[1]) if grade else 1, 1.0)


# ---- DSP48E1, whose figures the library computes of its parameters -----------------------------------------

# How long before the clock an input must hold: the first register on its way that there is decides.
_DSP_SETUPS = {
    "multiply": {
        "A": {"AREG": 254, "MREG": 1416, "PREG": 2739},
        "B": {"BREG": 324, "MREG": 1285, "PREG": 2608},
    },
    "add, multiply": {
        "A": {"AREG": 254, "MREG": 2400, "ADREG": 1283, "PREG": 3723},
        "B": {"BREG": 324, "MREG": 1285, "PREG": 2608},
        "D": {"DREG": 248, "ADREG": 1195, "MREG": 2310, "PREG": 3635},
    },
    "add": {"A": {"AREG": 254, "PREG": 1441}, "B": {"BREG": 324, "PREG": 1428}},
}
_DSP_SUM = {"C": {"CREG": 168, "PREG": 1244}, "PCIN": {"PREG": 1025}}
# From the last registers to P, where P has none; PCOUT comes later.
_DSP_CLOCKED = {
    "multiply": {"CREG": 1687, "MREG": 1671, "AREG": 2952, "BREG": 2813},
    "add, multiply": {"CREG": 1687, "MREG": 1671, "AREG": 3935, "DREG": 3908, "ADREG": 2958, "BREG": 2813},
    "add": {"CREG": 1687, "AREG": 1632, "BREG": 1616},
}
_DSP_THROUGH = {
    "multiply": {"A": 2823, "B": 2690},
    "add, multiply": {"A": 3806, "B": 2690, "D": 3717},
    "add": {"A": 1523, "B": 1509},
}
_DSP_SUM_THROUGH = {"C": 1325, "PCIN": 1107}
_DSP_REGISTERED, _DSP_CASCADE = 329, 148  # P behind its own register; what PCOUT takes more than P
_BEFORE_MULTIPLIER = ("AREG", "BREG", "DREG", "ADREG")


def dsp48(parameters: Mapping[str, str]) -> Cell:
    """A DSP48E1 with its parameters as Yosys writes them: numbers in binary, words as they are.

    Its cascades of A and B leave as P does behind its register, and enter like A and B.
    """
    registers = {name for name, value in parameters.items() if name.endswith("REG") and "1" in value}
    if "MULT" not in parameters.get("USE_MULT", "MULTIPLY"):
        does = "add"
    else:
        does = "add, multiply" if parameters.get("USE_DPORT") == "TRUE" else "multiply"
    cell = Cell()
    through = _DSP_THROUGH[does] | _DSP_SUM_THROUGH
    for pin, figures in (_DSP_SETUPS[does] | _DSP_SUM).items():
        held = [figure for register, figure in figures.items() if register in registers]
        for name in (pin, f"{pin}CIN") if pin in "AB" else (pin,):
            if held:
                cell.setup[name, None] = held[0] / 1000
            else:
                cell.through[(name, None), ("P", None)] = through[pin] / 1000
                cell.through[(name, None), ("PCOUT", None)] = (through[pin] + _DSP_CASCADE) / 1000
    last = _DSP_REGISTERED if "PREG" in registers else _last_register(registers, _DSP_CLOCKED[does])
    if last:
        cell.clocked["P", None] = last / 1000
        cell.clocked["PCOUT", None] = (last + _DSP_CASCADE) / 1000
    for cascade, register in (("ACOUT", "AREG"), ("BCOUT", "BREG")):
        if register in registers:
            cell.clocked[cascade, None] = _DSP_REGISTERED / 1000
    return cell


def _last_register(registers: set[str], figures: Mapping[str, int]) -> int:
    """The slowest way from a register behind which there is none."""
    hidden = _BEFORE_MULTIPLIER if "MREG" in registers else ()
    return max((figures.get(name, 0) for name in registers if name not in hidden), default=0)
