"""What large networks cost: seconds and memory to compile and save them, and 100,000 frames through the
emulated board.

Every case runs in a process of its own, on a network with random weights (`load_networks.py`). Times are of
this computer; seconds of the processor say more where it is shared.

OMP_NUM_THREADS=1 python benchmarks/load.py [--cases mlp linear ...] [--label "before"] [--write]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_networks import CASES, small_image

from pyqkit.studies.provenance import Clock, Provenance, provenance

RESULTS = Path(__file__).parent / "results" / "load.json"
FRAMES, BATCH = 100_000, 1000
BOARD = "board"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, and add it to the results if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", help="all by default")
    parser.add_argument("--label", default="now", help="of this run; one of the same label is replaced")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and its table")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        step, *rest = options.child
        print(json.dumps(STEPS[step](*rest)))
        return 0
    clock = Clock()
    cases = measured(options.cases)
    given = {"cases": options.cases or "all"}
    run = {
        "label": options.label,
        "provenance": provenance("load.py", given, clock, [0]).to_json(),
        "cases": cases,
    }
    print(table([run]))
    if options.write:
        runs = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        runs = [*(old for old in runs if old["label"] != options.label), run]
        RESULTS.write_text(json.dumps(runs, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(table(runs))
    return 0


# ---- what is measured --------------------------------------------------------------------------------------


def measured(names: list[str] | None) -> dict[str, Any]:
    """Every case in a process of its own."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [*CASES, BOARD]:
            path = Path(folder) / f"{name}.onnx"
            if name == BOARD:
                child("overlay", str(path))
                found[name] = child("stream", str(path.with_suffix(".bit")))
            else:
                found[name] = child("write", name, str(path)) | child("compile", str(path))
                path.unlink()
            print(name, found[name], file=sys.stderr, flush=True)
    return found


def child(*step: str) -> dict[str, Any]:
    """What a step gives in a process of its own: this one stays small, since Linux counts what a parent had
    resident as its child's.
    """
    command = [sys.executable, __file__, "--child", *step]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def written(name: str, path: str) -> dict[str, Any]:
    """Write the network of a case."""
    return {"weights": CASES[name].write(Path(path))}


def compiled(path: str) -> dict[str, Any]:
    """Compile and save a network."""
    import pyqkit

    imported = peak_megabytes()
    wall, cpu = time.perf_counter(), time.process_time()
    accelerator = pyqkit.compile(path, allow_overflow=True)
    with tempfile.TemporaryDirectory() as folder:
        accelerator.save(Path(folder) / "build")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        files = [file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()]
    return {
        "operators": len(accelerator.graph.operators),
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "imported_megabytes": imported,
        "peak_megabytes": peak_megabytes(),
        "folder_megabytes": round(sum(files) / 1e6, 1),
    }


def overlay(path: str) -> dict[str, Any]:
    """Write an emulated overlay beside the file of its network."""
    import pyqkit
    from pyqkit.overlay.emulated import write

    small_image(Path(path))
    build = pyqkit.compile(path).save(Path(path).with_suffix(".build"))
    return {"overlay": write(build, Path(path).parent, BOARD).name}


def streamed(bit: str) -> dict[str, Any]:
    """Stream frames through the emulated board; what is resident, ten times on the way."""
    import numpy as np

    from pyqkit.runtime import Driver

    resident = []
    wall, cpu = time.perf_counter(), time.process_time()
    with Driver.load(bit, backend="emulated") as accelerator:
        random = np.random.default_rng(0)
        batches = (random.random((BATCH, 1, 8, 8), np.float32) for _ in range(FRAMES // BATCH))
        for index, found in enumerate(accelerator.stream(batches), 1):
            assert len(found) == BATCH  # type: ignore[arg-type]
            if index % (FRAMES // BATCH // 10) == 0:
                resident.append(resident_megabytes())
    return {
        "frames": FRAMES,
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "resident_megabytes_after_each_tenth": resident,
        "peak_megabytes": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """The most that this process had resident."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


def resident_megabytes() -> float:
    """What this process has resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": written,
    "compile": compiled,
    "overlay": overlay,
    "stream": streamed,
}


# ---- the table ---------------------------------------------------------------------------------------------


def table(runs: list[dict[str, Any]]) -> str:
    """Markdown of all runs."""
    lines = [
        "| case | run | wall, s | processor, s | target, s | peak, MB | target, MB | folder, MB |",
        "|" + " --- |" * 8,
    ]
    for name, case in CASES.items():
        for run in runs:
            if name not in run["cases"]:
                continue
            found = run["cases"][name]
            most = case.target.megabytes
            memory = f"{most + 8e-6 * found['weights']:.0f}" if most else ""
            seconds = f"{case.target.seconds:g}" if case.target.seconds else ""
            cells = [case.title, run["label"], found["wall_seconds"], found["cpu_seconds"]]
            cells += [seconds, found["peak_megabytes"], memory]
            lines.append("| " + " | ".join(map(str, [*cells, found["folder_megabytes"]])) + " |")
    for run in runs:
        if BOARD in run["cases"]:
            found = run["cases"][BOARD]
            resident = ", ".join(map(str, found["resident_megabytes_after_each_tenth"]))
            lines += [
                "",
                f"{run['label']}: {found['frames']} frames through the emulated board in "
                f"{found['cpu_seconds']} s of the processor; MB resident after each tenth: {resident}.",
            ]
    for run in runs:
        lines += ["", f"{run['label']}: {Provenance(**run['provenance']).sentence()}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
