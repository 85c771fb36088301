"""The minifloat study: rows, one measured on digits, claims on lines that are known, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch")
pytest.importorskip("sklearn")
from benchmarks.minifloats import restore
from pyqkit.cli import main
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.studies import runner
from pyqkit.studies.minifloat import claims, report
from pyqkit.studies.minifloat.plots import COSTS, best_recipes, front
from pyqkit.studies.minifloat.rows import FORMATS, Pair, grid
from pyqkit.studies.minifloat.study import recipe_of, rows_of
from pyqkit.studies.minifloat.table import Line, lines, read_parquet, write_parquet
from pyqkit.studies.paired import difference

ROOT = Path(__file__).parents[2]
SMALL = ("--network", "digits", "--images", "200", "--calibration", "50", "--recipe", "none")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


def line(weights: str, right: list[int], network: str = "net", **others: object) -> Line:
    """One with these hits; what it cost is that of docs/cost.md."""
    hits = np.array(right, bool)
    from pyqkit.hardware.mac_costs import mac_cost

    cost, bits = mac_cost(weights, weights), parse(weights).bits
    made = Line(
        *(network, weights, weights, bits, bits, "none", True, "percentile", 1, len(hits)),
        *(100 * float(hits.mean()), 0.0, 0.0, 0.0, float(bits), cost.luts if cost else None, 1.0),
        *("0" * 64, np.packbits(hits).tobytes(), 1, "commit", "0", None, None, "cpu", "2000"),
    )
    return replace(made, **others)


def test_committed_grid() -> None:
    rows = grid((), (), ())
    assert len(rows) == len(set(rows)) == 3 * (3 * len(FORMATS) + 7)
    assert set(FORMATS) >= {"int3", "int8", "e2m0", "e7m0", "e5m2"} and len(FORMATS) == 27
    assert {recipe for _, pair, recipe in rows if pair.weights == "e2m3"} == {
        "none",
        "equalise+bias",
        "equalise+gptq+bias",
    }


def test_rows_are_the_layer_wise_tool() -> None:
    (row,) = rows_of([("digits", Pair.parse("int4/int8"), "gptq+bias")], None, 10, 20, True)
    recipe = recipe_of(row)
    assert (recipe.weights.name, recipe.acts.name, recipe.placement) == ("int4", "int8", "layers")
    assert (recipe.end_weights.name, recipe.end_acts.name) == ("int8", "int8")
    assert len(recipe.steps) == 2 and row.name == "digits.int4.int8.gptq+bias"
    (row,) = rows_of([("digits", Pair.parse("e2m1"), "none")], None, 10, 20, False, "mse")
    assert recipe_of(row).end_weights.name == "e3m4" and row.name == "digits.e2m1.e2m1.none.twin.mse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four rows."""
    path = tmp_path_factory.mktemp("minifloat") / "study"
    formats = [part for name in ("e2m1", "int4", "e3m0", "e4m3/e2m1") for part in ("--format", name)]
    done = run("minifloat", *SMALL, *formats, "-o", path)
    assert done.exit_code == 0, done.output
    return path


