"""`HostPart`: the steps between the outputs of an accelerator and the outputs of the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyqkit.formats.reading import check, text, whole
from pyqkit.graph import limits
from pyqkit.graph.fields import Arrays, codecs
from pyqkit.host.operation import Operation, Typed, kinds

_TYPE_KINDS = "fiub"


@dataclass(frozen=True, eq=False)
class Step:
    """A node of the ONNX file that the host computes.

    Attributes
    ----------
    node, type : str
        Its name, any text to be shown alone, and its ONNX type.
    operation : Operation
    inputs : tuple of str or numpy.ndarray
        Names of ONNX tensors, and constants.
    outputs : tuple of str
        Names of ONNX tensors, empty where nobody reads one.
    """

    node: str
    type: str
    operation: Operation
    inputs: tuple[str | np.ndarray, ...]
    outputs: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """Tensors that depend on frames."""
        return tuple(name for name in self.inputs if isinstance(name, str))

    @property
    def makes(self) -> tuple[str, ...]:
        """Tensors that somebody reads."""
        return tuple(filter(None, self.outputs))

    def execute(self, live: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What it makes of tensors by name, (frames, *shape)."""
        given = [live[held] if isinstance(held, str) else held for held in self.inputs]
        return {name: found for name, found in zip(self.outputs, self.operation.compute(*given)) if name}


@dataclass(frozen=True)
class Result:
    """An output of the network.

    Attributes
    ----------
    name : str
        In the ONNX graph.
    tensor : Typed
        Its type, and its shape without the batch.
    """

    name: str
    tensor: Typed


@dataclass(frozen=True)
class StepReport:
    """An output of a step, as the report shows it.

    Attributes
    ----------
    node, operation : str
        The node of the ONNX file, and its type.
    inputs : tuple of str
        ONNX tensors that it is computed of.
    output, output_type : str
        The ONNX tensor, and the type of its elements.
    output_shape : tuple of int
        Without the frames.
    """

    node: str
    operation: str
    inputs: tuple[str, ...]
    output: str
    output_type: str
    output_shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class HostPart:
    """What the host computes behind the accelerator.

    Attributes
    ----------
    steps : tuple of Step
        Each after what it reads.
    results : tuple of Result
        The network's outputs in the order of the ONNX graph: made by a step, or outputs of the accelerator.
    """

    steps: tuple[Step, ...]
    results: tuple[Result, ...]

    def execute(self, ends: Mapping[str, np.ndarray], keep: bool = False) -> dict[str, np.ndarray]:
        """Run the steps.

        Parameters
        ----------
        ends : mapping of str to numpy.ndarray
            Real outputs of the accelerator, (frames, *shape) float32, by their names in the ONNX graph.
        keep : bool
            Return every tensor, those of `ends` among them, instead of the network's outputs alone.

        Returns
        -------
        dict of str to numpy.ndarray
            (frames, *shape), by name.
        """
        live = dict(ends)
        for step in self.steps:
            live.update(step.execute(live))
        return live if keep else {result.name: live[result.name] for result in self.results}

    def tensors(self, ends: Mapping[str, tuple[int, ...]]) -> dict[str, Typed]:
        """Type and shape of every tensor, without the frames, from shapes of the accelerator's outputs."""
        live = {name: np.zeros((1, *shape), np.float32) for name, shape in ends.items()}
        for step in self.steps:
            with np.errstate(all="ignore"):
                live.update(step.execute(live))
            for name in step.makes:
                check(live[name].size <= limits.TENSOR_ELEMENTS, f"{name} has {live[name].size} elements")
                check(live[name].shape[:1] == (1,), f"{name} has lost its frames")
        return {name: Typed(values.dtype, values.shape[1:]) for name, values in live.items()}

    def described(self, ends: Mapping[str, tuple[int, ...]]) -> tuple[StepReport, ...]:
        """What is computed of what, for a report; `ends` are shapes of the accelerator's outputs."""
        made = self.tensors(ends)
        return tuple(
            StepReport(step.node, step.type, step.reads, name, made[name].type.name, made[name].shape)
            for step in self.steps
            for name in step.makes
        )

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        """JSON data; arrays go into `arrays` under names that start with ``host.``."""
        return {
            "steps": [_step_to_json(step, f"host.{i}", arrays) for i, step in enumerate(self.steps)],
            "results": [
                {"name": r.name, "type": r.tensor.type.name, "shape": list(r.tensor.shape)}
                for r in self.results
            ],
        }

    @classmethod
    def from_json(cls, entry: Any, arrays: Arrays, ends: Mapping[str, tuple[int, ...]]) -> HostPart:
        """Read what `to_json` wrote; raises one of `formats.reading.DAMAGE` for anything else.

        `ends` are the shapes of the accelerator's outputs by their names in the ONNX graph.
        """
        known = set(ends)
        steps = []
        for data in entry["steps"]:
            steps.append(_step_from_json(data, arrays, known))
            known.update(steps[-1].makes)
        part = cls(tuple(steps), tuple(_result_from_json(data, known) for data in entry["results"]))
        check(bool(part.results), "the host gives no results")
        tensors = part.tensors(ends)
        for result in part.results:
            check(tensors[result.name] == result.tensor, f"{result.name} has another type or shape")
        return part


def _step_to_json(step: Step, place: str, arrays: Arrays) -> dict[str, Any]:
    inputs: list[dict[str, str]] = []
    for index, held in enumerate(step.inputs):
        key = f"{place}.input{index}"
        if not isinstance(held, str):
            arrays[key] = held
        inputs.append({"tensor": held} if isinstance(held, str) else {"array": key})
    fields = {
        name: codec.write(getattr(step.operation, name), f"{place}.{name}", arrays)
        for name, codec in codecs(type(step.operation))
    }
    return {
        "node": step.node,
        "type": step.type,
        "kind": step.operation.kind,
        "fields": fields,
        "inputs": inputs,
        "outputs": list(step.outputs),
    }


def _step_from_json(data: Any, arrays: Arrays, known: Collection[str]) -> Step:
    kind = text(data["kind"])
    check(kind in kinds(), f"{kind} is no operation of the host; the file was made by another version")
    cls = kinds()[kind]
    operation = cls(**{name: codec.read(data["fields"][name], name, arrays) for name, codec in codecs(cls)})
    inputs = tuple(_input_from_json(held, arrays, known) for held in data["inputs"])
    step = Step(text(data["node"]), text(data["type"]), operation, inputs, tuple(map(text, data["outputs"])))
    check(bool(step.reads and step.makes), f"step {step.node} reads or makes nothing")
    check(len({*step.makes, *known}) == len(step.makes) + len(known), f"step {step.node} makes what exists")
    return step


def _input_from_json(held: Any, arrays: Arrays, known: Collection[str]) -> str | np.ndarray:
    if "tensor" in held:
        name = text(held["tensor"])
        check(name in known, f"nothing makes {name} for the host")
        return name
    constant = arrays[text(held["array"])]
    check(constant.dtype.kind in _TYPE_KINDS, f"a constant of the host has the type {constant.dtype}")
    return constant


def _result_from_json(data: Any, known: Collection[str]) -> Result:
    name, kind = text(data["name"]), np.dtype(text(data["type"]))
    check(name in known, f"nothing makes {name} for the host")
    check(kind.kind in _TYPE_KINDS, f"{name} has the type {kind}")
    shape = tuple(whole(n, 1) for n in data["shape"])
    check(len(shape) < limits.AXES, f"{name} has {len(shape)} axes")
    return Result(name, Typed(kind, shape))
