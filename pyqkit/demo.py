"""The demo: a small network in four number formats, from training to verified codes.

It is a residual network on scikit-learn's digits; one network holds all four formats.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit import build_folder
from pyqkit.files import replacing_folder

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator

FLOAT_EPOCHS, QUANTISED_EPOCHS, BATCH = 20, 8, 64
FLOAT_RATE, QUANTISED_RATE = 3e-3, 1e-3
MODEL, BUILD, PICTURE = "network.onnx", "accelerator", "demo.png"


def run(output: str | Path = "build/demo", seed: int = 0, force: bool = False) -> dict[str, Any]:
    """Train, export, compile for ZCU104 and run the engines over the test split.

    Prints one table and saves one picture.

    Parameters
    ----------
    output : path
        Folder for ``network.onnx``, the build folder ``accelerator`` and ``demo.png``; made beside its place
        and renamed.
    seed : int
        The same seed gives the same network.
    force : bool
        Replace the folder of an earlier demo.

    Returns
    -------
    dict
        Accuracies, agreement and the number of differing codes.

    Raises
    ------
    OutputError
        If `output` exists, or, with `force`, is no folder of an earlier demo or has other files too.
    """
    target = Path(output)
    with replacing_folder(target, force, "a folder of an earlier demo", _listing) as folder:
        result = _fill(folder, seed)
    print(f"saved {target / BUILD} and {target / PICTURE}")
    return result


def _listing(folder: Path) -> set[str] | None:
    """Files of an earlier demo."""
    inside = build_folder.listing(folder / BUILD)
    return inside and {MODEL, PICTURE, *(f"{BUILD}/{name}" for name in inside)}


def _fill(folder: Path, seed: int) -> dict[str, Any]:
    """Everything that `run` does, into an empty folder."""
    import torch

    import pyqkit
    from pyqkit.quant import export_qonnx
    from pyqkit.studies.datasets import digits
    from pyqkit.studies.trainer import logits

    x, y, x_test, y_test = digits(seed)
    print(
        "training the float network, then fine-tuning it in uint4, e2m1, lp4_0_3, e3m2, int4 and int8 ...",
        flush=True,
    )
    plain, model = trained(x, y, seed)
    path = export_qonnx(model, torch.from_numpy(x_test), folder / MODEL)

    print("compiling for ZCU104, running both engines over the test split ...", flush=True)
    accelerator = pyqkit.compile(path, board="ZCU104", target_fps=50_000)
    codes = {name: accelerator.emulate(x_test, engine=name, codes=True) for name in ("exact", "hls")}
    outputs = {
        "float": logits(plain, x_test),
        "quantised PyTorch": logits(model, x_test),
        "accelerator": accelerator.emulate(x_test),
    }
    accuracy = {name: float((values.argmax(1) == y_test).mean()) for name, values in outputs.items()}
    differing = int((codes["exact"] != codes["hls"]).sum())
    agreement = float((outputs["accelerator"].argmax(1) == outputs["quantised PyTorch"].argmax(1)).mean())
    accelerator.save(folder / BUILD)
    _picture(folder / PICTURE, x_test, y_test, outputs["accelerator"], accelerator)
    _table(accelerator, accuracy, differing, agreement, len(x_test), codes["exact"].size)
    return {"accuracy": accuracy, "codes_differing": differing, "agreement": agreement, "frames": len(x_test)}


def trained(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[Any, Any]:
    """The float network, and the quantised one.

    Its weights, calibrated, then trained on with quantisers in place.
    """
    import torch

    from pyqkit.quant import calibrate
    from pyqkit.studies.networks.digits import network
    from pyqkit.studies.trainer import Recipe, batches, one_thread, train

    torch.manual_seed(seed)
    plain, model = network(quantised=False), network(quantised=True)
    with one_thread():
        train(plain, x, y, Recipe(FLOAT_EPOCHS, BATCH, FLOAT_RATE), seed)
        model.load_state_dict(plain.state_dict(), strict=False)
        calibrate(model, batches(x)[:4])
        train(model, x, y, Recipe(QUANTISED_EPOCHS, BATCH, QUANTISED_RATE), seed + 1)
    return plain, model


def _table(
    accelerator: Accelerator,
    accuracy: dict[str, float],
    differing: int,
    agreement: float,
    frames: int,
    codes: int,
) -> None:
    from pyqkit.report_tables import layer_rows
    from pyqkit.tables import show

    report = accelerator.report()
    caption = (
        f"accuracy on {frames} test images: "
        + ", ".join(f"{name} {value:.2%}" for name, value in accuracy.items())
        + f"\n"
        f"codes that differ between engines exact and hls (emulated): {differing} of {codes}\n"
        f"top-1 agreement of the accelerator with quantised PyTorch: {agreement:.2%}\n"
        f"{report.source}: {report.frames_per_second:,.0f} frames/s at "
        f"{report.clock_mhz:g} MHz on {report.board}, "
        f"LUT {report.resources.lut_low:,} to {report.resources.lut_high:,}"
    )
    show("pyqkit demo", layer_rows(report), caption, whole=("operator", "output"))


def _picture(path: Path, x: np.ndarray, y: np.ndarray, outputs: np.ndarray, accelerator: Accelerator) -> None:
    """Test images with the accelerator's answers, and the grids of the formats in the network."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=[2, 1.4], squeeze=False)[:, 0]
    for axes, image, label, answer in zip(above.subplots(2, 8).ravel(), x, y, outputs.argmax(1)):
        axes.imshow(image[0], cmap="gray_r")
        axes.set_title(str(answer), color="tab:green" if answer == label else "tab:red")
        axes.axis("off")
    above.suptitle("digits and the accelerator's answers (emulated)")
    graph = accelerator.graph
    grids = {graph.tensors[name].format.name: graph.tensors[name].format for name in graph.sources}
    axes = below.subplots(squeeze=False)[0, 0]
    for row, fmt in enumerate(grids.values()):
        axes.plot(fmt.values / np.abs(fmt.values).max(), np.full(len(fmt.values), row), "|", markersize=14)
    axes.set_yticks(range(len(grids)), list(grids))
    axes.set_xlabel("values of the activation formats, relative to the largest")
    figure.savefig(path, dpi=110)
