"""Cases of the blocks that bring two pixels together and take them apart."""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, Words


def paired() -> list[Case]:
    """Pairs of pixels, of which a row has fewer than it has room for or as many; words in halves."""
    cases = []
    for name, span, count, per_pixel in (("pairs", 2, 3, 2), ("pairs_all", 1, 5, 1)):
        x = _words(4 * 6 * per_pixel, 2, span)
        rows = x.codes.reshape(FRAMES, 4, 6, per_pixel, 2)
        both = rows[:, :, :count] | rows[:, :, span : span + count] << 3
        parameters: Parameters = {"BITS": 3, "LANES": 2, "WIDTH": 6, "WORDS": per_pixel}
        parameters |= {"SPAN": span, "COLUMNS": count}
        out = Words(6, both.reshape(FRAMES, -1, 2))
        cases.append(Case(name, "pixel_pairs", parameters, {"in": x}, {"out": out}))
    x = _words(12, 4, 0)
    halves = {"a": Words(3, x.codes[..., :2]), "b": Words(3, x.codes[..., 2:])}
    wires = {f"out_{w}": f"{{#_b_{w}, #_a_{w}}}" for w in ("valid", "ready", "data")}
    cases.append(Case("split", "split", {"WIDTH": 6}, {"in": x}, halves, connections=wires))
    return cases


def _words(count: int, lanes: int, seed: int) -> Words:
    return Words(3, np.random.default_rng(seed).integers(0, 8, (FRAMES, count, lanes)))
