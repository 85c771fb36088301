"""A program: networks through native code that was compiled with sanitizers, which end it at the first fault.

LD_PRELOAD=$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 python -m tests.emulate.sanitized
kernels SEED COUNT
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from pyqkit.emulate import kernels
from pyqkit.emulate.carriers.depthwise import TYPES, Depthwise, padded_weights
from pyqkit.emulate.exact import ExactEngine
from tests.emulate import test_lookup, test_microscale, test_stream_lookups
from tests.emulate.networks import Net, everything
from tests.emulate.shapes import networks

# C++20 defines what g++ has always done: shifts of negative numbers
BOTH = (
    "-std=c++20",
    "-O1",
    "-g",
    "-fPIC",
    "-shared",
    "-w",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)
LEVELS = {
    "vector": ("-march=native",),
    "AVX2": ("-march=native", *kernels.NO_AVX512),
    "portable": ("-DPYQKIT_PORTABLE",),
}
DIRECTED = (
    ("e2m1", None),
    ("int8", "int8narrow"),
    ("lp8_1_3", None),
    ("lp4_0_3", None),
    ("e4m3", None),
    ("uint8z128", "int4"),
)


def same(found: dict[str, np.ndarray], net: Net, what: str) -> None:
    """Assert that an engine gives the definition's codes."""
    for port in net.graph.outputs:
        np.testing.assert_array_equal(
            found[port.tensor], net.values[port.tensor], err_msg=f"{what}, {port.tensor}"
        )


def run_kernels(seed: int, count: int) -> None:
    """Engine exact, with vector instructions and without, fused and not."""
    for name, native in LEVELS.items():
        kernels.FLAGS = (*BOTH, *native)
        kernels.load.cache_clear()
        assert kernels.load() is not None, "kernels were expected to compile with sanitizers"
        carriers: dict[str, int] = {}
        directed = (*(everything(*pair) for pair in DIRECTED), test_microscale.network("int31"))
        for net in (*directed, *networks(seed, count)):
            for fuse in (True, False):
                engine = ExactEngine(net.graph, fuse=fuse)
                same(engine.run(net.codes), net, name)
                for carrier in engine.carriers.values():
                    carriers[carrier] = carriers.get(carrier, 0) + 1
        print(name, carriers)
    kernels.FLAGS = (*BOTH, "-march=native")
    kernels.load.cache_clear()
    test_lookup.everywhere()  # with vector instructions and without
    test_stream_lookups.everywhere()
    print("all carriers of Logarithmic Posits")


def run_hls() -> None:
    """The generated C++.

    Its processes are fibers, whose stacks the address sanitizer is not told of: see `test_sanitizers`.
    """
    from pyqkit.emulate.hls import HlsEngine

    net = everything("e2m1", "int4")
    same(HlsEngine(net.graph, flags=BOTH).run(net.codes), net, "hls")


def fault() -> None:
    """A kernel that is told of a taller frame than there is: the sanitizers must end this program."""
    kernels.FLAGS = (*BOTH, "-DPYQKIT_PORTABLE")
    library = kernels.load()
    assert library is not None
    values, sums = np.zeros((1, 2, 2, 1), np.int16), np.zeros((1, 2, 2, 1), np.int32)
    weights = padded_weights(np.zeros((1, 3, 3, 1)))
    shape = (ctypes.c_int32 * 15)(1, 2000, 2, 1, 2, 2, 1, 3, 3, 1, 1, 1, 1, 1, 1)
    what = Depthwise(shape, TYPES.index(values.dtype), weights.ctypes.data, None)
    library.pyqkit_depthwise(ctypes.byref(what), kernels.pointer(values), kernels.pointer(sums), None)


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    if what == "kernels":
        run_kernels(*map(int, numbers))
    elif what == "hls":
        run_hls()
    else:
        fault()
