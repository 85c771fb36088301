"""Small networks of many architectures through every exporter: which compile, and whether their codes agree.

    OMP_NUM_THREADS=1 python benchmarks/architecture_zoo.py --exporters brevitas onnxruntime

Ends with 1 if anything was refused or any code differed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from architecture_layers import Binary, Float, Quantised
from architectures import ARCHITECTURES
from brevitas.export import export_onnx_qcdq, export_qonnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

import pyqkit
from pyqkit.errors import UserError

SETTLING = 4  # batches of noise from which batch norms and quantisers take their statistics


class Batches(CalibrationDataReader):
    """Frames from which onnxruntime takes its scales."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        generator = np.random.default_rng(0)
        self._left = [{name: generator.normal(size=(1, *shape)).astype(np.float32)} for _ in range(8)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


def settled(make: Callable[[Float], Any], of: Float) -> tuple[nn.Module, Tensor]:
    """A network with weights and statistics from a seed, and one frame."""
    torch.manual_seed(0)
    model, shape = make(of)
    model.train()
    with torch.no_grad():
        for _ in range(SETTLING):
            model(torch.randn(8, *shape))
    return model.eval(), torch.randn(1, *shape)


def brevitas(of: Callable[[], Float], write: Callable[..., Any], **options: Any) -> Callable[..., None]:
    """An exporter of Brevitas' layers."""

    def export(make: Callable[[Float], Any], path: Path) -> None:
        model, x = settled(make, of())
        write(model, x, str(path), **options)

    return export


def quantised_by_onnxruntime(opset: int) -> Callable[..., None]:
    """Static quantisation of the float network, quantisers around every node."""

    def export(make: Callable[[Float], Any], path: Path) -> None:
        model, x = settled(make, Float())
        plain, prepared = path.with_suffix(".float.onnx"), path.with_suffix(".prepared.onnx")
        torch.onnx.export(
            model,
            (x,),
            plain,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)  # which leaves files behind
        quantize_static(
            prepared, path, Batches("x", x.shape[1:]), quant_format=QuantFormat.QDQ, per_channel=True
        )

    return export


EXPORTERS: dict[str, Callable[..., None]] = {
    "brevitas": brevitas(Quantised, export_qonnx, dynamo=False),
    "brevitas_dynamo": brevitas(Quantised, export_qonnx, dynamo=True),
    "brevitas_biases": brevitas(lambda: Quantised(8, biases=True), export_qonnx, dynamo=False),
    "brevitas_qcdq": brevitas(Quantised, export_onnx_qcdq, dynamo=False),
    "brevitas_qcdq_dynamo": brevitas(Quantised, export_onnx_qcdq, dynamo=True),
    "brevitas_binary": brevitas(Binary, export_qonnx, dynamo=False),
    "pyqkit": brevitas(Quantised, pyqkit.quant.export_qonnx),
    "onnxruntime": quantised_by_onnxruntime(17),
    "onnxruntime_13": quantised_by_onnxruntime(13),
}


def main(arguments: list[str] | None = None) -> int:
    """One line a network and exporter."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    parser.add_argument("--exporters", nargs="+", choices=list(EXPORTERS), default=list(EXPORTERS))
    parser.add_argument("--engines", nargs="+", default=["exact"])
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the files are kept; nowhere without it")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # exporters warn of their own internals
    torch.set_num_threads(1)
    wrong = 0
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for exporter in options.exporters:
            for name in options.networks:
                began = time.perf_counter()
                said = tried(
                    name, exporter, folder / f"{name}.{exporter}.onnx", options.engines, options.frames
                )
                wrong += said != "agrees" and not said.startswith("not exported")
                print(f"{exporter:20} {name:20} {time.perf_counter() - began:5.1f} s  {said}", flush=True)
    print(f"{wrong} refused or different")
    return int(wrong > 0)


def tried(name: str, exporter: str, path: Path, engines: Sequence[str] = ("exact",), frames: int = 4) -> str:
    """What became of a network: ``agrees``, or why not."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            EXPORTERS[exporter](ARCHITECTURES[name], path)
    except Exception as error:  # exporters refuse some, such as a sum of steps that differ with `biases`
        return f"not exported: {type(error).__name__}: {str(error).splitlines()[0]}"
    try:
        accelerator = pyqkit.compile(path, allow_overflow=True)
        (port,) = accelerator.graph.inputs
        x = np.random.default_rng(1).normal(size=(frames, *port.onnx_shape)).astype(np.float32)
        found = accelerator.verify(x, engines)
    except UserError as error:
        return f"refused: {error}"
    except Exception as error:  # which is a fault of pyqkit's
        return f"breaks: {type(error).__name__}: {error}"
    reference = found["reference"]
    counts = found["mismatches"], reference["codes_differing"], reference["float32"]["codes_unexplained"]
    return "agrees" if not any(counts) else f"differs: engines, reference, float32: {counts}"


if __name__ == "__main__":
    sys.exit(main())
