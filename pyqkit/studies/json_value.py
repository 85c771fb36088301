"""Plain data that JSON holds exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

from pyqkit import untrusted

Json: TypeAlias = Union[bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]", None]


def canonical(value: Json) -> str:
    """The one text of a value: keys in order, no spaces, no NaN.

    Raises
    ------
    TypeError, ValueError
        If it is no plain data, or has a number that is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Json) -> Json:
    """A value as it comes back from a file: tuples are lists, nothing is shared.

    Raises
    ------
    TypeError, ValueError
        If it is no plain data, has numbers that no file keeps, or is nested too deep.
    """
    return untrusted.json_data(canonical(value))
