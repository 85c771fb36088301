"""Where an accelerator runs.

A PYNQ device (a real board, or an emulated one behind PYNQ), or the emulated board alone.
"""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pyqkit.overlay import hwh
from pyqkit.overlay.manifest import Manifest, OverlayError, Place

_BOARD_FILE = Path("/proc/device-tree/chosen/pynq_board")
_TOLERANCE = 1.001  # of clocks: PYNQ computes with a reference of 33.333 MHz


class Buffer(Protocol):
    """Memory that processor and DMA share."""

    address: int
    array: np.ndarray  # uint8

    def flush(self) -> None: ...

    def invalidate(self) -> None: ...

    def copy(self) -> np.ndarray:
        """What is in it, as an array of its own."""


class Backend(Protocol):
    """What `pyqkit.runtime.Driver` needs of a place to run."""

    source: str  # what its times are: measured or emulated
    board: str
    clock_mhz: float

    def read(self, block: str, offset: int) -> int:
        """A register of a block of the manifest, by its byte offset there."""

    def write(self, block: str, offset: int, value: int) -> None: ...

    def allocate(self, nbytes: int) -> Buffer: ...

    def reload(self) -> None:
        """Load the overlay again: whatever was in the accelerator is gone."""

    def loaded(self) -> bool:
        """Whether the overlay that was loaded here is still the last one loaded onto the device."""

    def rails(self) -> dict[str, Any]:
        """Power sensors by name, as PYNQ gives them; empty without."""

    def close(self) -> None: ...


def choose(manifest: Manifest, board: str | None, backend: str) -> Backend:
    """The backend for an overlay.

    `auto` is PYNQ for a real bitstream, and for an emulated one if an emulated device is in use.

    Raises
    ------
    OverlayError
        If the overlay does not fit the place.
    """
    if backend not in ("auto", "pynq", "emulated"):
        raise OverlayError(
            f"backend auto, pynq or emulated was expected, but {backend!r} came; leave it out to "
            "have one chosen"
        )
    if backend == "auto":
        backend = "emulated" if manifest.emulated and not emulated_board_in_use() else "pynq"
    if backend == "emulated":
        return EmulatedBackend(manifest, board)
    return PynqBackend(manifest, board)


def emulated_board_in_use() -> str | None:
    """Board that `pyqkit.board_emulation.use` has made PYNQ's active device, if it has."""
    device = getattr(getattr(sys.modules.get("pynq"), "Device", None), "_active_device", None)
    return device.name if device is not None and _is_emulated(device) else None


def _is_emulated(device: Any) -> bool:
    return str(getattr(device, "tag", "")).startswith("pyqkit-emulated")


def same_board(first: str, second: str) -> bool:
    """Whether two spellings (Pynq-Z2, PYNQ-Z2) name one board."""
    return _plain(first) == _plain(second)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _check_board(manifest: Manifest, board: str) -> None:
    if board and not any(same_board(board, own) for own in manifest.boards):
        raise OverlayError(
            f"an overlay for {board} was expected, but {manifest.bitfile} is for "
            f"{' or '.join(manifest.boards)}; take the one for this board"
        )


# ---- PYNQ --------------------------------------------------------------------------------------------------


class _PynqBuffer:
    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self.address = int(buffer.physical_address)
        self.array = buffer.view(np.ndarray)

    def flush(self) -> None:
        self._buffer.flush()

    def invalidate(self) -> None:
        self._buffer.invalidate()

    def copy(self) -> np.ndarray:
        return np.asarray(self._buffer.copy())


