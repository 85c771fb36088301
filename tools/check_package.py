"""Install the wheel, then the source tree, into clean environments of an old Python, and use pyqkit there as
on a board.

    python tools/check_package.py [python3.10]

Without pynq: numpy alone comes with the wheel, and an overlay runs on the emulated board. With pynq: overlays
by bare name, notebooks and drivers through PYNQ's entry points, for the wheel and for an editable install.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYNQ = "pynq==3.1.2"  # the newest for the images of Python 3.10
NUMPY = "numpy==1.21.6"

ALONE = """
import sys, numpy
from pyqkit.runtime import Driver
with Driver.load("digits", board="PYNQ-Z2") as driver:
    assert driver.selftest() == 0 and driver.source == "emulated"
    assert driver(numpy.zeros((3, 1, 8, 8), numpy.float32)).shape == (3, 10)
    print(driver, "on Python", sys.version.split()[0], "with numpy", numpy.__version__)
"""
WITH_PYNQ = """
import pyqkit.board_emulation
with pyqkit.board_emulation.use("ZCU104"):
    import sys
    from pynq import Overlay
    overlay = Overlay("digits.bit")
    print(overlay.bitfile_name)
    assert "pyqkit.runtime" in sys.modules, "PYNQ imports what pynq.lib names with the first overlay"
    from pyqkit.runtime import Driver
    with Driver.load("digits") as driver:
        assert driver.selftest() == 0
        assert type(driver._backend).__name__ == "PynqBackend"
"""


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "python3.10"
    python = found(wanted)
    if python is None:
        print(f"skipped: {wanted} is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        _check(python, Path(folder))


def found(name: str) -> str | None:
    """A Python by name that starts.

    On PATH, or among those of pyenv, whose place holders on PATH may be empty.
    """
    candidates = [shutil.which(name), *sorted(Path.home().glob(f".pyenv/versions/*/bin/{name}"))]
    for candidate in filter(None, candidates):
        if subprocess.run([str(candidate), "-V"], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def _check(python: str, folder: Path) -> None:
    tree = folder / "pyqkit-source"
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "benchmarks", "tests")
    shutil.copytree(ROOT, tree, ignore=ignored)
    run("wheel", [python, "-m", "venv", folder / "maker"])
    run("wheel", [folder / "maker/bin/pip", "install", "-q", "setuptools<81", "wheel"])
    run(
        "wheel",
        [folder / "maker/bin/pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, tree],
    )
    (wheel,) = folder.glob("pyqkit-*.whl")
    assert wheel.name.endswith("-py3-none-any.whl"), f"{wheel.name} is no pure wheel"
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {size:.2f} MB")

    run("board", [python, "-m", "venv", folder / "board"])
    pip = folder / "board/bin/pip"
    before = installed(pip)
    run("board", [pip, "install", "-q", wheel, NUMPY])
    added = installed(pip) - before
    assert added == {"pyqkit", "numpy"}, f"more than numpy came with the wheel: {added}"
    print("installed:", ", ".join(sorted(added)))
    run("board", [folder / "board/bin/python", "-c", ALONE], folder)

    run("pynq", [pip, "install", "-q", "setuptools<=80", "wheel"])
    run("pynq", [pip, "install", "-q", PYNQ, "pycparser<3", "tomli>=2"])
    with_pynq(folder, "from the wheel")
    run("editable", [pip, "uninstall", "-q", "-y", "pyqkit"])
    run("editable", [pip, "install", "-q", "--no-deps", "--no-build-isolation", "--editable", tree])
    with_pynq(folder, "editable")


def with_pynq(folder: Path, how: str) -> None:
    elsewhere = Path(tempfile.mkdtemp(dir=folder))
    run(how, [folder / "board/bin/python", "-W", "ignore", "-c", WITH_PYNQ], elsewhere)
    run(
        how,
        [folder / "board/bin/pynq", "get-notebooks", "pyqkit", "-p", elsewhere / "delivered", "-d", "ZCU104"],
        elsewhere,
    )
    delivered, written = notebooks(elsewhere / "delivered"), notebooks(ROOT / "notebooks" / "board")
    assert delivered == written, f"{written} were expected, but {delivered} came"
    print(f"{how}: pynq get-notebooks delivered {', '.join(delivered)}")


def notebooks(folder: Path) -> list[str]:
    """Names of the notebooks below a folder, and of their data."""
    return sorted(p.name for p in folder.rglob("*") if p.suffix in (".ipynb", ".npz", ".zip"))


def installed(pip: Path) -> set[str]:
    lines = subprocess.run(
        [pip, "list", "--format", "freeze"], capture_output=True, text=True, check=True
    ).stdout.split()
    return {line.partition("==")[0].lower() for line in lines}


def run(what: str, command: list[str | Path], cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{what}: {' '.join(str(part) for part in command[:4])} failed:\n{done.stdout}{done.stderr}")
    if done.stdout.strip() and "-c" in command:
        print(f"{what}: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
