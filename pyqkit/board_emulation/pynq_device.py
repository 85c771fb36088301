"""The emulated board as a `pynq.Device`.

Unmodified PYNQ code runs on it. The only module here that imports pynq.
"""

from __future__ import annotations

import datetime
import math
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pynq
from pynq.buffer import PynqBuffer
from pynqmetadata import Parameter
from pynqmetadata.frontends import Metadata

from pyqkit.board_emulation.board import EmulatedBoard, Model, overlay_models
from pyqkit.board_emulation.memory import BoardFault, Buffer
from pyqkit.overlay import array_block, bitfile, hwh

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
            name, known = (
                f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ",
                f"PCW_ACT_FPGA{clock}_PERIPHERAL_FREQMHZ",
            )
            if known in core.parameters and name not in core.parameters:
                core.add(Parameter(name=name, value=core.parameters[known].value))
    parser = RuntimeMetadataParser(metadata)
    parser.refresh_hierarchy_dict()
    return parser


class Window(np.ndarray):
    """A range of registers as the array that PYNQ maps from /dev/mem.

    Its memory is what the registers hold, so that whoever reads it sees them as they are. Every access that
    Python sees, of an element, a slice, a list of indices or in arithmetic, is one on the bus, word by word,
    and so is every write: the memory itself is read-only, and a write that Python does not see (through a
    memory view) raises where it would reach a real board. A look that Python does not see (`np.asarray`)
    counts as no access; of a model of a user's it shows what was last read over the bus.
    """

    _board: EmulatedBoard | None
    # Of its elements; None for what is no array of registers, as a sum or a view as bytes.
    _addresses: np.ndarray | None

    def __new__(cls, board: EmulatedBoard, base: int, length: int) -> Window:
        memory = board.map(base, length).view()
        memory.flags.writeable = False
        self = memory.view(cls)
        self._board, self._addresses = board, base + 4 * np.arange(len(memory))
        return self

    def __array_finalize__(self, parent: Any) -> None:
        self._board = getattr(parent, "_board", None)
        same = (
            isinstance(parent, Window)
            and self.shape == parent.shape
            and self.ctypes.data == parent.ctypes.data
        )
        self._addresses = parent._addresses if same else None

    @property
    def _on_bus(self) -> bool:
        return self._addresses is not None and self._addresses.shape == self.shape and self.dtype == np.uint32

    def _read(self) -> np.ndarray:
        """Every element, over the bus."""
        if not self._on_bus:
            return self.view(np.ndarray)
        words = [self._board.read(address) for address in self._addresses.ravel().tolist()]  # type: ignore[union-attr]
        return np.array(words, np.uint32).reshape(self.shape)

    def __getitem__(self, key: Any) -> Any:
        if not self._on_bus:
            return super().__getitem__(key)
        addresses = self._addresses[key]  # type: ignore[index]
        if addresses.ndim == 0:
            return np.uint32(self._board.read(int(addresses)))  # type: ignore[union-attr]
        part = super().__getitem__(key)
        shares = np.may_share_memory(part, self)
        part._addresses = addresses
        values = part._read()
        return part if shares else values

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self._on_bus:
            super().__setitem__(key, value)  # which raises, for the memory is read-only
            return
        addresses = self._addresses[key]  # type: ignore[index]
        words = np.broadcast_to(
            value._read() if isinstance(value, Window) else np.asarray(value), np.shape(addresses)
        )
        for address, word in zip(np.ravel(addresses).tolist(), words.ravel().tolist()):
            self._board.write(address, word)  # type: ignore[union-attr]

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **kwargs: Any
    ) -> Any:
        if method == "at":
            return NotImplemented
        plain = [x._read() if isinstance(x, Window) else x for x in inputs]
        if out is None:
            return getattr(ufunc, method)(*plain, **kwargs)
        found = tuple(np.array(x) if isinstance(x, Window) else x for x in out)
        getattr(ufunc, method)(*plain, out=found, **kwargs)
        for target, values in zip(out, found):
            if isinstance(target, Window):
                target[...] = values
        return out[0] if len(out) == 1 else out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self._read()
        return super().__array_function__(func, types, args, kwargs)

    def __repr__(self) -> str:
        return repr(self._read())

    def tolist(self) -> Any:
        return self._read().tolist()

    def tobytes(self, *args: Any) -> bytes:  # type: ignore[override]
        return self._read().tobytes(*args)

    def copy(self, *args: Any) -> np.ndarray:  # type: ignore[override]
        return np.array(self._read())

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        return self._read().astype(*args, **kwargs)


