"""The MicroScopiQ study's figures: results/microscopiq.json, and the tables of docs/microscopiq.md.

python benchmarks/microscopiq.py FOLDER ...     from folders of 'pyqkit study microscopiq' and
                                                'microscopiq-images', finished or not; other rows stay
python benchmarks/microscopiq.py                the page alone
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from records import write

from pyqkit.digest import digest
from pyqkit.studies import checkpoint, paired
from pyqkit.studies.json_value import canonical
from pyqkit.studies.microscopiq.study import CONDITIONS
from pyqkit.studies.microscopiq.texts import ARCHIVES
from pyqkit.studies.study import State

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "microscopiq.json", ROOT / "docs" / "microscopiq.md"
BEGIN, END = "<!-- results: written by benchmarks/microscopiq.py -->\n", "<!-- end of results -->\n"
SEEDS = 3
EQUAL = 0.05  # bits of a weight
_Z = 1.959964  # of the normal distribution, for 95 % on both sides
# Table 7 of the paper, step by step: what is new, before, after, and whether perplexity falls there.
LADDER = (
    ("4-bit integers", "float", "rtn4", False),
    ("shared powers of two, 4 bits", "rtn4", "mxint4", True),
    ("2 bits", "mxint4", "mxint2", False),
    ("outliers beside, an exponent for 128", "mxint2", "aside2.128", True),
    ("an exponent of outliers for 8", "aside2.128", "aside2.8", True),
    ("inliers pruned for lower halves", "aside2.8", "msq2.rtn", False),
    ("compensation", "msq2.rtn", "msq2", True),
    ("activations MX-INT-8, migration 0.7", "msq2", "msq2.a8", False),
    ("keys and values in 2 bits", "msq2.a8", "msq2.a8.kv2", False),
)


OURS = ("", ".shifted", ".swept", ".scaled", ".aimed", ".even")  # kinds of MicroScopiQ that hardware can run
# Kinds of MicroScopiQ, and those whose bits GPTQ is matched to beside them
_BUDGETS = {
    **dict.fromkeys(("", ".swept"), ("",)),
    **{kind: ("", kind) for kind in (".shifted", ".scaled")},
    **dict.fromkeys((".aimed", ".even"), ("", ".scaled", ".aimed")),
}
FOUR = (
    *(f"msq4{kind}" for kind in (*OURS, ".inputs")),
    "gptq4.matched",
    "rtn4",
)


@dataclass(frozen=True, eq=False)
class Line:
    """A row of the study with its result."""

    model: str
    condition: str
    method: str
    perplexity: float
    bits: float
    rates: dict[str, float]
    losses: np.ndarray

    @classmethod
    def read(cls, data: dict[str, Any]) -> Line:
        """From the file of results."""
        values = data["values"]
        rates = {k: v for k, v in values.items() if k.startswith(("outliers_", "adjacent_"))}
        model, condition, method = (data[key] for key in ("model", "condition", "method"))
        losses = np.array(data["losses"])
        return cls(model, condition, method, values["perplexity"], values["bits"], rates, losses)


Lines = dict[tuple[str, str, str], Line]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.folders:
        write(RESULTS, json.dumps(found(arguments.folders), indent=1) + "\n")
    write(PAGE, page(PAGE.read_text(), read()))


def found(folders: list[Path]) -> dict[str, Any]:
    """Rows that are done, each with the run that it is from; older ones of the same weights where none is."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    runs: list[Any] = []
    if RESULTS.exists():
        old = json.loads(RESULTS.read_text())
        runs = old["provenance"]
        rows = {_key(row): row for row in old["rows"]}
    for folder in folders:
        definition = json.loads((folder / "study.json").read_text())
        own = digest(canonical(definition).encode())
        for task in definition["tasks"]:
            path = folder / "tasks" / f"{task['name']}.npz"
            if path.exists():
                done = checkpoint.read(path, own, task["name"])
                row = {**task["parameters"], "seed": task["seed"], **_measured(done.state)}
                row |= {"cpu_s": round(done.cpu_s, 2), "run": len(runs) + done.run - 1}
                rows[_key(row)] = row
        numbers = sorted(int(path.stem) for path in (folder / "runs").glob("*.json"))
        runs += [json.loads((folder / "runs" / f"{number}.json").read_text()) for number in numbers]
    return _of_use(_of_same_weights(list(rows.values())), runs)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row measures."""
    return tuple(row.get(name, 0) for name in ("model", "network", "condition", "method", "seed"))


def _measured(state: State) -> dict[str, Any]:
    if "hits" in state.arrays:
        return {"values": state.values, "hits": np.packbits(state.arrays["hits"]).tobytes().hex()}
    return {"values": state.values, "losses": np.round(state.arrays["losses"], 6).tolist()}


def _of_same_weights(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the weights that were measured last: a model trained again is another one under its name."""
    last = {_network(row): row["data"] for row in sorted(rows, key=lambda row: row["run"])}
    return [row for row in rows if row["data"] == last[_network(row)]]


