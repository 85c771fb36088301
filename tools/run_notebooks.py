"""Run notebooks from top to bottom.

The first cell that fails ends it with its error. Outputs that are of other kinds than the committed ones end
it with 1; `--write` writes them back instead, or to a folder, and leaves out what changes from run to run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(path: Path) -> Any:
    """The notebook with the outputs of this run."""
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, resources=place, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merged([output for output in cell.outputs if not _of_the_place(output)])
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def _of_the_place(output: Any) -> bool:
    """Warnings, with the paths of this computer, and scripts for the page that shows a notebook."""
    return output.get("name") == "stderr" or "application/javascript" in output.get("data", {})


def _merged(outputs: list[Any]) -> list[Any]:
    """Pieces of one stream are one: where it was cut is a matter of time."""
    found: list[Any] = []
    for output in outputs:
        if found and found[-1].get("name") == output.get("name") == "stdout":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def kinds(notebook: Any) -> list[list[tuple[str, ...]]]:
    """Of every cell, of what kind its outputs are."""
    return [
        [(out["output_type"], *sorted(out.get("data", {}))) for out in cell.get("outputs", [])]
        for cell in notebook.cells
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="Write the outputs back.")
    parser.add_argument("--folder", type=Path, help="Compare with, or write to, copies there.")
    options = parser.parse_args()
    stale = 0
    for path in options.notebooks:
        print(f"{path.name} ...", flush=True)
        notebook = executed(path)
        kept = (options.folder or path.parent) / path.name
        if options.write:
            kept.parent.mkdir(exist_ok=True)
            nbformat.write(notebook, kept)
        elif kinds(notebook) != kinds(nbformat.read(kept, as_version=4)):
            print(f"{kept} has other outputs; run 'make notebooks WRITE=1'")
            stale = 1
        plots = sum("image/png" in kind for cell in kinds(notebook) for kind in cell)
        print(f"{path.name}: {len(notebook.cells)} cells, {plots} plots")
    return stale


if __name__ == "__main__":
    sys.exit(main())
