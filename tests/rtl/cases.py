"""A case for every block of ``rtl/``.

Directed words at the ends of ranges, on ties and on borders, and random ones.
"""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, Words, packed, signed, table, unsigned, words
from tests.rtl.paired import paired
from tests.rtl.pooled import pools
from tests.rtl.resized import resized
from tests.rtl.rows import rows
from tests.rtl.tokens import tokens
from tests.rtl.units import units


def moving() -> list[Case]:
    """Blocks that hand words on."""
    cases = []
    for depth in (1, 3, 32):
        x = unsigned(5, 40, 2, depth)
        cases.append(
            Case(
                f"fifo_{depth}",
                "fifo",
                {"WIDTH": 10, "DEPTH": depth},
                {"in": x},
                {"out": x},
                connections={"stall": "stall"},
            )
        )
    x = unsigned(3, 12, 2)
    wires = {f"out_{w}": f"{{#_b_{w}, #_a_{w}}}" for w in ("valid", "ready", "data")}
    cases.append(
        Case(
            "fork", "fork_stream", {"WIDTH": 6, "READERS": 2}, {"in": x}, {"a": x, "b": x}, connections=wires
        )
    )
    for lanes_in, lanes_out in ((1, 4), (6, 2), (2, 6), (4, 1)):
        x = unsigned(4, 24 // lanes_in, lanes_in, lanes_in)
        out = Words(4, x.codes.reshape(FRAMES, -1, lanes_out))
        parameters: Parameters = {"BITS": 4, "LANES_IN": lanes_in, "LANES_OUT": lanes_out}
        cases.append(
            Case(f"width_{lanes_in}_{lanes_out}", "width_converter", parameters, {"in": x}, {"out": out})
        )
    first, second = unsigned(6, 8, 1, 1), unsigned(6, 12, 1, 2)
    joined = np.concatenate(
        [first.codes.reshape(FRAMES, 4, 2, 1), second.codes.reshape(FRAMES, 4, 3, 1)], axis=2
    )
    parameters = {"BITS": 6, "FIRST_WORDS": 2, "SECOND_WORDS": 3}
    out = Words(6, joined.reshape(FRAMES, -1, 1))
    cases.append(Case("concat", "concat", parameters, {"first": first, "second": second}, {"out": out}))
    x = unsigned(5, 3 * 4 * 2, 1, 3)
    parameters = {
        "BITS": 5,
        "HEIGHT": 3,
        "WIDTH": 4,
        "WORDS": 2,
        "TOP": 1,
        "LEFT": 2,
        "FRONT": 1,
        "BOTTOM": 0,
        "RIGHT": 1,
        "BACK": 2,
    }
    padded = np.pad(x.codes.reshape(FRAMES, 3, 4, 2), ((0, 0), (1, 0), (2, 1), (1, 2)), constant_values=21)
    out = Words(5, padded.reshape(FRAMES, -1, 1))
    cases.append(Case("pad", "pad", parameters | {"FILL": "5'd21"}, {"in": x}, {"out": out}))
    x = unsigned(5, 6 * 5 * 2, 1, 4)
    parameters = {
        "BITS": 5,
        "HEIGHT": 6,
        "WIDTH": 5,
        "WORDS": 2,
        "START_ROW": 1,
        "START_COLUMN": 0,
        "STEP_ROWS": 3,
        "STEP_COLUMNS": 2,
    }
    out = Words(5, x.codes.reshape(FRAMES, 6, 5, 2)[:, 1::3, ::2].reshape(FRAMES, -1, 1))
    cases.append(Case("slice", "slice", parameters | {"ROWS": 2, "COLUMNS": 3}, {"in": x}, {"out": out}))
    order = [5, 0, 0, 3, 1, 4, 2, 5]
    x = unsigned(4, 5 * 2, 3, 5)
    out = Words(4, x.codes.reshape(FRAMES, 5, 6)[..., order].reshape(FRAMES, -1, 2))
    parameters = {
        "BITS": 4,
        "CHANNELS_IN": 6,
        "CHANNELS_OUT": 8,
        "LANES_IN": 3,
        "LANES_OUT": 2,
        "ORDER": '"permute.hex"',
    }
    tables = {"permute.hex": table([packed(pair, 3) for pair in np.reshape(order, (-1, 2))], 6)}
    cases.append(Case("permute", "permute", parameters, {"in": x}, {"out": out}, tables))
    return cases


def loops() -> list[Case]:
    """Three passes of five words, and four of one, through what is entered and left so."""
    cases = []
    for count, passes in ((5, 3), (1, 4)):
        x = unsigned(6, count * passes, 1, 31)
        turns = x.codes.reshape(FRAMES, passes, count, 1)
        first, rest, last = turns[:, 0], turns[:, 1:].reshape(FRAMES, -1, 1), turns[:, -1]
        back = turns[:, :-1].reshape(FRAMES, -1, 1)
        parameters: Parameters = {"WIDTH": 6, "WORDS": count, "PASSES": passes}
        entering = {"in": Words(6, first), "back": Words(6, rest)}
        leaving = {"back": Words(6, back), "out": Words(6, last)}
        cases.append(Case(f"loop_entry_{count}", "loop_entry", parameters, entering, {"out": x}))
        cases.append(Case(f"loop_exit_{count}", "loop_exit", parameters, {"in": x}, leaving))
    return cases


def requantisers() -> list[Case]:
    """Every code, so every tie and every threshold is met; channels of two words."""
    codes = np.stack(
        [np.random.default_rng(i).permutation(256).repeat(4).reshape(256, 4) for i in range(FRAMES)]
    )
    x = Words(8, codes.reshape(FRAMES, 512, 2))
    integers = signed(codes, 8)
    random = np.random.default_rng(9)
    thresholds = np.sort(random.integers(-100, 100, (4, 7)), axis=1)
    thresholds[0, 2:5] = -128, 0, 0  # always reached; two that are alike
    thresholds = np.sort(thresholds, axis=1)
    falling = np.array([False, True, False, True])
    order = random.permutation(8)
    place = (integers[..., None] >= thresholds).sum(axis=-1)
    out = Words(3, order[np.where(falling, 7 - place, place)].reshape(FRAMES, 512, 2))
    tables = {"threshold_codes.hex": table(order, 3)}
    for step in range(3):
        stage = thresholds[:, 2 ** (2 - step) - 1 :: 2 ** (3 - step)]
        for lane in range(2):
            marks = [f << 9 for f in falling[lane::2]] if step == 0 else [0] * (2 << step)
            limits = [(int(v) & 511) | int(m) for v, m in zip(stage[lane::2].ravel(), marks)]
            tables[f"threshold_{step}_{lane:03d}.hex"] = table(limits, 10)
    parameters: Parameters = {
        "BITS_IN": 8,
        "WIDTH": 9,
        "BITS_OUT": 3,
        "STEPS": 3,
        "LANES": 2,
        "DEPTH": 2,
        "THRESHOLDS": '"threshold"',
    }
    cases = [
        Case(
            name,
            "threshold",
            parameters
            | {
                "CODES": '"threshold_codes.hex"',
                "HELD": held,
                "COMPARED": compared,
                "APART": apart,
                "LOGIC": 5 * apart,
                "DECODE_STAGES": 2 * compared,
            },
            {"in": x},
            {"out": out},
            tables,
        )
        for name, held, compared, apart in (
            ("threshold", 5, 1, 0),
            ("threshold_plain", 2, 0, 0),
            ("threshold_apart", 5, 1, 1),
        )
    ]
    looked_up = random.integers(0, 32, (4, 256))
    for name, channels in (("lookup", np.zeros(4, int)), ("lookup_rows", np.arange(4))):
        files = {
            f"{name}_{lane:03d}.hex": table(
                looked_up[channels[lane::2]][: 2 if channels.any() else 1].ravel(), 5
            )
            for lane in range(2)
        }
        parameters = {"BITS_IN": 8, "BITS_OUT": 5, "LANES": 2, "CODES": f'"{name}"'}
        parameters["ROWS"] = 2 if channels.any() else 1
        out = Words(5, looked_up[channels, codes].reshape(FRAMES, 512, 2))
        cases.append(Case(name, "lookup", parameters, {"in": x}, {"out": out}, files))
    multipliers, offsets = np.array([3, -5, 1, 8]), np.array([0, 4, -2, 100])
    for name, width, shift, relu, stages in (
        ("rescale", 8, 3, False, (2, 2, 3, 1)),
        ("rescale_relu", 8, 4, True, (1, 0, 0)),
        ("rescale_half", 8, 1, False, (2, 1, 1)),
        ("rescale_whole", 8, 0, False, (1, 2, 2)),
        ("rescale_wide", 40, 3, False, (2, 2, 3)),
    ):
        bits = width + 6
        scaled = integers * multipliers + offsets
        scaled = np.maximum(scaled, 0) if relu else scaled
        # Half to even, and exact: these are short binary fractions.
        rounded = np.rint(scaled / 2**shift).astype(np.int64)
        result = np.clip(rounded, -30, 31) + 2
        pairs = np.stack([multipliers, offsets], axis=1).reshape(2, -1)
        parameters = {
            "BITS_IN": 8,
            "WIDTH": width,
            "PRODUCT_BITS": bits,
            "SHIFT": shift,
            "RELU": int(relu),
            "LOW": f"-{bits}'sd30",
        }
        parameters |= {
            "HIGH": f"{bits}'sd31",
            "ZERO_POINT_OUT": 2,
            "BITS_OUT": 7,
            "LANES": 2,
            "DEPTH": 2,
            "CONSTANTS": f'"{name}.hex"',
            "MULTIPLIER_BITS": 5,
        }
        parameters |= dict(zip(("READ_STAGES", "MULTIPLY_STAGES", "ROUND_STAGES", "DECODE_STAGES"), stages))
        constants = {f"{name}.hex": table([packed(row, bits) for row in pairs], 4 * bits)}
        cases.append(Case(name, "rescale", parameters, {"in": x}, {"out": words(7, result, 2)}, constants))
    return cases


def sums() -> list[Case]:
    """Matrix-vector units and residual addition, their accumulators filled to both ends."""
    return [*units(), addition(), multiplication()]


def multiplication() -> Case:
    """Two streams of unsigned codes, multiplied outside the block."""
    left, right = unsigned(4, 6, 2, 13), unsigned(3, 6, 2, 14)
    parameters: Parameters = {"LEFT_WIDTH": 8, "RIGHT_WIDTH": 6, "OUT_WIDTH": 14, "STAGES": 1}
    before = (
        "  wire [7:0] #_left_word;\n  wire [5:0] #_right_word;\n  reg [13:0] #_products;\n  wire #_step;\n"
    )
    for i in range(2):
        product = f"#_left_word[{4 * i}+:4] * #_right_word[{3 * i}+:3]"
        before += f"  always_ff @(posedge clock) if (#_step) #_products[{7 * i}+:7] <= {product};\n"
    wires = {"left": "#_left_word", "right": "#_right_word", "products": "#_products", "step": "#_step"}
    streams, out = {"left": left, "right": right}, {"out": Words(7, left.codes * right.codes)}
    return Case("stream_product", "stream_product", parameters, streams, out, {}, wires, before)


def addition() -> Case:
    """Residual addition of codes that are integers and codes that a table decodes."""
    left, right = unsigned(4, 6, 2, 10), unsigned(3, 6, 2, 11)
    integers = np.random.default_rng(12).integers(-20, 21, 8)
    factors = np.array([[3, -7], [1, 2]])
    total = signed(left.codes, 4) * np.tile(factors, (3, 1)) + 4 * integers[right.codes]
    parameters: Parameters = {
        "LANES": 2,
        "SUM_BITS": 9,
        "LEFT_BITS": 4,
        "LEFT_DEPTH": 2,
        "LEFT_FACTORS": '"add_left.hex"',
        "RIGHT_BITS": 3,
    }
    parameters |= {
        "RIGHT_TABLE": 1,
        "RIGHT_INTEGERS": '"add_right.hex"',
        "RIGHT_FACTOR": f"18'd{packed([4, 4], 9)}",
    }
    parameters |= {"LEFT_FACTOR_BITS": 4, "RIGHT_FACTOR_BITS": 4, "READ_STAGES": 2, "MULTIPLY_STAGES": 2}
    parameters["DECODE_STAGES"] = 1
    tables = {
        "add_left.hex": table([packed(row, 9) for row in factors], 18),
        "add_right.hex": table(integers, 9),
    }
    given = {"left": left, "right": right}
    return Case("add", "add", parameters, given, {"out": words(9, total, 2)}, tables)


def windows() -> list[Case]:
    """Sliding windows: rows are handed over, frames too; borders, strides, dilation, groups, repetitions."""
    made = {
        "same": dict(shape=(5, 6, 2), kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), lanes=(1, 1)),
        "strided": dict(shape=(6, 6, 4), kernel=(3, 3), stride=(2, 2), pad=(0, 0, 1, 1), lanes=(4, 2)),
        "dilated": dict(
            shape=(6, 5, 1),
            kernel=(2, 3),
            stride=(1, 2),
            pad=(0, 2, 0, 2),
            lanes=(1, 1),
            dilation=(2, 2),
            repeat=3,
        ),
        "grouped": dict(
            shape=(4, 4, 6), kernel=(2, 2), stride=(2, 1), pad=(1, 0, 1, 0), lanes=(2, 1), groups=3, repeat=2
        ),
        # Groups of a word, which is a part of a pixel's word.
        "depthwise": dict(
            shape=(3, 3, 4), kernel=(2, 2), stride=(1, 1), pad=(0, 1, 0, 1), lanes=(2, 1), groups=4, repeat=2
        ),
        "point": dict(shape=(4, 4, 1), kernel=(1, 1), stride=(2, 2), pad=(0, 0, 0, 0), lanes=(1, 1)),
    }
    return [_window(f"window_{name}", **arguments) for name, arguments in made.items()]  # type: ignore[arg-type]


