"""pyqkit: from a PyTorch network in unusual number formats to a bit-exact FPGA accelerator on PYNQ."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing`, which has it, would be loaded before Ctrl-C is heard
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"
__all__ = ["Accelerator", "__version__", "compile", "formats", "quantise"]


def __getattr__(name: str) -> Any:
    # Looked up on use, so that `import pyqkit` costs nothing.
    import importlib

    if name == "Accelerator":
        return importlib.import_module("pyqkit.accelerator").Accelerator
    if name == "compile":
        return importlib.import_module("pyqkit.compiler").compile
    if name == "quantise":
        return importlib.import_module("pyqkit.quant.ptq").quantise
    if name in ("boards", "formats", "quant"):
        return importlib.import_module(f"pyqkit.{name}")
    raise AttributeError(f"module 'pyqkit' has no attribute {name!r}")
