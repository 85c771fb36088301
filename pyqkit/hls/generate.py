"""The whole network as one C++ top function, instantiated from the header library in ``hls/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import end
from pyqkit.files import packaged
from pyqkit.formats.port import End
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.hls.emitter import Emitter, counts, rule_for
from pyqkit.hls.schedule import Schedule
from pyqkit.names import Identifiers


@dataclass(frozen=True)
class Argument:
    """A stream of the top function.

    Attributes
    ----------
    name : str
    word : str
        C++ type of what it carries.
    end : End
    """

    name: str
    word: str
    end: End


@dataclass(frozen=True)
class Design(Schedule):
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
    return packaged("hls_library", "hls")


def generate(
    graph: Graph, folding: dict[str, Folding] | None = None, depths: dict[tuple[str, str], int] | None = None
) -> Design:
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
    waiting = pixels_waiting(graph, ahead=True, foldings=folding)
    e = Emitter(graph, folding or {}, depths or {}, Identifiers(), waiting=waiting)
    e.include("axi_stream")
    sides = [
        [Argument(f"{side}_{i}", f"pyqkit::Beat<{end.beat_bytes}>", end) for i, end in enumerate(ends)]
        for side, ends in zip(("in", "out"), e.emit(rule_for))
    ]
    return _design(e, "network", *sides)


def generate_operator(
    op: Operator, inputs: list[Tensor], lanes: list[int], folding: Folding, name: str = "network"
) -> Design:
    """Write one operator as a top function of its own, whose streams carry words of codes as wide integers.

    Parameters
    ----------
    op : Operator
    inputs : list of Tensor
    lanes : list of int
        Codes in a word of each input.
    folding : Folding
    name : str
        Of the C++ function; its arguments are ``in0_V``, ``in1_V``, ..., ``out0_V``, ...

    Returns
    -------
    Design
        The interval and the depth of inner streams are those that the operator has inside a network.
    """
    graph = Graph(op.name, {tensor.name: tensor for tensor in inputs})
    graph.add(op)
    e = Emitter(graph, {op.name: folding}, {}, Identifiers([name]))
    e.include("packed")
    arguments = []
    for index, (tensor, count) in enumerate(zip(inputs, lanes)):
        argument = _packed(f"in{index}_V", tensor, count)
        source = e.result(tensor.name, tensor.format.bits, count)
        e.edges[tensor.name, op.name] = source
        call = f"pyqkit::from_packed<{counts(argument.end)}>({argument.name}, {source.name})"
        e.process(f"input_{index}", call, argument.end.beats)
        arguments.append(argument)
    rule_for(op)(e, op)
    results = []
    for index, tensor in enumerate(graph.output_tensors(op)):
        source = e.produced[tensor.name]
        argument = _packed(f"out{index}_V", tensor, source.lanes)
        call = f"pyqkit::to_packed<{counts(argument.end)}>({source.name}, {argument.name})"
        e.process(f"output_{index}", call, argument.end.beats)
        results.append(argument)
    return _design(e, name, arguments, results)


def _packed(name: str, tensor: Tensor, lanes: int) -> Argument:
    return Argument(name, f"ap_uint<{tensor.format.bits * lanes}>", end(tensor, lanes))


def _design(e: Emitter, name: str, inputs: list[Argument], outputs: list[Argument]) -> Design:
    files = {
        "parameters.hpp": _parameters(e),
        "network.hpp": _network(e, name, [*inputs, *outputs]),
        "simulation.cpp": _simulation(name, inputs, outputs),
    }
    files |= {name: path.read_text() for name, path in e.headers.items() if path is not None}
    depths = {stream: words for stream, (_, words) in e.streams.items()}
    ends = [a.end for a in inputs], [a.end for a in outputs]
    return Design(tuple(e.processes), files, *ends, depths)


def _parameters(e: Emitter) -> str:
    headers = "".join(f'#include "{name}"\n' for name in sorted(e.headers))
    return f"// Constants of the network, written by pyqkit.\n#pragma once\n{headers}\n" + "\n".join(
        e.constants
    )


def _network(e: Emitter, name: str, arguments: list[Argument]) -> str:
    parameters = ", ".join(f"hls::stream<{a.word}> &{a.name}" for a in arguments)
    interfaces = "".join(f"#pragma HLS INTERFACE axis port = {a.name}\n" for a in arguments)
    streams = "".join(
        f"  PYQKIT_STREAM(pyqkit_word_{i}, {s.name}, {words});\n"
        for i, (s, words) in enumerate(e.streams.values())
    )
    words = "".join(f"typedef {s.word} pyqkit_word_{i};\n" for i, (s, _) in enumerate(e.streams.values()))
    stored = (
        "".join(["// Memories that the folding chooses; others go by size.\n", *e.stored]) if e.stored else ""
    )
    processes = "".join(f'  PYQKIT_PROCESS("{p.name}", {p.call});\n' for p in e.processes)
    return (
        "// The network as a dataflow of blocks, written by pyqkit.\n#pragma once\n#include "
        f'"parameters.hpp"\n\n{words}\n'
        "#ifdef PYQKIT_SIMULATION\nstatic int frames = 1;  // frames that every process handles before "
        "it ends\n#endif\n\n"
        f"void {name}({parameters}) {{\n{interfaces}"
        "#pragma HLS INTERFACE ap_ctrl_none port = return\n#pragma HLS DATAFLOW\n"
        f"{stored}{streams}{processes}"
        "#ifdef PYQKIT_SIMULATION\n  PYQKIT_RUN();\n#endif\n}\n"
    )


def _simulation(name: str, inputs: list[Argument], outputs: list[Argument]) -> str:
    hosts = ""
    for index, argument in enumerate([*inputs, *outputs]):
        verb, end = "feed" if index < len(inputs) else "drain", argument.end
        hosts += (
            f'  hls::stream<{argument.word}> {argument.name}("{argument.name}", 64);\n'
            f'  scheduler.add("host", [&]() {{ {verb}_frames<{end.beat_bytes}>(buffers[{index}], '
            f"{end.beats}, count, {argument.name}); }});\n"
        )
    names = ", ".join(argument.name for argument in [*inputs, *outputs])
    return (
        "// C simulation of the network: a shared library that Python calls.\n#include "
        '"simulation/host.hpp"\n\n#include "network.hpp"\n\n'
        'extern "C" int run(unsigned char **buffers, int count, char *message, int size) {\n'
        "  simulation::Scheduler &scheduler = simulation::Scheduler::instance();\n  frames = "
        "count;\n  failure.clear();\n"
        f"{hosts}  {name}({names});\n  return finish(message, size);\n}}\n"
    )
