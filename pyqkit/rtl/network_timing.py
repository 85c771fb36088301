"""Clock of a whole network, from its blocks: each timed alone, and the paths that lead through several.

No net of the network is routed: everything is ``estimated (logic)``. Between blocks are streams; what one
block's ``valid``, ``ready`` or ``data`` takes from its registers on goes on in the next, until it reaches a
register there, so handshakes that pass through blocks count as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path as File

from pyqkit.errors import UserError
from pyqkit.rtl import delays
from pyqkit.rtl.circuits import BlockCircuit, circuits_of, sources
from pyqkit.rtl.generate import Design
from pyqkit.rtl.static_timing import LABEL, NETS, Edges, Path, Span, Timer
from pyqkit.rtl.synthesis import Netlist, cells_library, mapped


@dataclass(frozen=True)
class BlockTiming:
    """The longest path that ends in a block.

    Attributes
    ----------
    operator : str
        Operator, port or (of a fork) tensor that it belongs to.
    block : str
    ns, mhz : float
    levels : int
        Cells between the registers.
    begin, end : str
        Registers, or what else Yosys kept a name of; the first behind its block's name if that is another.
    """

    operator: str
    block: str
    ns: float
    mhz: float
    levels: int
    begin: str
    end: str


@dataclass(frozen=True)
class NetworkTiming:
    """What clock a network may reach.

    Attributes
    ----------
    label : str
        How the figures came about.
    nets : str
        Of `pyqkit.rtl.static_timing.NETS`.
    factor : float
        What delays of a 7-series of grade -1 were multiplied by.
    asked_mhz, mhz : float
        The clock that the design is for, and the one that its slowest block has.
    slowest : str
        That block.
    blocks : tuple of BlockTiming
        The slowest block of each operator, in the order of the network.
    """

    label: str
    nets: str
    factor: float
    asked_mhz: float
    mhz: float
    slowest: str
    blocks: tuple[BlockTiming, ...]

    @property
    def meets(self) -> bool:
        """Whether the estimate reaches the clock that was asked for."""
        return self.mhz >= self.asked_mhz


def time_network(
    design: Design,
    asked_mhz: float,
    factor: float = 1,
    nets: str = "typical",
    cache: File | None = None,
    say: Callable[[str], None] | None = None,
) -> NetworkTiming:
    """Synthesise a network block by block, and find its longest paths.

    Parameters
    ----------
    design : Design
    asked_mhz : float
        The clock that it is for.
    factor : float
        Of its part, as from `pyqkit.rtl.delays.speed`.
    nets : {"light", "typical", "dense"}
    cache : Path, optional
        As for `pyqkit.rtl.synthesis.mapped`.
    say : callable, optional
        Called with a word on what is being done.

    Raises
    ------
    MissingToolError
        Without pyosys.
    """
    alone = circuits_of(design)

    def measure(netlist: Netlist) -> tuple[Path, Edges]:
        timer = Timer(netlist, delays.library(cells_library()), NETS[nets], factor)
        return timer.longest, timer.edges

    different = len({one.circuit.text for one in alone})

    def progress(done: int) -> None:
        if say is not None:
            say(f"synthesising blocks: {done} of {different}")

    found = mapped([one.circuit for one in alone], sources(), measure, cache=cache, progress=progress)
    blocks = with_crossings(alone, found)
    slowest = max(blocks, key=lambda block: block.ns)
    by_operator: dict[str, BlockTiming] = {}
    for block in blocks:
        known = by_operator.get(block.operator)
        by_operator[block.operator] = block if known is None or block.ns > known.ns else known
    return NetworkTiming(
        LABEL, nets, factor, asked_mhz, slowest.mhz, slowest.block, tuple(by_operator.values())
    )


def with_crossings(alone: Sequence[BlockCircuit], found: Sequence[tuple[Path, Edges]]) -> list[BlockTiming]:
    """The longest path that ends in each block, whether it begins there or in another.

    Parameters
    ----------
    alone : sequence of BlockCircuit
    found : sequence of (Path, Edges)
        Of each.

    Raises
    ------
    UserError
        If a path through blocks returns to its beginning.
    """
    arrivals = _arrivals(alone, [edges for _, edges in found])
    result = []
    for one, (path, edges) in zip(alone, found, strict=True):
        begin, end, total = path.begin, path.end, Span(path.ns, path.levels)
        for port, wire in one.ports.items():
            if wire in arrivals and port in edges.required:
                (span, source), rest = arrivals[wire], edges.required[port]
                if span.ns + rest.ns > total.ns:
                    begin, end, total = f"{source}: {wire}", "a register", span.then(*rest)
        if total.ns:
            figures = round(total.ns, 3), round(1000 / total.ns, 1), total.levels
            result.append(BlockTiming(one.operator, one.block.name, *figures, begin, end))
    return result


def _arrivals(alone: Sequence[BlockCircuit], edges: Sequence[Edges]) -> dict[str, tuple[Span, str]]:
    """When each wire between blocks is there, and the block in whose registers that began."""
    found: dict[str, tuple[Span, str]] = {}
    ways: dict[str, list[tuple[str, Span]]] = {}
    for one, known in zip(alone, edges, strict=True):
        for port, span in known.arrival.items():
            found[one.ports[port]] = span, one.block.name
        for (source, out), span in known.through.items():
            if source in one.ports:  # the reset is no stream
                ways.setdefault(one.ports[out], []).append((one.ports[source], span))
    try:
        order = list(
            TopologicalSorter({out: [a for a, _ in way] for out, way in ways.items()}).static_order()
        )
    except CycleError as error:
        loop = error.args[1]
        raise UserError(
            f"streams whose handshakes end in registers were expected, but {loop[0]} depends on itself "
            f"through {len(loop) - 1} wires; report this as a bug"
        ) from error
    for out in order:
        for source, span in ways.get(out, ()):
            if source in found:
                before, block = found[source]
                later = before.then(*span), block
                found[out] = max(found.get(out, later), later)
    return found
