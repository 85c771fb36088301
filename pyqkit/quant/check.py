"""Whether an exported file computes what the module does: quantiser by quantiser, from equal inputs.

The module runs with hooks on its quantisers. Each quantiser node of the file is given what the module's
quantiser was given, and has to return the same float32 numbers. Between quantisers the file starts from the
values that the module's quantisers returned, and what reaches the next one must be within the computed bounds
of two float32 executions. So there is no tolerance that could hide a wrong code, and no sum on the other side
of a boundary can be taken for one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from brevitas.proxy.parameter_quant import BiasQuantProxyFromInjectorBase, WeightQuantProxyFromInjectorBase
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjectorBase

from pyqkit.errors import UserError
from pyqkit.graph.layer_names import layer_of, module_path
from pyqkit.graph.model import QUANTISERS
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.verify.execution import CUT, Execution
from pyqkit.verify.float_error import UNIT, ErrorBounds

Call = tuple[np.ndarray, np.ndarray]  # what a quantiser was given and what it returned


def check_export(module: torch.nn.Module, x: torch.Tensor, model: Any) -> None:
    """Compare a module with its file on frames.

    Parameters
    ----------
    module : torch.nn.Module
        In eval mode, on the CPU.
    x : torch.Tensor, shape (frames, *input shape)
    model : onnx.ModelProto
        With a batch of 1 and all shapes.

    Raises
    ------
    UserError
        If the file computes something else; names the first layer that does.
    """
    for frame in range(len(x)):
        with _recorded(module) as calls:
            made = module(x[frame : frame + 1])
        outputs = [tensor.numpy() for tensor in (made if isinstance(made, (tuple, list)) else [made])]
        _compare(_matched(model, calls), model, x[frame : frame + 1].numpy(), outputs)


@contextmanager
def _recorded(module: torch.nn.Module) -> Iterator[dict[str, list[Call]]]:
    """Calls of every quantiser by the path of its proxy, in order."""
    calls: dict[str, list[Call]] = defaultdict(list)
    handles = []
    for path, proxy in module.named_modules():
        quantiser = _quantiser(proxy)
        if quantiser is not None:

            def note(_: Any, given: Any, made: Any, path: str = path) -> None:
                returned = made[0] if isinstance(made, tuple) else made
                calls[path].append((given[0].detach().numpy().copy(), returned.detach().numpy().copy()))

            handles.append(quantiser.register_forward_hook(note))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _quantiser(proxy: torch.nn.Module) -> torch.nn.Module | None:
    """The module that rounds, behind the activation function of its layer."""
    if isinstance(proxy, Quantiser):
        return proxy
    if isinstance(proxy, ActQuantProxyFromInjectorBase):
        return getattr(proxy.fused_activation_quant_proxy, "tensor_quant", None)
    if isinstance(proxy, (WeightQuantProxyFromInjectorBase, BiasQuantProxyFromInjectorBase)):
        return proxy.tensor_quant
    return None


def _matched(model: Any, calls: dict[str, list[Call]]) -> dict[str, tuple[str, Call]]:
    """Path and call for the output of every quantiser node that is found in the module."""
    nodes: dict[str, list[Any]] = defaultdict(list)
    for node in model.graph.node:
        if node.op_type in QUANTISERS:
            nodes[module_path(node.name)].append(node)
    matched = {}
    for path, found in nodes.items():
        made = calls.get(path, [])
        found.sort(key=_turn)
        if len(made) == len(found):
            matched.update({node.output[0]: (path, call) for node, call in zip(found, made)})
    return matched


def _turn(node: Any) -> int:
    """Which call of its proxy a node is.

    The tracer counts them in the name, while the order in the file is any that is legal.
    """
    counted = re.search(r"/export_handler_(\d+)/", node.name)
    return int(counted[1]) if counted else 0


def _compare(
    matched: dict[str, tuple[str, Call]], model: Any, x: np.ndarray, outputs: list[np.ndarray]
) -> None:
    live = _live(model)
    cut = {name: made for name, (_, (_, made)) in matched.items() if name in live}
    execution = Execution(model, {name: made.shape for name, made in cut.items()})
    exact = {name + CUT: made for name, made in cut.items()}
    tensors = execution.cut({model.graph.input[0].name: x, **exact})
    bounds = ErrorBounds(execution, tensors, exact, {})
    for node in execution.nodes:
        if node.output[0] not in matched:
            continue
        path, (given, made) = matched[node.output[0]]
        if node.output[0] in live:
            _refuse_unless(
                _near(tensors[node.input[0]], given, bounds.of(node.input[0])), path, "what it is given"
            )
            (written,) = execution.node(
                node, {**tensors, node.input[0]: given.reshape(tensors[node.input[0]].shape)}
            )
        else:
            written = tensors[node.output[0]]
        _refuse_unless(_near(written, made, 0.0), path, "how it rounds")
    for port, value in zip(model.graph.output, outputs):
        bound = 0.0 if port.name in matched else bounds.of(port.name)
        _refuse_unless(_near(tensors[port.name], value, bound), "", "the output")


def _live(model: Any) -> set[str]:
    """Tensors that depend on the input."""
    live = {model.graph.input[0].name}
    for node in model.graph.node:
        if live & set(node.input):
            live |= set(node.output)
    return live


def _near(written: np.ndarray, made: np.ndarray, bound: np.ndarray | float) -> np.ndarray:
    """Where two float32 executions of the same numbers may differ as two given ones do.

    Each by its bound and the rounding of a scale.
    """
    if written.size != made.size:
        return np.zeros(made.shape, bool)
    made = made.astype(np.float64).reshape(written.shape)
    slack = np.asarray(2 * bound) + 4 * UNIT * np.abs(made)
    return (np.abs(written - made) <= slack) | (written == made)


def _refuse_unless(near: np.ndarray, path: str, what: str) -> None:
    if near.all():
        return
    where = f"{what} in layer {layer_of(path)}" if path else what
    raise UserError(
        f"a file that computes what the module does was expected, but the exporter changed {where}: "
        f"{int((~near).sum())} of {near.size} values "
        "differ; take a quantiser of pyqkit.quant for that layer, or one that rounds to nearest"
    )
