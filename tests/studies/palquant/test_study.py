"""The palquant study: its arms, its optimiser, a training on digits in two runs, verdicts, refusals."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")
pytest.importorskip("sklearn")

from pyqkit.cli import main
from pyqkit.errors import UserError
from pyqkit.quant.palquant import PalResNet, load_checkpoint, palquant
from pyqkit.studies.datasets import TEST, TRAINING, digits
from pyqkit.studies.json_value import plain
from pyqkit.studies.networks.residual import SmallResNet
from pyqkit.studies.paired import Difference
from pyqkit.studies.palquant import report
from pyqkit.studies.palquant.arms import ARMS, Parameters, network_of
from pyqkit.studies.palquant.claims import CLAIMS
from pyqkit.studies.palquant.cost import native_products
from pyqkit.studies.palquant.optimiser import SgdAndAdam, optimiser
from pyqkit.studies.palquant.study import PalQuantStudy, setting_of, trained
from pyqkit.studies.runner import run as run_tasks
from pyqkit.studies.trainer import accuracy

SETTING = setting_of(None, False, 1, 2, 100)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


def test_arms_are_what_they_are_called() -> None:
    networks = {arm.name: network_of(arm, setting_of(None, False, 1, 8, 10)) for arm in ARMS}
    convs = {name: network.get_submodule("layer2.0.conv2") for name, network in networks.items()}
    assert {name: conv.out_channels for name, conv in convs.items()} == {
        "float": 16,
        "w4a4": 16,
        "w2a2": 16,
        "w2a2g2-plain": 32,
        "w2a2g2": 32,
        "w2a2-width": 32,
        "w2a2-macs": 22,
    }
    bits = {name: conv.weight_quant.format.name for name, conv in convs.items() if name != "float"}
    assert bits.pop("w4a4") == "odd4" and set(bits.values()) == {"odd2"}
    assert [n for n, net in networks.items() if isinstance(net, PalResNet) and net.shuffles] == ["w2a2g2"]
    shape = (1, 8, 8)
    products = {name: native_products(network, shape) for name, network in networks.items()}
    assert products["w4a4"] == 4 * products["w2a2"] == 2 * products["w2a2g2-plain"]
    assert products["w2a2-width"] == products["w4a4"] and products["float"] == 0
    assert abs(products["w2a2-macs"] / products["w2a2g2-plain"] - 1) < 0.06
    assert products["w2a2g2"] > products["w2a2g2-plain"]


def test_products_of_a_network_by_hand() -> None:
    """Width 2, 8x8: two 3x3 convolutions a stage, a shortcut in the second and third, the exchanges."""
    (arm,) = [arm for arm in ARMS if arm.name == "w2a2g2"]
    group = 2 * 64 * 2 * 2 * 9
    group += 16 * (2 * 4 * 9 + 4 * 4 * 9 + 2 * 4) + 4 * (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8)
    exchanges = 64 * 2 * 2 + 16 * 4 * 4
    assert native_products(network_of(arm, SETTING), (1, 8, 8)) == 2 * (group + exchanges)


def test_two_optimisers_as_one() -> None:
    torch.manual_seed(0)
    ours = network_of(ARMS[4], SETTING).train()
    ours(torch.rand(8, 1, 8, 8))
    theirs = copy.deepcopy(ours)
    both = optimiser(ours, 0.1, 1e-2, 1e-4)
    assert isinstance(both, SgdAndAdam)
    names = ("uW", "lW", "uA", "lA", "output_scale")
    grids = [p for n, p in theirs.named_parameters() if n.endswith(names)]
    others = [p for n, p in theirs.named_parameters() if not n.endswith(names)]
    parts = torch.optim.SGD(others, 0.1, 0.9, weight_decay=1e-4), torch.optim.Adam(grids, 1e-2)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(part, 4) for part in (both, *parts)]
    for _ in range(3):
        x = torch.rand(8, 1, 8, 8)
        for network, steps in ((ours, [both]), (theirs, parts)):
            for part in steps:
                part.zero_grad()
            network(x).square().mean().backward()
            for part in steps:
                part.step()
        for schedule in schedules:
            schedule.step()
        again = optimiser(ours, 0.1, 1e-2, 1e-4)
        again.load_state_dict(copy.deepcopy(both.state_dict()))
        assert again.param_groups[1]["lr"] == parts[1].param_groups[0]["lr"] < 1e-2
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters()):
        np.testing.assert_array_equal(mine.detach(), other.detach(), err_msg=name)
    assert isinstance(optimiser(network_of(ARMS[0], SETTING), 0.1, 1e-2, 0.0), torch.optim.SGD)


def test_a_study_of_digits_in_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between two epochs; the report reads what is there, and a checkpoint loads."""
    study = PalQuantStudy(setting_of(None, False, 2, 2, 100), None, ("w2a2g2-plain", "w2a2g2"), 1)
    step, stops = PalQuantStudy.step, [0]

    def stopping(self, task, index, state):
        if index > stops[0]:
            stops[0] = index
            raise KeyboardInterrupt
        return step(self, task, index, state)

    monkeypatch.setattr(PalQuantStudy, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(study, tmp_path / "study", every=0.0)
    results = run_tasks(study, tmp_path / "study", resume=True, every=0.0)
    found = results.of("w2a2g2.0")
    assert len(found.curve) == 2 and found.curve[0]["loss"] > found.curve[1]["loss"]
    assert found.arrays["hits"].shape == (100,)
    assert found.values["top1"] == found.curve[1]["top1"] == 100 * found.arrays["hits"].mean()
    assert found.values["deployed_top1"] == 100 * found.arrays["deployed_hits"].mean()
    np.savez(tmp_path / "found.npz", **trained(found.arrays))
    load_checkpoint(network_of(found.task.parameters.arm, study.setting), tmp_path / "found.npz")

    made = run("palquant-report", tmp_path / "study", "-o", tmp_path / "report")
    assert made.exit_code == 0, made.output
    text = (tmp_path / "report" / report.PAGE).read_text()
    assert f"| w2a2g2 | 1 | {found.values['top1']:.2f} |" in text and "the cyclic shuffle helps" in text
    assert (tmp_path / "report" / report.PICTURE).read_bytes().startswith(b"\x89PNG")
    again = run("palquant-report", tmp_path / "study", "-o", tmp_path / "report")
    assert again.exit_code == 2 and "--force" in again.output


def test_parameters_are_read_back() -> None:
    parameters = Parameters(ARMS[-1], SETTING)
    assert report._parameters(plain(asdict(parameters))) == parameters


@pytest.mark.parametrize(
    "found, at_least, otherwise",
    [
        (Difference(1, 0.2, 1.8), "holds here", "holds here"),
        (Difference(0.1, -0.3, 0.5), "holds here", "is not resolved"),
        (Difference(-0.2, -0.9, 0.5), "is not resolved", "is not resolved"),
        (Difference(-0.3, -0.45, -0.1), "holds here", "does not hold here"),
        (Difference(-2, -3, -1), "does not hold here", "does not hold here"),
    ],
)
def test_verdicts(found: Difference, at_least: str, otherwise: str) -> None:
    assert CLAIMS[0].verdict(found) == at_least and CLAIMS[1].verdict(found) == otherwise


def test_the_full_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNet-20 on all images of the archives, whole seeds one after another, on a GPU where there is one."""
    made = np.random.default_rng(0)
    for file, count in ((TRAINING, 30), (TEST, 20)):
        pixels = made.integers(0, 256, (count, 32, 32, 3), np.uint8)
        np.savez(tmp_path / file, x=pixels, y=made.integers(0, 10, count, np.uint8))
    setting = setting_of(tmp_path, True, None, None, None)
    assert (setting.width, setting.blocks, setting.epochs, setting.batch) == (16, 3, 200, 128)
    assert (setting.size, setting.images) == (32, 20)
    study = PalQuantStudy(setting, str(tmp_path), tuple(arm.name for arm in ARMS), 3, full=True)
    tasks = study.tasks()
    assert [task.name for task in tasks] == [f"{arm.name}.{seed}" for seed in range(3) for arm in ARMS]
    assert {study.samples(task) for task in tasks} == {30} and study.steps(tasks[0]) == 200
    layers = [m for m in study.network(tasks[4], 0).modules() if isinstance(m, torch.nn.Conv2d)]
    assert len([m for m in layers if m.kernel_size == (3, 3)]) == 19  # and the classifier
    network = study.network(tasks[1], 0).train()
    value = study.loss(tasks[1], 0, network)(torch.arange(4))
    assert value.isfinite() and not value.isnan()
    for gpu, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert study.device().type == device and replace(study, full=False).device().type == "cpu"
    with pytest.raises(UserError, match="20000 or more images"):
        setting_of(tmp_path, False, None, None, 20)


def test_bad_input(tmp_path: Path) -> None:
    for arguments, sentence in (
        (("--arm", "w3a3"), "an arm out of float, w4a4"),
        (("--full",), "a data folder was expected with --full"),
        (("--data", tmp_path), "npz archive of images"),
        (("--images", 600), "at most 540 test images"),
    ):
        found = run("palquant", "-o", tmp_path / "out", *arguments)
        assert found.exit_code == 2 and sentence in found.output, found.output
        assert not (tmp_path / "out").exists()
    found = run("palquant-report", tmp_path, "-o", tmp_path / "out")
    assert found.exit_code == 2 and "folder of a palquant study" in found.output


def test_the_checkpoint_that_ships() -> None:
    """Of the notebook: the network of the study's page, small, and as accurate as it says."""
    path = Path(__file__).parents[3] / "notebooks" / "palquant_digits.npz"
    assert path.stat().st_size < 2**20
    network = palquant(SmallResNet(1, 8), 2)
    load_checkpoint(network, path)
    _, _, x, y = digits(0)
    page = json.loads((Path(__file__).parents[3] / "benchmarks/results/palquant.json").read_text())
    expected = page["found"]["w2a2g2.0"]["values"]["top1"]
    assert round(100 * accuracy(network.eval(), x, y), 4) == expected
