"""Networks whose blocks are measured.

A library of blocks in several formats and foldings, and whole networks beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
from synthetic import Network, ResNet

from pyqkit.formats import Integer, parse
from pyqkit.formats.microscopiq import BlockWeight, encode, spread_window
from pyqkit.formats.products import WIDEST
from pyqkit.graph.conventions import exponential_table
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.layer_norm import LayerNorm
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Slice
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale
from pyqkit.graph.ops.resize import Resize, ResizeFolding
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.graph.ops.transpose import Transpose

ROWS = "softmax_terms", "softmax_codes", "norm_moments", "norm_root", "norm_codes"  # modules


@dataclass
class Case:
    """A graph with foldings, and FIFO depths instead of the derived ones."""

    graph: Graph
    foldings: Mapping[str, Folding]
    depths: dict[tuple[str, str], int] = field(default_factory=dict)


def folded(graph: Graph, pe: int, simd: int, multiplier: str = "lut", memory: str = "auto") -> Case:
    """Every layer with the most parallelism up to PE and SIMD that divides its channels."""
    foldings = {}
    for op in graph.operators:
        if isinstance(op, Convolution):
            outputs, inputs = op.weights.shape[0] // op.groups, op.weights.shape[3]
            foldings[op.name] = ConvolutionFolding(
                max(d for d in range(1, pe + 1) if outputs % d == 0),
                max(d for d in range(1, simd + 1) if inputs % d == 0),
                multiplier,
                memory,
            )
    return Case(graph, foldings)


def mlp(name: str, fmt: str, sizes: tuple[int, ...], weights: str | None = None) -> Graph:
    """Linear layers with requantisers between them."""
    net = Network(name, parse(fmt), (1, 1, sizes[0]))
    x = "x"
    for index, size in enumerate(sizes[1:]):
        x = net.conv(f"{name}_fc{index}", x, size, kernel=1, weights=parse(weights or fmt))
        if index < len(sizes) - 2:
            x = net.quantised(x)
    return net.finish(x)


def in_blocks(name: str, fmt: str, sizes: tuple[int, int], weights: str, block: int) -> Graph:
    """A linear layer whose weights have an exponent of three bits for every `block` inputs, as in MX."""
    net, w = Network(name, parse(fmt), (1, 1, sizes[0])), parse(weights)
    codes = w.encode(net.random.normal(0, w.maximum / 3, (sizes[1], 1, 1, sizes[0])))
    exponents = net.random.integers(0, 8, (sizes[1], 1, 1, sizes[0] // block))
    layer, ends = f"{name}_fc0", (0, 0, 0, 0)
    return net.finish(
        net.emit(Convolution(layer, ["x"], [layer], codes, w, (1, 1), ends, block=block, exponents=exponents))
    )


def micro_blocks(name: str, fmt: str, bits: int, sizes: tuple[int, ...]) -> Graph:
    """Linear layers whose weights are MicroScopiQ's blocks; about one in a hundred is an outlier."""
    net, blocks, x = Network(name, parse(fmt), (1, 1, sizes[0])), BlockWeight(bits), "x"
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        values, layer = net.random.standard_t(4, (inputs, outputs)), f"{name}_fc{index}"
        window = spread_window(values, bits)
        codes = blocks.of_tensor(encode(values, bits, window=window)[0], window).T
        source = net.quantised(x) if index else x
        x = net.emit(Convolution(layer, [source], [layer], codes.reshape(outputs, 1, 1, inputs), blocks))
    return net.finish(x)


def cnn(
    name: str,
    fmt: str,
    size: int,
    channels: tuple[int, int, int],
    weights: str | None = None,
    outputs: int = 10,
) -> Graph:
    """Two convolutions with a max pool between them, a sum over the frame, and a linear layer."""
    net, w = Network(name, parse(fmt), (size, size, channels[0])), parse(weights or fmt)
    x = net.quantised(net.conv(f"{name}_conv0", "x", channels[1], weights=w))
    x = net.emit(MaxPool(f"{name}_max", [x], [f"{name}_max"], (2, 2), (2, 2), (0, 0, 0, 0)))
    x = net.quantised(net.conv(f"{name}_conv1", x, channels[2], stride=2, weights=w))
    whole = net.graph.tensors[x].shape[:2]
    x = net.quantised(net.emit(SumPool(f"{name}_sum", [x], [f"{name}_sum"], whole, (1, 1))))
    return net.finish(net.conv(f"{name}_fc", x, outputs, kernel=1, weights=w))


