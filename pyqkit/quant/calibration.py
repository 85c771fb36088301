"""Activation quantisers that no data has reached: their scales are still what Brevitas starts with."""

from __future__ import annotations

import re
import warnings

import torch
from brevitas.core.scaling.standalone import ParameterFromRuntimeStatsScaling
from brevitas.core.stats.stats_wrapper import _RuntimeStats

from pyqkit.errors import listed, plain

_INSIDE = re.compile(r"\.?(act_quant|input_quant|output_quant)\b.*")  # what a layer holds its quantisers in


class CalibrationWarning(UserWarning):
    """A network is written with scales that nobody has found."""


def uncalibrated(model: torch.nn.Module) -> list[str]:
    """Names of the layers whose activation quantisers are to learn their scale from data, and had none."""
    names = [name for name, module in model.named_modules() if _has_seen_nothing(module)]
    return list(dict.fromkeys(_INSIDE.sub("", name) or type(model).__name__ for name in names))


def _has_seen_nothing(module: torch.nn.Module) -> bool:
    if isinstance(module, ParameterFromRuntimeStatsScaling):
        return module.counter == 0  # a scale that was loaded counts as one that was found
    if isinstance(module, _RuntimeStats):  # loading leaves its counter alone
        return module.counter == 0 and bool((module.running_stats == 1).all())
    return False


def warn_of_uncalibrated(model: torch.nn.Module) -> None:
    """Say which layers were never calibrated, if any."""
    found = uncalibrated(model)
    if found:
        warnings.warn(
            f"the activation scales of {plain(listed(found, 5))} were never calibrated and are those that "
            "Brevitas starts with: run frames through the model in training mode, or under "
            "brevitas.graph.calibrate.calibration_mode, and export it again",
            CalibrationWarning,
            stacklevel=3,
        )
