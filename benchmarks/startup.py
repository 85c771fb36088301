"""Seconds until the first frame: import, `Accelerator.load`, and a frame through engine `exact`.

Each run is a process of its own, on the pretrained ResNet-20: once with an empty cache, so that g++ compiles
the kernels, then with that cache.

    OMP_NUM_THREADS=1 python benchmarks/startup.py --data FOLDER [--formats int4 e4m3] [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hls_speed import exported
from records import Run

from pyqkit import compile

FORMATS = ("int4", "e4m3", "lp8_1_3")
RESULTS = Path(__file__).parent / "results" / "startup.md"
COLD, WARM = 3, 7  # processes; medians count
BOARD = "ZCU104"
PAGE = f"""Seconds of the wall, medians of {COLD} processes with an empty cache and of {WARM} with a full one;
in brackets CPU seconds of the process itself, without the compiler's.

"""
PROGRAM = """
import json, sys, time
def now(): return time.perf_counter(), time.process_time()
times = [now()]
import numpy
from pyqkit import Accelerator
times.append(now())
accelerator = Accelerator.load(sys.argv[1])
times.append(now())
accelerator.emulate(numpy.load(sys.argv[2]))
times.append(now())
print(json.dumps([[b - a for a, b in zip(*pair)] for pair in zip(times, times[1:])]))
"""


@dataclass(frozen=True)
class Stages:
    """Seconds of the wall and of the processor."""

    imported: tuple[float, float]
    loaded: tuple[float, float]
    first_frame: tuple[float, float]

    @property
    def until_first_frame(self) -> tuple[float, float]:
        """Both of `Accelerator.load` and the first frame."""
        return self.loaded[0] + self.first_frame[0], self.loaded[1] + self.first_frame[1]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args(arguments)
    run = Run(options)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    text = PAGE + table([line for name in options.formats for line in measure(name, options.data)])
    print(text)
    if options.write:
        run.write_markdown(RESULTS, text)
    return 0


def measure(name: str, data: Path) -> list[tuple[str, str, Stages]]:
    """A format with an empty and a full cache."""
    with tempfile.TemporaryDirectory() as folder:
        path, images = exported(name, 1, data, Path(folder))
        build, frame = Path(folder) / "build", Path(folder) / "frame.npy"
        compile(path, board=BOARD).save(build)
        np.save(frame, images)
        cold = [start(build, frame, Path(folder) / f"cache{i}") for i in range(COLD)]
        warm = [start(build, frame, Path(folder) / "cache0") for _ in range(WARM)]
    return [(name, "empty", median(cold)), (name, "full", median(warm))]


def start(build: Path, frame: Path, cache: Path) -> Stages:
    """One process."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", PROGRAM, str(build), str(frame)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Stages(*(tuple(stage) for stage in json.loads(done.stdout)))


def median(runs: list[Stages]) -> Stages:
    """The run whose time until the first frame is the median one."""
    middle = statistics.median_low(run.until_first_frame for run in runs)
    return next(run for run in runs if run.until_first_frame == middle)


def table(lines: list[tuple[str, str, Stages]]) -> str:
    """Markdown."""
    rows = ["| format | cache | import | load | first frame | load and first frame |", "|" + " --- |" * 6]
    for name, cache, stages in lines:
        times = (stages.imported, stages.loaded, stages.first_frame, stages.until_first_frame)
        rows.append(f"| {name} | {cache} | " + " | ".join(f"{w:.2f} ({c:.2f})" for w, c in times) + " |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
