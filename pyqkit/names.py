"""Names: what comes from outside is data; what stands in generated text is made here.

A user's name (of a layer, a graph, a board) may hold any character. It reaches generated C++, SystemVerilog,
Tcl or a path only as

* an identifier of `Identifiers`: a table of the names of one text, each made of ASCII words, bounded in
  length and given once, or
* a label (`is_label`), the only names that boards, parts, overlays and their files may have,

and a terminal only through `pyqkit.errors.plain`. Generated text adds a word of its own to every identifier
(``conv1_weights``), so that none is a reserved word of any language, and tells its table which names it uses
itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 100  # letters of a name in a graph
# In generated text: two names of a graph and words between them; a file's name ends at 255.
LONGEST_GENERATED = 2 * LONGEST + 20
LONGEST_LABEL = 64

_WORDS = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_KEPT = re.compile(r"[a-z][a-z0-9_]*")  # what earlier versions wrote has underscores side by side
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def is_identifier(text: object) -> bool:
    """Whether `text` can be the name of an operator or a tensor.

    Lower-case ASCII letters, digits and underscores, a letter first.
    """
    return isinstance(text, str) and len(text) <= LONGEST and _KEPT.fullmatch(text) is not None


def is_label(text: object, longest: int = LONGEST_LABEL) -> bool:
    """Whether `text` can name a board, a part, an overlay or a file.

    Such names have ASCII letters, digits and ``_.+-``, a letter or digit first.

    So it is one component of a path, never a way up, and means nothing but itself to a shell, make, Tcl and
    XML.
    """
    return isinstance(text, str) and len(text) <= longest and _LABEL.fullmatch(text) is not None


def identifier(wanted: str, longest: int = LONGEST) -> str:
    """The identifier nearest to any text.

    Its letters without accents and digits, in lower case, joined by single underscores.
    """
    if len(wanted) <= longest and _WORDS.fullmatch(wanted):
        return wanted
    plain = unicodedata.normalize("NFKD", wanted.casefold()).encode("ascii", "ignore").decode().lower()
    name = "_".join(re.findall(r"[a-z0-9]+", plain)) or "unnamed"
    return (name if name[0].isalpha() else f"n{name}")[:longest].rstrip("_")


class Identifiers:
    """The names of one text: each is an identifier and is given once.

    Parameters
    ----------
    taken : iterable of str
        Names that the text uses itself.
    longest : int
        Most letters of a name.
    """

    def __init__(self, taken: Iterable[str] = (), longest: int = LONGEST_GENERATED) -> None:
        self._longest = longest
        self._given = dict.fromkeys(taken, 1)  # name -> how often it was wanted

    def new(self, wanted: str) -> str:
        """An identifier near `wanted` that nothing has yet.

        The second that wants ``conv1`` is ``conv1_2``.
        """
        stem = name = identifier(wanted, self._longest)
        while name in self._given:
            self._given[stem] += 1
            end = f"_{self._given[stem]}"
            name = stem[: self._longest - len(end)].rstrip("_") + end
        self._given[name] = 1
        return name
