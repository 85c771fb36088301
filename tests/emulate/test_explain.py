"""Why engine `exact` sums products as it does, and that threads change no code."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine, default_threads
from pyqkit.formats import parse
from tests.emulate.networks import Net, everything
from tests.emulate.test_engines import needs_compiler

REASONS = {
    "int4": ("int8", ""),
    "e3m2": ("int16", "activations -448 to 448 and weights -448 to 448 exceed 8 bits"),
    "e4m3": ("int16 digits", "exceed 16 bits"),
}


@needs_compiler
@pytest.mark.parametrize("fmt", REASONS)
def test_the_next_better_carrier_lacks_something(fmt: str) -> None:
    carrier, reason = REASONS[fmt]
    net = Net(parse(fmt), parse(fmt))
    sums = net.conv("conv", "x", 5)
    net.finish(sums)
    ends = parse(fmt).integers
    weights = ends[net.graph.operators[0].weights]  # type: ignore[attr-defined]
    if fmt == "e3m2":  # both ends of the range occur
        assert int(abs(weights).max()) == 448
    (step,) = (s for s in ExactEngine(net.graph).explain(net.codes) if "conv" in s.operators)
    assert step.carrier == carrier
    assert step.choice.bound == int(abs(ends).max()) * int(abs(weights.reshape(5, -1)).sum(axis=1).max())
    better = [*step.choice.lacking.values()]
    assert better == [] if not reason else reason in better[0], better


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_give_the_same_codes(threads: int) -> None:
    net = everything("e2m1", None)
    one = ExactEngine(net.graph, threads=1)
    several = ExactEngine(net.graph, threads=threads)
    for keep in (False, True):
        wanted, done = one.run(net.codes, keep=keep), []
        found = several.run(net.codes, keep=keep, progress=done.append)
        assert done[-1] == len(net.codes["x"]) and done == sorted(done)
        assert found.keys() == wanted.keys()
        for name, codes in wanted.items():
            np.testing.assert_array_equal(found[name], codes, err_msg=name)
            assert found[name].dtype == codes.dtype


def test_results_do_not_share_memory_with_the_next_run() -> None:
    """Buffers stay in place, results are given away."""
    for fmt in ("e2m1", "lp4_0_3"):
        net = everything(fmt, None)
        engine = ExactEngine(net.graph, threads=1)
        first = engine.run(net.codes)
        kept = {name: codes.copy() for name, codes in first.items()}
        engine.run({name: codes[::-1].copy() for name, codes in net.codes.items()})
        for name, codes in kept.items():
            np.testing.assert_array_equal(first[name], codes)


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("1", 1)])
def test_the_number_of_threads_may_be_said(monkeypatch: pytest.MonkeyPatch, said: str, threads: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert default_threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert default_threads() >= 1
