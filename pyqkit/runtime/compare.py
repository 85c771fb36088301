"""What a device computes, beside what the engine `exact` computes from the packed build folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyqkit.runtime.driver import Driver


def compare(driver: Driver, x: np.ndarray) -> dict[str, Any]:
    """Run frames on the device and by the engine `exact`, and count differing codes.

    Parameters
    ----------
    driver : Driver
    x : numpy.ndarray, shape (frames, *input shape)

    Returns
    -------
    dict
        frames; codes, codes_differing and frames_differing (their indices) of the network's outputs; source.
        Where the build has probes, also layers: name, codes, codes_differing and frames_differing of every
        probe and every output, in the order of the graph; and first_layer, the name of the first of them that
        differs, or None. The fault is between it and the layers before it that do not differ.
    """
    from pyqkit.build_contents import read
    from pyqkit.compiled import encode
    from pyqkit.emulate.exact import ExactEngine

    (here,) = driver._pipeline([driver._numbers.encode(x)])
    graph = read(driver.manifest.build).designs.compiled.graph
    there = ExactEngine(graph).run(encode(graph, x))
    outputs = driver._outputs
    wrong = {output.end.tensor: found != there[output.end.tensor] for output, found in zip(outputs, here)}
    results = [wrong[output.end.tensor] for output in outputs if not output.port.probe]
    total = {"frames": len(here[0]), **_counts(results), "source": driver.source}
    if len(results) == len(outputs):
        return total
    order = [name for op in graph.operators for name in op.outputs if name in wrong]
    layers = [{"name": name, **_counts([wrong[name]])} for name in order]
    first = next((layer["name"] for layer in layers if layer["codes_differing"]), None)
    return {**total, "layers": layers, "first_layer": first}


def _counts(wrong: list[np.ndarray]) -> dict[str, Any]:
    flat = np.concatenate([entry.reshape(len(entry), -1) for entry in wrong], axis=1)
    return {
        "codes": flat.size,
        "codes_differing": int(flat.sum()),
        "frames_differing": np.flatnonzero(flat.any(axis=1)).tolist(),
    }
