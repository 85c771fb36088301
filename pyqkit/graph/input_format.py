"""`InputFormat`: what an unquantised input of a network holds, declared by whoever compiles it.

A declared format is a quantiser behind the input, so it is written into the model as one: what lowers,
executes or keeps the model knows it without being told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pyqkit.errors import UserError, brief
from pyqkit.formats import FormatError, NumberFormat, parse
from pyqkit.graph.model import network_inputs, shown, type_code

EXAMPLES = (
    "uint8 for pixels 0..255, uint8:1/255 for pixels 0..1, uint1 for features 0 and 1, "
    "bipolar for -1 and 1, int16 for samples of 16 bits"
)
HINT = f"--input-format uint8 (input_format='uint8' in Python) declares what it holds: {EXAMPLES}"
_NUMBER = r"\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,2})?"  # short enough to be a fraction at once
_DOMAIN = "pyqkit.custom_op.general"


@dataclass(frozen=True)
class InputFormat:
    """Every number of an input is a code of `format` times `scale`.

    Attributes
    ----------
    format : NumberFormat
    scale : Fraction
        Above zero. The model holds the float32 next to it.
    name : str
        Of the input in the ONNX graph; empty for the only one.
    """

    format: NumberFormat
    scale: Fraction = Fraction(1)
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> InputFormat:
        """Read ``FORMAT``, ``FORMAT:SCALE`` or either behind ``NAME=``.

        The scale is a decimal number or a quotient of two.

        Raises
        ------
        UserError
            For anything else.

        Examples
        --------
        >>> declared = InputFormat.parse("pixels=uint8:1/255")
        >>> declared.name, str(declared.format), declared.scale
        ('pixels', 'uint8', Fraction(1, 255))
        """
        if not isinstance(text, str):
            raise UserError(f"an input format such as 'uint8:1/255' was expected, but {brief(text)} came")
        name, _, described = text.rpartition("=")
        what, colon, number = described.partition(":")
        try:
            fmt = parse(what)
        except FormatError as error:
            raise UserError(f"{error}; an input format is {EXAMPLES}") from error
        if fmt.block:
            raise UserError(
                f"a format of single codes was expected for the input, but {fmt} came, which needs a scale "
                "found while the network runs; use its element's"
            )
        return cls(fmt, _scale(number) if colon else Fraction(1), name)

    def __str__(self) -> str:
        return f"{self.format}:{self.scale}" if self.scale != 1 else str(self.format)

    def declared(self, model: Any) -> Any:
        """A copy of a model with a quantiser of this format behind its input.

        Parameters
        ----------
        model : onnx.ModelProto

        Raises
        ------
        UserError
            If the model has no such input.
        """
        from onnx import helper, numpy_helper

        copy = type(model).FromString(model.SerializeToString())
        graph = copy.graph
        value = self._input(graph)
        value.type.tensor_type.elem_type = type_code("FLOAT")  # which holds the integers of other types
        source = value.name
        taken = {name for node in graph.node for name in (*node.input, *node.output)}
        taken |= {tensor.name for tensor in (*graph.initializer, *graph.input, *graph.output)}
        quantised, scale = _new(f"{source}_declared", taken), _new(f"{source}_declared_scale", taken)
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name == source:
                    node.input[place] = quantised
        graph.initializer.append(numpy_helper.from_array(np.array(float(self.scale), np.float32), scale))
        node = helper.make_node(
            "FormatQuant", [source, scale], [quantised], quantised, domain=_DOMAIN, format=self.format.name
        )
        graph.node.insert(0, node)
        if all(entry.domain != _DOMAIN for entry in copy.opset_import):
            copy.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
        return copy

    def _input(self, graph: Any) -> Any:
        values = network_inputs(graph)
        names = [value.name for value in values]
        if len(names) != 1 or self.name not in ("", *names):
            raise UserError(
                f"the name of an input out of {', '.join(map(shown, names))} was expected, but "
                f"{shown(self.name)} came; a network with one input needs none"
            )
        return values[0]


def _scale(text: str) -> Fraction:
    match = re.fullmatch(f"({_NUMBER})(?:/({_NUMBER}))?", text)
    numbers = [Fraction(number) for number in match.groups(default="1")] if match else [Fraction(0)]
    if not all(numbers) or not 2.0**-100 < (scale := numbers[0] / numbers[-1]) < 2.0**100:
        raise UserError(
            f"a scale such as 0.5 or 1/255 was expected behind the colon, but {brief(text)} came; leave it "
            "and the colon out for 1"
        )
    return scale


def _new(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted
