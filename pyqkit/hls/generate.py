"""The whole network as one C++ top function, instantiated from the header library in ``hls/``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import end
from pyqkit.files import packaged
from pyqkit.formats.port import End
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.hls.emitter import Emitter, Process, Stream, counts, rule_for
from pyqkit.hls.schedule import Schedule
from pyqkit.names import Identifiers

_PASSES = "pyqkit_passes"  # the function of what frames pass several times


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
        block, streams = f"pyqkit::from_packed<{counts(argument.end)}>", f"{argument.name}, {source.name}"
        e.process(f"input_{index}", block, streams, argument.end.beats)
        arguments.append(argument)
    rule_for(op)(e, op)
    results = []
    for index, tensor in enumerate(graph.output_tensors(op)):
        source = e.produced[tensor.name]
        argument = _packed(f"out{index}_V", tensor, source.lanes)
        block, streams = f"pyqkit::to_packed<{counts(argument.end)}>", f"{source.name}, {argument.name}"
        e.process(f"output_{index}", block, streams, argument.end.beats)
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
    words = "".join(f"typedef {s.word} {_word(s)};\n" for s, _ in e.streams.values())
    outside = [stream for stream in e.streams if stream not in e.inside]
    if e.loop is not None:
        outside.remove(e.loop.back.name)
    return (
        "// The network as a dataflow of blocks, written by pyqkit.\n#pragma once\n#include "
        f'"parameters.hpp"\n\n{words}\n'
        "#ifdef PYQKIT_SIMULATION\nstatic int frames = 1;  // frames that every process handles before "
        f"it ends\n#endif\n\n{_passes(e)}"
        f"void {name}({parameters}) {{\n{interfaces}"
        "#pragma HLS INTERFACE ap_ctrl_none port = return\n#pragma HLS DATAFLOW\n"
        f"{_stored(e, False)}{_streams(e, outside)}{_processes(e)}"
        "#ifdef PYQKIT_SIMULATION\n  PYQKIT_RUN();\n#endif\n}\n"
    )


def _word(stream: Stream) -> str:
    """The type of a stream's words, whose name fits a macro."""
    return f"pyqkit_word_of_{stream.name}"


def _streams(e: Emitter, names: Iterable[str]) -> str:
    found = (e.streams[name] for name in names)
    return "".join(f"  PYQKIT_STREAM({_word(stream)}, {stream.name}, {words});\n" for stream, words in found)


def _stored(e: Emitter, shared: bool) -> str:
    """Pragmas of the memories that a function reads."""
    pragmas = [pragma for passes, pragma in e.stored if (passes > 1) == shared]
    return "".join(
        ["// Memories that the folding chooses; others go by size.\n", *pragmas] if pragmas else ""
    )


def _processes(e: Emitter) -> str:
    """Processes in order; those that frames pass several times are a function for Vitis HLS, fibers here."""
    if e.loop is None:
        return _text(e.processes)
    places = [index for index, process in enumerate(e.processes) if process.passes > 1]
    before, behind = e.processes[: places[0]], e.processes[places[-1] + 1 :]
    entered, left = e.loop.entered, e.loop.left
    assert left is not None
    fibers = _streams(e, [e.loop.back.name, *sorted(e.inside)]) + _text(_shared(e))
    call = f"#ifndef PYQKIT_SIMULATION\n  {_PASSES}({entered.name}, {left.name});\n#else\n{fibers}#endif\n"
    return _text(before) + call + _text(behind)


def _shared(e: Emitter) -> list[Process]:
    """Processes that frames pass several times; they follow each other."""
    return [process for process in e.processes if process.passes > 1]


def _text(processes: Iterable[Process]) -> str:
    return "".join(f"  {process.text};\n" for process in processes)


def _passes(e: Emitter) -> str:
    """What frames pass several times: a dataflow in a loop, which sees what comes back as one stream."""
    if e.loop is None:
        return ""
    entered, left = e.loop.entered, e.loop.left
    assert left is not None
    shared = _shared(e)
    parameters = ", ".join(f"hls::stream<{_word(s)}> &{s.name}" for s in (entered, left))
    return (
        f"#ifndef PYQKIT_SIMULATION\nstatic void {_PASSES}({parameters}) {{\n{_stored(e, True)}"
        f"{_streams(e, [e.loop.back.name])}  for (int pass = 0; pass < {shared[0].passes}; ++pass) {{\n"
        f"#pragma HLS DATAFLOW\n{_streams(e, sorted(e.inside))}{_text(shared)}  }}\n}}\n#endif\n\n"
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
