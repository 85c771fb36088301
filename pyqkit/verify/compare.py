"""Verification: engines against each other, against the QONNX model in exact arithmetic, and against its float32 execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import to_integers
from pyqkit.reference.quantised import Quantised, real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator

_CHUNK = 50


def verify(
    accelerator: Accelerator, x: np.ndarray, engines: Sequence[str], progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Compare engines and reference.

    Parameters
    ----------
    accelerator : Accelerator
    x : numpy.ndarray, shape (frames, *input shape)
    engines : sequence of str
        The first is compared with the reference.
    progress : callable, optional
        Called with a word on what runs next.

    Returns
    -------
    dict
        frames, engines, mismatches (codes of outputs, probes among them, that differ between engines), and reference: codes compared, codes_differing,
        top1_agreement, layers (codes, differing, saturated, ties, distinct codes), and float32 (what float32 execution gives
        otherwise, and why; see `pyqkit.verify.float32.compare`). The reference is None for a model that is not at hand.
    """
    say = progress or (lambda _: None)
    codes = accelerator.encode(x)
    outputs = []
    for name in engines:
        say(f"engine {name}")
        outputs.append(accelerator.engine(name).run(codes))
    mismatches = sum(int((outputs[0][k] != other[k]).sum()) for other in outputs[1:] for k in outputs[0])
    result: dict[str, Any] = {"frames": len(x), "engines": list(engines), "mismatches": mismatches, "reference": None}
    if accelerator.model is not None:
        say("reference in exact arithmetic")
        result["reference"] = _against_reference(accelerator, x, outputs[0])
        say("float32 execution")
        result["reference"]["float32"] = float32.compare(accelerator, _model(accelerator), x)
    return result


def _model(accelerator: Accelerator) -> Any:
    from pyqkit.graph.model import parse_model

    assert accelerator.model is not None
    return parse_model(accelerator.model, "model.onnx")


def _against_reference(accelerator: Accelerator, x: np.ndarray, outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    graph, reference = accelerator.graph, Reference(_model(accelerator))
    layers: dict[str, Any] = {name: {"codes": 0, "differing": 0, "saturated": 0, "ties": 0, "distinct": set()} for name in graph.sources}
    differing = compared = agreed = 0
    for first in range(0, len(x), _CHUNK):
        part = slice(first, first + _CHUNK)
        expected = reference.run(x[part], keep=True)
        tensors = accelerator.engine("exact").run(accelerator.encode(x[part]), keep=True)
        for name, source in graph.sources.items():
            value = expected[source]
            assert isinstance(value, Quantised)
            _count(layers[name], tensors[name], value.codes(), graph.tensors[name].format, value.ties)
        for port in graph.results:
            tensor, wanted = graph.tensors[port.tensor], real_of(expected[port.onnx_name]).high
            integers = to_integers(outputs[port.tensor][part], tensor.format)
            real = (integers * port.scale + port.offset).reshape(len(integers), -1)[:, port.order.ravel()]
            step = np.broadcast_to(port.scale, integers.shape).reshape(len(integers), -1)[:, port.order.ravel()]
            # An output is a multiple of its step, so rounding the difference to steps counts codes without any tolerance.
            differing += int((np.rint((real - wanted.reshape(real.shape)) / step) != 0).sum())
            compared += real.size
            agreed += int((real.argmax(axis=1) == wanted.reshape(real.shape).argmax(axis=1)).sum())
    table = {name: {**entry, "distinct": len(entry["distinct"])} for name, entry in layers.items()}
    differing += sum(entry["differing"] for entry in table.values())
    compared += sum(entry["codes"] for entry in table.values())
    return {"codes": compared, "codes_differing": differing, "top1_agreement": agreed / len(x), "layers": table}


def _count(entry: dict[str, Any], codes: np.ndarray, expected: np.ndarray, fmt: NumberFormat, ties: int) -> None:
    ordered, zero = fmt.codes, fmt.zero_code if fmt.has_zero else None
    found = codes.transpose(0, 3, 1, 2).reshape(expected.shape)
    entry["codes"] += found.size
    entry["differing"] += int((found != expected).sum())
    ends = [code for code in (ordered[0], ordered[-1]) if code != zero]  # what a ReLU cuts off is not saturated
    entry["saturated"] += int(np.isin(found, ends).sum())
    entry["ties"] += ties
    entry["distinct"] |= set(np.unique(found).tolist())
