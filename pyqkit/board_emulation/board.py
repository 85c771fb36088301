"""The emulated board: memory, registers, clocks, and the blocks that an overlay puts into its logic.

Nothing here knows PYNQ. After every register write all blocks run until none can go on; reading the status of
a DMA that waits for something that will never come raises, where real hardware would be polled for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pyqkit.array.machine import Machine
from pyqkit.board_emulation import clocks
from pyqkit.board_emulation.array import Array
from pyqkit.board_emulation.axi_dma import AxiDma
from pyqkit.board_emulation.counters import Counters
from pyqkit.board_emulation.memory import BoardFault, Memory
from pyqkit.board_emulation.network import Engine, Network
from pyqkit.board_emulation.streams import Stream
from pyqkit.formats.port import End
from pyqkit.overlay import array_block, bitfile, counters, hwh

# Memory that pynq.allocate draws from: base and bytes. Sizes are judgement, about what PYNQ images reserve.
_MEMORY = {"zynq-7000": (0x1680_0000, 128 << 20), "zynq-mpsoc": (0x6000_0000, 512 << 20)}
PATIENCE = 64  # reads of a waiting DMA's status, with nothing else happening, before it counts as a hang


class Block(Protocol):
    """What an overlay may put into the programmable logic.

    `read` and `write` take byte offsets and 32-bit words.
    """

    name: str

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


@runtime_checkable
class Moving(Protocol):
    """A block that does more than answer: it takes from its streams and gives to them."""

    @property
    def state(self) -> str:
        """What it waits for, in words."""
        ...

    def step(self) -> bool:
        """Do what can be done now; whether anything moved."""
        ...


# An instance and its streams by interface name, to a block.
Model = Callable[[hwh.Block, "dict[str, Stream]"], Any]


@dataclass
class _Window:
    base: int
    size: int
    block: Any
    words: np.ndarray  # uint32: what its registers hold, for who maps them


_MOST_SHOWN = 1 << 20  # bytes of registers that memory shows; an overlay may claim gigabytes of addresses
_BUS_BITS = 8, 1024  # widths of a stream or a port to memory, of AMD's DMA


class EmulatedBoard:
    """A board without hardware.

    Parameters
    ----------
    name, part : str
    family : {"zynq-7000", "zynq-mpsoc"}
    memory_bytes : int, optional
    patience : int or None
        Reads of a status that cannot change before `BoardFault` is raised; None never raises, as hardware
        does.
    """

    def __init__(
        self,
        name: str,
        part: str,
        family: str,
        memory_bytes: int | None = None,
        patience: int | None = PATIENCE,
    ) -> None:
        base, size = _MEMORY[family]
        self.name, self.part, self.family, self.patience = name, part, family, patience
        self.memory = Memory(base, memory_bytes or size)
        self.clock = clocks.PlClock(family, self.read, self.write)
        self._system = [
            _Window(base, size, block, block.words) for base, size, block in clocks.windows(family)
        ]
        # By place: who has mapped it sees the blocks of the next overlay too.
        self._mapped: dict[tuple[int, int], np.ndarray] = {}
        self._lock = threading.RLock()
        self.unload()

    # ---- programmable logic --------------------------------------------------------------------------------

    def unload(self) -> None:
        """Empty the programmable logic."""
        self._windows = list(self._system)
        self._blocks: list[Any] = []
        self._moving: list[Moving] = []  # those of them that do more than answer
        self._polls = 0

    def load(self, design: tuple[hwh.Block, ...], models: dict[str, Model]) -> None:
        """Put the blocks of a design into the programmable logic, each by the model for its VLNV.

        Raises
        ------
        BoardFault
            If a block has registers or streams and no model.
        """
        with self._lock:
            self.unload()
            streams = _nets(design)
            for block in design:
                ends = {i.name: streams[i.bus] for i in block.interfaces if i.bus in streams}
                words = self._words(block)
                own: dict[str, Model] = {hwh.DMA_VLNV: partial(self._dma, words), counters.VLNV: Counters}
                model = models.get(block.vlnv) or own.get(block.vlnv)
                if model is None:
                    if ends or block.address is not None:
                        raise BoardFault(
                            f"blocks that can be emulated were expected, but {block.name} is a "
                            f"{block.vlnv}; give a model for it in models="
                        )
                    continue
                made = model(block, ends)
                self._blocks.append(made)
                if isinstance(made, Moving):
                    self._moving.append(made)
                if block.address is not None and block.size is not None:
                    self._windows.append(_Window(block.address, block.size, made, words))

    def _words(self, block: hwh.Block) -> np.ndarray:
        if block.address is None or block.size is None:
            return np.empty(0, np.uint32)
        nbytes = min(max(block.size, AxiDma.BYTES), _MOST_SHOWN)
        words = self._mapped.setdefault((block.address, block.size), np.zeros(nbytes // 4, np.uint32))
        words[:] = 0
        return words

    def _dma(self, words: np.ndarray, block: hwh.Block, ends: dict[str, Stream]) -> AxiDma:
        if block.number("c_include_sg", 1):
            raise BoardFault(
                f"a DMA without scatter-gather was expected, but {block.name} has it; set "
                "c_include_sg to 0 in the block design"
            )
        streams, alignments = {}, {}
        for side, end in (("MM2S", "M_AXIS_MM2S"), ("S2MM", "S_AXIS_S2MM")):
            if block.number(f"c_include_{side.lower()}", 1):
                bits = block.number(f"c_m_axi_{side.lower()}_data_width", 32, *_BUS_BITS)
                streams[side] = ends.get(end)
                alignments[side] = 1 if block.number(f"c_include_{side.lower()}_dre", 0) else bits // 8
        return AxiDma(
            block.name,
            self.memory,
            streams,
            block.number("c_sg_length_width", 14, 8, hwh.LENGTH_BITS),
            alignments,
            words,
        )

    # ---- registers -----------------------------------------------------------------------------------------

    def _window(self, address: int) -> _Window:
        for window in self._windows:
            if 0 <= address - window.base < window.size:
                return window
        raise BoardFault(
            f"an address with registers was expected, but nothing owns {address:#x}, where a real board "
            "would stall or reset; load the overlay first and compare the address with its ip_dict"
        )

    def read(self, address: int) -> int:
        """A 32-bit register, by its physical address."""
        with self._lock:
            window = self._window(address)
            offset = address - window.base
            if getattr(window.block, "waits", lambda _: False)(offset):
                self._polls += 1
                if self.patience is not None and self._polls > self.patience:
                    raise BoardFault(self._hang(window.block.name))
            value = int(window.block.read(offset)) & 0xFFFF_FFFF
            if offset // 4 < len(window.words):
                window.words[offset // 4] = value
            return value

    def write(self, address: int, value: float) -> None:
        """Write a 32-bit register, then let everything run.

        A negative number is written as its two's complement.
        """
        word = int(value) if np.isfinite(value) else None
        if word is None or word != value or not -(1 << 31) <= word < 1 << 32:
            raise BoardFault(
                f"a word of 32 bits was expected for the register at {address:#x}, but {value!r} "
                "came; write an integer"
            )
        with self._lock:
            window = self._window(address)
            self._polls = 0
            window.block.write(address - window.base, word & 0xFFFF_FFFF)
            self._settle()

    def map(self, address: int, nbytes: int) -> np.ndarray:
        """Memory that shows what registers hold, as uint32; it is not for writing.

        Those of a model of a user's show what was last read of them over the bus, and so do addresses without
        registers: 0.
        """
        with self._lock:
            for window in self._windows:
                start = address - window.base
                if start >= 0 and start + nbytes <= 4 * len(window.words):
                    return window.words[start // 4 : -(-(start + nbytes) // 4)]
        return np.zeros(-(-nbytes // 4), np.uint32)

    def _settle(self) -> None:
        while any([block.step() for block in self._moving]):  # a list: each of them takes its step
            pass

    def _hang(self, name: str) -> str:
        states = "; ".join(block.state for block in self._moving)
        return (
            f"a transfer that ends was expected of {name}, but nothing moves any more, so a wait on "
            f"a real board would never return: {states}; "
            "send whole frames, and receive as many packets as frames were sent"
        )


def _nets(design: tuple[hwh.Block, ...]) -> dict[str, Stream]:
    """Streams by the name of their net; as wide as the DMA's end."""
    found = {}
    for block in design:
        for end in block.interfaces:
            if end.kind == "axis" and block.vlnv == hwh.DMA_VLNV:
                side = "m_axis_mm2s" if end.drives else "s_axis_s2mm"
                found[end.bus] = Stream(end.bus, block.number(f"c_{side}_tdata_width", 32, *_BUS_BITS) // 8)
    for block in design:
        if block.vlnv == counters.VLNV:
            buses = {end.name: end.bus for end in block.interfaces}
            for pair in counters.PASSED:  # what goes straight through is one stream
                known = next((found[buses[name]] for name in pair if buses.get(name) in found), None)
                if known is not None:
                    found |= {buses[name]: known for name in pair if name in buses}
    return found


def network_model(
    engine: Engine, given: End, taken: Sequence[End], frames_per_packet: int | None = None
) -> Model:
    """Model of an accelerator with one input and outputs; see `Network`."""

    def make(block: hwh.Block, ends: dict[str, Stream]) -> Network:
        outputs = [(ends[f"out_{index}"], end.frame_bytes) for index, end in enumerate(taken)]
        return Network(block.name, engine, (ends["in_0"], given.frame_bytes), outputs, frames_per_packet)

    return make


def overlay_models(path: Path, part: str, engine: str = "exact") -> dict[str, Model]:
    """Models for the blocks of an emulated overlay.

    A network is in the packed build folder beside the .bit file, the machine of an array in that file.

    Parameters
    ----------
    part : str
        Of the board.
    engine : str
        As `pyqkit.engines.names` lists them.

    Raises
    ------
    BoardFault
        If the bitstream is for another part, or for real hardware.
    """
    facts = _facts(path, part)
    if facts.get("machine") is not None:
        return {array_block.VLNV: _array_model(Machine.from_json(facts["machine"]))}
    return {hwh.ACCELERATOR_VLNV: _accelerator_model(path, facts, engine)}


def _facts(path: Path, part: str) -> dict[str, Any]:
    """What an emulated bitstream says of itself."""
    bit = bitfile.read(path)
    if bit.part != bitfile.header_part(part):
        raise BoardFault(
            f"a bitstream for {bitfile.header_part(part)} was expected, but {path} is for "
            f"{bit.part}; take the one for this board"
        )
    if bit.emulated is None:
        raise BoardFault(
            f"a bitstream for the emulated board was expected, but {path} is for real hardware; "
            "make one with 'pyqkit overlay BUILD --emulated'"
        )
    return bit.emulated


def _array_model(machine: Machine) -> Model:
    def make(block: hwh.Block, ends: dict[str, Stream]) -> Array:
        return Array(block.name, machine, ends["in_0"], ends["out_0"])

    return make


def _accelerator_model(path: Path, facts: dict[str, Any], engine: str) -> Model:
    """Of the network in the packed build folder beside the bitstream."""
    from pyqkit import build_contents, build_folder, engines

    build = path.with_suffix(".zip")
    manifest, _ = build_folder.read(build)
    if manifest["sha256"] != facts.get("build"):
        raise BoardFault(
            f"the build folder that {path} was made from was expected in {build}, but it is "
            "another; copy the overlay again"
        )
    (given,), taken = (
        [End.from_json(entry) for entry in manifest["streams"][side]] for side in ("inputs", "outputs")
    )
    computes = engines.make(engine, build_contents.read(build).designs)

    def run(frames: np.ndarray) -> list[np.ndarray]:
        found = computes.run({given.tensor: given.from_bytes(frames)})
        return [end.to_bytes(found[end.tensor]) for end in taken]

    return network_model(run, given, taken, facts.get("frames_per_packet", 1))
