"""Streams between operators: how many codes a word holds, how deep FIFOs are, who reads a tensor."""

from __future__ import annotations

from pyqkit.formats.port import End
from pyqkit.graph.graph import Graph, Tensor

FIFO_WORDS = 32  # an SRL32 holds 32 words in one LUT per bit, so a shallower FIFO saves nothing
BEAT_BITS = 64  # codes that share an AXI beat at the two ends

Edge = tuple[str, str]  # tensor, operator or output port that reads it
PACKET_ENDS = "packet ends"  # a bit a frame, from an input to outputs; no tensor has a name with blanks


def largest_lanes(tensor: Tensor, lanes: int) -> int:
    """Largest divisor of `lanes` whose codes fit an AXI beat."""
    bits = tensor.format.bits
    return max(n for n in range(1, lanes + 1) if lanes % n == 0 and (n * bits <= BEAT_BITS or n == 1))


def input_lanes(tensor: Tensor) -> int:
    """Codes in a word of a network's input."""
    return largest_lanes(tensor, tensor.shape[2])


def end(tensor: Tensor, lanes: int) -> End:
    """The end of an AXI4-Stream that carries a tensor."""
    return End(tensor.name, tensor.shape, tensor.format, lanes)


def codes(tensor: Tensor) -> int:
    """Codes of a frame."""
    return tensor.pixels * tensor.shape[2]


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
