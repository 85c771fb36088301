"""Quantisation-aware training of the networks of `headline.py`, on a CPU.

    OMP_NUM_THREADS=1 nice python benchmarks/headline_training.py --data FOLDER --designs mlp resnet8

resnet8: the MLPerf Tiny ResNet-8, fine-tuned from its float weights. Weights are e2m1 with a power-of-two
scale for each output channel, activations behind a ReLU ue2m2, image, first and last layer 8 bits. Scales are
searched once by squared error and stay; the weights are trained through straight-through estimators written
for speed (Brevitas' own take three times as long), then put back into the Brevitas network that is exported.
Targets are the labels and the logits of ResNet-20b, a float network of the same data, on the same augmented
views.

mlp: 784-128-64-10 on Fashion-MNIST, pixels of 4 bits, trained in float, then with Brevitas' quantisers.

Nothing here reads test images: the last training images are kept aside to choose hyper-parameters.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zoo
from torch import Tensor, nn
from torch.nn import functional
from zoo_layers import Float, Formats, Quantised
from zoo_networks import ResNet8

from pyqkit.files import replacing
from pyqkit.formats import parse
from pyqkit.quant import calibrate

FORMATS = Formats("e2m1", "e2m1", "ue2m2", "int8", "int8", "uint8")
FILES = {
    name: Path(__file__).parent / "results" / "headline" / f"{name}_weights.npz"
    for name in ("resnet8", "mlp")
}
MLP = (784, 128, 64, 10)
CALIBRATION = 512


class RoundWeights(torch.autograd.Function):
    """Nearest value of a format; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, scale: Tensor, values: Tensor, limits: Tensor) -> Tensor:
        return scale * values[torch.bucketize(weights / scale, limits, right=True)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient, None, None, None


class RoundActivations(torch.autograd.Function):
    """ReLU and ue2m2 by arithmetic.

    Steps of 1/4 up to 2, 1/2 up to 4, 1 up to 7; the gradient passes inside the range.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        x = x / scale
        ctx.save_for_backward((x > 0) & (x < 7.5))
        y = x.clamp(0, 2).mul_(4).round_().mul_(0.25)
        y += (x - 2).clamp_(0, 2).mul_(2).round_().mul_(0.5)
        y += (x - 4).clamp_(0, 3).round_()
        return y.mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class Activation(nn.Module):
    """ReLU with its quantiser."""

    scale = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return RoundActivations.apply(x, self.scale)


class QuantisedConv(nn.Conv2d):
    """Convolution whose weights are rounded."""

    def quantise(self, name: str, scale: Tensor) -> None:
        """Set format and scales."""
        fmt = parse(name)
        self.scale = scale
        self.values, self.limits = (
            torch.tensor(v, dtype=torch.float32) for v in (fmt.values, fmt.limits(np.float32))
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(
            x,
            RoundWeights.apply(self.weight, self.scale, self.values, self.limits),
            self.bias,
            self.stride,
            self.padding,
        )


class Fast(Float):
    """Layers of the network while it is trained."""

    def relu(self) -> nn.Module:
        return Activation()

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: Any) -> nn.Module:
        return QuantisedConv(inputs, outputs, kernel, **{"bias": False, **options})


def resnet8_network(data: Path) -> nn.Module:
    """The network that is exported, with float weights and without scales."""
    search = {"scale_search": "mse"}
    network = zoo.load("resnet8", data, Quantised(FORMATS, search, search))
    network.pooled = Quantised(FORMATS).pooled()  # eight bits need no search: the largest value
    return network


def searched(data: Path, training: np.ndarray) -> nn.Module:
    """The same with scales searched by squared error on calibration images."""
    network = resnet8_network(data)
    calibrate(network, zoo.batches(training[:CALIBRATION], 64))
    zoo.logits(network, training[:1])  # weight scales come into being in the first forward pass
    return network.eval()


def fast_network(network: nn.Module) -> nn.Module:
    """The same network for training, with the scales of `network`."""
    fast = ResNet8(Fast())
    for name, module in list(fast.named_modules()):  # merged batch norms are gone on the other side too
        if isinstance(module, nn.BatchNorm2d):
            setattr(fast.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], nn.Identity())
    fast.load_state_dict({k: v for k, v in network.state_dict().items() if "_quant" not in k}, strict=True)
    for name, module in fast.named_modules():
        if isinstance(module, Activation):
            module.scale = float(network.get_submodule(name).act_quant.scale())
        elif isinstance(module, QuantisedConv):
            edge = name.startswith("stem")
            scale = network.get_submodule(name).weight_quant.scale().detach().reshape(-1, 1, 1, 1)
            module.quantise(FORMATS.edge_weight if edge else FORMATS.weight, scale)
    return fast


def put_back(network: nn.Module, fast: nn.Module) -> nn.Module:
    """Trained weights into the network that is exported; scales stay."""
    trained = dict(fast.named_parameters())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in trained:
                parameter.copy_(trained[name])
    return network


def views(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Random crops of images padded by four reflected pixels, half of them mirrored; uint8 NHWC."""
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    top, left = random.integers(0, 9, (2, len(pixels)))
    mirror = random.random(len(pixels)) < 0.5
    made = np.empty_like(pixels)
    for i, (row, column) in enumerate(zip(top, left)):
        crop = padded[i, row : row + 32, column : column + 32]
        made[i] = crop[:, ::-1] if mirror[i] else crop
    return made


def loss_of(logits: Tensor, labels: Tensor, teacher: Tensor, options: argparse.Namespace) -> Tensor:
    """Cross-entropy with labels and with softened logits of the teacher."""
    t = options.temperature
    soft = functional.kl_div(
        functional.log_softmax(logits / t, 1), functional.softmax(teacher / t, 1), reduction="batchmean"
    )
    return (1 - options.distilled) * functional.cross_entropy(
        logits, labels
    ) + options.distilled * t * t * soft


def accuracy(network: nn.Module, x: np.ndarray, labels: np.ndarray) -> float:
    """Per cent."""
    return 100 * float((zoo.logits(network, x).argmax(1) == labels).mean())


def train(
    fast: nn.Module, pixels: np.ndarray, labels: np.ndarray, options: argparse.Namespace, check: Any
) -> None:
    """Adam with a cosine schedule; every epoch takes the next set of views."""
    random = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    teacher = zoo.load("resnet20b", options.data).to(memory_format=torch.channels_last)
    sets: list[tuple[np.ndarray, np.ndarray]] = []
    targets = torch.from_numpy(labels).long()
    optimiser = torch.optim.Adam(fast.parameters(), lr=options.rate)
    total = options.epochs * (len(pixels) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, total_steps=total, pct_start=0.1)
    for epoch in range(options.epochs):
        start = time.perf_counter()
        if len(sets) < options.views:
            seen = views(pixels, random)
            sets.append(
                (
                    seen,
                    np.concatenate(
                        [
                            zoo.logits(teacher, zoo.images("resnet20b", part))
                            for part in np.array_split(seen, 20)
                        ]
                    ),
                )
            )
        seen, known = sets[epoch % options.views]
        fast.train()
        for rows in torch.randperm(len(pixels))[: len(pixels) // options.batch * options.batch].split(
            options.batch
        ):
            optimiser.zero_grad()
            x = torch.from_numpy(zoo.images("resnet8", seen[rows]))
            loss = loss_of(fast(x), targets[rows], torch.from_numpy(known)[rows], options)
            loss.backward()
            nn.utils.clip_grad_norm_(fast.parameters(), 5.0)
            optimiser.step()
            schedule.step()
        fast.eval()
        print(
            f"epoch {epoch + 1} of {options.epochs}: loss {float(loss.detach()):.3f}, {check()}, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )


def calibrate_pool(network: nn.Module, training: np.ndarray) -> None:
    """Scale of the pooled features, which the training does not round, from the trained network."""
    fresh = Quantised(FORMATS).pooled()
    network.pooled = nn.Identity()
    features: list[Tensor] = []
    hook = network.fc.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    zoo.logits(network, training)
    hook.remove()
    calibrate(fresh, features)
    network.pooled = fresh.eval()


def save(network: nn.Module, path: Path) -> None:
    """All tensors of the network, by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **{k: v.numpy() for k, v in network.state_dict().items()})
    print(f"saved {path}, {path.stat().st_size:,} bytes")


def load(network: nn.Module, path: Path) -> nn.Module:
    """A network with saved tensors, ready for inference."""
    with np.load(path, allow_pickle=False) as archive:
        network.load_state_dict({key: torch.from_numpy(archive[key]) for key in archive.files})
    return network.eval()


def mlp_network(quantised: bool = True) -> nn.Module:
    """A multilayer perceptron.

    Uint4 pixels, e2m1 weights (int8 in the last layer), ue2m2 behind each ReLU; float without quantisers.
    """
    import brevitas.nn as qnn

    layers = Quantised(FORMATS)
    modules: list[nn.Module] = [
        qnn.QuantIdentity(act_quant=layers.activations("uint4") if quantised else None)
    ]
    for index, (inputs, outputs) in enumerate(itertools.pairwise(MLP)):
        last = index == len(MLP) - 2
        name = FORMATS.edge_weight if last else FORMATS.weight
        modules.append(
            qnn.QuantLinear(
                inputs, outputs, bias=True, weight_quant=layers.weights(name) if quantised else None
            )
        )
        if not last:
            modules.append(layers.relu() if quantised else nn.ReLU())
    return nn.Sequential(*modules)


def fashion(pixels: np.ndarray) -> np.ndarray:
    """Input of the perceptron, float32 rows of 784 in 0..1, of uint8 pixels."""
    return (pixels.astype(np.float32) / 256).reshape(-1, MLP[0])


def train_mlp(options: argparse.Namespace) -> nn.Module:
    """Float, then quantised; mirrored images are clothes too."""
    with np.load(options.data / "fashion_mnist.npz", allow_pickle=False) as archive:
        pixels, labels = fashion(archive["x_train"]), archive["y_train"]
    kept, known = pixels[-options.held_out :], labels[-options.held_out :]
    x, y = torch.from_numpy(pixels[: -options.held_out]), torch.from_numpy(labels[: -options.held_out]).long()
    torch.manual_seed(options.seed)
    plain, network = mlp_network(quantised=False), mlp_network()
    for model, epochs, rate in ((plain, 12, 2e-3), (network, 8, 5e-4)):
        if model is network:
            network.load_state_dict(plain.state_dict(), strict=False)
            calibrate(network, x[:2000].split(250))
        optimiser = torch.optim.Adam(model.parameters(), rate, weight_decay=1e-5)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rate, total_steps=epochs * -(-len(x) // 128), pct_start=0.1
        )
        for _ in range(epochs):
            model.train()
            for rows in torch.randperm(len(x)).split(128):
                batch = (
                    x[rows].unflatten(1, (28, 28)).flip(-1).flatten(1) if torch.rand(()) < 0.5 else x[rows]
                )
                optimiser.zero_grad()
                functional.cross_entropy(model(batch), y[rows], label_smoothing=0.05).backward()
                optimiser.step()
                schedule.step()
        model.eval()
        print(
            f"mlp, {'quantised' if model is network else 'float'}: held-out "
            f"{accuracy(model, kept, known):.2f} %",
            flush=True,
        )
    return network


def train_resnet8(options: argparse.Namespace) -> nn.Module:
    """Fine-tune the float weights."""
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        pixels, labels = archive["x"], archive["y"]
    kept, known = zoo.images("resnet8", pixels[-options.held_out :]), labels[-options.held_out :]
    pixels, labels = pixels[: -options.held_out], labels[: -options.held_out]
    network = searched(options.data, zoo.images("resnet8", pixels[:CALIBRATION]))
    fast = fast_network(network).to(memory_format=torch.channels_last)

    def check() -> str:
        return f"held-out {accuracy(fast, kept, known):.2f} %"

    print(
        f"float: held-out {accuracy(zoo.load('resnet8', options.data), kept, known):.2f} %; before "
        f"training: {check()}",
        flush=True,
    )
    train(fast, pixels, labels, options, check)
    put_back(network, fast)
    calibrate_pool(network, zoo.images("resnet8", pixels[:CALIBRATION]))
    print(f"exported network: held-out {accuracy(network, kept, known):.2f} %", flush=True)
    return network


def main(arguments: list[str] | None = None) -> int:
    """Train, and save the weights and scales."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--designs", nargs="+", choices=list(FILES), default=list(FILES))
    parser.add_argument(
        "--held-out", type=int, default=1000, help="training images kept aside, the last ones"
    )
    parser.add_argument("--seed", type=int, default=0)
    resnet = parser.add_argument_group("resnet8")
    resnet.add_argument("--epochs", type=int, default=4)
    resnet.add_argument("--views", type=int, default=2, help="augmented copies of the training images")
    resnet.add_argument("--batch", type=int, default=64)
    resnet.add_argument("--rate", type=float, default=1.5e-4)
    resnet.add_argument(
        "--distilled", type=float, default=0.7, help="weight of the teacher beside the labels"
    )
    resnet.add_argument("--temperature", type=float, default=4.0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    for design in options.designs:
        save({"resnet8": train_resnet8, "mlp": train_mlp}[design](options), FILES[design])
    return 0


if __name__ == "__main__":
    sys.exit(main())
