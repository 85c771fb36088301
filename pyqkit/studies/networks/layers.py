"""Layers of networks: those of PyTorch, or those of Brevitas with quantisers of pyqkit.

A network asks a policy for its layers: `Float` gives the ones it was trained with, `Quantised` those with
quantisers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pyqkit.formats import Microscaled, parse


class Float:
    """Layers of the network as it was trained."""

    def input(self, signed: bool) -> nn.Module:
        """What an image passes first; `signed` says whether it can be negative."""
        return nn.Identity()

    def relu(self) -> nn.Module:
        """ReLU, and in a quantised network the quantiser after it."""
        return nn.ReLU()

    def identity(self) -> nn.Module:
        """Quantiser of values of both signs."""
        return nn.Identity()

    def pooled(self) -> nn.Module:
        """Quantiser between the global average pool and the classifier."""
        return nn.Identity()

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: Any) -> nn.Module:
        """Convolution without bias unless `options` say so; `edge` marks the first layer of the network."""
        return nn.Conv2d(inputs, outputs, kernel, **{"bias": False, **options})

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        """Classifier with bias, the last layer of the network."""
        return nn.Linear(inputs, outputs)


@dataclass(frozen=True)
class Formats:
    """Which format goes where.

    Attributes
    ----------
    weight, signed, unsigned : str
        Weights; activations of both signs; activations that are never negative.
    edge_weight, edge_signed, edge_unsigned : str
        The same for the first and the last layer, 8 bits wide.
    """

    weight: str
    signed: str
    unsigned: str
    edge_weight: str
    edge_signed: str
    edge_unsigned: str

    @classmethod
    def of(cls, name: str) -> Formats:
        """Formats of a network in format `name`.

        First and last layer: int8 for integers, lp8_1_3 for Logarithmic Posits, e4m3 for minifloats. Behind a
        ReLU integers are unsigned, as Brevitas' own QuantReLU has it; the others keep their sign. Where
        weights lie in blocks, activations are of the elements' format, with static scales.
        """
        fmt = parse(name)
        if isinstance(fmt, Microscaled):
            return replace(cls.of(fmt.element.name), weight=name)
        if name.startswith("int"):
            return cls(name, name, f"u{name}", "int8", "int8", "uint8")
        edge = "lp8_1_3" if name.startswith("lp") else "e4m3"
        return cls(name, name, name, edge, edge, edge)


class Quantised(Float):
    """The same layers with quantisers of pyqkit.

    Parameters
    ----------
    formats : Formats
    weight_options, activation_options : dict, optional
        For `pyqkit.quant.weight_quantizer` and `pyqkit.quant.act_quantizer`.
    """

    def __init__(
        self,
        formats: Formats,
        weight_options: dict[str, Any] | None = None,
        activation_options: dict[str, Any] | None = None,
    ) -> None:
        self.formats = formats
        self.weight_options, self.activation_options = weight_options or {}, activation_options or {}

    def weights(self, name: str) -> type:
        """Quantiser of the weights of a layer."""
        from pyqkit.quant import weight_quantizer

        return weight_quantizer(name, **self.weight_options)

    def activations(self, name: str) -> type:
        """Quantiser of activations."""
        from pyqkit.quant import act_quantizer

        return act_quantizer(name, **self.activation_options)

    def _quantise(self, name: str) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantIdentity(act_quant=self.activations(name), return_quant_tensor=False)

    def input(self, signed: bool) -> nn.Module:
        return self._quantise(self.formats.edge_signed if signed else self.formats.edge_unsigned)

    def relu(self) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantReLU(act_quant=self.activations(self.formats.unsigned), return_quant_tensor=False)

    def identity(self) -> nn.Module:
        return self._quantise(self.formats.signed)

    def pooled(self) -> nn.Module:
        return self._quantise(self.formats.edge_unsigned)

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: Any) -> nn.Module:
        import brevitas.nn as qnn

        weights = self.weights(self.formats.edge_weight if edge else self.formats.weight)
        return qnn.QuantConv2d(inputs, outputs, kernel, weight_quant=weights, **{"bias": False, **options})

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        import brevitas.nn as qnn

        return qnn.QuantLinear(
            inputs, outputs, bias=True, weight_quant=self.weights(self.formats.edge_weight)
        )
