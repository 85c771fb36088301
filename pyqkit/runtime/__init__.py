"""What runs on a board.

`Accelerator.load(overlay)` and a call with frames. numpy is enough; pynq is imported when a board is used.
"""

from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime.accelerator import Accelerator
from pyqkit.runtime.dma import TransferError

__all__ = ["Accelerator", "OverlayError", "TransferError"]
