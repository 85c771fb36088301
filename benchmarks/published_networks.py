"""Networks as others publish them: every code of `exact`, `hls` and the reference, and what they would cost.

    OMP_NUM_THREADS=1 python benchmarks/published_networks.py --models FOLDER --data FOLDER

The folder of models holds QONNX files, which stay where they are; networks that come with Brevitas, and one
as QKeras writes it, are made by `published_models.py`. Results are kept by network, so a run of some of them
leaves the others' as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published_models import MODELS
from records import Run

from pyqkit import Accelerator, compile

RESULTS = Path(__file__).parent / "results" / "published_networks.json"
ENGINES = ("exact", "hls")
FEW_FRAMES = {"resnet18_4w4a_224": 5}
FORMATS = {
    "unsw_nb15-mlp-w2a2": "bipolar"
}  # of inputs that no quantiser describes: -1 and 1, as it annotates
MNIST_NETWORK = "TFC_1W2A"
OVERSHOOT = 0.1  # of its range, by which frames reach beyond the ends of the input's format


def main(arguments: list[str] | None = None) -> int:
    """Run the networks, keep each result, write the page; 1 if any code differed."""
    options = parse_arguments(arguments)
    run = Run(options, [options.seed])
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    found = json.loads(options.output.read_text())["networks"] if options.output.exists() else {}
    files = {path.stem: path for path in sorted(options.models.glob("*.onnx"))} if options.models else {}
    for name in options.networks or [*files, *MODELS]:
        found[name] = measure(name, files.get(name), options)
        run.write_json(options.output, {"networks": found}, merged=True)
        run.write_markdown(options.output.with_suffix(".md"), page(found))
        print(row(name, found[name]), flush=True)
    return int(any(result["codes_differing"] for result in found.values()))


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=Path, help="folder of QONNX files; without it those of Brevitas alone"
    )
    parser.add_argument(
        "--data", type=Path, help="folder with mnist.npz, for the accuracy of a published MLP"
    )
    parser.add_argument("--networks", nargs="+", help="names of files or of published_models.MODELS; all")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--board", default="ZCU104")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def measure(name: str, path: Path | None, options: argparse.Namespace) -> dict[str, Any]:
    """One network, from its file to the comparison of all codes."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            path = Path(folder) / f"{name}.onnx"
            MODELS[name].write(path, options.seed)
            input_format = MODELS[name].input_format
        else:
            input_format = FORMATS.get(name)
        began = time.perf_counter()
        accelerator = compile(path, board=options.board, input_format=input_format, allow_overflow=True)
        seconds["compile"] = time.perf_counter() - began
    x = frames(accelerator, FEW_FRAMES.get(name, options.frames), options.seed)
    began = time.perf_counter()
    for engine in ENGINES:
        accelerator.engine(engine)
    seconds["build engines"] = time.perf_counter() - began
    began = time.perf_counter()
    verified = accelerator.verify(x, ENGINES)
    seconds["verify"] = time.perf_counter() - began
    report = accelerator.report().to_json()
    graph = accelerator.graph
    result = {
        "input_format": input_format,
        "input_shape": list(x.shape[1:]),
        "operators": len(graph.operators),
        "macs_per_frame": sum(op.macs(graph.input_tensors(op)) for op in graph.operators),
        "frames": len(x),
        "codes": verified["reference"]["codes"],
        "codes_differing": verified["mismatches"] + verified["reference"]["codes_differing"],
        "top1_agreement": verified["reference"]["top1_agreement"],
        "interval_cycles_estimated": report["initiation_interval_cycles"],
        "latency_cycles_estimated": report["latency_cycles"],
        "lut_estimated": [report["resources"]["lut_low"], report["resources"]["lut_high"]],
        "board": options.board,
        "fits": report["exceeds"] is None,
        "seconds": {step: round(value, 1) for step, value in seconds.items()},
    }
    if name == MNIST_NETWORK and options.data:
        result["accuracy"] = accuracy(accelerator, options.data / "mnist.npz")
    return result


