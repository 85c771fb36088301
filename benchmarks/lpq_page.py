"""What the searches in results/lpq/ say, as the last section of docs/lpq.md.

python benchmarks/lpq_page.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lpq_records import RESULTS, Record
from records import write

from pyqkit.studies.lpq.comparison import ABLATIONS, GREEDY, UNIFORM
from pyqkit.studies.paired import Difference, difference

PAGE = Path(__file__).parents[1] / "docs" / "lpq.md"
BEGIN = "<!-- written by benchmarks/lpq_page.py -->"
NETWORKS = {"resnet20": "ResNet-20", "resnet44": "ResNet-44", "vit": "Vision Transformer"}
BITS = {"resnet20": 5.0, "resnet44": 5.0, "vit": 6.0}  # that the bar allows in the mean
POINTS = 1.0  # that it allows below float
SEEDS = range(3)
_AGAINST = "points against float, 95 %"
_COLUMNS = (
    "search", "mean bits", "accuracy %", _AGAINST, "divergence", "fitness", "evaluations", "processor s"
)  # fmt: skip
SEARCHED = ("lpq", "random")
WHOLE = next(iter(ABLATIONS))  # with all its parts
METHODS = {
    "float": "float",
    "int8": "INT8",
    "lp8_0_7": "LP8, least error",
    "e3m2": "e3m2",
    "int4": "INT4",
    "e2m1": "e2m1",
    "lp4_0_3": "LP4, least error",
    "mse-greedy": "MSE-greedy",
    "sensitivity-greedy": "sensitivity-greedy",
    **{f"{method}.{seed}": f"{method}, seed {seed}" for method in SEARCHED for seed in SEEDS},
    "lpq-unlimited.0": "lpq, any accumulator, seed 0",
}
assert set(METHODS) >= {"float", *UNIFORM, *GREEDY}
Records = Mapping[str, Record]


def section(records: Records) -> str:
    """Markdown of all tables."""
    parts = [_network(name, records) for name in NETWORKS]
    return "\n\n".join([*parts, _bars(records), _others(records), _ablations(records)])


def _network(network: str, records: Records) -> str:
    """All searches of a network."""
    found = {key: records[f"{network}.{key}"] for key in METHODS if f"{network}.{key}" in records}
    if not found:
        return f"### {NETWORKS[network]}\n\nNot measured yet."
    real = found.get("float")
    rows = [
        f"| {METHODS[key]} | {record.bits:.2f} | {record.accuracy:.2f} | {_against(record, real)} | "
        f"{record.divergence:.3g} | {'' if record is real else f'{record.fitness:.4g}'} | "
        f"{record.evaluations:,} | {record.cpu_s:,.0f} |"
        for key, record in found.items()
    ]
    head = _table(_COLUMNS)
    missing = [label for key, label in METHODS.items() if key not in found]
    note = f"\n\nNot measured yet: {', '.join(missing)}." if missing else ""
    return "\n".join([f"### {NETWORKS[network]}", "", *head, *rows]) + note


def _bars(records: Records) -> str:
    """LPQ against float, with the bar."""
    rows = []
    for network, label in NETWORKS.items():
        real = records.get(f"{network}.float")
        for seed in SEEDS:
            record = records.get(f"{network}.lpq.{seed}")
            allowed = f"{BITS[network]:g} bits, {POINTS:g} point"
            verdict = "not measured" if record is None or real is None else _verdict(network, record, real)
            rows.append(f"| {label} | {seed} | {allowed} | {verdict} |")
    head = _table(["network", "seed", "allowed", "found"])
    return "\n".join(["### Few bits, and within a point of float", "", *head, *rows])


def _verdict(network: str, record: Record, real: Record) -> str:
    lost = difference(record.correct, real.correct)
    if record.bits > BITS[network] or lost.points < -POINTS:
        verdict = "missed"
    else:
        verdict = "met" if lost.low >= -POINTS else "met, the interval reaches beyond"
    return f"{record.bits:.2f} bits, {lost} points: {verdict}"


def _others(records: Records) -> str:
    """LPQ against random and greedy searches."""
    rows, said = [], []
    for network, label in NETWORKS.items():
        points: dict[str, list[Difference]] = {}
        for seed in SEEDS:
            for key in (f"random.{seed}", *GREEDY):
                ours, theirs = records.get(f"{network}.lpq.{seed}"), records.get(f"{network}.{key}")
                if ours is not None and theirs is not None:
                    found = difference(ours.correct, theirs.correct)
                    points.setdefault(key.partition(".")[0], []).append(found)
                    rows.append(
                        f"| {label} | {seed} | {METHODS[key]} | {ours.fitness / theirs.fitness - 1:+.1%} | "
                        f"{_first_below(ours, theirs.fitness)} | {ours.bits - theirs.bits:+.2f} | {found} |"
                    )
        said += [_counted(label, key, found) for key, found in points.items()]
    title = "### LPQ against the other searches"
    if not rows:
        return f"{title}\n\nNot measured yet."
    text = (
        "Fitness of LPQ relative to the other's (less is better), after how many evaluations LPQ was below "
        "it, and what that is in bits and in points of accuracy (paired, 95 %)."
    )
    head = _table(["network", "seed", "against", "fitness", "below after", "bits", "points"])
    return "\n".join([title, "", text, "", *head, *rows, "", *said])


def _counted(label: str, key: str, found: Sequence[Difference]) -> str:
    """In how many seeds LPQ is more accurate, and how sure that is."""
    more, less = sum(x.low > 0 for x in found), sum(x.high < 0 for x in found)
    return (
        f"* {label}, against {key} search: more accurate in {more} of {len(found)}, less in {less}; the "
        f"other {len(found) - more - less} intervals hold zero."
    )


def _first_below(record: Record, fitness: float) -> str:
    """Evaluations after which a search had a better fitness."""
    found = (int(evaluations) for evaluations, best, *_ in record.trace if best < fitness)
    first = next(found, None)
    return "never" if first is None else f"{first:,}"


def _ablations(records: Records) -> str:
    """LPQ without its parts."""
    names = [(label, seed, f"resnet20.ablation.{label}.{seed}") for label in ABLATIONS for seed in SEEDS]
    real = records.get("resnet20.float")
    rows = [
        f"| {label} | {seed} | {records[name].bits:.2f} | {_against(records[name], real)} | "
        f"{_against(records[name], records.get(f'resnet20.ablation.{WHOLE}.{seed}'))} |"
        for label, seed, name in names
        if name in records
    ]
    title = "### Without its parts"
    if not rows:
        return f"{title}\n\nNot measured yet."
    missing = [f"{label}, seed {seed}" for label, seed, name in names if name not in records]
    note = ["", f"Not measured yet: {'; '.join(missing)}."] if missing else []
    columns = ["LPQ", "seed", "mean bits", _AGAINST, "points against whole, 95 %"]
    return "\n".join([title, "", *_table(columns), *rows, *note])


def _against(record: Record, real: Record | None) -> str:
    return "" if real is None or real is record else str(difference(record.correct, real.correct))


def _table(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]


def read(folder: Path = RESULTS) -> dict[str, Record]:
    """All records of a folder by name."""
    return {path.stem: Record.read(path) for path in sorted(folder.glob("*.json"))}


def page(text: str, records: Records) -> str:
    """The page with its last section anew."""
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{section(records)}\n"


def main() -> int:
    """Write, or compare."""
    text = PAGE.read_text()
    new = page(text, read())
    if "--check" in sys.argv and new != text:
        print("docs/lpq.md is not what results/lpq/ gives; run 'python benchmarks/lpq_page.py'")
        return 1
    write(PAGE, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
