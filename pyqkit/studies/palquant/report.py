"""Table, verdicts and learning curves of a study, as far as it has come."""

from __future__ import annotations

from pathlib import Path

from pyqkit import untrusted
from pyqkit.errors import UserError
from pyqkit.files import replacing_folder
from pyqkit.studies.folder import MAX_TEXT, STUDY, Folder
from pyqkit.studies.json_value import Json
from pyqkit.studies.palquant.arms import ARMS, Arm, Parameters, Setting
from pyqkit.studies.palquant.claims import MARGIN, arms_of, table, verdicts
from pyqkit.studies.palquant.study import PalQuantStudy
from pyqkit.studies.runner import Results, collect
from pyqkit.studies.study import Definition

PAGE, PICTURE = "palquant.md", "palquant.png"


def write(folder: Path, output: Path, force: bool) -> list[Path]:
    """A folder with a page and a picture of what a study has found; the files that are in it.

    Raises
    ------
    UserError
        If the folder is not one of this study or nothing in it has finished.
    """
    results = read(folder)
    with replacing_folder(output, force, "a folder of an earlier report", _listing) as made:
        (made / PAGE).write_text(page(results))
        draw(results, made / PICTURE)
    return [output / PAGE, output / PICTURE]


def _listing(folder: Path) -> set[str] | None:
    return {PAGE, PICTURE} if (folder / PAGE).exists() else None


def read(folder: Path) -> Results[Parameters]:
    """What a study has found until now.

    Raises
    ------
    UserError
        If the folder is not one of this study, or nothing in it has finished.
    """
    try:
        data = untrusted.json_data(untrusted.text(folder / STUDY, MAX_TEXT))
        definition = Definition(_study(data["tasks"]))
        if definition.to_json() != data:
            raise ValueError("it is another study, or one of another version")
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise UserError(
            f"the folder of a palquant study was expected, but {folder / STUDY} is none ({error}); name the "
            "--out of 'pyqkit study palquant'"
        ) from None
    results = collect(Folder(folder, definition), partial=True)
    if not results.outcomes:
        raise UserError(
            f"a study of which some trainings have finished was expected, but none of {folder} has; go on "
            "with 'pyqkit study palquant --resume'"
        )
    return results


def _study(tasks: list[dict[str, Json]]) -> PalQuantStudy:
    parameters = [_parameters(task["parameters"]) for task in tasks]
    names = {p.arm.name for p in parameters}
    ordered = tuple(arm.name for arm in ARMS if arm.name in names)
    return PalQuantStudy(parameters[0].setting, None, ordered, len(tasks) // max(len(ordered), 1))


def _parameters(data: Json) -> Parameters:
    if (
        not isinstance(data, dict)
        or not isinstance(data["arm"], dict)
        or not isinstance(data["setting"], dict)
    ):
        raise ValueError("its tasks are none of this study")
    return Parameters(Arm(**data["arm"]), Setting(**data["setting"]))  # type: ignore[arg-type]


def page(results: Results[Parameters]) -> str:
    """Arms, and the claims with paired 95 % intervals."""
    setting = results.outcomes[0].task.parameters.setting
    return _PAGE.format(
        data=setting.data.partition(" ")[0],
        width=setting.width,
        layers=6 * setting.blocks + 2,
        epochs=setting.epochs,
        images=setting.images,
        margin=MARGIN,
        table="\n".join(table(results)),
        verdicts="\n".join(verdicts(results)),
    )


def draw(results: Results[Parameters], path: Path) -> None:
    """Learning curves: the mean over seeds of each arm."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, outcomes in arms_of(results).items():
        curves = np.array([[point["top1"] for point in outcome.curve] for outcome in outcomes], float)
        axes.plot(np.arange(1, curves.shape[1] + 1), curves.mean(0), label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("top-1, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


_PAGE = """ResNet-{layers} of base width {width} on {data}, {epochs} epochs from scratch,
{images} test images.

{table}

"Deployed" has 8-bit ends and a 16-bit residual stream; the other accuracies have both in float. Products of
2 bits by 2 in quantised convolutions are counted: one of 4 by 4 is four.

{verdicts}

Differences are of {images} images a seed. "At least as good" holds where the interval lies above -{margin}.
"""
