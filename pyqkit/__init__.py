"""pyqkit: from a PyTorch network in unusual number formats to a bit-exact FPGA accelerator on PYNQ."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Accelerator", "__version__", "compile", "formats"]


def __getattr__(name: str):  # of any type; to say so would load `typing` before Ctrl-C is heard
    # Looked up on use, so that `import pyqkit` costs nothing.
    import importlib

    if name == "Accelerator":
        return importlib.import_module("pyqkit.accelerator").Accelerator
    if name == "compile":
        return importlib.import_module("pyqkit.compiler").compile
    if name in ("boards", "formats", "quant"):
        return importlib.import_module(f"pyqkit.{name}")
    raise AttributeError(f"module 'pyqkit' has no attribute {name!r}")
