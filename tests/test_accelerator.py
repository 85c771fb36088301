"""The Python interface: compile, emulate, verify and report, and what each refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("onnx")


import pyqkit
from pyqkit import boards, engines
from pyqkit.errors import UserError
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hardware.fit import Overflow
from tests.graph.qonnx_builder import Builder
from tests.overlays import frames
from tests.small_networks import compiled_for, residual


@pytest.fixture(scope="module")
def accelerator() -> pyqkit.Accelerator:
    return pyqkit.compile(residual(), board="PYNQ-Z2", target_fps=2000)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return frames(6)


# ---- compile and run ---------------------------------------------------------------------------------


def test_paths_models_and_bytes_give_the_same_network(accelerator, x, tmp_path):
    (tmp_path / "net.onnx").write_bytes(residual().SerializeToString())
    from_path = pyqkit.compile(tmp_path / "net.onnx", board="pynq-z2", target_fps=2000)
    np.testing.assert_array_equal(from_path.emulate(x), accelerator.emulate(x))
    assert (from_path.compiled.source, accelerator.compiled.source) == ("net.onnx", "")
    assert from_path.foldings == accelerator.foldings


def test_engines_and_call_agree(accelerator, x):
    codes = accelerator.emulate(x, codes=True)
    np.testing.assert_array_equal(codes, accelerator.emulate(x, engine="hls", codes=True))
    np.testing.assert_array_equal(accelerator(x), accelerator.emulate(x, engine="hls"))
    assert accelerator(x).dtype == np.float32 and accelerator(x).shape == (6, 5)
    assert codes.dtype.kind == "u" and len(np.unique(codes)) > 10
    np.testing.assert_array_equal(accelerator(x[:1]), accelerator(x)[:1])


def test_outputs_are_those_of_the_qonnx_model(accelerator, x):
    from pyqkit.reference.quantised import real_of
    from pyqkit.reference.reference import Reference

    (expected,) = Reference(residual()).run(x).values()
    np.testing.assert_array_equal(accelerator(x), real_of(expected).high.astype(np.float32))


def test_a_torch_module_is_exported_and_compiled():
    torch = pytest.importorskip("torch")
    qnn = pytest.importorskip("brevitas.nn")
    from pyqkit.quant import act_quantizer, weight_quantizer

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        qnn.QuantIdentity(act_quant=act_quantizer("int4"), return_quant_tensor=False),
        qnn.QuantConv2d(2, 4, 3, weight_quant=weight_quantizer("e2m1"), bias=False),
        qnn.QuantReLU(act_quant=act_quantizer("e2m1"), return_quant_tensor=False),
    )
    frames = torch.randn(8, 2, 5, 5)
    module.train()(frames)
    module.eval()
    found = pyqkit.compile(module, frames[:1], target_fps=100)
    with torch.no_grad():
        expected = module(frames).numpy()
    differing = int((found(frames.numpy()) != expected).sum())
    assert found(frames.numpy()).shape == expected.shape
    assert differing <= expected.size // 100, f"{differing} of {expected.size}"


def test_report_adds_up(accelerator):
    report = accelerator.report()
    assert report.source == "estimated" and report.board == "PYNQ-Z2" and report.exceeds is None
    assert report.frames_per_second == 100e6 / report.initiation_interval_cycles >= 2000
    assert report.initiation_interval_cycles == max(layer.cycles for layer in report.layers)
    assert report.latency_cycles > report.initiation_interval_cycles
    assert report.macs == 36 * 9 * 8 * (2 + 8 + 8) + 40
    takes = [layer.resources for layer in report.layers] + [report.ends]
    for name in ("lut_low", "lut_high", "ff"):
        whole, parts = getattr(report.resources, name), sum(getattr(part, name) for part in takes)
        assert whole <= parts <= whole + len(takes)
    assert report.resources.bram36 == sum(part.bram36 for part in takes)
    kinds = [layer.operator for layer in report.layers]
    assert kinds.count("convolution") == 4
    assert all(("pe" in layer.settings) == (layer.operator == "convolution") for layer in report.layers)
    json.dumps(report.to_json(), allow_nan=False)


def test_a_network_that_is_too_large_is_refused_unless_told_otherwise(tmp_path):
    described = boards.load("PYNQ-Z2").to_json()
    described["resources"] |= {"bram36": 0, "dsp": 0, "lut": 1000}
    with pytest.raises(UserError) as caught:
        compiled_for(tmp_path, described)
    assert re.search(
        r"does not fit PYNQ-Z2: it takes [\d,]+ of 1,000 LUT \(\d+ %\) \(estimated\); take a larger board",
        str(caught.value),
    )
    small = compiled_for(tmp_path, described, allow_overflow=True)
    report = small.report()
    assert report.exceeds == "LUT"
    assert report.overflow == (Overflow("LUT", report.resources.lut_low, 1000),)
    assert report.notes[0].startswith("the design does not fit PYNQ-Z2: it takes ")
    assert max(f.pe * f.simd for f in small.foldings.values()) <= 2 and {
        f.multiplier for f in small.foldings.values()
    } == {"lut"}
    with pytest.warns(UserWarning, match="the design does not fit PYNQ-Z2: it takes "):
        assert pyqkit.Accelerator.load(small.save(tmp_path / "net")).report().notes == report.notes


def test_the_lower_figure_of_luts_decides(tmp_path):
    """A board between both figures of the design.

    It may fit, so it is compiled, and the report says that it may not.
    """
    described = boards.load("PYNQ-Z2").to_json()
    least = compiled_for(tmp_path, described, fold={}).report().resources
    described["resources"]["lut"] = (least.lut_low + least.lut_high) // 2
    report = compiled_for(tmp_path, described, fold={}).report()
    assert (report.exceeds, report.overflow) == ("LUT", ())
    described["resources"]["lut"] = least.lut_low - 1
    with pytest.raises(UserError, match="does not fit"):
        compiled_for(tmp_path, described, fold={})


def test_rates_are_met_beyond_the_board_where_that_is_allowed(tmp_path):
    described = boards.load("PYNQ-Z2").to_json()
    described["resources"]["lut"] = 3000
    with pytest.raises(UserError, match="a rate that PYNQ-Z2 reaches was expected"):
        compiled_for(tmp_path, described, target_fps=100_000)
    report = compiled_for(tmp_path, described, target_fps=100_000, allow_overflow=True).report()
    assert report.frames_per_second >= 100_000 and report.overflow


# ---- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"clock_mhz": 0},
            "a clock from 1 to below 1000 MHz was expected, but 0 came; leave it out for the board's own",
        ),
        *(
            (
                {"clock_mhz": clock},
                f"a clock from 1 to below 1000 MHz was expected, but {clock} came; leave it out for "
                "the board's own",
            )
            for clock in (0.1, 1000, 1e9, float("inf"), 10**400, True)
        ),
        (
            {"clock_mhz": float("nan")},
            "a clock from 1 to below 1000 MHz was expected, but nan came; leave it out for the board's own",
        ),
        (
            {"target_fps": 5, "fold": {}},
            "a folding or a target rate was expected, but both came; leave one out",
        ),
        ({"board": "ZCU105"}, "a board was expected, but 'ZCU105' is none; did you mean 'ZCU104'?"),
        (
            {"fold": {"none": ConvolutionFolding()}},
            "foldings of layers were expected in fold, but 'none' is no layer; layers are ",
        ),
    ],
)
def test_arguments_out_of_range(arguments, sentence):
    with pytest.raises(UserError) as caught:
        pyqkit.compile(residual(), **arguments)
    assert str(caught.value).startswith(sentence)


def test_things_that_are_no_network():
    with pytest.raises(UserError) as caught:
        pyqkit.compile(42)
    assert str(caught.value) == (
        "an ONNX file, or a torch module and an example input, was expected; pass "
        "pyqkit.compile(module, example_input)"
    )


def test_all_nodes_that_cannot_be_lowered_are_named():
    b = Builder(2, 6, 6)
    x = b.quantise("x", "int4", 0.5)
    with pytest.raises(UserError) as caught:
        pyqkit.compile(b.model(b.node("Add", b.node("Sin", x), b.node("Cos", x))))
    assert "Sin" in str(caught.value) and "Cos" in str(caught.value)


def test_engines_that_do_not_exist(accelerator, x):
    known = engines.names()
    assert {"exact", "hls", "rtl", "lpa8x8", "lpa8x8_hls", "msq8x8"} <= set(known)
    said = f"^engine {', '.join(known)} was expected, but 'vhdl' came; choose one of them$"
    with pytest.raises(UserError, match=said):
        accelerator.emulate(x, engine="vhdl")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda x: x[0],
            "input x of shape (frames, 2, 6, 6) was expected, but (2, 6, 6) came; put the frames "
            "first, which one frame alone does as x[None]",
        ),
        (
            lambda x: x[:, :1],
            "input x of shape (frames, 2, 6, 6) was expected, but (6, 1, 6, 6) came; bring the "
            "frames to that shape, or export the network for theirs",
        ),
        (
            lambda x: x.astype(complex),
            "real numbers were expected for input x, but an array of complex128 came; convert it to float32",
        ),
        (
            lambda x: np.where(x > 1, np.nan, x),
            "numbers were expected for input x, but NaN came; remove NaNs first",
        ),
        (
            lambda x: x[:0],
            "at least one frame was expected, but an array of shape (0, 2, 6, 6) came; put the frames first",
        ),
        (
            lambda x: 1.0,
            "at least one frame was expected, but an array of shape () came; put the frames first",
        ),
    ],
)
@pytest.mark.parametrize("method", ["emulate", "verify"])
def test_wrong_frames(accelerator, x, change, sentence, method):
    with pytest.raises(UserError) as caught:
        getattr(accelerator, method)(change(x))
    assert str(caught.value) == sentence


def test_a_signalling_nan_is_refused_without_a_warning(accelerator, x):
    frames = x.astype(np.float64)
    frames.view(np.uint64)[0, 0, 0, 0] = 0x7FF0_0000_0000_0001
    with (
        warnings.catch_warnings(),
        pytest.raises(UserError, match="^numbers were expected for input x, but NaN came; "),
    ):
        warnings.simplefilter("error")
        accelerator.emulate(frames)


def test_infinity_saturates(accelerator, x):
    extreme = np.where(x > 0, np.inf, -np.inf).astype(np.float32)
    np.testing.assert_array_equal(
        accelerator(extreme), accelerator(np.where(x > 0, 1e6, -1e6).astype(np.float32))
    )


def test_importing_the_package_loads_nothing():
    code = (
        "import sys, pyqkit; pyqkit.__version__; print('numpy' in sys.modules, "
        "pyqkit.formats.parse('e4m3').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False e4m3\n"
    with pytest.raises(AttributeError, match="^module 'pyqkit' has no attribute 'compil'$"):
        pyqkit.compil  # noqa: B018


def test_the_graph_is_the_importers(accelerator):
    assert [op.name for op in accelerator.graph.operators] == [
        op.name for op in import_qonnx(residual()).operators
    ]
