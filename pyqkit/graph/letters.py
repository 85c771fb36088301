"""Sums that name axes by letters, as ``torch.einsum`` and ONNX' Einsum do, read as products of matrices."""

from __future__ import annotations

import re
from dataclasses import dataclass

_AXES = r"([A-Za-z]*(?:\.\.\.[A-Za-z]*)?)"
_FORMULA = re.compile(f"{_AXES},{_AXES}(?:->{_AXES})?")
_UNNAMED = "0123456789"  # axes that an ellipsis stands for, which no letter of a formula is


@dataclass(frozen=True)
class Letters:
    """Letters of axes by what becomes of them, see `product_letters`.

    Attributes
    ----------
    left, right, out : str
        Those of both tensors and of the result.
    """

    left: str
    right: str
    out: str

    @property
    def heads(self) -> str:
        """Of both tensors and of the result."""
        return "".join(each for each in self.out if each in self.left and each in self.right)

    @property
    def summed(self) -> str:
        """Of both tensors alone."""
        return "".join(each for each in self.left if each in self.right and each not in self.out)

    @property
    def rows(self) -> str:
        """Of the left tensor and of the result."""
        return "".join(each for each in self.out if each not in self.right)

    @property
    def columns(self) -> str:
        """Of the right tensor and of the result."""
        return "".join(each for each in self.out if each not in self.left)

    @property
    def swapped(self) -> Letters:
        """The same product with the right tensor on the left."""
        return Letters(self.right, self.left, self.out)


def product_letters(formula: str, left_axes: int, right_axes: int) -> Letters | None:
    """The letters of a formula; None if it is no product of two matrices, with heads or without.

    Parameters
    ----------
    formula : str
        Such as ``bhid,bhjd->bhij``; without an arrow the result has every letter that comes once, in order.
    left_axes, right_axes : int
        How many axes both tensors have.
    """
    spelled = _spelled(formula)
    if spelled is None:
        return None
    both = tuple(zip(spelled, (left_axes, right_axes)))
    counts = {axes - len(text) + 3 for text, axes in both if "..." in text}
    unnamed = _UNNAMED[: max(0, *counts)] if counts else ""
    made = Letters(*(text.replace("...", unnamed) for text in spelled))
    texts = (made.left, made.right, made.out)
    fits = (len(made.left), len(made.right)) == (left_axes, right_axes)
    plain = all(len(set(text)) == len(text) for text in texts)
    known = set(made.left) ^ set(made.right) <= set(made.out) <= set(made.left + made.right)
    return made if fits and plain and known and made.summed else None


def summed_axes(formula: str, place: int, axes: int) -> list[int]:
    """Which of the axes of one of both tensors a formula sums over; none if it is no formula of two."""
    spelled = _spelled(formula)
    if spelled is None:
        return []
    text, out = spelled[place], spelled[2].replace("...", _UNNAMED)
    own = text.replace("...", _UNNAMED[: max(0, axes - len(text) + 3)])
    return [axis for axis, each in enumerate(own) if each not in out]


def _spelled(formula: str) -> tuple[str, str, str] | None:
    """Letters of both tensors and of the result as they are written; None if there are not two tensors."""
    found = _FORMULA.fullmatch(formula.replace(" ", ""))
    if found is None:
        return None
    left, right, out = found.groups()
    if out is None:
        once = "".join(sorted(set(left.replace(".", "")) ^ set(right.replace(".", ""))))
        out = ("..." if "..." in left + right else "") + once
    return left, right, out
