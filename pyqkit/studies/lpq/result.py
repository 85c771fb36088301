"""What a search has found: the format and the scale of each layer's weights, and of what it reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from pyqkit.formats import parse
from pyqkit.studies.json_value import Json
from pyqkit.studies.layerwise.coding import Coding
from pyqkit.studies.layerwise.evaluator import Assignment
from pyqkit.studies.layerwise.sums import accumulator_bits, code_counts
from pyqkit.studies.lpq.problem import Problem


@dataclass(frozen=True)
class CodedLayer:
    """Formats of a layer.

    Attributes
    ----------
    layer : str
        Path of the module.
    size : int
        Weights.
    weights, activations : str
        Formats with `prescale` 1; activations are what the layer reads.
    weight_scale, activation_scale : float
        What their values are multiplied by, 2**-sf.
    accumulator_bits : int
        Of the exact sums.
    """

    layer: str
    size: int
    weights: str
    weight_scale: float
    activations: str
    activation_scale: float
    accumulator_bits: int

    def to_json(self) -> Json:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> CodedLayer:
        """From plain data; ValueError or `FormatError` if it is none."""
        if not isinstance(data, dict) or set(data) != {field.name for field in fields(cls)}:
            raise ValueError("a layer of a result has other entries")
        found = cls(**data)  # type: ignore[arg-type]
        _ = found.weight_coding, found.activation_coding
        return found

    @property
    def weight_coding(self) -> Coding:
        """Of the weights."""
        return Coding(parse(self.weights), float(self.weight_scale))

    @property
    def activation_coding(self) -> Coding:
        """Of what the layer reads."""
        return Coding(parse(self.activations), float(self.activation_scale))


def coded_layers(problem: Problem, assignment: Assignment) -> list[CodedLayer]:
    """An assignment layer by layer; layers that stay float are left out."""
    found = []
    for layer, weights in zip(problem.network.layers, assignment.weights):
        activations = assignment.activations[layer.point]
        if weights is None or activations is None:
            continue
        counts = code_counts(weights.encode(layer.weights), weights.bits)
        bits = accumulator_bits(counts, weights.format, activations.format)
        found.append(
            CodedLayer(
                layer.name,
                layer.weights.size,
                weights.format.name,
                weights.scale,
                activations.format.name,
                activations.scale,
                bits,
            )
        )
    return found
