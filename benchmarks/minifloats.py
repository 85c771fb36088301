"""The minifloat study's page: docs/minifloats.md, its pictures, and the table that they are made of.

python benchmarks/minifloats.py FOLDER ...     from folders of 'pyqkit study minifloat', finished or not
python benchmarks/minifloats.py --page-only    from results/minifloats.parquet
python benchmarks/minifloats.py --restore FOLDER --data DATA     a folder in which the study goes on from it
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, fields
from pathlib import Path

from pyqkit.studies.checkpoint import Checkpoint
from pyqkit.studies.folder import opened
from pyqkit.studies.json_value import Json
from pyqkit.studies.minifloat import report
from pyqkit.studies.minifloat.plots import draw
from pyqkit.studies.minifloat.rows import FLOAT, NETWORKS, Row, grid
from pyqkit.studies.minifloat.study import MinifloatStudy, rows_of
from pyqkit.studies.minifloat.table import MEGA, Line, read_parquet, write_parquet
from pyqkit.studies.study import Definition, State

CALIBRATION, IMAGES = 1000, 2000  # of the committed grid
ROOT = Path(__file__).parent.parent
TABLE, PAGE = ROOT / "benchmarks" / "results" / "minifloats.parquet", ROOT / "docs" / "minifloats.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--page-only", action="store_true")
    parser.add_argument("--restore", type=Path)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.restore is not None:
        rows = rows_of(grid((), (), ()), arguments.data, CALIBRATION, IMAGES, signed=True)
        study = MinifloatStudy(rows, str(arguments.data))
        print(f"{restore(read_parquet(TABLE), study, arguments.restore)} rows restored")
        return
    if not arguments.page_only:
        write_parquet(report.found(arguments.folders), TABLE)
    lines = read_parquet(TABLE)
    PAGE.write_text(page(lines))
    for network in networks(lines):
        draw(lines, network, PAGE.with_name(f"minifloats_{network}.png"))


def restore(lines: list[Line], study: MinifloatStudy, folder: Path) -> int:
    """A folder of the study, new, that holds what is known already; how many rows that are."""
    known = {_values(line): line for line in lines}
    definition = Definition(study)
    found = {task.name: known.get(astuple(task.parameters)) for task in definition.tasks}
    done = {name: line for name, line in found.items() if line is not None}
    with opened(folder, definition, resume=False, force=False) as made:
        for name, line in done.items():
            values = {"top1": line.top1, "stored_bits": round(MEGA * line.stored_mbit)}
            state = State(values, {"hits": line.right})
            seconds = line.seconds
            made.keep(Checkpoint(definition.digest, name, 1, True, state, (), seconds, seconds, line.run))
        for line in {line.run: line for line in done.values()}.values():
            made.write_run(line.run, _run(line))
    return len(done)


def _values(line: Line) -> tuple[object, ...]:
    """Of the row that a line is from, in its order."""
    return tuple(getattr(line, field.name) for field in fields(Row))


def _run(line: Line) -> Json:
    """What is known of the run that measured a line."""
    packages: Json = {"torch": line.torch, "numpy": line.numpy}
    versions: dict[str, Json] = {"commit": line.commit, "pyqkit": line.pyqkit, "packages": packages}
    return {"run": line.run, **versions, "cpu": line.cpu, "began": line.began}


def networks(lines: list[Line]) -> list[str]:
    """Those of which there is more than the float network."""
    return [name for name in NETWORKS if any(x.network == name and x.weights != FLOAT for x in lines)]


def page(lines: list[Line]) -> str:
    """The text of docs/minifloats.md."""
    measured = {(x.network, x.weights, x.acts, x.recipe) for x in lines}
    wanted = [(n, pair.weights, pair.acts, recipe) for n, pair, recipe in grid((), (), ())]
    missing = [row for row in wanted if row not in measured]
    images = sorted({x.images for x in lines})
    pictures = "\n\n".join(
        f"![Accuracy of {name} against LUTs and bits](minifloats_{name}.png)" for name in networks(lines)
    )
    return TEXT.format(
        done=len(wanted) - len(missing),
        all=len(wanted),
        images=" or ".join(f"{count:,}" for count in images),
        hours=sum(x.seconds for x in lines) / 3600,
        missing="\n\n".join((_pairs(lines), _missing(missing))),
        pictures=pictures,
        report=report.page(lines),
    )


def _pairs(lines: list[Line]) -> str:
    """How many rows have narrow weights and wider activations."""
    count = sum(x.weights != x.acts for x in lines)
    return f"Narrow weights with wider activations (W < A): {count or 'no'} rows have been measured."


def _missing(rows: list[tuple[str, str, str, str]]) -> str:
    """What has not been run, counted by recipe."""
    if not rows:
        return "All rows of the grid have been measured."
    counts: dict[str, list[str]] = {}
    for network, weights, _, recipe in rows:
        counts.setdefault(f"{network} after {recipe}", []).append(weights)
    said = (f"* {where}: {', '.join(names)}" for where, names in counts.items())
    return "Not measured yet, of W = A:\n\n" + "\n".join(said)


TEXT = """# Minifloats and integers, measured

