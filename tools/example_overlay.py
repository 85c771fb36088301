"""Write the example that comes with the package: overlays/digits for the emulated boards, and its test images
for the notebooks.

The network is the demo's.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

import pyqkit
from pyqkit import demo
from pyqkit.overlay.emulated import write
from pyqkit.studies.datasets import digits

ROOT = Path(__file__).parent.parent
BOARDS = ("ZCU104", "PYNQ-Z2")
FRAMES_PER_SECOND = 20_000


def main() -> None:
    x, y, x_test, y_test = digits(0)
    _, model = demo.trained(x, y, 0)
    target = ROOT / "overlays" / "digits" / "digits.bit.d"
    shutil.rmtree(target, ignore_errors=True)
    for board in BOARDS:
        with tempfile.TemporaryDirectory() as scratch:
            accelerator = pyqkit.compile(
                model, torch.from_numpy(x[:1]), board=board, target_fps=FRAMES_PER_SECOND
            )
            build = accelerator.save(Path(scratch) / "digits")
            right = (accelerator(x_test).argmax(axis=1) == y_test).mean()
            print(
                f"{write(build, target, f'digits.{board}')}: {right:.1%} of {len(x_test)} test "
                "images right (engine exact)"
            )
    np.savez_compressed(
        ROOT / "notebooks" / "board" / "digits.npz",
        images=np.round(x_test[:, 0] * 16).astype(np.uint8),
        labels=y_test.astype(np.uint8),
    )


if __name__ == "__main__":
    main()
