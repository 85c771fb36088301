"""Post-training quantisation of a model that already has quantisers.

Thin, safe order around ``brevitas.graph``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Brevitas announces that an optional CUDA package is missing
    from brevitas.graph.calibrate import bias_correction_mode, calibration_mode
    from brevitas.graph.gptq import gptq_mode


def calibrate(model: torch.nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Set the scales of all activation quantisers from data, the float network running."""
    model.eval()
    with torch.no_grad(), calibration_mode(model):
        for batch in batches:
            model(batch)


def correct_bias(model: torch.nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Add the mean error of each output channel to the biases, layer by layer."""
    model.eval()
    with torch.no_grad(), bias_correction_mode(model):
        for batch in batches:
            model(batch)


def gptq(model: torch.nn.Module, batches: Iterable[torch.Tensor], act_order: bool = False) -> None:
    """Round weights by GPTQ (Frantar et al., 2023).

    The forward pass before it matters: without one the scales of ``parameter_from_stats`` weights do not
    exist yet, each column is scaled by itself, and GPTQ changes nothing.
    """
    model.eval()
    data = list(batches)
    with torch.no_grad():
        model(data[0])
        with gptq_mode(model, act_order=act_order) as mode:
            for _ in range(mode.num_layers):
                for batch in data:
                    mode.model(batch)
                mode.update()