def residual(name: str, fmt: str, size: int, channels: int) -> Graph:
    """A residual block whose shortcut skips pixels and adds channels, and a requantiser of wide integers."""
    net = Network(name, parse(fmt), (size, size, channels))
    x = net.quantised(net.conv(f"{name}_1", "x", channels))
    y = net.quantised(net.conv(f"{name}_2", x, 2 * channels, stride=2), relu=False)
    cut = net.emit(Slice(f"{name}_cut", [x], [f"{name}_cut"], (0, 0), (2, 2), (size // 2, size // 2)))
    cut = net.emit(Pad(f"{name}_pad", [cut], [f"{name}_pad"], (0, 0, channels // 2), (0, 0, channels // 2)))
    total = net.emit(Add(f"{name}_sum", [y, cut], [f"{name}_sum"], np.ones((2, 2 * channels), np.int64)))
    joined = net.quantised(total)
    out = net.conv(f"{name}_3", joined, channels, kernel=1)
    return net.finish(rescaled(net, f"{name}_wide", out, 12))


def rescaled(net: Network, name: str, source: str, bits: int, precision: int = 8) -> str:
    """Multiply by numbers of `precision` bits, shift and round to an integer of `bits` bits."""
    tensor = net.graph.tensors[source]
    channels, reach = tensor.shape[2], max(-tensor.low, tensor.high).bit_length()
    shift = max(1, reach + precision - (bits - 1))
    multiplier = net.random.integers(2 ** (precision - 1), 2**precision, channels)
    return net.emit(Rescale(name, [source], [name], Integer(bits), multiplier, np.arange(channels), shift))


def rescales(name: str, results: dict[int, int]) -> Graph:
    """A layer and a chain of requantisers of wide integers: bits of each result, and of its multipliers."""
    net = Network(name, parse("int8"), (1, 1, 8))
    x = net.conv(f"{name}_fc", "x", 8, kernel=1)
    for bits, precision in results.items():
        x = rescaled(net, f"{name}_{bits}", x, bits, precision)
    return net.finish(x)


def layouts(name: str, fmt: str, channels: int) -> Graph:
    """Depthwise and grouped convolutions, concatenation, permutation, factors that differ from channel to
    channel.
    """
    net = Network(name, parse(fmt), (6, 6, channels))
    left = net.quantised(net.conv(f"{name}_depth", "x", channels, groups=channels))
    right = net.quantised(net.conv(f"{name}_group", "x", channels, groups=2))
    joined = net.emit(Concat(f"{name}_join", [left, right], [f"{name}_join"]))
    mixed = net.emit(
        Permute(f"{name}_mix", [joined], [f"{name}_mix"], net.random.permutation(2 * channels).tolist())
    )
    x = net.quantised(net.conv(f"{name}_point", mixed, channels, kernel=1))
    total = net.emit(
        Add(f"{name}_add", [x, right], [f"{name}_add"], net.random.integers(-3, 4, (2, channels)))
    )
    largest = net.emit(
        MaxPool(f"{name}_max", [net.quantised(total)], [f"{name}_max"], (3, 3), (1, 1), (1, 1, 1, 1))
    )
    return net.finish(
        net.emit(SumPool(f"{name}_average", [largest], [f"{name}_average"], (2, 2), (2, 2), (0, 0, 0, 0)))
    )


def streams(name: str, fmt: str) -> Graph:
    """A layer, and one operator of every kind behind it: all blocks that carry or change streams."""
    net = Network(name, parse(fmt), (6, 6, 8))
    sums = net.conv(f"{name}_conv", "x", 8)
    x = net.quantised(sums)
    both, random = [x, "x"], net.random
    made: list[Operator] = [
        Add(f"{name}_add", both, [f"{name}_add"], random.integers(-3, 4, (2, 8))),
        Add(f"{name}_join", both, [f"{name}_join"], np.ones((2, 8), np.int64)),
        Concat(f"{name}_concat", both, [f"{name}_concat"]),
        Permute(f"{name}_mix", [x], [f"{name}_mix"], random.permutation(8).tolist()),
        MaxPool(f"{name}_max", [x], [f"{name}_max"], (3, 3), (1, 1), (1, 1, 1, 1)),
        SumPool(f"{name}_sum", [x], [f"{name}_sum"], (6, 6), (1, 1)),
        SumPool(f"{name}_average", [x], [f"{name}_average"], (2, 2), (2, 2), (0, 0, 0, 0)),
        PixelScale(f"{name}_scale", [x], [f"{name}_scale"], random.integers(1, 10, (6, 6))),
        Resize(f"{name}_twice", [x], [f"{name}_twice"], [2] * 6, [2] * 6),
        Transpose(f"{name}_turned", [x], [f"{name}_turned"], 2),
        Slice(f"{name}_cut", [x], [f"{name}_cut"], (0, 0), (2, 2), (3, 3)),
        Pad(f"{name}_pad", [x], [f"{name}_pad"], (1, 1, 2), (1, 1, 2)),
    ]
    precision = min(8, WIDEST - 1 - net.graph.tensors[sums].format.bits)
    return net.finish(rescaled(net, f"{name}_wide", sums, 12, precision), *map(net.emit, made))


def resized(name: str, fmt: str, size: int, channels: int, lanes: int) -> Case:
    """Rows and columns twice, columns alone three times, some rows and columns, and blocks of rows turned."""
    net = Network(name, parse(fmt), (size, size, channels))
    kinds = {
        "twice": ([2] * size, [2] * size),
        "wider": ([1] * 2 * size, [3] * 2 * size),
        "uneven": ([0, 2, 1] * (2 * size // 3), [1, 0, 1] * 2 * size),
    }
    x, foldings = "x", {}
    for kind, times in kinds.items():
        x = net.emit(Resize(f"{name}_{kind}", [x], [f"{name}_{kind}"], *times))
        foldings[x] = ResizeFolding(lanes)
    turned = net.emit(Transpose(f"{name}_turned", [x], [f"{name}_turned"], 2))
    return Case(net.finish(turned), foldings)


def fifos(name: str, width: int, depths: tuple[int, ...]) -> Case:
    """A chain of pools of one pixel, with FIFOs of given depths between them."""
    net = Network(name, parse(f"uint{width}"), (1, 1, 2))
    x, words = "x", {}
    for index, depth in enumerate(depths):
        made = net.emit(MaxPool(f"{name}_{index}", [x], [f"{name}_{index}"], (1, 1), (1, 1), (0, 0, 0, 0)))
        words[x, made] = depth
        x = made
    return Case(net.finish(x), {}, words)


def library() -> list[Case]:
    """Cases whose blocks the model is fitted to."""
    return [
        folded(cnn("c_e2m1", "e2m1", 12, (2, 8, 16)), 4, 4),
        folded(mlp("m_e4m3", "e4m3", (32, 24, 8)), 2, 4),
        folded(residual("r_int4", "int4", 8, 8), 2, 4),
        fifos("f_4", 4, (3, 16, 33, 65, 130, 400, 1100)),
        folded(mlp("m_one", "e2m1", (24, 12, 6)), 1, 1),
        folded(cnn("c_large", "int4", 32, (16, 16, 16)), 2, 4),
        folded(mlp("m_wide", "int4", (256, 64, 10)), 1, 4),
        folded(layouts("l_e2m1", "e2m1", 8), 2, 2),
        folded(mlp("m_lp4", "lp4_0_3", (32, 16, 8)), 2, 4),
        folded(cnn("c_int8", "int8", 10, (3, 4, 8)), 2, 2),
        folded(mlp("m_int2", "uint2", (64, 32, 16), "int2"), 4, 16),
        folded(cnn("c_e3m2", "e3m2", 20, (4, 8, 16)), 1, 1),
        folded(residual("r_e4m3", "e4m3", 8, 4), 1, 2),
        fifos("f_8", 8, (8, 32, 64, 200, 600, 2100)),
        folded(mlp("m_ue2m2", "ue2m2", (64, 32, 10), "e2m1"), 4, 16),
        folded(mlp("m_ue3m2", "ue3m2", (32, 16, 12), "e2m3"), 2, 8),
        folded(cnn("c_ue2m2", "ue2m2", 8, (4, 8, 8), "e2m1"), 4, 4),
        folded(rescales("s_int", {12: 4, 9: 10, 16: 6, 5: 8, 20: 12, 8: 9}), 2, 2),
        # One word of constants: its multipliers are wired.
        folded(rescales("s_fixed", {9: 6, 12: 10, 8: 8}), 8, 2),
    ]


def positions(net: Network, count: int, width: int) -> list[str]:
    """Positions of so many tokens of so many channels, beside a factor of one and factors of the channels."""
    offsets, made = net.random.integers(-100, 101, (1, count, width)), []
    for index, factors in enumerate((np.ones(width, np.int64), net.random.integers(-9, 10, width))):
        made.append(f"{net.graph.name}_positions_{index}")
        net.emit(PixelOffset(made[-1], ["x"], [made[-1]], factors, offsets))
    return made


def placed(name: str, fmt: str, count: int, width: int) -> Case:
    """Positions alone."""
    net = Network(name, parse(fmt), (1, count, width))
    return Case(net.finish(*positions(net, count, width)), {})


def tokens(name: str, fmt: str, size: tuple[int, int, int], pe: int, simd: int, multiplier: str) -> Case:
    """Positions of so many tokens of so many channels; scores and contexts of so many heads."""
    count, width, heads = size
    net = Network(name, parse(fmt), (1, count, width))
    places = positions(net, count, width)
    q, k, v = (net.quantised(net.conv(f"{name}_{letter}", "x", width, kernel=1)) for letter in "qkv")
    scores = net.emit(MatrixProduct(f"{name}_scores", [q, k], [f"{name}_scores"], heads))
    shares = net.quantised(scores)
    contexts = net.emit(
        MatrixProduct(f"{name}_contexts", [shares, v], [f"{name}_contexts"], heads, across=True)
    )
    folded = {scores: (pe, simd), contexts: (simd, pe)}
    foldings = {op: MatrixProductFolding(*axes, multiplier) for op, axes in folded.items()}
    return Case(net.finish(*places, contexts), foldings)


def rows(name: str, fmt: str, groups: int, channels: int, kinds: Mapping[str, bool]) -> Case:
    """A softmax of groups of scores, and norms with gains of 8 bits: their names, and whether they centre."""
    net, form = Network(name, parse(fmt), (1, 3, channels)), parse(fmt)
    largest, random = Fraction(int(abs(form.integers[form.codes]).max())), net.random
    tables = np.zeros((2, len(form.integers)), np.int64)
    numbers = [8 * Fraction(int(i)) / largest for i in form.integers[form.codes]]
    tables[:, form.codes] = exponential_table(numbers)
    gain = Fraction(form.maximum).as_integer_ratio()
    net.emit(Softmax(f"{name}_shares", ["x"], [f"{name}_shares"], form, *tables, groups, *gain))
    made = [f"{name}_shares"]
    for kind, centred in kinds.items():
        gains, offsets = random.integers(64, 128, channels), random.integers(-64, 64, channels)
        parts = gains, np.full(channels, 32), offsets * centred, np.full(channels, 64)
        made.append(f"{name}_{kind}")
        net.emit(LayerNorm(made[-1], ["x"], [made[-1]], form, *parts, 1, 2**10, centred))
    return Case(net.finish(*made), {})


def in_rows() -> list[Case]:
    """Cases of which softmaxes and norms are measured."""
    return [
        rows("w_int4", "int4", 2, 32, {"norm": True, "rms": False}),
        rows("w_int8", "int8", 1, 48, {"norm": True}),
        rows("w_e3m2", "e3m2", 1, 24, {"norm": True}),
        rows("w_e4m3", "e4m3", 2, 32, {"norm": True}),
        rows("w_lp8", "lp8_1_3", 1, 24, {}),  # a norm takes Yosys too long
    ]


def of_attention() -> list[Case]:
    """Cases whose positions, softmaxes and norms the model is fitted to; those above are checked."""
    return [
        rows("a_int5", "int5", 2, 40, {"norm": True, "rms": False}),
        rows("a_e2m1", "e2m1", 1, 24, {"norm": True}),
        rows("a_int8", "int8", 4, 32, {"rms": False}),
        placed("o_int5", "int5", 9, 12),
        placed("o_e3m2", "e3m2", 16, 10),
        placed("o_int8", "int8", 30, 24),
        placed("o_e3m1", "e3m1", 12, 8),
        placed("o_lp6", "lp6_1_3", 8, 6),
    ]


def attended() -> list[Case]:
    """Cases of which positions and products of two streams are measured."""
    return [
        tokens("t_int4", "int4", (16, 12, 2), 4, 3, "lut"),
        tokens("t_int8", "int8", (64, 32, 4), 1, 8, "lut"),
        tokens("t_dsp", "int8", (20, 16, 2), 2, 4, "dsp"),
        tokens("t_e2m1", "e2m1", (9, 12, 3), 3, 2, "lut"),
        tokens("t_e4m3", "e4m3", (12, 8, 2), 2, 2, "lut"),
        tokens("t_lp8", "lp8_1_3", (10, 8, 1), 1, 2, "lut"),
        tokens("t_large", "int4", (128, 48, 3), 8, 4, "lut"),
    ]


def enlarged() -> list[Case]:
    """Cases of which the blocks that repeat and turn rows and columns are measured."""
    return [
        resized("u_small", "int4", 6, 8, 4),
        resized("u_large", "e4m3", 24, 6, 2),
        resized("u_words", "uint2", 9, 16, 1),
    ]


def chosen() -> list[Case]:
    """Cases with DSPs, a kind of memory or narrow products; matrix-vector units alone are measured."""
    return [
        folded(mlp("d_int8", "int8", (32, 16, 8)), 1, 4, "dsp"),
        folded(mlp("db_int8", "int8", (32, 16, 8)), 4, 2, "dsp", "block"),
        folded(cnn("d_c_int8", "int8", 10, (3, 4, 8)), 2, 2, "dsp"),
        folded(mlp("d_e2m1", "e2m1", (24, 12, 6)), 2, 4, "dsp"),
        folded(mlp("d_e3m2", "e3m2", (16, 8, 10)), 2, 2, "dsp"),
        folded(mlp("d_mixed", "uint8", (48, 24, 10), "int4"), 4, 3, "dsp", "block"),
        folded(mlp("p_ue2m2", "ue2m2", (64, 32, 8), "e2m1"), 8, 16, "dsp2"),
        folded(mlp("p_int4", "int4", (48, 24, 10)), 2, 12, "dsp2", "block"),
        folded(cnn("p_c_uint3", "uint3", 8, (4, 8, 16), "int3"), 4, 8, "dsp2", "lut"),
        folded(mlp("p_int8", "int8", (32, 16, 8)), 4, 4, "dsp2"),
        folded(mlp("b_int4", "int4", (48, 24, 10)), 2, 4, "lut", "block"),
        folded(mlp("b_e2m1", "e2m1", (40, 20, 10)), 2, 2, "lut", "block"),
        folded(mlp("u_int4", "int4", (128, 64, 10)), 1, 4, "lut", "lut"),
        # Sums of narrow codes, which LUTs look up.
        folded(mlp("x_odd2", "uint2", (64, 32, 16), "odd2"), 4, 16),
        folded(mlp("x_few", "uint2", (36, 24, 8), "odd2"), 2, 6),
        folded(cnn("x_c_odd2", "uint2", 8, (4, 8, 16), "odd2"), 8, 4),
        folded(mlp("x_many", "uint2", (96, 48), "odd2"), 8, 24),
        # Decoders behind memories of micro-blocks.
        folded(micro_blocks("k_4", "int8", 4, (24, 32)), 8, 1),
        folded(micro_blocks("k_4_wide", "int4", 4, (48, 16)), 8, 3),
    ]


def networks() -> dict[str, Case]:
    """Whole networks that the model is tested on; none of their blocks is in the library."""
    return {
        "MLP 96-48-10 in int4, PE 3, SIMD 6": folded(mlp("n_mlp_int4", "int4", (96, 48, 10)), 3, 6),
        "CNN 8x8x1 in e3m2, PE 2, SIMD 2": folded(cnn("n_cnn_e3m2", "e3m2", 8, (1, 4, 8)), 2, 2),
        "MLP 32-20-10 in e4m3, PE 2, SIMD 2": folded(mlp("n_mlp_e4m3", "e4m3", (32, 20, 10)), 2, 2),
        "residual block 6x6x4 in int5, PE 2, SIMD 2": folded(residual("n_res_int5", "int5", 6, 4), 2, 2),
        "CNN 16x16x3 in e2m1, PE 2, SIMD 3": folded(cnn("n_cnn_e2m1", "e2m1", 16, (3, 6, 12)), 2, 3),
        "CNN 8x8x2 in lp6_1_3, PE 1, SIMD 2": folded(cnn("n_cnn_lp6", "lp6_1_3", 8, (2, 4, 4)), 1, 2),
        "MLP 40-20-10 in int8, PE 1, SIMD 4": folded(mlp("n_mlp_int8", "int8", (40, 20, 10)), 1, 4),
        "depthwise 6x6x4 in e2m3, PE 1, SIMD 2": folded(layouts("n_lay_e2m3", "e2m3", 4), 1, 2),
        "MLP 16-8-8 in MicroScopiQ's 4 bits, PE 8, SIMD 1": folded(
            micro_blocks("n_mlp_msq4", "int4", 4, (16, 8, 8)), 8, 1
        ),
        "ResNet-8 32x32x3 in e2m1, PE 2, SIMD 2": folded(ResNet("e2m1", 1).graph, 2, 2),
    }