Generated by `benchmarks/minifloats.py` from the rows of `pyqkit study minifloat`; each row of
`benchmarks/results/minifloats.parquet` says which commit, versions and processor it is from.

"Shedding the Bits" (FPL 2024) quantises networks after training to minifloats and integers of 3 to 8 bits,
and compares accuracy and the LUTs of a multiply-accumulate. Here this is done with networks for CIFAR-10:
ResNet-20, ShuffleNetV2 x0.5 (depthwise convolutions) and a small Vision Transformer.

* **Formats**: every minifloat of 3 to 8 bits with 2 or more exponent bits, and integers; weights and
  activations alike (W = A), signed, first and last layer in 8 bits (e3m4, int8).
* **Quantised** are the inputs and weights of convolutions and linear layers, as in the authors' layer-wise
  tool; between them networks compute in float32. So a transformer can be measured that does not compile yet.
* **Scales** are real numbers: of weights for each output channel by the smallest squared error, of
  activations for each tensor by the 99.999th percentile of 1,000 training images, the authors' defaults.
* **Recipes**: none; `equalise+bias` (cross-layer equalisation, bias correction); `equalise+gptq+bias`;
  `equalise+gptq+round+bias` (learned rounding, 4 and 5 bits). Steps see the same 1,000 images.
* **Accuracy** is that on the first {images} test images. Intervals are 95 % and paired: both networks on the
  same images.
* **LUTs** are those of [cost.md](cost.md): one multiply-accumulate with an exact accumulator, open-source
  synthesis for 7-series before place and route. They are not the authors' figures, which are for a VCK190.

{done} of {all} rows of W = A have been measured; all rows took {hours:.1f} hours of one shared core.

{pictures}

{report}
## What has not been tried

* ImageNet: the authors' networks and images are not here. The command is there, for any network in PyTorch
  and frames that are preprocessed as in its training:

      pyqkit study minifloat --module resnet18.py:make --weights resnet18.safetensors --calib calib.npy \\
        --test val.npy --labels labels.npy --images 50000 -o build/imagenet

* LUTs on a VCK190, after place and route: [cost.md](cost.md) has open-source synthesis alone.
* Integers with a zero point, and unsigned formats behind ReLUs (`--twin`), which gain a bit of either family.

{missing}

## Make it anew

    pyqkit study minifloat --data DATA --images 2000 -o build/minifloat --resume
    pyqkit study report build/minifloat -o build/report

The first goes on where it stopped. `--workers 2` or `--dask ADDRESS` share the rows; results are the same.
On another machine `python benchmarks/minifloats.py --restore build/minifloat --data DATA` comes before it:
rows that are committed are not measured again.
Narrow weights with wider activations are formats with a slash, on all images:

    pyqkit study minifloat --data DATA --format int4/int8 --format e2m1/e3m2 -o build/pairs --resume
"""


if __name__ == "__main__":
    main()
