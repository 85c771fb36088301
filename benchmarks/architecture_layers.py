"""Layers of `architectures.py`: those of PyTorch, or those of Brevitas with quantisers."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
from brevitas.quant import Int32Bias, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn


class Float:
    """PyTorch's own layers, for exporters that quantise what is trained."""

    def input(self) -> nn.Module:
        """What the input passes first."""
        return nn.Identity()

    def relu(self) -> nn.Module:
        """ReLU and its quantiser."""
        return nn.ReLU()

    def identity(self) -> nn.Module:
        """Quantiser of numbers of both signs."""
        return nn.Identity()

    def after(self, function: nn.Module) -> nn.Module:
        """A function and the quantiser behind it."""
        return nn.Sequential(function, self.identity())

    def conv(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        """Convolution of images."""
        return nn.Conv2d(inputs, outputs, kernel, **options)

    def conv1d(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        """Convolution over time."""
        return nn.Conv1d(inputs, outputs, kernel, **options)

    def up(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        """Transposed convolution."""
        return nn.ConvTranspose2d(inputs, outputs, kernel, **options)

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        """Linear layer with a bias."""
        return nn.Linear(inputs, outputs)


class Quantised(Float):
    """Brevitas' layers: inputs of 8 bits, everything else of `bits`.

    Parameters
    ----------
    bits : int
    biases : bool
        Biases of 32 bits, in steps that follow from those of input and weights.
    """

    def __init__(self, bits: int = 4, biases: bool = False) -> None:
        self._bits = bits
        self._layer: dict[str, Any] = {"weight_bit_width": bits}
        if biases:
            self._layer["bias_quant"] = Int32Bias
        self._quantiser = {"return_quant_tensor": biases}

    def input(self) -> nn.Module:
        return qnn.QuantIdentity(bit_width=8, **self._quantiser)

    def relu(self) -> nn.Module:
        return qnn.QuantReLU(bit_width=self._bits, **self._quantiser)

    def identity(self) -> nn.Module:
        return qnn.QuantIdentity(bit_width=self._bits, **self._quantiser)

    def conv(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        return qnn.QuantConv2d(inputs, outputs, kernel, **{"bias": True, **options}, **self._layer)

    def conv1d(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        return qnn.QuantConv1d(inputs, outputs, kernel, **{"bias": True, **options}, **self._layer)

    def up(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        return qnn.QuantConvTranspose2d(inputs, outputs, kernel, **{"bias": True, **options}, **self._layer)

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        return qnn.QuantLinear(inputs, outputs, bias=True, **self._layer)


class Binary(Quantised):
    """Weights and activations of one bit, -1 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self._layer = {"weight_quant": SignedBinaryWeightPerTensorConst}

    def relu(self) -> nn.Module:
        return self.identity()

    def identity(self) -> nn.Module:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