class EmulatedBuffer(PynqBuffer):
    """What `pynq.allocate` gives on the emulated board: reading it before it was invalidated raises."""

    def _check(self) -> None:
        buffer = getattr(self, "bo", None)
        if isinstance(buffer, Buffer) and self.size:
            start = self.ctypes.data - buffer.host.ctypes.data
            reach = [(n - 1) * step for n, step in zip(self.shape, self.strides)]
            first, last = (
                start + sum(r for r in reach if r < 0),
                start + sum(r for r in reach if r > 0) + self.itemsize,
            )
            # Else a result of arithmetic, which is in ordinary memory.
            if first >= 0 and last <= buffer.nbytes:
                buffer.check_fresh(first, last)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, EmulatedBuffer):
            return found  # a view; it is checked when it is read
        self._check()
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        buffer = getattr(self, "bo", None)
        if isinstance(buffer, Buffer):
            buffer.check_alive()
        super().__setitem__(key, value)

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

    def __init__(
        self, board: EmulatedBoard, engine: str = "exact", models: dict[str, Model] | None = None
    ) -> None:
        super().__init__(f"pyqkit-emulated-{board.name}")
        self.board, self.engine, self.models = board, engine, dict(models or {})
        self.name = board.name
        self.arch = _ARCHITECTURES[board.family]
        self.capabilities = {"MEMORY_MAPPED": True}
        self.bitfile_name, self.timestamp = "", ""

    # ---- memory and registers ------------------------------------------------------------------------------

    def mmap(self, base: int, length: int) -> Window:
        """Registers as an array."""
        return Window(self.board, base, length)

    def allocate(self, shape: Any, dtype: Any = "u4", cacheable: bool = True, **_: Any) -> EmulatedBuffer:
        """Memory that blocks can reach."""
        shape = tuple(operator.index(n) for n in np.atleast_1d(np.asarray(shape, object)))
        kind = np.dtype(dtype)
        if min(shape, default=1) < 1 or kind.hasobject or not kind.itemsize:
            raise BoardFault(
                f"a shape of positive numbers and a type of plain values were expected, but {shape} "
                f"and {kind} came; give others"
            )
        nbytes = math.prod(shape) * kind.itemsize
        found = self.board.memory.allocate(nbytes, bool(cacheable))
        return EmulatedBuffer(
            shape,
            dtype,
            buffer=found.host,
            device=self,
            device_address=found.address,
            bo=found,
            coherent=not cacheable,
        )

    def flush(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        """See `Buffer.flush`."""
        bo.flush(offset, size)

    def invalidate(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        """See `Buffer.invalidate`."""
        bo.invalidate(offset, size)

    # ---- overlays ------------------------------------------------------------------------------------------

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What PYNQ asks for before a download."""
        handoff = Path(bitfile_name).with_suffix(".hwh")
        if not handoff.is_file():
            raise BoardFault(
                f"{handoff.name} was expected beside {bitfile_name}, but there is none; copy both "
                "files of an overlay together"
            )
        return _parser(handoff)

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Put an overlay into the emulated programmable logic."""
        path = Path(bitstream.bitfile_name)
        design = hwh.read(path.with_suffix(".hwh"))
        own = {} if self._known(design) else overlay_models(path, self.board.part, self.engine)
        if not own and bitfile.read(path).part != bitfile.header_part(self.board.part):
            raise BoardFault(
                f"a bitstream for {self.board.part} was expected, but {path} is for "
                f"{bitfile.read(path).part}; take the other one"
            )
        self.board.load(design, {**own, **self.models})
        now = datetime.datetime.now()
        bitstream.timestamp = f"{now:%Y/%m/%d %H:%M:%S} +{now.microsecond}"
        self.reset(parser or _parser(path.with_suffix(".hwh")), bitstream.timestamp, bitstream.bitfile_name)

    def _known(self, design: tuple[hwh.Block, ...]) -> bool:
        """Whether the given models suffice."""
        ours = (hwh.ACCELERATOR_VLNV, array_block.VLNV)
        return all(block.vlnv not in ours or block.vlnv in self.models for block in design)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """PYNQ would write into its own package here."""

    def insert_device_tree(self, abs_dtbo: str) -> None:
        """No device tree."""

    def remove_device_tree(self, abs_dtbo: str) -> None:
        """No device tree."""

    def shutdown(self) -> None:
        """No connections to shut."""

    # ---- the active device ---------------------------------------------------------------------------------

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