class PynqBackend:
    """A device of PYNQ's.

    Raises
    ------
    OverlayError
        If PYNQ or a device is missing, the device is another board, or it is in use.
    """

    def __init__(self, manifest: Manifest, board: str | None) -> None:
        self.manifest = manifest
        self._device = _active_device()
        emulated = _is_emulated(self._device)
        if manifest.emulated and not emulated:
            raise OverlayError(
                f"a bitstream for the board was expected, but {manifest.bitfile} was written for "
                "the emulated board; build it with Vivado"
            )
        if emulated and not manifest.emulated:
            raise OverlayError(
                f"a bitstream for the emulated board was expected, but {manifest.bitfile} is for real "
                "hardware; make one with 'pyqkit overlay BUILD --emulated'"
            )
        self.source = "emulated" if emulated else "measured"
        self.board = board or (self._device.name if emulated else _board_name()) or manifest.boards[0]
        _check_board(manifest, self.board)
        if emulated:
            _check_board(manifest, self._device.name)
        owner = getattr(self._device, "pyqkit_owner", lambda: None)()
        if owner is not None:
            raise OverlayError(
                f"a free device was expected, but an accelerator with {owner.manifest.name} is "
                "using it; call close() on that one first"
            )
        self._load()
        self._device.pyqkit_owner = weakref.ref(self)

    def _load(self) -> None:
        from pynq import MMIO, Overlay

        self._overlay = Overlay(str(self.manifest.bitfile), device=self._device)
        if _differences(self.manifest, self._overlay.ip_dict):
            _forget_metadata()  # PYNQ keeps what it parsed under the hash of the .bit file alone
            self._overlay = Overlay(str(self.manifest.bitfile), device=self._device)
        wrong = _differences(self.manifest, self._overlay.ip_dict)
        if wrong:
            raise OverlayError(
                f"the blocks that {self.manifest.bitfile.with_suffix('.json')} lists were expected, but "
                f"{self.manifest.handoff} has {wrong}; copy the four files of the overlay together"
            )
        places = self.manifest.blocks
        self._registers = {
            name: MMIO(place.address, place.size, device=self._device) for name, place in places.items()
        }
        self._download = self._last_download()

    def _last_download(self) -> tuple[str, str]:
        """What PYNQ remembers of the last overlay loaded onto the device, by whomever."""
        return str(self._device.bitfile_name), str(self._device.timestamp)

    def loaded(self) -> bool:
        return self._last_download() == self._download

    def read(self, block: str, offset: int) -> int:
        return int(self._registers[block].read(offset)) & 0xFFFF_FFFF  # PYNQ.remote gives large words a sign

    def write(self, block: str, offset: int, value: int) -> None:
        self._registers[block].write(offset, int(value))

    def allocate(self, nbytes: int) -> Buffer:
        from pynq import allocate

        try:
            return _PynqBuffer(allocate((nbytes,), "u1", target=self._device))
        except (MemoryError, RuntimeError, OSError, ValueError) as error:
            raise OverlayError(
                f"{nbytes:,} bytes of contiguous memory were expected, but the board has none "
                f"({error}); load with batch="
            ) from error

    @property
    def clock_mhz(self) -> float:
        """PL clock 0 as the registers say."""
        from pynq import Clocks

        with _no_warnings():
            return float(Clocks.fclk0_mhz)

    @clock_mhz.setter
    def clock_mhz(self, wanted: float) -> None:
        from pynq import Clocks

        # PYNQ takes the nearest rate, which may be faster; ask for less until it is not.
        with _no_warnings():
            for percent in range(100, 0, -1):
                Clocks.fclk0_mhz = wanted * percent / 100
                if Clocks.fclk0_mhz <= wanted * _TOLERANCE:
                    return

    def reload(self) -> None:
        clock = self.clock_mhz
        self._overlay.download()
        self._download = self._last_download()
        self.clock_mhz = clock

    def rails(self) -> dict[str, Any]:
        import pynq

        with _no_warnings():
            return dict(pynq.get_rails()) if hasattr(pynq, "get_rails") and self.source == "measured" else {}

    def close(self) -> None:
        if getattr(self._device, "pyqkit_owner", lambda: None)() is self:
            del self._device.pyqkit_owner


def _active_device() -> Any:
    try:
        import pynq
    except ModuleNotFoundError as error:
        raise OverlayError(
            "pynq was expected to drive a board, but it is not installed; on a laptop take an "
            "overlay made with --emulated"
        ) from error
    try:
        with _no_warnings():
            return pynq.Device.active_device
    except RuntimeError as error:
        raise OverlayError(
            f"a PYNQ device was expected, but pynq finds none ({error}); on a board run as root, on "
            "a laptop take an overlay made with --emulated"
        ) from error


