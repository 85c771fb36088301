"""A few lines to write QONNX graphs by hand, so that tests of the importer need no PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pyqkit.formats import Integer, Minifloat, parse

GENERAL = "qonnx.custom_op.general"
OWN = "pyqkit.custom_op.general"


class Builder:
    """Collects nodes; every method returns the name of the tensor it makes."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])
        self.count = 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = self.name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        names = [self.name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(
            helper.make_node(kind, list(inputs), names, name=names[0], domain=domain, **attributes)
        )
        return names[0] if outputs == 1 else names

    def quantise(self, source: str, name: str, scale: Any = 1.0, **attributes: Any) -> str:
        """Quant, FloatQuant or FormatQuant, whichever writes the format."""
        fmt = parse(name)
        step = self.constant(scale)
        if isinstance(fmt, Integer) and fmt.name != "int1":  # a signed Quant of 1 bit is bipolar
            signed, narrow = int(fmt.signed), int(fmt.narrow)
            attributes = {"signed": signed, "narrow": narrow, "rounding_mode": "ROUND", **attributes}
            return self.node(
                "Quant",
                source,
                step,
                self.constant(fmt.zero_point),
                self.constant(fmt.width),
                domain=GENERAL,
                **attributes,
            )
        if isinstance(fmt, Minifloat) and fmt.signed:
            numbers = [
                self.constant(v) for v in (fmt.exponent_bits, fmt.significand_bits, fmt.bias, fmt.maximum)
            ]
            flags = {
                "has_inf": int(fmt.variant == "ieee"),
                "has_nan": int(fmt.variant != ""),
                "has_subnormal": 1,
                "saturation": 1,
            }
            return self.node(
                "FloatQuant", source, step, *numbers, domain=GENERAL, rounding_mode="ROUND", **flags
            )
        return self.node("FormatQuant", source, step, domain=OWN, format=name, **attributes)

    def weights(self, name: str, *shape: int, scale: Any = 0.25, **attributes: Any) -> str:
        fmt = parse(name)
        spread = getattr(fmt, "element", fmt).maximum * float(np.mean(scale))
        return self.quantise(
            self.constant(self.random.normal(0, spread / 2, shape)), name, scale, **attributes
        )

    def conv(
        self,
        source: str,
        name: str,
        outputs: int,
        inputs: int,
        kernel: int = 3,
        scale: Any = 0.25,
        **attributes: Any,
    ) -> str:
        groups = attributes.get("group", 1)
        attributes.setdefault("pads", [kernel // 2] * 4)
        return self.node(
            "Conv",
            source,
            self.weights(name, outputs, inputs // groups, kernel, kernel, scale=scale),
            **attributes,
        )

    def batch_norm(self, source: str, channels: int) -> str:
        draw = self.random
        parameters = [
            draw.normal(0, 1, channels),
            draw.normal(0, 1, channels),
            draw.normal(0, 1, channels),
            draw.uniform(0.5, 2, channels),
        ]
        return self.node("BatchNormalization", source, *[self.constant(p) for p in parameters], epsilon=1e-5)

    def model(self, *outputs: str) -> Any:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", [self.input], infos, self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(GENERAL, 2), helper.make_opsetid(OWN, 1)]
        return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
