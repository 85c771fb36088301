"""What Vitis HLS is given for a node: a folder that needs nothing else, in the layout that FINN looks for."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyqkit.errors import UserError, brief
from pyqkit.hls.generate import library
from pyqkit.names import is_identifier, is_label

WIDEST_WORD = 8191  # bits; FINN's limit, which is that of Vitis HLS

_SCRIPT = """\
# One operator as an IP, written by pyqkit; FINN's HLSSynthIP runs it here. By hand: vitis_hls {script}
open_project project_{name}
add_files top_{name}.cpp -cflags "-std=c++14 -I."
set_top {name}
open_solution sol1
set_part {part}
{directives}
create_clock -period {clock_ns} -name default
csynth_design
export_design -format ip_catalog
exit 0
"""


def check_width(node: str, bits: int) -> int:
    """`bits`, the widest word of a node.

    Raises
    ------
    UserError
        If Vitis HLS cannot have it.
    """
    if bits > WIDEST_WORD:
        raise UserError(
            f"words of at most {WIDEST_WORD} bits were expected at {node}, but one has {bits}; "
            "choose a smaller PE or fewer lanes"
        )
    return bits


def check_names(node: str, part: str) -> None:
    """Refuse names that mean more than themselves to a shell, Tcl or C++.

    FINN gives nodes such names, files may hold others.

    Raises
    ------
    UserError
    """
    if not is_identifier(node.lower()):
        raise UserError(
            "ASCII letters, digits and underscores, a letter first, were expected as the name of a "
            f"node, but {brief(node)} came; "
            "apply GiveUniqueNodeNames"
        )
    if not is_label(part):
        raise UserError(
            f"an FPGA as Vivado calls it was expected, but {brief(part)} came; take the part of a board"
        )


def write(
    files: dict[str, str],
    name: str,
    widest: int,
    part: str,
    clock_ns: float,
    directives: list[str],
    folder: Path,
) -> None:
    """Write the generated C++, the headers that it includes and the script ``hls_syn_NAME.tcl``.

    Parameters
    ----------
    files : dict of str to str
        Of a `Design` whose top function is called `name`.
    name : str
    widest : int
        Bits of the widest integer, for AMD's ``ap_int.h``.
    part : str
    clock_ns : float
        Clock period in nanoseconds.
    directives : list of str
        Lines of Tcl that FINN gives every solution.
    folder : Path

    Raises
    ------
    UserError
        If the name or the part is none (`check_names`).
    """
    check_names(name, part)
    for header in library().glob("*.hpp"):
        shutil.copy(header, folder)
    for file, text in files.items():
        if file.endswith(".hpp"):
            (folder / file).write_text(text)
    (folder / f"top_{name}.cpp").write_text(
        f'#define AP_INT_MAX_W {max(widest, 1024)}\n#include "network.hpp"\n'
    )
    script = f"hls_syn_{name}.tcl"
    (folder / script).write_text(
        _SCRIPT.format(
            script=script, name=name, part=part, clock_ns=clock_ns, directives="\n".join(directives)
        )
    )