def _board_name() -> str:
    """The board that this image says it runs on; empty if it does not say."""
    if _BOARD_FILE.is_file():
        return _BOARD_FILE.read_bytes().rstrip(b"\0\n").decode("ascii", "replace")
    return os.environ.get("BOARD", "")


def _differences(manifest: Manifest, ip_dict: Any) -> str:
    """What PYNQ found at other places than the manifest says; empty if all is well."""
    wrong = []
    for name, place in manifest.blocks.items():
        entry = ip_dict.get(name)
        found = (
            None
            if entry is None
            else Place(entry["type"], entry.get("phys_addr", -1), entry.get("addr_range", -1))
        )
        if found is None:
            wrong.append(f"no {name}")
        elif found != place:
            wrong.append(
                f"{name} as a {found.vlnv} at {found.address:#x}, {found.size} bytes, instead of "
                f"{place.address:#x}, {place.size}"
            )
    return " and ".join(wrong)


def _forget_metadata() -> None:
    from pynq import pl_server
    from pynq.pl_server.global_state import clear_global_state

    clear_global_state()
    (Path(str(pl_server.__file__)).parent / "_current_metadata.pkl").unlink(missing_ok=True)


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---- emulation without PYNQ --------------------------------------------------------------------------------


class _EmulatedBuffer:
    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self.address, self.array = buffer.address, buffer.host

    def flush(self) -> None:
        self._buffer.flush(0, self._buffer.nbytes)

    def invalidate(self) -> None:
        self._buffer.invalidate(0, self._buffer.nbytes)

    def copy(self) -> np.ndarray:
        self._buffer.check_fresh(0, self._buffer.nbytes)
        return np.array(self.array)


class EmulatedBackend:
    """The emulated board, driven through its registers; pynq is not needed."""

    source = "emulated"

    def __init__(self, manifest: Manifest, board: str | None) -> None:
        if not manifest.emulated:
            raise OverlayError(
                f"a bitstream for the emulated board was expected, but {manifest.bitfile} is for real "
                "hardware; make one with 'pyqkit overlay BUILD --emulated'"
            )
        from pyqkit.board_emulation.board import EmulatedBoard, overlay_models

        self.manifest, self.board = manifest, board or manifest.boards[0]
        _check_board(manifest, self.board)
        self._board = EmulatedBoard(self.board, manifest.part, manifest.family)
        self._models = overlay_models(manifest.bitfile, self._board.part)
        design = hwh.read(manifest.handoff)
        found = {b.name: {"type": b.vlnv, "phys_addr": b.address, "addr_range": b.size} for b in design}
        wrong = _differences(manifest, found)
        if wrong:
            raise OverlayError(
                f"the blocks that the manifest lists were expected, but {manifest.handoff} has "
                f"{wrong}; copy the overlay again"
            )
        self._load()

    def _load(self) -> None:
        self._board.load(hwh.read(self.manifest.handoff), self._models)
        self._board.clock.mhz = self.manifest.clock_mhz

    def read(self, block: str, offset: int) -> int:
        return self._board.read(self.manifest.blocks[block].address + offset)

    def write(self, block: str, offset: int, value: int) -> None:
        self._board.write(self.manifest.blocks[block].address + offset, value)

    def allocate(self, nbytes: int) -> Buffer:
        return _EmulatedBuffer(self._board.memory.allocate(nbytes, cacheable=True))

    @property
    def clock_mhz(self) -> float:
        """PL clock 0 as the registers say."""
        return self._board.clock.mhz

    @clock_mhz.setter
    def clock_mhz(self, wanted: float) -> None:
        self._board.clock.mhz = wanted

    def reload(self) -> None:
        clock = self.clock_mhz
        self._load()
        self.clock_mhz = clock

    def loaded(self) -> bool:
        return True

    def rails(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing is shared."""
