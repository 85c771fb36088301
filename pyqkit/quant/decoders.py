"""Decoder models of `transformers` out of a local folder, with the extra ``transformers``.

A folder has ``config.json`` and weights in safetensors. Nothing is fetched, nothing that is read is executed.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pyqkit import untrusted
from pyqkit.errors import UserError, brief, shortened

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
_MAX_TEXT = 2**26  # bytes of a JSON file


def decoder(folder: Path) -> nn.Module:
    """A model that reads tokens (sequences, positions), in float32 and eval mode.

    Linear layers that a family has under another class (``Conv1D`` of GPT-2) become `torch.nn.Linear`.

    Parameters
    ----------
    folder : Path
        As ``save_pretrained`` writes it.

    Raises
    ------
    UserError
        If `transformers` is not installed, the folder holds code, adapters, weights in another form or none,
        or the model is no decoder.

    Examples
    --------
    >>> model = decoder(Path("stories"))  # doctest: +SKIP
    >>> keep = [head(model)]  # doctest: +SKIP
    >>> rounded = pyqkit.quantise(model, tokens, recipe="microscopiq", bits=4, keep=keep)  # doctest: +SKIP
    """
    try:
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise UserError(
            f"the package transformers was expected, but it cannot be imported ({error}); install "
            "pyqkit[transformers]"
        ) from None
    _check(folder)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder.resolve()),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
    except Exception as error:  # whatever a library of many makers raises for what it cannot read
        raise UserError(
            f"a decoder model was expected in {folder}, but transformers raises {type(error).__name__} "
            f"({shortened(str(error).splitlines()[0] if str(error) else 'nothing said')}); check the folder"
        ) from error
    return _with_linear_layers(model.eval())


def head(model: nn.Module) -> str:
    """Name of the layer that makes the logits: what ``keep`` of `pyqkit.quantise` takes."""
    output = model.get_output_embeddings()  # type: ignore[operator]
    for name, module in model.named_modules():
        if module is output:
            return name
    raise UserError(
        f"a decoder model of transformers was expected, but {type(model).__name__} has no layer of logits; "
        "take one of a causal language model"
    )


def _check(folder: Path) -> None:
    """Refuse what would need code, a network or pickles."""
    config = _json(folder / CONFIG)
    weights = sorted(folder.glob("*.safetensors"))
    if "auto_map" in config or (folder / "adapter_config.json").exists() or not weights:
        came = (
            "one whose configuration names code of its own"
            if "auto_map" in config
            else "adapters of another one"
            if weights
            else "one without them"
        )
        raise UserError(
            f"a whole model with weights in safetensors was expected in {folder}, but {came} came; save it "
            "with save_pretrained of transformers"
        )
    if (folder / INDEX).exists():
        files = _json(folder / INDEX).get("weight_map")
        names = set(files.values()) if isinstance(files, dict) else {None}
        wrong = [name for name in names if name not in {path.name for path in weights}]
        if wrong:
            raise UserError(
                f"names of safetensors files beside it were expected in {folder / INDEX}, but "
                f"{brief(wrong[0])} came; save the model anew"
            )


def _json(path: Path) -> dict[str, object]:
    try:
        found = untrusted.json_data(untrusted.text(path, _MAX_TEXT))
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        raise UserError(
            f"a model's folder with {path.name} was expected, but {path} is none ({error}); name one that "
            "save_pretrained of transformers has written"
        ) from None
    return found


def _with_linear_layers(model: nn.Module) -> nn.Module:
    """Layers that multiply by a matrix which lies the other way round, as `torch.nn.Linear`."""
    from transformers.pytorch_utils import Conv1D

    for name, module in list(model.named_modules()):
        if isinstance(module, Conv1D):
            inputs, outputs = module.weight.shape
            made = nn.Linear(inputs, outputs)
            made.weight = nn.Parameter(module.weight.detach().T.contiguous())
            made.bias = module.bias
            model.set_submodule(name, made.eval())
    return model
