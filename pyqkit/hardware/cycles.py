"""Latency of a frame: how long until the last pixel has left, from the pace and the demand of every operator."""

from __future__ import annotations

from pyqkit.hardware.survey import Foldings, Survey


def latency(survey: Survey, foldings: Foldings) -> int:
    """Cycles from a frame's first input word to its last output word, the pipeline being empty.

    An operator's first pixel waits for the pixels that it needs of each input, which come at the pace of their producer;
    from then on the slowest operator sets the pace. Pipeline depths inside blocks, tens of cycles, are left out.
    """
    graph, found = survey.graph, survey.estimate(foldings)
    first = {port.tensor: 0.0 for port in graph.inputs}
    for op in graph.operators:
        tensors = graph.input_tensors(op)
        waits = []
        for name, tensor, need in zip(op.inputs, tensors, op.pixels_needed(tensors)):
            producer = graph.producer(name)
            pace = found[producer.name if producer else op.name].cycles / tensor.pixels  # an input waits for its reader
            waits.append(first[name] + float(need[0]) * pace)
        first.update(dict.fromkeys(op.outputs, max(waits)))
    return survey.interval(foldings) + int(max(first[port.tensor] for port in graph.outputs))