def _network(row: dict[str, Any]) -> str:
    return row["model"] if "model" in row else row["network"]


def _of_use(rows: list[dict[str, Any]], runs: list[Any]) -> dict[str, Any]:
    """Rows and the runs that they are from, without others."""
    used = sorted({row["run"] for row in rows})
    return {
        "rows": [{**row, "run": used.index(row["run"])} for row in rows],
        "provenance": [runs[number] for number in used],
    }


def read(seed: int = 0) -> Lines:
    """Rows of language models with a seed, out of the file of results."""
    rows = json.loads(RESULTS.read_text())["rows"]
    lines = [Line.read(row) for row in rows if "model" in row and row.get("seed", 0) == seed]
    return {(line.model, line.condition, line.method): line for line in lines}


def page(text: str, lines: Lines) -> str:
    """The page with its tables anew."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    others = [read(seed) for seed in range(1, SEEDS)]
    both = rates([lines, *others]), against_gptq([lines, *others])
    parts = [*both, against_float(lines), ladder(lines, others), *tables(lines)]
    parts += image_tables()
    return text[:start] + "\n" + "\n\n".join(parts) + "\n\n" + text[end:]


def places(lines: Lines) -> Iterator[tuple[str, str]]:
    """Models and conditions of which the float model was measured."""
    for model in ARCHIVES:
        yield from ((model, c) for c in CONDITIONS if (model, c, "float") in lines)


def difference(ours: Line, theirs: Line) -> tuple[float, float, float]:
    """Mean difference of the losses of windows, in nats, and its 95 % interval."""
    change = ours.losses - theirs.losses
    half = _Z * float(change.std(ddof=1)) / sqrt(len(change))
    return float(change.mean()), float(change.mean()) - half, float(change.mean()) + half


def shown(ours: Line, theirs: Line) -> str:
    """The difference as text."""
    middle, low, high = difference(ours, theirs)
    return f"{middle:+.4f} ({low:+.4f} to {high:+.4f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Of markdown."""
    bars = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(bars)


def rates(by_seed: Sequence[Lines]) -> str:
    """Outlier rates of all models and conditions."""
    rows = []
    for seed, lines in enumerate(by_seed):
        for model, condition in places(lines):
            of = lines[model, condition, "float"].rates
            names = [
                f"{what}_{along}" for along in ("outputs", "inputs") for what in ("outliers", "adjacent")
            ]
            rows.append([model, condition, str(seed), *(f"{of[name]:.3f}" for name in names)])
    head = [
        "model",
        "condition",
        "seed",
        "outliers % along outputs",
        "adjacent %",
        "along inputs",
        "adjacent %",
    ]
    return "### Outliers\n\n" + table(head, rows)


def verdict(ours: Line, theirs: Line) -> int:
    """-1 or 1 if the first one is surely better or worse, 0 if the interval holds zero."""
    _, low, high = difference(ours, theirs)
    return -1 if high < 0 else int(low > 0)


def against_gptq(by_seed: Sequence[Lines]) -> str:
    """MicroScopiQ and GPTQ of any group at equal bits."""
    rows = []
    for seed, lines in enumerate(by_seed):
        for (model, condition), bits, kind in product(places(lines), (2, 4), OURS):
            ours = lines.get((model, condition, f"msq{bits}{kind}"))
            for theirs in rivals(lines, ours) if ours else ():
                figures = [f"{ours.bits:.3f} / {theirs.bits:.3f}"]
                figures += [f"{ours.perplexity:.3f} / {theirs.perplexity:.3f}", shown(ours, theirs)]
                word = ("not sure", "worse", "better")[verdict(ours, theirs)]
                rows.append([model, condition, str(seed), ours.method, theirs.method, *figures, word])
    head = [
        "model",
        "condition",
        "seed",
        "method",
        "against",
        "bits",
        "perplexity",
        "loss, nats (95 %)",
        "it is",
    ]
    return "### Against GPTQ of as many bits\n\n" + table(head, rows)


