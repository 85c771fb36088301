"""What a device computes, beside what the engine `exact` computes from the packed build folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyqkit.runtime.accelerator import Accelerator


def compare(accelerator: Accelerator, x: np.ndarray) -> dict[str, Any]:
    """Run frames on the device and by the engine `exact`, and count differing codes.

    Parameters
    ----------
    accelerator : Accelerator
    x : numpy.ndarray, shape (frames, *input shape)

    Returns
    -------
    dict
        frames, codes, codes_differing, frames_differing (their indices), all of the network's outputs; source.
    """
    from pyqkit.accelerator import Accelerator as Compiled

    (here,) = accelerator._pipeline([accelerator._encoded(x)])
    compiled = Compiled.load(accelerator.manifest.build)
    there = compiled.engine("exact").run(compiled.encode(x))
    wrong = [found != there[output.end.tensor] for output, found in zip(accelerator._outputs, here)]
    results = [entry for output, entry in zip(accelerator._outputs, wrong) if not output.port.probe]
    return {"frames": len(here[0]), **_counts(results), "source": accelerator.source}


def _counts(wrong: list[np.ndarray]) -> dict[str, Any]:
    flat = np.concatenate([entry.reshape(len(entry), -1) for entry in wrong], axis=1)
    return {"codes": flat.size, "codes_differing": int(flat.sum()), "frames_differing": np.flatnonzero(flat.any(axis=1)).tolist()}
