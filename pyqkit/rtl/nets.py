"""Who drives and who reads the nets of a flat netlist, and which of their pins lie in the same slice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_CLOCKS = re.compile(r"^(clock|aclk|C|W?CLK\w*)$")  # pins and ports
# What drives a flip-flop of its slice without a net.
_IN_SLICE = re.compile(r"LUT\d|INV|CARRY4|MUXF\d|RAM\d|SRL")
_LUT = re.compile(r"LUT\d|INV")  # an inverter is a LUT of one input


def wired(bits: Iterable[int | str]) -> Iterable[int]:
    """Nets among bits, which may be constants."""
    return (bit for bit in bits if isinstance(bit, int))


def is_clock(pin: str, kind: str = "") -> bool:
    """Whether a pin of a cell, or a port, is a clock; C of a DSP is a summand."""
    return bool(_CLOCKS.match(pin)) and (kind, pin) != ("DSP48E1", "C")


class Nets:
    """Nets of a flat module in Yosys's JSON form, by their numbers.

    Attributes
    ----------
    readers : Counter of int
        Pins of cells and output ports that each feeds.
    drivers : dict of int to (str, str)
        Kind of cell and pin that each comes from; none for input ports.
    """

    def __init__(self, module: Mapping) -> None:
        self.readers: Counter[int] = Counter()
        self.drivers: dict[int, tuple[str, str]] = {}
        # Cell (and bit of its pin) beside the driver of a net: whose carry slot (True) or flip-flop it uses.
        self._beside: dict[tuple[int, bool], tuple[str, int]] = {}
        for cell in module["cells"].values():
            for pin, bits in cell["connections"].items():
                if cell["port_directions"][pin] == "input":
                    self.readers.update(wired(bits))
                else:
                    self.drivers.update(dict.fromkeys(wired(bits), (cell["type"], pin)))
        for port in module["ports"].values():
            if port["direction"] == "output":
                self.readers.update(wired(port["bits"]))

    def is_beside(self, net: int, kind: str, pin: str, place: tuple[str, int]) -> bool:
        """Whether a pin lies in the slice of what drives it, or has a wire of its own to it (carry, DSP).

        Parameters
        ----------
        net : int
        kind, pin : str
            Of the cell that reads it.
        place : (str, int)
            Which cell that is, and the bit of its pin: a driver has one slot and one flip-flop beside it, for
            those who ask first.
        """
        driver, out = self.drivers.get(net, ("", ""))
        if (pin == "CI" and out == "CO") or (driver, pin) == ("DSP48E1", f"{out.removesuffix('OUT')}IN"):
            return True
        if kind.startswith("MUXF"):
            return pin != "S" and bool(_IN_SLICE.match(driver))
        slot = kind == "CARRY4" and pin == "S" and bool(_LUT.match(driver))
        flop = kind.startswith("FD") and pin == "D" and bool(_IN_SLICE.match(driver))
        return (slot or flop) and self._beside.setdefault((net, slot), place) == place  # there is one of each