def rivals(lines: Lines, ours: Line) -> list[Line]:
    """GPTQ in groups of one size, or matched to `ours`, with as many stored bits up to `EQUAL`; by names."""
    slots, kind = ours.method[3], ours.method[4:]
    names = [f"gptq{slots}.g{size}" for size in (0, 16, 32, 64)]
    names += [f"gptq{slots}.matched{b}{order}" for b in _BUDGETS[kind] for order in ("", ".ordered")]
    there = [lines.get((ours.model, ours.condition, name)) for name in names]
    return [line for line in there if line is not None and abs(line.bits - ours.bits) <= EQUAL]


def against_float(lines: Lines) -> str:
    """Four bits beside float."""
    rows = []
    for model, condition in places(lines):
        base = lines[model, condition, "float"]
        for method in FOUR:
            ours = lines.get((model, condition, method))
            if ours is not None:
                more = 100 * (ours.perplexity / base.perplexity - 1)
                figures = [f"{ours.bits:.3f}", f"{ours.perplexity:.3f}", f"{more:+.2f}"]
                rows.append([model, condition, method, *figures])
    head = ["model", "condition", "method", "bits", "perplexity", "more than float, %"]
    return "### Four bits against float\n\n" + table(head, rows)


def ladder(lines: Lines, others: list[Lines]) -> str:
    """Whether each step has the sign of the paper's table, with other seeds of what is put in too."""
    rows = []
    for (model, condition), (what, first, second, falls) in product(places(lines), LADDER):
        steps = [
            (of[model, condition, first], of[model, condition, second])
            for of in (lines, *others)
            if (model, condition, first) in of and (model, condition, second) in of
        ]
        if not steps or (model, condition, second) not in lines or (model, condition, first) not in lines:
            continue
        before, after = steps[0]
        signs = [verdict(b, a) * (-1 if falls else 1) for a, b in steps]
        words = ", ".join(("not sure", "kept", "turned")[sign] for sign in signs)
        both = f"{before.perplexity:.3f} to {after.perplexity:.3f}"
        rows.append(
            [model, condition, what, "falls" if falls else "rises", both, shown(after, before), words]
        )
    head = ["model", "condition", "step", "paper", "perplexity", "loss, nats (95 %)", "sign, by seed"]
    return "### The ladder of table 7\n\n" + table(head, rows)


def tables(lines: Lines) -> Iterator[str]:
    """All methods of each model and condition, by their bits."""
    for model, condition in places(lines):
        base = lines[model, condition, "float"]
        own = [line for (m, c, _), line in lines.items() if (m, c) == (model, condition)]
        rows = [
            [line.method, f"{line.bits:.3f}", f"{line.perplexity:.3f}", shown(line, base)]
            for line in sorted(own, key=lambda line: line.bits)
        ]
        head = ["method", "bits", "perplexity", "loss more than float, nats (95 %)"]
        yield f"### {model}, {condition}\n\n" + table(head, rows)


def image_tables() -> Iterator[str]:
    """All methods of each image classifier, by their bits, against float on the same images."""
    rows = [row for row in json.loads(RESULTS.read_text())["rows"] if "network" in row]
    for network in dict.fromkeys(row["network"] for row in rows):
        own = {row["method"]: row for row in rows if row["network"] == network}
        base = _hits(own["float"])
        shown_rows = [
            [method, f"{row['values']['bits']:.3f}", f"{row['values']['top1']:.2f}", _points(row, base)]
            for method, row in sorted(own.items(), key=lambda item: item[1]["values"]["bits"])
        ]
        head = ["method", "bits", "top-1, %", "points more than float (95 %)"]
        yield f"### {network}, {len(base):,} images\n\n" + table(head, shown_rows)


def _hits(row: dict[str, Any]) -> np.ndarray:
    packed = np.frombuffer(bytes.fromhex(row["hits"]), np.uint8)
    return np.unpackbits(packed, count=row["images"]).astype(bool)


def _points(row: dict[str, Any], base: np.ndarray) -> str:
    return str(paired.difference(_hits(row), base))


if __name__ == "__main__":
    main()
