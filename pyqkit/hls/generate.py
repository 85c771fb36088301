"""The whole network as one C++ top function, instantiated from the header library in ``hls/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.formats.port import End
from pyqkit.graph.graph import Graph, Port, Tensor
from pyqkit.hardware.fifo import pixels_waiting
from pyqkit.hardware.folding_types import Folding
from pyqkit.hls.emitter import Emitter, fifo_words, largest_lanes, rule_for

_HEADERS = ("add", "axi_stream", "layout", "matrix_vector", "pool", "requantise", "sliding_window")


@dataclass(frozen=True)
class Design:
    """Generated C++ and what is needed to drive it.

    Attributes
    ----------
    files : dict of str to str
        File name to text.
    inputs, outputs : list of End
    fifo_words : dict of str to int
        Depth of every stream.
    """

    files: dict[str, str]
    inputs: list[End]
    outputs: list[End]
    fifo_words: dict[str, int]


def library() -> Path:
    """Folder of the C++ header library."""
    import pyqkit

    package = Path(pyqkit.__file__).parent
    installed = package / "hls_library"
    return installed if installed.is_dir() else package.parent / "hls"


def generate(graph: Graph, folding: dict[str, Folding] | None = None, depths: dict[tuple[str, str], int] | None = None) -> Design:
    """Write a graph as HLS C++.

    Parameters
    ----------
    graph : Graph
    folding : dict of str to Folding
        By operator; an operator that is missing does one product a cycle.
    depths : dict of (tensor, operator) to int, optional
        Words of the FIFO between a tensor and the operator that reads it, instead of the derived ones.

    Returns
    -------
    Design
    """
    e = Emitter(graph, folding or {}, depths or {})
    waiting = pixels_waiting(graph)
    inputs = [_from_axi(e, port, i) for i, port in enumerate(graph.inputs)]
    for port in graph.inputs:
        _fork(e, port.tensor, waiting)
    for op in graph.operators:
        rule_for(op)(e, op)
        for tensor in op.outputs:
            _fork(e, tensor, waiting)
    outputs = [_to_axi(e, port, i) for i, port in enumerate(graph.outputs)]
    files = {"parameters.hpp": _parameters(e), "network.hpp": _network(e, inputs, outputs), "simulation.cpp": _simulation(inputs, outputs)}
    return Design(files, inputs, outputs, {name: words for name, (_, words) in e.streams.items()})


def _end(tensor: Tensor, lanes: int) -> End:
    return End(tensor.name, tensor.shape, tensor.format, lanes)


def _from_axi(e: Emitter, port: Port, index: int) -> End:
    tensor = e.graph.tensors[port.tensor]
    end = _end(tensor, largest_lanes(tensor, tensor.shape[2]))
    e.produced[tensor.name] = e.stream(tensor.name, tensor.format.bits, end.lanes)
    e.process(f"input_{index}", f"pyqkit::from_axi<{end.bits}, {end.beats}, {end.lanes}, {end.beat_bytes}>(in_{index}, {tensor.name})")
    return end


def _to_axi(e: Emitter, port: Port, index: int) -> End:
    tensor = e.graph.tensors[port.tensor]
    source = e.edges[port.tensor, _reader(index)]
    lanes = largest_lanes(tensor, source.lanes)
    source = e.narrowed(source, lanes, int(np.prod(tensor.shape)), f"out_{index}")
    end = _end(tensor, lanes)
    e.process(f"output_{index}", f"pyqkit::to_axi<{end.bits}, {end.beats}, {end.lanes}, {end.beat_bytes}>({source.name}, out_{index})")
    return end


def _reader(index: int) -> str:
    return f"output port {index}"


def _fork(e: Emitter, name: str, waiting: dict[tuple[str, str], int]) -> None:
    """Give every reader of a tensor a stream of its own, deep enough for what waits there."""
    source = e.produced[name]
    tensor = e.graph.tensors[name]
    readers = [op.name for op in e.graph.consumers(name)] + [_reader(i) for i, port in enumerate(e.graph.outputs) if port.tensor == name]
    words_per_pixel = tensor.shape[2] // source.lanes
    words = [e.depths.get((name, r), fifo_words(words_per_pixel, waiting.get((name, r), 0), len(readers))) for r in readers]
    if len(readers) == 1:
        e.streams[name] = source, words[0]
        e.edges[name, readers[0]] = source
        return
    branches = [e.stream(f"{name}_to_{r.replace(' ', '_')}", source.bits, source.lanes, depth) for r, depth in zip(readers, words)]
    e.edges.update({(name, r): branch for r, branch in zip(readers, branches)})
    total = int(np.prod(tensor.shape)) // source.lanes
    for index, branch in enumerate(branches[:-1]):
        last = index == len(branches) - 2
        rest = branches[-1] if last else e.stream(f"{name}_rest_{index}", source.bits, source.lanes)
        call = f"pyqkit::fork<{source.code}, {total}, {source.lanes}>({source.name}, {branch.name}, {rest.name})"
        e.process(f"{branch.name}_fork", call)
        source = rest


def _parameters(e: Emitter) -> str:
    headers = "".join(f'#include "{name}.hpp"\n' for name in _HEADERS)
    return f"// Constants of the network {e.graph.name}, written by pyqkit.\n#pragma once\n{headers}\n" + "\n".join(e.constants)


def _arguments(inputs: list[End], outputs: list[End]) -> list[tuple[str, str]]:
    return [(f"in_{i}", f"hls::stream<pyqkit::Beat<{end.beat_bytes}>> &in_{i}") for i, end in enumerate(inputs)] + [
        (f"out_{i}", f"hls::stream<pyqkit::Beat<{end.beat_bytes}>> &out_{i}") for i, end in enumerate(outputs)
    ]


def _network(e: Emitter, inputs: list[End], outputs: list[End]) -> str:
    arguments = _arguments(inputs, outputs)
    interfaces = "".join(f"#pragma HLS INTERFACE axis port = {name}\n" for name, _ in arguments)
    streams = "".join(f"  PYQKIT_STREAM(pyqkit_word_{i}, {s.name}, {words});\n" for i, (s, words) in enumerate(e.streams.values()))
    words = "".join(f"typedef {s.word} pyqkit_word_{i};\n" for i, (s, _) in enumerate(e.streams.values()))
    processes = "".join(f'  PYQKIT_PROCESS("{name}", {call});\n' for name, call in e.processes)
    return (
        f'// The network {e.graph.name} as a dataflow of blocks, written by pyqkit.\n#pragma once\n#include "parameters.hpp"\n\n{words}\n'
        "#ifndef __SYNTHESIS__\nstatic int frames = 1;  // frames that every process handles before it ends\n#endif\n\n"
        f"void network({', '.join(text for _, text in arguments)}) {{\n{interfaces}"
        "#pragma HLS INTERFACE ap_ctrl_none port = return\n#pragma HLS DATAFLOW\n"
        f"{streams}{processes}"
        "#ifndef __SYNTHESIS__\n  PYQKIT_RUN();\n#endif\n}\n"
    )


def _simulation(inputs: list[End], outputs: list[End]) -> str:
    feed = "".join(
        f'  hls::stream<pyqkit::Beat<{end.beat_bytes}>> in_{i}("in_{i}", 64);\n'
        f'  scheduler.add("host", [&]() {{ feed_frames<{end.beat_bytes}>(buffers[{i}], {end.beats}, count, in_{i}); }});\n'
        for i, end in enumerate(inputs)
    )
    drain = "".join(
        f'  hls::stream<pyqkit::Beat<{end.beat_bytes}>> out_{i}("out_{i}", 64);\n'
        f'  scheduler.add("host", [&]() {{ drain_frames<{end.beat_bytes}>(buffers[{i + len(inputs)}], {end.beats}, count, out_{i}); }});\n'
        for i, end in enumerate(outputs)
    )
    names = ", ".join(name for name, _ in _arguments(inputs, outputs))
    return (
        '// C simulation of the network: a shared library that Python calls.\n#include "simulation/host.hpp"\n\n#include "network.hpp"\n\n'
        'extern "C" int run(unsigned char **buffers, int count, char *message, int size) {\n'
        "  simulation::Scheduler &scheduler = simulation::Scheduler::instance();\n  frames = count;\n  failure.clear();\n"
        f"{feed}{drain}  network({names});\n  return finish(message, size);\n}}\n"
    )
