"""An emulated PYNQ board: notebooks run on a laptop, and what would hang hardware becomes an exception.

import pyqkit.board_emulation
pyqkit.board_emulation.use("ZCU104")

from pynq import Overlay, allocate     # from here on as on the board
overlay = Overlay("digits.bit")        # written by 'pyqkit overlay BUILD --emulated'
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from pyqkit.errors import MissingToolError

if TYPE_CHECKING:
    from pyqkit.board_emulation.board import EmulatedBoard, Model

__all__ = ["Emulation", "make", "use"]


def make(board: str = "ZCU104", memory_bytes: int | None = None, patience: int | None = 64) -> EmulatedBoard:
    """An emulated board by name, without PYNQ.

    Parameters
    ----------
    board : str
        Of a board file, or the path of one.
    memory_bytes : int, optional
        Memory for buffers.
    patience : int or None
        Status reads of a transfer that cannot end before `BoardFault` is raised; None never raises, as
        hardware does.
    """
    from pyqkit import boards
    from pyqkit.board_emulation.board import EmulatedBoard

    described = boards.load(board)
    return EmulatedBoard(described.name, described.part, described.family, memory_bytes, patience)


def use(
    board: str = "ZCU104",
    engine: str = "exact",
    models: dict[str, Model] | None = None,
    patience: int | None = 64,
    **options: Any,
) -> Emulation:
    """Make an emulated board PYNQ's active device; needs pynq, but no board.

    Parameters
    ----------
    board : str
        Name or path of a board file.
    engine : {"exact", "hls"}
        What computes the network of an overlay.
    models : dict of str to callable, optional
        Emulated blocks of your own, by VLNV: a function of the block (`pyqkit.overlay.hwh.Block`) and its
        streams that returns an object with ``read(offset)`` and ``write(offset, value)``, and ``step()`` if
        it moves data.
    patience : int or None
        As for `make`.

    Returns
    -------
    Emulation
        Also a context manager, which gives PYNQ its former device back.

    Raises
    ------
    MissingToolError
        If pynq is not installed.
    """
    try:
        from pyqkit.board_emulation.pynq_device import EmulatedDevice
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pynq", "pynqmetadata"):
            raise
        raise MissingToolError(
            f"{error.name} was expected to put an emulated board behind it, but it is not installed; pip "
            "install 'pyqkit[board]', or drive the emulated board without it: "
            f"pyqkit.runtime.Driver.load(overlay, board={board!r}, backend='emulated')"
        ) from error

    return Emulation(EmulatedDevice(make(board, patience=patience, **options), engine, models))


class Emulation:
    """An emulated device in use.

    Attributes
    ----------
    device : EmulatedDevice
    board : EmulatedBoard
    """

    def __init__(self, device: Any) -> None:
        self.device, self.board = device, device.board
        self._before = device.activate()

    def __repr__(self) -> str:
        return f"emulated {self.board.name} ({self.board.part})"

    def close(self) -> None:
        """Give PYNQ its former device back."""
        self.device.deactivate(self._before)

    def __enter__(self) -> Emulation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
