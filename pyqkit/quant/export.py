"""Export to QONNX.

FloatQuant for signed minifloats, Quant for integers, and one own operator, FormatQuant, for the rest.

The file is compared with the module before it is written; see `pyqkit.quant.check`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brevitas.quant_tensor import QuantTensor, _unpack_quant_tensor
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from pyqkit.errors import UserError
from pyqkit.files import check_file, replacing
from pyqkit.graph.layer_names import layer_of, module_path
from pyqkit.graph.model import QUANTISERS
from pyqkit.quant.attention import write_out_attention
from pyqkit.quant.calibration import warn_of_uncalibrated
from pyqkit.quant.check import check_export
from pyqkit.quant.handlers import Manager
from pyqkit.quant.norms import write_out_norms
from pyqkit.quant.ptq.naming import name_layers

CHECKED_FRAMES = 2


def export_qonnx(
    model: torch.nn.Module, example_input: torch.Tensor, path: str | Path, *, force: bool = False
) -> Path:
    """Write a quantised model as QONNX.

    Parameters
    ----------
    model : torch.nn.Module
        With Brevitas layers, or as `pyqkit.quantise` gives it. A copy of it is exported, on the CPU and in
        eval mode, and the model itself is left as it is.
    example_input : torch.Tensor or numpy.ndarray
        Frames of the right shape, real numbers. The first is traced, so that the file has a batch of 1; the
        first two run through the model and through the file.
    path : str or Path
    force : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file exists, or cannot be written.
    UserError
        If the module does not run on the input, a layer cannot be written as ONNX, or the file computes
        something else than the module; the sentence names the layer.
    """
    target = Path(path)
    check_file(target, force)
    x = _frames(example_input)
    with _quiet(), torch.no_grad():
        working = _copied(model)
        outputs = _run(working, x[:1])
        exported = _exported(working, x[:1])
        if not all(bool(torch.isfinite(output).all()) for output in outputs):
            raise UserError(
                "a module that returns finite numbers was expected, but NaN or infinity came; look "
                "at its scales and statistics"
            )
        exported.graph.name = type(model).__name__  # what reports call the network
        check_export(working, x[:CHECKED_FRAMES], exported)
    with replacing(target, force) as beside:
        beside.write_bytes(exported.SerializeToString())
    warn_of_uncalibrated(model)
    return target


def _frames(example_input: Any) -> torch.Tensor:
    if isinstance(example_input, np.ndarray) and example_input.dtype.kind in "fiub":
        example_input = torch.from_numpy(np.ascontiguousarray(example_input))
    if isinstance(example_input, QuantTensor):
        example_input = example_input.value
    if not isinstance(example_input, torch.Tensor):
        came = type(example_input).__name__
        raise UserError(
            f"one tensor of frames was expected as example input, but {came} came; pass "
            "torch.zeros(1, channels, height, width)"
        )
    if example_input.ndim < 2 or not example_input.numel():
        shape = tuple(example_input.shape)
        raise UserError(
            f"an example input with a frame along its first axis was expected, but shape {shape} "
            "came; pass a batch"
        )
    if example_input.is_complex() or example_input.dtype == torch.bool:
        raise UserError(
            f"real numbers were expected as example input, but {example_input.dtype} came; convert "
            "it to float32"
        )
    frames = example_input.detach().cpu().to(torch.float32)
    if not torch.isfinite(frames).all():
        raise UserError(
            "finite numbers were expected as example input, but NaN or infinity came; pass frames of the data"
        )
    return frames


def _copied(model: torch.nn.Module) -> torch.nn.Module:
    try:
        working = copy.deepcopy(model)
    except Exception as error:  # tensors with a history, locks, files: whatever cannot be copied
        raise UserError(
            f"a module that can be copied was expected, but it cannot ({_reason(error)}); detach "
            "the tensors that it keeps as attributes"
        ) from error
    working = working.to("cpu", torch.float32).eval()
    write_out_norms(working)
    write_out_attention(working)
    for module in working.modules():
        if hasattr(module, "export_handler"):
            module.export_handler = None  # type: ignore[assignment]  # of an export before, by Brevitas' own manager perhaps
    working.register_forward_hook(lambda module, given, made: _unpack_quant_tensor(made))
    return working


def _run(model: torch.nn.Module, x: torch.Tensor) -> Sequence[torch.Tensor]:
    with _running(model) as layer:
        try:
            made = model(x)
        except UserError:
            raise
        except Exception as error:  # whatever the user's forward raises
            where = f" in {layer[-1]}" if layer else ""
            raise UserError(
                f"a module that runs on one frame of shape {tuple(x.shape[1:])} was expected, but "
                f"it raises {type(error).__name__}{where} "
                f"({_reason(error)}); pass an example input of its shape, and join several inputs into one"
            ) from error
    outputs = made if isinstance(made, (tuple, list)) else [made]
    if not outputs or not all(isinstance(output, torch.Tensor) for output in outputs):
        raise UserError(
            f"a module that returns a tensor or several was expected, but {type(made).__name__} "
            "came; return its tensors"
        )
    return outputs


@contextlib.contextmanager
def _running(model: torch.nn.Module) -> Iterator[list[str]]:
    """Names of the layers that are running, the innermost last; what raises stays."""
    running: list[str] = []

    def enter(name: str) -> Any:
        return lambda module, given: running.append(name)

    def leave(module: Any, given: Any, made: Any) -> None:
        running.pop()

    handles = []
    for name, module in _layers(model):
        handles += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()


def _layers(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Modules that the user wrote into the model, with their names."""
    inside = ""  # of a layer of Brevitas
    for name, module in model.named_modules():
        if not name or (inside and name.startswith(inside)):
            continue
        inside = f"{name}." if type(module).__module__.startswith("brevitas.nn") else ""
        yield name, module


