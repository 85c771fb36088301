"""Networks that nobody calibrated are warned of, by the names of their layers."""

from __future__ import annotations

import warnings
from pathlib import Path

import brevitas.nn as qnn
import pytest
import torch
from brevitas.graph.calibrate import calibration_mode
from brevitas.quant.scaled_int import Int8ActPerTensorFloat

import pyqkit
from pyqkit.quant import export_qonnx
from pyqkit.quant.calibration import CalibrationWarning, uncalibrated


class RunningScale(Int8ActPerTensorFloat):
    scaling_impl_type = "stats"
    scaling_stats_op = "max"


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        qnn.QuantIdentity(bit_width=8),
        qnn.QuantLinear(6, 5, bias=False, weight_bit_width=4),
        qnn.QuantReLU(bit_width=4),
        qnn.QuantLinear(5, 3, bias=False, weight_bit_width=4, input_quant=RunningScale),
    )


def test_a_network_that_saw_no_data() -> None:
    model = network()
    assert uncalibrated(model) == ["0", "2", "3"]
    with pytest.warns(CalibrationWarning, match="scales of 0, 2, 3 were never calibrated and are those"):
        pyqkit.compile(model, torch.ones(1, 6))


def by_training(model: torch.nn.Module) -> torch.nn.Module:
    model.train()(torch.randn(8, 6))
    return model.eval()


def by_calibration(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad(), calibration_mode(model.eval()):
        model(torch.randn(8, 6))
    return model


def by_loading(model: torch.nn.Module) -> torch.nn.Module:
    model.load_state_dict(by_training(network()).state_dict())
    return model.eval()


@pytest.mark.parametrize("calibrated", [by_training, by_calibration, by_loading])
def test_networks_that_did(calibrated, tmp_path: Path) -> None:
    model = calibrated(network())
    assert uncalibrated(model) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", CalibrationWarning)
        export_qonnx(model, torch.ones(1, 6), tmp_path / "net.onnx")
