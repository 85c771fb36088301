"""The emulated board as a `pynq.Device`: unmodified PYNQ code runs on it. The only module here that imports pynq."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pynq
from pynq.buffer import PynqBuffer
from pynqmetadata import Parameter
from pynqmetadata.frontends import Metadata

from pyqkit.board_emulation.board import EmulatedBoard, Model, overlay_models
from pyqkit.board_emulation.memory import BoardFault, Buffer
from pyqkit.overlay import bitfile, hwh

_ARCHITECTURES = {"zynq-7000": "armv7l", "zynq-mpsoc": "aarch64"}


def _parser(path: Path) -> Any:
    """What PYNQ knows of an overlay, from its .hwh."""
    try:
        from pynqmetadata.views.runtime import RuntimeMetadataParser
    except ImportError:  # before pynq 4.0
        from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
    metadata = Metadata(input=path)
    for core in metadata.blocks.values():
        # pynq 4.0 dropped Zynq-7000 and asks its processing system for a parameter that only the MPSoC has.
        for clock in range(4):
            name, known = f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ", f"PCW_ACT_FPGA{clock}_PERIPHERAL_FREQMHZ"
            if known in core.parameters and name not in core.parameters:
                core.add(Parameter(name=name, value=core.parameters[known].value))
    parser = RuntimeMetadataParser(metadata)
    parser.refresh_hierarchy_dict()
    return parser


class Window(np.ndarray):
    """A range of registers as the array that PYNQ maps from /dev/mem: every element access is one on the bus."""

    def __new__(cls, board: EmulatedBoard, base: int, length: int) -> Window:
        self = np.zeros(-(-length // 4), np.uint32).view(cls)
        self._board, self._base = board, base - self.ctypes.data
        return self

    def __array_finalize__(self, parent: Any) -> None:
        self._board, self._base = getattr(parent, "_board", None), getattr(parent, "_base", 0)

    def _addresses(self, key: Any) -> Any:
        start = self._base + self.ctypes.data
        return [start + 4 * i for i in np.arange(len(self))[key]] if isinstance(key, slice) else start + 4 * int(key)

    def __getitem__(self, key: Any) -> Any:
        if self._board is None or self.ndim != 1:
            return super().__getitem__(key)
        if isinstance(key, slice):
            part = super().__getitem__(key)  # a smaller window; its elements are read when they are asked for
            return part
        return np.uint32(self._board.read(self._addresses(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._board is None:
            super().__setitem__(key, value)
            return
        addresses = self._addresses(key)
        if isinstance(key, slice):
            for address, word in zip(addresses, np.broadcast_to(np.asarray(value), len(addresses))):
                self._board.write(address, int(word))
        else:
            self._board.write(addresses, int(value))


class EmulatedBuffer(PynqBuffer):
    """What `pynq.allocate` gives on the emulated board: reading it before it was invalidated raises."""

    def _check(self) -> None:
        buffer = getattr(self, "bo", None)
        if isinstance(buffer, Buffer) and self.size:
            start = self.ctypes.data - buffer.host.ctypes.data
            reach = [(n - 1) * step for n, step in zip(self.shape, self.strides)]
            first, last = start + sum(r for r in reach if r < 0), start + sum(r for r in reach if r > 0) + self.itemsize
            if first >= 0 and last <= buffer.nbytes:  # else a result of arithmetic, which is in ordinary memory
                buffer.check_fresh(first, last)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, EmulatedBuffer):
            return found  # a view; it is checked when it is read
        self._check()
        return found

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [_plain(x) for x in inputs]
        given = kwargs.get("out")
        if given is None:
            return getattr(ufunc, method)(*plain, **kwargs)
        kwargs["out"] = tuple(_plain(x, check=False) for x in given)
        found = getattr(ufunc, method)(*plain, **kwargs)
        return given[0] if len(given) == 1 and found is kwargs["out"][0] else found

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self._check()
        return super().__array_function__(func, types, args, kwargs)

    def tobytes(self, *args: Any) -> bytes:  # type: ignore[override]
        self._check()
        return super().tobytes(*args)

    def copy(self, *args: Any) -> np.ndarray:  # type: ignore[override]
        self._check()
        return np.array(self.view(np.ndarray))

    def freebuffer(self) -> None:
        """Give the memory back."""
        buffer = getattr(self, "bo", None)
        if isinstance(buffer, Buffer) and self.device is not None:
            self.device.board.memory.free(buffer)

    def __del__(self) -> None:
        """Nothing: views die before the buffer does."""


def _plain(x: Any, check: bool = True) -> Any:
    if not isinstance(x, EmulatedBuffer):
        return x
    if check:
        x._check()
    return x.view(np.ndarray)


class EmulatedDevice(pynq.Device):
    """A device whose programmable logic is an `EmulatedBoard`.

    Parameters
    ----------
    board : EmulatedBoard
    engine : {"exact", "hls"}
        What computes the network of an overlay.
    models : dict of str to callable
        Further blocks by VLNV; see `pyqkit.board_emulation.use`.
    """

    def __init__(self, board: EmulatedBoard, engine: str = "exact", models: dict[str, Model] | None = None) -> None:
        super().__init__(f"pyqkit-emulated-{board.name}")
        self.board, self.engine, self.models = board, engine, dict(models or {})
        self.name = board.name
        self.arch = _ARCHITECTURES[board.family]
        self.capabilities = {"MEMORY_MAPPED": True}
        self.bitfile_name, self.timestamp = "", ""

    # ---- memory and registers -------------------------------------------------------------------------------------

    def mmap(self, base: int, length: int) -> Window:
        """Registers as an array."""
        return Window(self.board, base, length)

    def allocate(self, shape: Any, dtype: Any = "u4", cacheable: bool = True, **_: Any) -> EmulatedBuffer:
        """Memory that blocks can reach."""
        shape = (shape,) if np.isscalar(shape) else tuple(shape)
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        found = self.board.memory.allocate(nbytes, bool(cacheable))
        return EmulatedBuffer(shape, dtype, buffer=found.host, device=self, device_address=found.address, bo=found, coherent=not cacheable)

    def flush(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        """See `Buffer.flush`."""
        bo.flush(offset, size)

    def invalidate(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        """See `Buffer.invalidate`."""
        bo.invalidate(offset, size)

    # ---- overlays -------------------------------------------------------------------------------------------------

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What PYNQ asks for before a download."""
        handoff = Path(bitfile_name).with_suffix(".hwh")
        if not handoff.is_file():
            raise BoardFault(
                f"{handoff.name} was expected beside {bitfile_name}, but there is none; copy both files of an overlay together"
            )
        return _parser(handoff)

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Put an overlay into the emulated programmable logic."""
        path = Path(bitstream.bitfile_name)
        design = hwh.read(path.with_suffix(".hwh"))
        own = {} if self._known(design) else overlay_models(path, self.board.part, self.engine)
        if not own and bitfile.read(path).part != bitfile.header_part(self.board.part):
            raise BoardFault(
                f"a bitstream for {self.board.part} was expected, but {path} is for {bitfile.read(path).part}; take the other one"
            )
        self.board.load(design, {**own, **self.models})
        now = datetime.datetime.now()
        bitstream.timestamp = f"{now:%Y/%m/%d %H:%M:%S} +{now.microsecond}"
        self.reset(parser or _parser(path.with_suffix(".hwh")), bitstream.timestamp, bitstream.bitfile_name)

    def _known(self, design: tuple[hwh.Block, ...]) -> bool:
        """Whether the given models suffice."""
        return all(block.vlnv != hwh.ACCELERATOR_VLNV or block.vlnv in self.models for block in design)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """PYNQ would write into its own package here."""

    def insert_device_tree(self, abs_dtbo: str) -> None:
        """No device tree."""

    def remove_device_tree(self, abs_dtbo: str) -> None:
        """No device tree."""

    def shutdown(self) -> None:
        """No connections to shut."""

    # ---- the active device ----------------------------------------------------------------------------------------

    def activate(self) -> Any:
        """Make this PYNQ's active device; returns the one before, or None."""
        before = getattr(pynq.Device, "_active_device", None)
        pynq.Device.active_device = self
        _forget_clocks(self)
        return before

    def deactivate(self, before: Any) -> None:
        """Give way to the device before."""
        if getattr(pynq.Device, "_active_device", None) is self:
            if before is None:
                del pynq.Device._active_device
            else:
                pynq.Device.active_device = before
            _forget_clocks(before)


def _forget_clocks(device: Any) -> None:
    """`pynq.Clocks` keeps the registers of the first device it saw for the life of the process."""
    from pynq.ps import Clocks

    if "_real_instance" in vars(Clocks):
        del Clocks._real_instance
    Clocks.device = device
