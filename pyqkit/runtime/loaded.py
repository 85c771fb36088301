"""An overlay on a device: what drivers of accelerators and of arrays share."""

from __future__ import annotations

import weakref
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pyqkit.overlay.install import locate
from pyqkit.overlay.manifest import Manifest, OverlayError, read
from pyqkit.runtime.backends import Backend, choose, emulated_board_in_use
from pyqkit.runtime.device import Device
from pyqkit.runtime.options import check_options

S = TypeVar("S", bound="Loaded")
_SLOWEST_MEMORY = 20e6  # bytes/s that any board reaches, for the default timeout


def opened(
    path: str | Path,
    board: str | None,
    backend: str,
    clock_mhz: float | None,
    overclock: bool,
    *,
    array: bool,
) -> tuple[Manifest, Backend]:
    """The manifest of an overlay, and the backend with it; see `Driver.load`.

    Parameters
    ----------
    array : bool
        Whether it must be that of an array, or that of a network.

    Raises
    ------
    OverlayError
        If a file is missing or was edited, if the overlay is for another board, if PYNQ finds its blocks
        elsewhere, if the device is in use, or if an option is none.
    """
    check_options(board=board, backend=backend, clock_mhz=clock_mhz, overclock=overclock)
    manifest = read(_located(path, board))
    if (manifest.machine is not None) != array:
        wanted_kind, kind, driver = ("an array", "a network", "Driver")
        if manifest.machine is not None:
            wanted_kind, kind, driver = ("a network", "an array", "Array")
        raise OverlayError(
            f"the overlay of {wanted_kind} was expected, but {manifest.name} is that of {kind}; load it with "
            f"pyqkit.runtime.{driver}.load"
        )
    wanted = manifest.clock_mhz if clock_mhz is None else clock_mhz
    if not 0 < wanted < 1000 or (wanted > manifest.clock_mhz and not overclock):
        raise OverlayError(
            f"a clock of at most {manifest.clock_mhz:g} MHz was expected, which is what {manifest.name} "
            f"was closed for, but {wanted:g} came; pass overclock=True if wrong results are acceptable"
        )
    chosen = choose(manifest, board, backend)
    try:
        chosen.clock_mhz = wanted
    except BaseException:
        chosen.close()
        raise
    return manifest, chosen


def _located(path: str | Path, board: str | None) -> Path:
    """A path as it is.

    A bare name among the installed overlays, for the emulated board in use if none is given.
    """
    if len(Path(path).parts) != 1 or Path(path).exists():
        return Path(path)
    return locate(str(path), board or emulated_board_in_use())


def timeout(wanted: float | None, estimated: float) -> float:
    """Seconds that a user wants, or those that were estimated.

    Raises
    ------
    OverlayError
        For none that ends.
    """
    if wanted is not None and not 0 < wanted < float("inf"):  # NaN would never be over
        raise OverlayError(
            f"a timeout above 0 s was expected, but {wanted:g} came; leave it out to have it estimated"
        )
    return estimated if wanted is None else wanted


def estimated_timeout(cycles: float, nbytes: int, clock_mhz: float) -> float:
    """Seconds that are waited for so many cycles and bytes."""
    return 1 + 2 * (cycles / (clock_mhz * 1e6) + nbytes / _SLOWEST_MEMORY)


class Loaded:
    """An overlay that is loaded.

    Attributes
    ----------
    manifest : Manifest
    source : {"measured", "emulated"}
        What its times and results come from.
    """

    def __init__(self, manifest: Manifest, backend: Backend) -> None:
        self.manifest, self._backend, self.source = manifest, backend, backend.source

    def _open(self) -> None:
        """Take the device; after the buffers, which are freed in the opposite order."""
        self._device = Device(self.manifest, self._backend)
        # At the latest when the process ends: before the buffers are freed, nothing writes into them any
        # more.
        self._release = weakref.finalize(self, self._device.close)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.manifest.name!r}, board={self._backend.board!r}, "
            f"clock_mhz={self.clock_mhz:.6g}, {self.source})"
        )

    @property
    def clock_mhz(self) -> float:
        """PL clock, read back from the board."""
        return self._backend.clock_mhz

    @property
    def board(self) -> str:
        """Where it runs."""
        return self._backend.board

    def close(self) -> None:
        """Give buffers and device back."""
        self._release()
        self._free()
        self._backend.close()

    def _free(self) -> None:
        """Give buffers back."""

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