def _exported(working: torch.nn.Module, x: torch.Tensor) -> Any:
    try:
        exported = _written(working, x)
    except UserError:
        raise
    except Exception as error:  # tracer, symbolic functions and checker raise what they like
        layer = _unwritable_layer(working, x)
        where = f"layer {layer}" if layer else "the module"
        raise UserError(
            f"layers that ONNX can describe were expected, but {where} cannot be exported "
            f"({_reason(error)}); replace it by layers that pyqkit lowers, or keep it outside of the module"
        ) from error
    _refuse_foreign(exported)
    # Qonnx executes only graphs with all shapes.
    exported = ModelWrapper(exported).transform(InferShapes()).model
    used = {node.domain for node in exported.graph.node}
    kept = sorted(
        (opset for opset in exported.opset_import if opset.domain in used | {""}),
        key=lambda opset: opset.domain,
    )
    del exported.opset_import[:]
    exported.opset_import.extend(kept)  # '' first: qonnx executes constants with the first version
    _number_constants(exported, {name for name, _ in (*working.named_parameters(), *working.named_buffers())})
    name_layers(exported, working)
    return exported


def _number_constants(model: Any, tensors: set[str]) -> None:
    """Rename initialisers that are no tensors of the module, in place.

    onnxoptimizer, which Brevitas' exporter calls, has drawn letters and digits for them: the same network
    would be another file each time.
    """
    drawn = (t for t in model.graph.initializer if t.name.isalnum() and t.name not in tensors)
    names = {tensor.name: f"/constant_{number}" for number, tensor in enumerate(drawn)}
    for tensor in (*model.graph.initializer, *model.graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)
    for annotation in model.graph.quantization_annotation:
        annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _refuse_foreign(exported: Any) -> None:
    for node in exported.graph.node:
        if node.domain and node.op_type not in (*QUANTISERS, "Trunc"):
            raise UserError(
                f"layers that pyqkit lowers were expected, but layer {layer_of(module_path(node.name))} is "
                f"exported as {node.op_type}; replace it, or keep it outside of the module"
            )


def _written(working: torch.nn.Module, x: Any) -> Any:
    # dynamo=False: tracing with dynamo drops Brevitas' quantised tensors and is several times slower.
    return Manager.export(working, x, dynamo=False, input_names=["input"], output_names=["output"])


def _unwritable_layer(working: torch.nn.Module, x: torch.Tensor) -> str:
    """The innermost layer that cannot be exported by itself; empty if each of them can."""
    Manager.set_export_mode(working, enabled=False)
    seen: dict[str, tuple[Any, Any]] = {}
    handles = []
    working = _copied(working)
    for name, module in _layers(working):

        def note(module: Any, given: Any, name: str = name) -> None:
            seen.setdefault(name, (module, given))

        handles.append(module.register_forward_pre_hook(note))
    with contextlib.suppress(Exception):
        working(x)
    for handle in handles:
        handle.remove()
    for name, (module, given) in sorted(seen.items(), key=lambda item: -item[0].count(".")):
        try:
            alone = _copied(module)
            _written(alone, tuple(_unpack_quant_tensor(given)))
        except Exception:  # found
            return name
    return ""


def _reason(error: Exception) -> str:
    """The first sentence of an error, without the graphs that follow."""
    if isinstance(error, TypeError) and "NoneType" in str(error):  # a handler that Brevitas does not have
        return "Brevitas has no way to write it"
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return re.split(r"\. |\s+\[", first)[0].strip().rstrip(".")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what tracer and exporter print.

    They warn of every Python branch inside Brevitas, and print graphs from C++.
    """
    before, sink = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
            _silent_descriptors(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _silent_descriptors() -> Iterator[None]:
    """What C++ writes to standard output and error goes to a file that is dropped."""
    saved: list[tuple[int, int]] = []
    with tempfile.TemporaryFile() as sink:
        try:
            for descriptor in (1, 2):
                with contextlib.suppress(OSError):  # closed, in a service
                    saved.append((os.dup(descriptor), descriptor))
                    os.dup2(sink.fileno(), descriptor)
            yield
        finally:
            for copy_of, descriptor in saved:
                os.dup2(copy_of, descriptor)
                os.close(copy_of)
