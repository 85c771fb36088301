"""What a netlist spends: toggles of its nets, clocked pins, accesses of memories and operations of DSPs.

Nothing here was measured. Capacitances and constants are of a 7-series in 28 nm by judgement, nets have no
routes, and nothing has a delay, so that glitches, which cost most where logic is deep, are not seen. Figures
are ``modelled``: they compare designs of one style; take them as right to +-50 % until power rails of a board
calibrate them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from pyqkit.rtl.nets import Nets, is_clock, wired

LABEL = "modelled"
_ENABLES = {"CLKARDCLK": "ENARDEN", "CLKBWRCLK": "ENBWREN"}
_DSP_DATA = ("A", "B", "C", "D")  # what comes over cascades moves no net of the fabric


@dataclass(frozen=True)
class Technology:
    """Constants of the model, all by judgement unless a source stands beside.

    Attributes
    ----------
    volts : float
        Of the core; DS181, DS187.
    hop_pf : float
        A net up to its first reader: driver, LUT behind it, some switches and wires of one or two columns.
        With fan-outs of 2 to 4, toggles then cost 0.3 to 0.5 pJ, as power estimators give for LUT and nets.
    fanout_pf : float
        Each further reader: a branch about as long.
    slice_pf : float
        A reader in the slice of its driver: carry chain, wide multiplexer, the LUT's own flip-flop.
    clock_pf : float
        A clock pin, with its share of the tree; it goes up and down every cycle.
    ramb18_pj, ramb36_pj : float
        An access of a port of a block RAM.
    dsp_bit_pj : float
        A bit that toggles at A, B, C or D of a DSP: 7 pJ an operation, half of the 1.38 mW / 100 MHz that
        UG193 gives for 38 % toggles in 65 nm (as far as remembered), over the 16 bits of A and B that then
        toggle.
    """

    volts: float = 1.0
    hop_pf: float = 0.4
    fanout_pf: float = 0.2
    slice_pf: float = 0.05
    clock_pf: float = 0.03
    ramb18_pj: float = 8.0
    ramb36_pj: float = 15.0
    dsp_bit_pj: float = 0.43


SEVEN_SERIES = Technology()
# Watts that the programmable logic takes when nothing toggles: typical quiescent currents of VCCINT, VCCBRAM
# and VCCAUX at 25 degrees, after DS187 (XC7Z010 as others quote it, XC7Z020 as far as remembered).
STATIC_WATTS = {
    "xc7z010": 1.0 * 0.034 + 1.0 * 0.003 + 1.8 * 0.018,
    "xc7z020": 1.0 * 0.078 + 1.0 * 0.006 + 1.8 * 0.038,
}


@dataclass(frozen=True)
class Activity:
    """What nets of a netlist did in some cycles.

    Attributes
    ----------
    cycles : int
    toggles : mapping of int to int
        Changes of each net.
    high : mapping of int to int
        Cycles in which each net was 1.
    """

    cycles: int
    toggles: Mapping[int, int]
    high: Mapping[int, int]

    def since(self, earlier: Activity) -> Activity:
        """What came after a run that began alike."""
        return Activity(
            self.cycles - earlier.cycles,
            {net: count - earlier.toggles[net] for net, count in self.toggles.items()},
            {net: count - earlier.high[net] for net, count in self.high.items()},
        )


@dataclass(frozen=True)
class Energy:
    """Picojoules by what they are spent on.

    Attributes
    ----------
    nets, clocks, memories, dsps : float
        Block RAMs and DSPs without the nets and clock pins at them.
    """

    nets: float = 0.0
    clocks: float = 0.0
    memories: float = 0.0
    dsps: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return sum(astuple(self))

    def __add__(self, other: Energy) -> Energy:
        return Energy(*(a + b for a, b in zip(astuple(self), astuple(other))))

    def per(self, count: int) -> Energy:
        """Its share of one of so many frames."""
        return Energy(*(part / count for part in astuple(self)))


def energy(module: Mapping, activity: Activity, technology: Technology = SEVEN_SERIES) -> Energy:
    """What a flat module in Yosys's JSON form spends.

    Parameters
    ----------
    module : mapping
    activity : Activity
        Of its nets, by their numbers.
    technology : Technology
    """
    half = technology.volts**2 / 2
    loads = capacitances(module, technology)
    nets = sum(half * picofarads * activity.toggles[net] for net, picofarads in loads.items())
    cells = list(module["cells"].values())
    pins = sum(is_clock(pin, cell["type"]) for cell in cells for pin in cell["connections"])
    clocks = 2 * half * technology.clock_pf * pins * activity.cycles
    memories = sum(_accesses(cell, activity, technology) for cell in cells)
    bits = (
        net
        for cell in cells
        if cell["type"] == "DSP48E1"
        for pin in _DSP_DATA
        for net in wired(cell["connections"].get(pin, ()))
    )
    dsps = technology.dsp_bit_pj * sum(activity.toggles[net] for net in bits)
    return Energy(nets, clocks, memories, dsps)


def capacitances(module: Mapping, technology: Technology = SEVEN_SERIES) -> dict[int, float]:
    """Picofarads of every net that is no clock.

    An output port counts as a reader; a net from an input port is the end of one that begins in another block
    and has branches alone.
    """
    nets = Nets(module)
    found: dict[int, float] = {}
    hops: dict[int, int] = {}
    for name, cell in module["cells"].items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] != "input" or is_clock(pin, cell["type"]):
                continue
            for index, net in enumerate(bits):
                if not isinstance(net, int):
                    continue
                if nets.is_beside(net, cell["type"], pin, (name, index)):
                    found[net] = found.get(net, 0.0) + technology.slice_pf
                else:
                    hops[net] = hops.get(net, 0) + 1
    for port in module["ports"].values():
        if port["direction"] == "output":
            for net in wired(port["bits"]):
                hops[net] = hops.get(net, 0) + 1
    for net, count in hops.items():
        driven = technology.hop_pf - technology.fanout_pf if net in nets.drivers else 0.0
        found[net] = found.get(net, 0.0) + driven + technology.fanout_pf * count
    return found


def _accesses(cell: Mapping, activity: Activity, technology: Technology) -> float:
    """Of a block RAM: cycles in which a port that has a clock and a width is enabled."""
    each = {"RAMB18E1": technology.ramb18_pj, "RAMB36E1": technology.ramb36_pj}.get(cell["type"])
    if each is None:
        return 0.0
    enables = [cell["connections"][_ENABLES[pin]][0] for pin in _ENABLES]
    cycles = (
        activity.high[bit] if isinstance(bit, int) else activity.cycles * (bit == "1") for bit in enables
    )
    return each * sum(cycles)


def static_watts(part: str) -> float | None:
    """Watts that a part takes when nothing toggles; None where they are not known."""
    return next((watts for name, watts in STATIC_WATTS.items() if part.startswith(name)), None)
