"""Fuzz readers.

``python -m tests.fuzz --reader frames --minutes 10``; without a reader all of them, one after another.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from pyqkit.studies.provenance import Clock, provenance
from tests.fuzz.findings import KINDS
from tests.fuzz.reader import Reader
from tests.fuzz.readers import by_name
from tests.fuzz.runner import Outcome, fuzz, make_input, place_input

UNBOUNDED = 2**62


def main(arguments: list[str] | None = None) -> int:
    """Run, print a table, and end with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    known = by_name()
    parser.add_argument(
        "--reader", action="append", choices=sorted(known), help="which; several times; all by default"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    parser.add_argument("--inputs", type=int, default=UNBOUNDED, help="at most so many for each reader")
    parser.add_argument("--short", action="store_true", help="as many inputs as the tests take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    parser.add_argument(
        "--only",
        type=int,
        help="read one input, by its number, in this process, and let its exception through",
    )
    options, clock = parser.parse_args(arguments), Clock()
    readers = [known[name] for name in options.reader or known]
    if options.only is not None:
        return _only(readers[0], options.seed, options.only)
    outcomes = []
    for reader in readers:
        outcomes.append(
            fuzz(
                reader, options.seed, reader.short if options.short else options.inputs, 60 * options.minutes
            )
        )
        print(line(outcomes[-1]), flush=True)
        if options.json:
            found = provenance("tests.fuzz", vars(options), clock, (options.seed,)).to_json()
            data = {"readers": [o.to_json() for o in outcomes], "provenance": [found]}
            options.json.write_text(json.dumps(data, indent=1) + "\n")
    return int(any(outcome.distinct for outcome in outcomes))


def line(outcome: Outcome) -> str:
    """An outcome on one line."""
    counts = ", ".join(f"{outcome.failures.get(kind, 0)} {kind}" for kind in KINDS)
    return (
        f"{outcome.reader}: {outcome.inputs:,} inputs ({outcome.refused:,} refused) in "
        f"{outcome.seconds:.0f} s, slowest {outcome.slowest:.2f} s (input {outcome.slowest_input}), "
        f"{len(outcome.distinct)} distinct faults ({counts})"
    )


def _only(reader: Reader, seed: int, index: int) -> int:
    """Read one input without a watch."""
    folder = Path(tempfile.mkdtemp(prefix="pyqkit-fuzz-"))
    try:
        path = folder / f"input{reader.suffix}"
        place_input(make_input(reader, list(reader.seeds()), seed, index), path)
        (folder / "output").mkdir()
        reader.call(path, folder / "output")
    finally:
        shutil.rmtree(folder)
    print("read without a complaint")
    return 0


if __name__ == "__main__":
    sys.exit(main())