def _window(
    name: str,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    lanes: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    repeat: int = 1,
) -> Case:
    x = unsigned(4, int(np.prod(shape)) // lanes[0], lanes[0], 13)
    frame = np.pad(x.codes.reshape(FRAMES, *shape), ((0, 0), pad[::2], pad[1::2], (0, 0)), constant_values=9)
    size = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(frame.shape[1:3], kernel, dilation, stride)]
    taps = [
        [frame[:, r * dilation[0] :, c * dilation[1] :] for c in range(kernel[1])] for r in range(kernel[0])
    ]
    picked = np.stack(
        [
            np.stack([t[:, :: stride[0], :: stride[1]][:, : size[0], : size[1]] for t in row], 3)
            for row in taps
        ],
        3,
    )
    grouped = picked.reshape(FRAMES, *size, *kernel, groups, -1).transpose(0, 1, 2, 5, 3, 4, 6)[
        :, :, :, :, None
    ]
    out = grouped.repeat(repeat, axis=4).reshape(FRAMES, -1, lanes[1])
    held = ((kernel[0] - 1) * dilation[0] + stride[0]) * shape[1] + kernel[1] * dilation[1] + 1
    names = (
        "HEIGHT",
        "WIDTH",
        "CHANNELS",
        "ROWS",
        "COLUMNS",
        "KERNEL_ROWS",
        "KERNEL_COLUMNS",
        "STRIDE_ROWS",
        "STRIDE_COLUMNS",
    )
    parameters: Parameters = dict(zip(names, (*shape, *size, *kernel, *stride)))
    parameters |= {
        "BITS": 4,
        "DILATION_ROWS": dilation[0],
        "DILATION_COLUMNS": dilation[1],
        "TOP": pad[0],
        "LEFT": pad[1],
        "FILL": "4'd9",
    }
    parameters |= {
        "GROUPS": groups,
        "REPEAT": repeat,
        "LANES_IN": lanes[0],
        "LANES_OUT": lanes[1],
        "LINE_PIXELS": held,
    }
    return Case(name, "sliding_window", parameters, {"in": x}, {"out": Words(4, out)})


def every() -> list[Case]:
    """All cases."""
    return [
        *moving(),
        *loops(),
        *paired(),
        *resized(),
        *rows(),
        *pools(),
        *requantisers(),
        *sums(),
        *tokens(),
        *windows(),
    ]
