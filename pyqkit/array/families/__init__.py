"""What processing elements multiply: one file a family, found by being there.

A family says which formats it holds and how their codes lie in slots, and computes what tiles of weights make
of activation words.
"""

from pyqkit.array.families.base import Family, Language, Pair, check_built, families, of

__all__ = ["Family", "Language", "Pair", "check_built", "families", "of"]
