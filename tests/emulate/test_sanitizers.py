"""Native code under the address and undefined-behaviour sanitizers, in a program of its own.

`tests.emulate.sanitized`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.kernels import pointer
from pyqkit.formats import FormatError, parse
from tests.emulate.networks import Net
from tests.emulate.sanitized import LEVELS
from tests.emulate.shapes import networks
from tests.emulate.test_engines import FAST, needs_compiler

ROOT = Path(__file__).parents[2]


def sanitized(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program's end; skips where g++ or its sanitizers are missing."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    found = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_file():
        pytest.skip("libasan, the run-time library of g++'s address sanitizer, is not installed")
    environment = {**os.environ, "LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-m", "tests.emulate.sanitized", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_kernels_of_engine_exact() -> None:
    """Directed networks and random ones.

    Every carrier, with vector instructions and without, gives the codes of the definition.
    """
    done = sanitized("kernels", 0, 40)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "ERROR" not in done.stderr and "runtime error" not in done.stderr
    for carrier in (
        "int8",
        "int16",
        "int16 depthwise",
        "int16 digits",
        "float32 by BLAS",
        "float64 by BLAS",
    ):
        assert done.stdout.count(f"'{carrier}'") == len(LEVELS), carrier
    for carrier in ("int16 lookups", "float64"):  # the second one runs where the first has no vectors
        assert f"'{carrier}'" in done.stdout, carrier
    assert "all carriers of Logarithmic Posits" in done.stdout


def test_generated_code() -> None:
    done = sanitized("hls")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "ERROR" not in done.stderr and "runtime error" not in done.stderr


def test_a_fault_ends_the_program() -> None:
    """Negative control."""
    done = sanitized("fault")
    assert done.returncode and "heap-buffer-overflow" in done.stderr


def test_the_same_seed_gives_the_same_networks() -> None:
    first, second = (list(networks(3, 4)) for _ in range(2))
    for a, b in zip(first, second):
        assert [op.kind for op in a.graph.operators] == [op.kind for op in b.graph.operators]
        np.testing.assert_array_equal(a.codes["x"], b.codes["x"])


# ---- nothing that was not checked reaches native code ------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("kind", [ExactEngine, HlsEngine])
def test_codes_of_another_shape_or_width_are_refused(kind: type) -> None:
    net = Net(parse("lp4_0_3"), parse("int4"))
    net.finish(net.conv("sums", "x", 2))
    engine = ExactEngine(net.graph) if kind is ExactEngine else HlsEngine(net.graph, flags=FAST)
    codes = net.codes["x"]
    for wrong in (codes[:, :-1], codes[..., :-1], codes[0], codes[:0]):
        with pytest.raises(
            FormatError, match=r"codes of shape \(frames, 6, 5, 4\) were expected for x, but "
        ):
            engine.run({"x": wrong})
    for value in (16, 255):
        with pytest.raises(FormatError, match="codes from 0 to 15 were expected for lp4_0_3"):
            engine.run({"x": np.full_like(codes, value)})
    with pytest.raises(FormatError, match="codes from 0 to 15 were expected for lp4_0_3"):
        engine.run({"x": codes.astype(np.int64) - 1})
    with pytest.raises(FormatError, match="integer codes were expected for lp4_0_3"):
        engine.run({"x": codes.astype(np.float32)})


def test_kernels_take_contiguous_arrays() -> None:
    with pytest.raises(ValueError, match="a contiguous array was expected by a kernel"):
        pointer(np.zeros((4, 4))[:, ::2])