def test_four_rows_on_digits(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    done = run("report", folder, "-o", tmp_path / "report")
    assert done.exit_code == 0, done.output
    found = {(x.weights, x.acts): x for x in read_parquet(tmp_path / "report" / report.TABLE)}
    assert len(found) == 5
    plain, e2m1 = found["float32", "float32"], found["e2m1", "e2m1"]
    assert plain.top1 > 97 and plain.points == 0 and plain.mac_luts is None
    assert plain.top1 - 3 < e2m1.top1 <= 100 and e2m1.mac_luts == 38
    assert e2m1.points == pytest.approx(e2m1.top1 - plain.top1)
    assert e2m1.low <= e2m1.points <= e2m1.high
    # 144 + 320 weights of 8 bits at the ends, the others of 4
    assert e2m1.stored_mbit * 1e6 == 8 * (144 + 320) + 4 * (16 * 24 + 24 * 32) * 9
    assert found["e4m3", "e2m1"].mac_luts is None
    assert 100 * e2m1.right.mean() == e2m1.top1 and len(e2m1.right) == 200
    assert all(x.run == 1 and x.commit and x.torch and x.cpu and x.began for x in found.values())
    page = (tmp_path / "report" / report.PAGE).read_text()
    assert "| digits | none | 4 | " in page
    assert (tmp_path / "report" / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert "exists" in run("report", folder, "-o", tmp_path / "report").output
    assert run("report", folder, "-o", tmp_path / "report", "--force").exit_code == 0


def test_a_study_that_has_not_finished(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import shutil

    shutil.copytree(folder, tmp_path / "study")
    (tmp_path / "study/tasks/digits.e2m1.e2m1.none.npz").unlink()
    assert run("report", tmp_path / "study", "-o", tmp_path / "a").exit_code == 0
    assert len(read_parquet(tmp_path / "a" / report.TABLE)) == 4
    for file in (tmp_path / "study/tasks").iterdir():
        file.unlink()
    assert (
        "some rows have finished was expected"
        in run("report", tmp_path / "study", "-o", tmp_path / "b").output
    )


def test_a_folder_is_restored_from_its_table(folder: Path, tmp_path: Path) -> None:
    """All rows but one, which alone is measured again; the result is that of the first study."""
    first = report.read(folder)
    known = [found for found in lines(first) if found.weights != "int4"]
    study = replace(first.definition.study)
    assert restore(known, study, tmp_path / "study") == len(known) == 4
    again = runner.run(study, tmp_path / "study", resume=True)
    assert again.digest == first.digest
    assert [outcome.run for outcome in again.outcomes] == [1, 1, 2, 1, 1]


def test_best_minifloat_is_chosen_on_other_images_than_it_is_measured_on() -> None:
    lines = [
        line("int4", [1, 0] * 50),
        line("e2m1", [1, 1] * 50),
        line("e3m0", [0, 1] * 50),
    ]
    (made,) = claims.comparisons(lines)
    assert made.minifloat.weights == "e2m1" and made.gain.points == 100 and made.gain.low > 85
    assert "better in 1 and the integer in 0; the other 0" in claims.counted([made])
    assert " better |" in list(claims.accuracy([made]))[-1]


def test_gain_of_a_network_over_another() -> None:
    lines = [
        *(line("int4", [0] * 100, "vit"), line("e2m1", [1] * 100, "vit")),
        *(line("int4", [0] * 100), line("e2m1", [0] * 100)),
    ]
    found = claims.gains(claims.comparisons(lines))
    assert "vit gains more than the other network in 1 and less in 0" in claims.gains_counted(found)
    rows = list(claims.gains_table(found))
    assert rows[2:] == ["| none | 4 | net | +100.00 (+100.00 to +100.00) more |"]


def test_front_and_best_recipe() -> None:
    lines = [
        line("int4", [1, 1, 0, 0]),
        line("e2m1", [1, 0, 0, 0]),
        line("e2m1", [1, 1, 1, 0], recipe="gptq"),
        line("e3m0", [1, 1, 1, 0]),
    ]
    best = best_recipes(lines)
    assert [x.recipe for x in best] == ["none", "gptq", "none"]
    for _, cost in COSTS.values():
        ahead = front(best, cost)
        assert ahead[-1].weights == "e2m1" and ahead[0].weights in ("int4", "e2m1")


def test_integers_on_the_fronts() -> None:
    lines = [line("int4", [1, 1, 0, 0]), line("e2m1", [1, 1, 1, 0]), line("e3m0", [1, 0, 0, 0])]
    counted = claims.fronts_counted(lines)
    assert "before place and route) 1 of 2" in counted and "Mbit 0 of 1" in counted
    assert list(claims.fronts(lines))[2].endswith("| int4 (50.00), e2m1 (75.00) |")


def test_interval_of_paired_hits() -> None:
    rng = np.random.default_rng(0)
    ours = rng.random(1000) < 0.9
    same = difference(ours, ours)
    assert same.points == 0 and same.low < 0 < same.high and not same.is_sure
    other = difference(ours, ours & (rng.random(1000) < 0.9))
    assert other.low < other.points < other.high and other.low > 0 and other.is_sure
    with pytest.raises(ValueError, match="hits on the same images"):
        difference(ours, ours[:10])


def test_intervals_hold_what_they_should() -> None:
    """Of 400 samples of two classifiers that differ by 2 points about 95 % hold these 2 points."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        u = rng.random(1000)
        found = difference(u < 0.92, (u > 0.03) & (u < 0.93))  # gains 3 %, loses 1 %
        held += found.low <= 2 <= found.high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--network", "vgg"), "a network out of digits, resnet8"),
        (("--network", "resnet20"), "a data folder was expected for resnet20"),
        (("--network", "resnet20", "--data", "nowhere"), "check the data folder"),
        (("--network", "digits", "--format", "e9m9"), "a minifloat of 3 to 8 bits"),
        (("--network", "digits", "--format", "lp4_0_3"), "a signed integer or minifloat"),
        (("--network", "digits", "--format", "uint4"), "a signed integer or minifloat"),
        (("--network", "digits", "--format", "e2m1", "--recipe", "magic"), "'magic' is none; there are"),
    ],
    ids=["network", "data", "folder", "format", "family", "unsigned", "recipe"],
)
def test_what_is_unknown_is_refused(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = run("minifloat", *arguments, "-o", tmp_path / "study")
    assert done.exit_code == 2 and sentence in done.output, done.output
    assert done.output.count("\n") == 1 and not (tmp_path / "study").exists()


def test_more_images_than_there_are(tmp_path: Path) -> None:
    done = run("minifloat", *SMALL, "--format", "e2m1", "--images", 5000, "-o", tmp_path / "study")
    assert done.exit_code == 2 and "5000 images were expected" in done.output


def test_network_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def two_layers():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))\n"
    )
    rng = np.random.default_rng(0)
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "3.weight": (3, 16), "3.bias": (3,)}
    np.savez(tmp_path / "w.npz", **{k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()})
    for name in ("calib", "test"):
        np.save(tmp_path / name, rng.normal(size=(40, 1, 4, 4)).astype(np.float32))
    np.save(tmp_path / "labels", rng.integers(0, 3, 40))
    own = ["--module", f"{tmp_path}/net.py:two_layers", "--weights", tmp_path / "w.npz"]
    own += [part for name in ("calib", "test", "labels") for part in (f"--{name}", tmp_path / f"{name}.npy")]
    common = ("minifloat", "--format", "int8", "--images", 40, "--calibration", 40, "-o", tmp_path / "study")
    done = run(*common, *own)
    assert done.exit_code == 0 and "two_layers.int8.int8.none" in done.output, done.output
    assert "--labels were expected together" in run(*common, *own[:-2], "--force").output
    np.save(tmp_path / "labels", np.zeros(39, int))
    assert "an integer label for each of 40 frames" in run(*common, *own, "--force").output
    np.save(tmp_path / "test", np.zeros((40, 1, 4, 4)))
    assert "float32 frames were expected" in run(*common, *own, "--force").output


def test_folder_of_another_study(folder: Path, tmp_path: Path) -> None:
    done = run("minifloat", *SMALL, "--format", "e2m2", "-o", folder, "--resume")
    assert done.exit_code == 2 and "was defined otherwise" in done.output
    (tmp_path / "study.json").write_text('{"study": "lpq", "tasks": []}')
    with pytest.raises(UserError, match="the folder of a minifloat study was expected"):
        report.read(tmp_path)
    with pytest.raises(UserError, match="the folder of a minifloat study was expected"):
        report.read(tmp_path / "none")


def test_table_of_something_else(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "a").write_bytes(b"nothing")
    parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "b")
    for name in ("a", "b", "c"):
        with pytest.raises(UserError, match="a table of this study was expected"):
            read_parquet(tmp_path / name)
    write_parquet([line("e2m1", [1, 0, 1])], tmp_path / "d")
    assert read_parquet(tmp_path / "d") == [line("e2m1", [1, 0, 1])]


def test_page_is_what_the_script_makes_of_its_rows() -> None:
    pytest.importorskip("pyarrow")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import minifloats

    rows = read_parquet(minifloats.TABLE)
    assert minifloats.PAGE.read_text() == minifloats.page(rows)
    assert all(row.commit and not row.commit.endswith("+changes") for row in rows)
    assert {f"minifloats_{name}.png" for name in minifloats.networks(rows)} == {
        path.name for path in minifloats.PAGE.parent.glob("minifloats_*.png")
    }
