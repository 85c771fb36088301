"""Streams between operators: how many codes a word holds, how deep FIFOs are, who reads a tensor."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.formats.port import End
from pyqkit.graph.folding import Axis, EndFolding, Folding, FoldingSpace
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.layout import Reshape

FIFO_WORDS = 32  # an SRL32 holds 32 words in one LUT per bit, so a shallower FIFO saves nothing
BEAT_BITS = 64  # codes that share an AXI beat at the two ends, unless a folding says otherwise
WIDEST_BEAT_BITS = 256

Edge = tuple[str, str]  # tensor, operator or output port that reads it
PACKET_ENDS = "packet ends"  # a bit a frame, from an input to outputs; no tensor has a name with blanks


def largest_lanes(tensor: Tensor, lanes: int) -> int:
    """Largest divisor of `lanes` whose codes fit an AXI beat."""
    bits = tensor.format.bits
    return max(n for n in range(1, lanes + 1) if lanes % n == 0 and (n * bits <= BEAT_BITS or n == 1))


def input_lanes(tensor: Tensor) -> int:
    """Codes in a word of a network's input, unless a folding says otherwise."""
    return largest_lanes(tensor, tensor.shape[2])


def end_spaces(graph: Graph) -> dict[str, FoldingSpace]:
    """What the ends of a network offer, by the names of the ports: the codes of a beat."""
    found = {input_port(i): (p.tensor, _span(graph, p.tensor)) for i, p in enumerate(graph.inputs)}
    for index, port in enumerate(graph.outputs):
        found[output_reader(index)] = port.tensor, graph.tensors[port.tensor].shape[2]
    return {name: _end_space(graph.tensors[tensor], span) for name, (tensor, span) in found.items()}


def _end_space(tensor: Tensor, span: int) -> FoldingSpace:
    most = max(1, WIDEST_BEAT_BITS // tensor.format.bits)
    return FoldingSpace(EndFolding, (Axis("lanes", span, min(most, span)),))


def _span(graph: Graph, tensor: str) -> int:
    """Codes that beats of an input divide: its channels, or those of a Reshape that alone reads it."""
    channels, found = graph.tensors[tensor].shape[2], graph.consumers(tensor)
    if len(readers(graph, tensor)) == 1 and found and isinstance(found[0], Reshape):
        return max(channels, found[0].shape[2])
    return channels


def chosen_lanes(folding: Mapping[str, Folding], port: str, usual: int) -> int:
    """Codes in a beat of a port, as the folding says or as usual."""
    found = folding.get(port)
    return found.lanes if isinstance(found, EndFolding) else usual


def entries(graph: Graph, index: int) -> list[int]:
    """Codes in a beat with which an input may enter: the usual, then more, the most for each width."""
    tensor = graph.tensors[graph.inputs[index].tensor]
    (axis,) = end_spaces(graph)[input_port(index)].axes
    usual, found = input_lanes(tensor), dict[int, int]()
    for lanes in axis.divisors:
        if lanes > usual:
            found[end(tensor, lanes).beat_bytes] = lanes
    return [usual, *found.values()]


def end(tensor: Tensor, lanes: int) -> End:
    """The end of an AXI4-Stream that carries a tensor."""
    return End(tensor.name, tensor.shape, tensor.format, lanes)


def codes(tensor: Tensor) -> int:
    """Codes of a frame."""
    return tensor.pixels * tensor.shape[2]


def input_port(index: int) -> str:
    """Name of an input port; no operator has one with blanks."""
    return f"input port {index}"


def output_reader(index: int) -> str:
    """Name under which an output port reads its tensor; no operator has one with blanks."""
    return f"output port {index}"


def readers(graph: Graph, tensor: str) -> list[str]:
    """Who reads a tensor: operators, then output ports."""
    ports = [output_reader(i) for i, port in enumerate(graph.outputs) if port.tensor == tensor]
    return [op.name for op in graph.consumers(tensor)] + ports


def ending_with(graph: Graph, index: int) -> list[str]:
    """Output ports whose packets end as those of input `index` do: it is the first that leads to them."""
    first = {port.tensor: place for place, port in reversed(list(enumerate(graph.inputs)))}
    for op in graph.operators:
        first |= dict.fromkeys(op.outputs, min(first[name] for name in op.inputs))
    return [output_reader(i) for i, port in enumerate(graph.outputs) if first[port.tensor] == index]


def fifo_words(words_per_pixel: int, waiting: int, readers: int) -> int:
    """Depth of the FIFO in front of one of a tensor's readers, `waiting` being the pixels that wait there.

    Where a stream forks, one pixel more: a join begins a pixel only when all its inputs have begun theirs,
    and until then the whole pixel waits, which may be more words than a shallow FIFO holds.
    """
    return FIFO_WORDS + words_per_pixel * (waiting + (readers > 1))
