"""What runs on a board: the driver of an overlay, called with frames.

numpy is enough; pynq is imported when a board is used.
"""

from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime.array import Array, Network
from pyqkit.runtime.dma import TransferError
from pyqkit.runtime.driver import Driver

__all__ = ["Array", "Driver", "Network", "OverlayError", "TransferError"]