def frames(accelerator: Accelerator, count: int, seed: int) -> np.ndarray:
    """Random frames over the range of the input's format, and somewhat beyond its ends."""
    (port,) = accelerator.graph.inputs
    assert port.limits is not None  # where the input's codes change
    low, high = float(np.min(port.limits)), float(np.max(port.limits))
    beyond = max((high - low) * OVERSHOOT, float(np.max(np.abs(port.scale))))
    uniform = np.random.default_rng(seed).uniform(low - beyond, high + beyond, (count, *port.onnx_shape))
    return uniform.astype(np.float32)


def accuracy(accelerator: Accelerator, path: Path) -> dict[str, float]:
    """Share of MNIST's first test images, and of its training images, that the network names rightly.

    The nearest of 7,000 training images names the two sets as well: how much harder one is than the other.
    """
    with np.load(path, allow_pickle=False) as archive:
        test, train = (archive[name].astype(np.float32)[:, None] / 255 for name in ("x_test", "x_train"))
        digits, learnt = archive["y_test"], archive["y_train"]
    held = len(test)  # as many training images are held out
    return {
        "test_images": len(test),
        "test": share(accelerator(test).argmax(1) == digits),
        "training_images": len(train),
        "training": share(accelerator(train).argmax(1) == learnt),
        "nearest_test": share(learnt[held:][nearest(test, train[held:])] == digits),
        "nearest_training_held_out": share(
            learnt[held:][nearest(train[:held], train[held:])] == learnt[:held]
        ),
    }


def nearest(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Index of the known image that is nearest to each image."""
    flat, other = images.reshape(len(images), -1), known.reshape(len(known), -1)
    return ((other**2).sum(1) - 2 * flat @ other.T).argmin(1)


def share(right: np.ndarray) -> float:
    """Of what is true, to four digits."""
    return round(float(right.mean()), 4)


# ---- the page ----------------------------------------------------------------------------------------------

HEAD = """# Published networks

Codes of every quantised layer and of the output, `exact` against the reference, and of the output, `hls`
against `exact`. Cycles and LUTs are estimated, for the fastest design that fits the board by the model of
`docs/resources.md`; what fits in no folding is marked.

| network | input | operators | MACs | frames | codes | differing | interval | LUTs | compile, s | run, s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page(found: dict[str, Any]) -> str:
    """All networks, and what the accuracy of one says."""
    text = HEAD + "\n".join(row(name, result) for name, result in found.items())
    for name, result in found.items():
        if "accuracy" in result:
            text += "\n\n" + sentence(name, result["accuracy"])
    return text


def row(name: str, result: dict[str, Any]) -> str:
    """One network."""
    shape = " x ".join(map(str, result["input_shape"]))
    low, high = result["lut_estimated"]
    seconds = result["seconds"]
    cells = [
        name,
        f"{shape} {result['input_format'] or ''}".rstrip(),
        result["operators"],
        f"{result['macs_per_frame']:,}",
        result["frames"],
        f"{result['codes']:,}",
        result["codes_differing"],
        f"{result['interval_cycles_estimated']:,}",
        f"{low:,} to {high:,}" + ("" if result["fits"] else f", more than {result['board']} has"),
        seconds["compile"],
        f"{seconds['build engines'] + seconds['verify']:.1f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def sentence(name: str, found: dict[str, float]) -> str:
    """What the accuracy on a part of the test images says beside one that was published for all."""
    test, train = f"{found['test_images']:,} MNIST test", f"{found['training_images']:,} training"
    return (
        f"`{name}` names {found['test']:.2%} of the first {test} images rightly, and {found['training']:.2%} "
        f"of the first {train} images. 94.79 % were published for all 10,000 test images. The first ones are "
        "harder: a nearest-neighbour classifier on 7,000 training images is right for "
        f"{found['nearest_test']:.2%} of them, and for {found['nearest_training_held_out']:.2%} of 3,000 "
        "training images that it was not given."
    )


if __name__ == "__main__":
    sys.exit(main())
