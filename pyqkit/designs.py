"""What is worked out of a compiled network: costs, cheaper and faster foldings, C++ and SystemVerilog.

Report, build folder and engines need the same things, and a large network takes seconds for each; so they are
made here, once, when the first of them asks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from pyqkit.compiled import Compiled
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.folding import search_for
from pyqkit.hardware.search import Search
from pyqkit.hls import generate as hls
from pyqkit.hls.schedule import Schedule, schedule
from pyqkit.rtl import generate as rtl
from pyqkit.rtl.delays import speed
from pyqkit.rtl.network_timing import NetworkTiming, time_network


class Designs:
    """A compiled network and its designs.

    Parameters
    ----------
    compiled : Compiled
        Must not change any more.
    search : Search, optional
        Of its graph and board, if there is one already.
    """

    def __init__(self, compiled: Compiled, search: Search | None = None) -> None:
        self.compiled = compiled
        self._search = search

    @cached_property
    def search(self) -> Search:
        """The cheapest foldings for any rate (estimated)."""
        return self._search or search_for(self.compiled.built, self.compiled.board, self.compiled.clock_mhz)

    @property
    def estimator(self) -> Estimator:
        """What every operator takes with any folding (estimated)."""
        return self.search.estimator

    @cached_property
    def hls(self) -> hls.Design:
        """The network in C++."""
        return hls.generate(self.compiled.built, self.compiled.foldings)

    @cached_property
    def hls_schedule(self) -> Schedule:
        """When the C++ is done, whose text is not made for it."""
        return schedule(self.compiled.built, self.compiled.foldings)

    @cached_property
    def rtl(self) -> rtl.Design:
        """The network in SystemVerilog."""
        return rtl.generate(self.compiled.built, self.compiled.foldings, clock_mhz=self.compiled.clock_mhz)

    def timing(self, say: Callable[[str], None] | None = None) -> NetworkTiming:
        """Longest paths of the SystemVerilog's blocks, which are synthesised unless that was done before.

        Raises
        ------
        MissingToolError
            Without Yosys.
        """
        board = self.compiled.board
        return time_network(self.rtl, self.compiled.clock_mhz, speed(board.family, board.part), say=say)
