"""Changes to the initialisers of an ONNX model."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.fuzz.model_words import NUMBERS, Change, a_name, a_whole


def _values(model: Any, random: Random) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    try:
        array = numpy_helper.to_array(tensor).copy()
    except (ValueError, TypeError):  # spoiled already
        return
    if not array.size or array.dtype.kind not in "fi":
        return
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        new = (
            np.array(random.choice(NUMBERS)).astype(array.dtype)
            if array.dtype.kind == "f"
            else np.array(a_whole(random)).astype(array.dtype)
        )
        kind = random.randrange(4)
        if kind == 0:
            flat[:] = new
        elif kind == 1:
            flat *= array.dtype.type(random.choice((-1, 0, 2, 3)))
        else:
            flat[random.randrange(flat.size)] = new
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _tensor(model: Any, random: Random) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    kind = random.randrange(7)
    if kind == 0:
        tensor.data_type = random.choice(range(25))
    elif kind == 1 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = a_whole(random)
    elif kind == 2:
        tensor.dims.append(a_whole(random))
    elif kind == 3:
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]
    elif kind == 4:
        tensor.name = a_name(model, random)
    elif kind == 5:
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key = random.choice(("location", "offset", "length"))
        entry.value = random.choice(
            ("/etc/passwd", "../x", "input.onnx", ".", "", "x" * 300, "-1", str(2**62))
        )
    else:
        del model.graph.initializer[list(model.graph.initializer).index(tensor)]


def _reshape_tensor(model: Any, random: Random) -> None:
    """The same numbers on other axes, or some of them, or as another type."""
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):  # spoiled already
        return
    kind = random.randrange(6)
    with np.errstate(all="ignore"):
        if kind == 0:
            array = array.reshape(-1)
        elif kind == 1:
            array = array[None]
        elif kind == 2 and array.ndim:
            array = array[: random.choice((0, 1, 2))]
        elif kind == 3 and array.ndim:
            array = array[0]
        elif kind == 4 and array.dtype.kind in "fiu":
            array = array.astype(
                random.choice(
                    (np.float64, np.float16, np.float32, np.int64, np.int32, np.int8, np.uint8, bool)
                )
            )
        else:
            array = np.moveaxis(array, -1, 0) if array.ndim else array[None, None]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


TENSOR_CHANGES: tuple[Change, ...] = (_values, _values, _values, _tensor, _reshape_tensor, _reshape_tensor)
