"""Cells of a netlist that Yosys mapped to Xilinx 7-series, and the slices' sites that its LUTs take.

A slice's LUT holds one function of six inputs, or two functions of five inputs in all. How far small LUTs
share a site is for place and route to decide, which does not run here, so there are two figures:

    low   greedy pairing: two LUTs share a site if they have at most five inputs together and at most one of
          them feeds a carry chain (whose slot takes only the site's main output); LUTs of six inputs and
          those of wide multiplexers stay alone
    high  none share: LUTs, inverters, and one feed-through for each carry slot that no LUT drives

Nothing here was compared with Vivado.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

_LUTRAM = {
    "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1, "RAM64X1S": 1,
    "RAM128X1S": 2, "RAM256X1S": 4, "RAM32X2S": 2, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
}  # fmt: skip
_SHARED_INPUTS = 5
_SITES_AWAY = 24  # candidates looked at for each LUT, so that large netlists stay quick


@dataclass(frozen=True)
class Synthesis:
    """Cells of one netlist.

    Attributes
    ----------
    lut_low, lut_high : int
        Sites if small LUTs share them as far as greedy pairing goes, and if none does.
    luts : int
        Cells LUT1 to LUT6, nothing else: how peers count.
    ff, carry4, ramb18, ramb36, dsp : int
    lutram : int
        LUT sites used as memory or shift register, not part of the figures above.
    """

    lut_low: int
    lut_high: int
    luts: int
    ff: int
    carry4: int
    ramb18: int
    ramb36: int
    lutram: int
    dsp: int


def count(module: dict) -> Synthesis:
    """Count the cells of a flat module in Yosys's JSON form."""
    cells = list(module["cells"].values())
    kinds = Counter(cell["type"] for cell in cells)
    low, feeds = _pair(cells)
    luts = sum(n for kind, n in kinds.items() if kind.startswith("LUT"))
    return Synthesis(
        lut_low=low,
        lut_high=luts + kinds["INV"] + feeds,
        luts=luts,
        ff=sum(n for kind, n in kinds.items() if kind[:3] in ("FDR", "FDS", "FDC", "FDP")),
        carry4=kinds["CARRY4"],
        ramb18=kinds["RAMB18E1"],
        ramb36=kinds["RAMB36E1"],
        lutram=sum(_LUTRAM.get(kind, 0) * n for kind, n in kinds.items()),
        dsp=kinds["DSP48E1"],
    )


def _pair(cells: list[dict]) -> tuple[int, int]:
    """Sites after greedy pairing, and feed-throughs of carry chains."""
    made: dict[int, int] = {}  # net -> LUT that drives it
    inputs: list[frozenset[int]] = []
    alone: set[int] = set()
    for cell in cells:
        if cell["type"].startswith("LUT") or cell["type"] == "INV":
            pins = cell["connections"]
            made[pins["O"][0]] = len(inputs)
            inputs.append(
                frozenset(
                    pins[pin][0] for pin in pins if pin.startswith("I") and isinstance(pins[pin][0], int)
                )
            )
    in_chain: set[int] = set()
    feeds: list[frozenset[int]] = []
    for cell in cells:
        pins = cell["connections"]
        if cell["type"] in ("MUXF7", "MUXF8"):
            alone |= {made[net] for net in (pins["I0"][0], pins["I1"][0]) if net in made}
        elif cell["type"] == "CARRY4":
            for net in pins["S"]:
                lut = made.get(net)
                if isinstance(net, int) and (lut is None or lut in in_chain):
                    feeds.append(frozenset([net]) if lut is None else inputs[lut])
                elif lut is not None:
                    in_chain.add(lut)
    in_chain |= set(range(len(inputs), len(inputs) + len(feeds)))
    inputs += feeds
    return len(inputs) - _pairs(inputs, in_chain, alone), len(feeds)


def _pairs(inputs: list[frozenset[int]], in_chain: set[int], alone: set[int]) -> int:
    """How many pairs greedy search finds.

    LUTs with most inputs come first, each with the partner that shares most.
    """
    free = {i for i, pins in enumerate(inputs) if len(pins) <= _SHARED_INPUTS and i not in alone}
    readers: dict[int, list[int]] = {}
    by_size: dict[int, list[int]] = {}
    for i in sorted(free):
        by_size.setdefault(len(inputs[i]), []).append(i)
        for net in inputs[i]:
            readers.setdefault(net, []).append(i)
    found = 0
    for i in sorted(free, key=lambda i: -len(inputs[i])):
        if i not in free:
            continue
        free.discard(i)
        near = [j for net in inputs[i] for j in readers[net][-_SITES_AWAY:] + readers[net][:_SITES_AWAY]]
        near += _strangers(_SHARED_INPUTS - len(inputs[i]), by_size, free)
        fits = [
            j
            for j in near
            if j in free
            and len(inputs[i] | inputs[j]) <= _SHARED_INPUTS
            and not (i in in_chain and j in in_chain)
        ]
        if fits:
            free.discard(max(fits, key=lambda j: (len(inputs[i] & inputs[j]), len(inputs[j]))))
            found += 1
    return found


def _strangers(room: int, by_size: dict[int, list[int]], free: set[int]) -> list[int]:
    """LUTs of at most `room` inputs, two of each size: they need share no input with their partner."""
    found = []
    for size in range(room, -1, -1):
        waiting = by_size.get(size, [])
        while waiting and waiting[-1] not in free:
            waiting.pop()
        found += waiting[-2:]
    return found
