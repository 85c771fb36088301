"""A board has numpy, and neither a compiler nor onnx: `compare` and the engine `exact` run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.emulate.exact import ExactEngine
from pyqkit.runtime import Driver
from tests.overlays import frames, overlay

CODE = """
import json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import numpy as np
from pyqkit.emulate import kernels
from pyqkit.runtime import Driver

assert kernels.load() is None
with Driver.load({path!r}, backend="emulated", batch=8) as device:
    found = device.compare(np.load({x!r}))
from pyqkit.build_contents import read
from pyqkit.emulate.exact import ExactEngine
graph = read(device.manifest.build).designs.compiled.graph
codes = {{name: np.load({codes!r}) for name in (port.tensor for port in graph.inputs)}}
np.savez({result!r}, **ExactEngine(graph).run(codes))
print(json.dumps(found))
"""
MISSING = ("onnx", "onnxruntime", "qonnx", "torch", "brevitas", "scipy", "sklearn", "click", "rich", "jinja2")


def test_exact_judges_without_a_compiler_and_onnx(tmp_path: Path) -> None:
    path, x = overlay("ZCU104"), frames(12)
    with Driver.load(path, backend="emulated", batch=8) as device:
        from pyqkit.build_contents import read
        from pyqkit.compiled import encode

        graph = read(device.manifest.build).designs.compiled.graph
    (codes,) = encode(graph, x).values()
    files = {"x": str(tmp_path / "x.npy"), "codes": str(tmp_path / "codes.npy")}
    np.save(files["x"], x)
    np.save(files["codes"], codes)
    result = tmp_path / "result.npz"
    code = CODE.format(missing=MISSING, path=str(path), result=str(result), **files)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},  # no g++ there
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["frames"] == 12 and found["codes_differing"] == 0 and found["codes"] > 0
    wanted = ExactEngine(graph).run({graph.inputs[0].tensor: codes})
    with np.load(result) as archive:
        assert set(archive) == set(wanted)
        for name, expected in wanted.items():
            np.testing.assert_array_equal(archive[name], expected)
