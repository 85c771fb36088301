"""Prove the blocks that move words, for the parameters listed here: `make prove`.

The properties stand in ``rtl/proofs``: no word is lost, doubled or overtaken (a tagged lane that the solver
chooses), an offered word stays until it is taken, nobody waits for ever. Yosys makes an and-inverter graph of
block and properties; ABC checks its first cycles and then that the properties, if they hold for `FRAMES`
cycles, hold in the next one. A mutant of each block must fail.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

RTL = Path(__file__).parent.parent / "rtl"
CHECKERS = ("proofs/pqk_stream_order", "pqk_stream_stable", "proofs/pqk_patience")
FRAMES = 3
FIRST_CYCLES = 12  # mutants fail within ten
LONGEST_S = 60  # of the search for what makes properties inductive

# As SymbiYosys prepares a design for an and-inverter graph.
_TO_AIGER = (
    "proc; flatten; check -assert; opt_clean; async2sync; memory_collect; chformal -lower; setundef "
    "-undriven -anyseq; delete -output; opt -full; techmap; opt -fast; memory_map -formal; formalff -clk2ff "
    "-ff2anyinit; simplemap; dffunmap; opt -fast; setundef -zero; aigmap; opt_clean; write_aiger -I -B "
    "-zinit -no-startoffset block.aig"
)
_YOSYS = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"


@dataclass(frozen=True)
class Case:
    """A block with its parameters, and a change that its proof must refuse (old text, new text)."""

    block: str
    parameters: dict[str, int]
    mutant: tuple[str, str] | None = None

    @property
    def file(self) -> Path:
        """Of the block, or of several that are proven together."""
        name = f"pqk_{self.block}.sv"
        return RTL / name if (RTL / name).exists() else RTL / "proofs" / name

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.block} ({values}){f' with {self.mutant[1]!r}' if self.mutant else ''}"


# Blocks that others are made of, which have no properties of their own there.
PARTS = {
    "add": (
        *("pqk_scaled_integers", "pqk_pass_address", "pqk_decode_pipeline", "pqk_decode", "pqk_rom"),
        *("pqk_counter", "pqk_delay"),
        *("pqk_product_integer", "pqk_product_booth", "pqk_product_unsigned", "pqk_add_subtract"),
    ),
    "converter_pair": ("pqk_width_converter",),
    "transpose": ("pqk_counter",),
}
ADD = {"LEFT_FACTOR": 1, "RIGHT_FACTOR": 1, "READ_STAGES": 1, "MULTIPLY_STAGES": 0}
MUTANTS = [
    Case("fifo", {"WIDTH": 8, "DEPTH": 3}, ("!full_next && !stall", "!stall")),
    Case("fifo", {"WIDTH": 8, "DEPTH": 3}, ("(out_ready || !out_valid) && !stall", "!stall")),
    Case(
        "width_converter",
        {"BITS": 8, "LANES_IN": 4, "LANES_OUT": 1},
        ("(count == 1 && out_ready)", "count == 1"),
    ),
    Case(
        "converter_pair",
        {"BITS": 8, "LANES_IN": 2, "LANES_OUT": 3, "WIDE": 6},
        (".out_ready(wide_ready)", ".out_ready(1'b1)"),
    ),
    Case("fork_stream", {"WIDTH": 8, "READERS": 2}, ("&out_ready", "|out_ready")),
    Case("from_axis", {"WIDTH": 6, "BEAT_BITS": 8}, ("tvalid && !word_gone", "tvalid")),
    Case(
        "concat",
        {"BITS": 8, "FIRST_WORDS": 2, "SECOND_WORDS": 3},
        ("count >= COUNT_BITS'(FIRST_WORDS)", "count > COUNT_BITS'(FIRST_WORDS)"),
    ),
    Case(
        "add",
        {"SUM_BITS": 5, "LEFT_BITS": 4, "RIGHT_BITS": 4, **ADD},
        ("left_ready  = step && both", "left_ready  = step"),
    ),
    Case(
        "transpose",
        {"BITS": 2, "ROWS": 2, "COLUMNS": 2, "WORDS": 1},
        ("in_ready = !full || move", "in_ready = 1"),
    ),
]


def cases() -> Iterator[Case]:
    """All blocks with all parameters, then the mutants."""
    for width, depth in itertools.product((1, 8), (1, 2, 3, 5, 16)):
        yield Case("fifo", {"WIDTH": width, "DEPTH": depth})
    for width, (lanes_in, lanes_out) in itertools.product((1, 8), ((1, 3), (2, 6), (4, 1), (6, 2))):
        yield Case("width_converter", {"BITS": width, "LANES_IN": lanes_in, "LANES_OUT": lanes_out})
    for width, readers in itertools.product((1, 8), (2, 3)):
        yield Case("fork_stream", {"WIDTH": width, "READERS": readers})
    yield Case("from_axis", {"WIDTH": 6, "BEAT_BITS": 8})
    for width in (1, 8):
        yield Case("converter_pair", {"BITS": width, "LANES_IN": 2, "LANES_OUT": 3, "WIDE": 6})
    for width, (first, second) in itertools.product((1, 8), ((1, 1), (2, 3))):
        yield Case("concat", {"BITS": width, "FIRST_WORDS": first, "SECOND_WORDS": second})
    for width in (1, 8):
        yield Case("add", {"SUM_BITS": width + 1, "LEFT_BITS": width, "RIGHT_BITS": width, **ADD})
    for rows, columns, words in ((1, 1, 1), (1, 3, 1), (3, 1, 1), (2, 2, 1), (1, 1, 2), (2, 3, 1)):
        yield Case("transpose", {"BITS": 2, "ROWS": rows, "COLUMNS": columns, "WORDS": words})
    yield from MUTANTS


def holds(case: Case) -> bool:
    """Whether the properties of a case hold in its first cycles, and from any `FRAMES` cycles on."""
    import pyosys

    abc = Path(pyosys.__file__).parent / "yosys-abc"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = case.file.read_text()
        if case.mutant is not None:
            assert text.count(case.mutant[0]) == 1, f"{case}: the text to change is gone"
            text = text.replace(*case.mutant)
        (folder / "block.sv").write_text(text)
        parts = " ".join(str(RTL / f"{part}.sv") for part in PARTS.get(case.block, ()))
        files = " ".join(str(RTL / f"{checker}.sv") for checker in CHECKERS)
        parameters = "".join(f" -chparam {key} {value}" for key, value in case.parameters.items())
        script = (
            f"{f'read_verilog -sv -defer {parts}; ' if parts else ''}"
            f"read_verilog -sv -formal -I{RTL} block.sv {files}; "
            f"hierarchy -check -top pqk_{case.block}{parameters}; {_TO_AIGER}"
        )
        _run([sys.executable, "-c", _YOSYS, script], folder)
        load = "read_aiger block.aig; fold; strash; orpos"
        # Without registers there is one cycle.
        if "lat =    0" in _run([str(abc), "-c", f"{load}; print_stats"], folder):
            return "UNSATISFIABLE" in _run([str(abc), "-c", f"{load}; sat"], folder)
        first = _run([str(abc), "-c", f"{load}; bmc3 -F {FIRST_CYCLES}"], folder)
        if "was asserted" in first:
            return False
        step = _run([str(abc), "-c", f"{load}; ind -F {FRAMES}"], folder)
        if "equivalent" in step:
            return True
        reached = _run([str(abc), "-c", f"{load}; pdr -T {LONGEST_S}"], folder)
        if "Property proved" not in reached:
            raise RuntimeError(f"{case}: neither proven nor refused; ABC says: {first} {step} {reached}")
        return True


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise RuntimeError(lines[0] if lines else f"{command[0]} ended with {done.returncode}")
    return done.stdout


def _timed(case: Case) -> tuple[bool, float]:
    """Whether a case holds, and how long that took."""
    started = time.monotonic()
    return holds(case), time.monotonic() - started


def main() -> int:
    """Prove everything; 0 where each block holds and each mutant does not."""
    if find_spec("pyosys") is None:
        print(
            "Yosys was expected, but the package pyosys is not installed; run pip install 'pyqkit[synth]'",
            file=sys.stderr,
        )
        return 3
    wrong = 0
    with ThreadPoolExecutor(os.cpu_count()) as workers:  # each waits for programs
        for case, (found, seconds) in zip(cases(), workers.map(_timed, cases())):
            right = found == (case.mutant is None)
            wrong += not right
            print(
                f"{'proven ' if found else 'refused'} {case}, {seconds:.1f} s{'' if right else '  <- WRONG'}",
                flush=True,
            )
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
