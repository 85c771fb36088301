"""Brevitas layers in any number format, post-training methods, export.

The only part of pyqkit that imports torch.
"""

import warnings

with warnings.catch_warnings():
    # Brevitas tells of an optional speed-up.
    warnings.filterwarnings("ignore", message="fast_hadamard_transform")
    from pyqkit.quant.brevitas_ptq import calibrate, correct_bias, gptq
    from pyqkit.quant.export import export_qonnx
    from pyqkit.quant.handlers import FastInference
    from pyqkit.quant.quantisers import act_quantizer, weight_quantizer

__all__ = [
    "FastInference",
    "act_quantizer",
    "calibrate",
    "correct_bias",
    "export_qonnx",
    "gptq",
    "weight_quantizer",
]
