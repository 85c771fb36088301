"""What results/formats_search.json says, as the last section of docs/formats_search.md."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.studies.formats_search.result import UNIFORM
from pyqkit.studies.paired import difference

PAGE = Path(__file__).parents[1] / "docs" / "formats_search.md"
BEGIN = "<!-- written by benchmarks/formats_search.py -->"
FLOAT = "float32"
LIMIT = 0.10  # error of the model that is allowed
_FIGURES = {
    "LUTs, low": ("lut_low", "lut_with_memory_low"),
    "LUTs, high": ("lut_high", "lut_with_memory"),
    "FF": ("ff", "ff"),
    "BRAM36": ("bram36", "bram36"),
}
TEXT = """## ResNet-20 on a PYNQ-Z2

`benchmarks/formats_search.py`: {rate:,.0f} frames/s at {clock:g} MHz, {sizes} sizes, {evaluations} networks
run for each, {calibration} images for calibration; one seed. The search below the smallest uniform network is
{sizes} times as long.
Weights that the search saw were {seen}.

* weights: {weights}
* activations: {acts}

What the search goes by:

{found}

All networks after the recipe `{recipe}`, with scales that are powers of two; uniform ones have ends of 8
bits. Accuracy is that on {images:,} test images; differences are paired, 95 %. LUTs, BRAM and rates are
estimated for the folding that was found.

{networks}

### Smaller and more accurate than uniform networks of four bits

{verdict}

{wins}

### The model beside Yosys

{synthesis}
"""


def packed(correct: np.ndarray) -> str:
    """Hits of all images as text."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def page(text: str, data: Mapping[str, Any]) -> str:
    """The page with its last section anew."""
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{section(data)}"


def section(data: Mapping[str, Any]) -> str:
    """Markdown of all that was found."""
    real, built = (data["networks"] or [{}])[0], data["networks"][1:]
    mixed = [each for each in built if not each["name"].startswith(UNIFORM)]
    uniform = [each for each in built if each["name"].startswith(UNIFORM)]
    return TEXT.format(
        rate=data["target_fps"],
        clock=data["clock_mhz"],
        sizes=data["sizes"],
        evaluations=data["evolution"]["evaluations"],
        calibration=data["calibration"],
        images=data["images"],
        recipe=data["recipe"],
        seen=data.get("seen", "rounded to nearest: it ran before it could see what GPTQ makes of them"),
        weights=", ".join(data["domain"]["weights"]),
        acts=", ".join(data["domain"]["acts"]),
        found=_found(data["found"]),
        networks=_networks(real, built, data),
        verdict=_verdict(mixed, uniform, data["images"]),
        wins=_wins(mixed, uniform, data["images"]),
        synthesis=_synthesis(built),
    )


def _found(found: Sequence[Mapping[str, Any]]) -> str:
    """By what the search goes by."""
    rows = [
        f"| {each['name']} | {_number(each['luts'])} | {-10 * log10(each['error']):.1f} |" for each in found
    ]
    return "\n".join([*_table(("network", "LUTs, sum", "SQNR dB")), *rows])


def _networks(real: Mapping[str, Any], built: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> str:
    """Those that were built, and which are not."""
    images, done = data["images"], {each["name"] for each in built}
    missing = [each["name"] for each in data["found"] if each["name"] not in done]
    columns = "network", "LUTs", "BRAM36", "DSP", "frames/s", "accuracy %", "points against float"
    rows = [
        f"| {each['name']} | {_number(each['luts'])} | {_number(each['bram36'])} | {_number(each['dsp'])} | "
        f"{_number(each['fps'])} | {each['accuracy']:.2f} | "
        f"{difference(_hits(each, images), _hits(real, images))} |"
        for each in built
    ]
    refused = [f"\n{each['name']}: {each['refused']}" for each in built if each["refused"]]
    note = [f"\nNot built yet: {', '.join(missing)}."] if missing else []
    return "\n".join([*(_table(columns) if rows else []), *rows, *refused, *note])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}".removesuffix(".0")


def _smaller(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["luts"] is not None and (other["luts"] is None or one["luts"] < other["luts"])


def _wins(mixed: Sequence[Mapping[str, Any]], uniform: Sequence[Mapping[str, Any]], images: int) -> str:
    """Every mixed network beside every uniform one that is not smaller."""
    rows = [
        f"| {one['name']} | {other['name']} | {_fewer(one, other)} | "
        f"{difference(_hits(one, images), _hits(other, images))} |"
        for one in mixed
        for other in uniform
        if _smaller(one, other)
    ]
    return "\n".join([*_table(("network", "beside", "LUTs", "points")), *rows]) if rows else ""


def _fewer(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    if other["luts"] is None:
        return "it does not fit"
    return f"{100 * (one['luts'] / other['luts'] - 1):+.1f} %"


def _verdict(mixed: Sequence[Mapping[str, Any]], uniform: Sequence[Mapping[str, Any]], images: int) -> str:
    """Which networks are both against all uniform ones, by the estimates and by the interval."""
    both, sure = [], []
    for one in mixed:
        points = [difference(_hits(one, images), _hits(other, images)) for other in uniform]
        if all(_smaller(one, other) for other in uniform) and all(each.points > 0 for each in points):
            both.append(one["name"])
            if all(each.low > 0 for each in points):
                sure.append(one["name"])
    if not mixed or not uniform:
        return "Not measured yet."
    names = ", ".join(each["name"].removeprefix(UNIFORM) for each in uniform)
    if not both:
        return f"No network found is smaller and more accurate than all of {names}."
    said = f"Smaller and more accurate than all of {names}: {', '.join(both)}"
    if not sure:
        return f"{said}; of the differences in accuracy some intervals hold zero."
    return f"{said}; with intervals that leave zero out, {', '.join(sure)}."


def _synthesis(built: Sequence[Mapping[str, Any]]) -> str:
    """The model's figures over those of Yosys."""
    rows, errors = [], []
    for each in (each for each in built if "synthesised" in each):
        pairs = [
            (each["synthesised"]["estimated"][ours], each["synthesised"]["found"][theirs])
            for ours, theirs in _FIGURES.values()
        ]
        off = [ours / theirs - 1 for ours, theirs in pairs]
        errors += [abs(error) for error in off[:2]]
        cells = [f"{a:,.0f} / {b:,.0f} ({100 * e:+.1f} %)" for (a, b), e in zip(pairs, off)]
        rows.append(f"| {each['name']} | {' | '.join(cells)} |")
    if not rows:
        return "Nothing has been synthesised yet."
    worst = f"The largest error of LUTs is {100 * max(errors):.1f} % ({100 * LIMIT:.0f} % were aimed at)."
    label = built_label(built)
    return "\n".join(
        [f"Estimated / synthesised: {label}.", "", *_table(("network", *_FIGURES)), *rows, "", worst]
    )


def built_label(built: Sequence[Mapping[str, Any]]) -> str:
    """How it was synthesised."""
    label: str = next(each["synthesised"]["found"]["tool"] for each in built if "synthesised" in each)
    return label


def _hits(network: Mapping[str, Any], images: int) -> np.ndarray:
    bits = np.frombuffer(base64.b64decode(network["correct"]), np.uint8)
    return np.unpackbits(bits, count=images).astype(bool)


def _table(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
