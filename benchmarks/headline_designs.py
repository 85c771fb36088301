"""What the designs of `headline.py` are asked for: all that decides them besides the code.

Rates of others are as published, on the same silicon; ours stand beside the clock that they are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """The fastest design that was published for the network, or one like it.

    Attributes
    ----------
    frames_per_second : int
    source : str
    """

    frames_per_second: int
    source: str


@dataclass(frozen=True)
class Wanted:
    """A request to `pyqkit.compile`, and what its design is held to.

    Attributes
    ----------
    name, network : str
        Of the design; of the network, a key of `headline_networks.READERS`.
    clock_mhz : float
        One of the board's `reachable_mhz`, at which the estimate of the logic leaves a tenth of the period.
    published : Published or None
        None for a network that nobody brought to such a board.
    objective : {"rate", "latency"}
    target_fps : float or None
        The cheapest design that reaches it; None for the fastest one within `lut_share`.
    share : float
        Of every resource of the board, by the estimate.
    most_cycles : int or None
        Between frames.
    least_top1 : float or None
        Per cent, of the integer network on the test images; None where the images are not at hand.
    memory : mapping of str to str
        Memories of weights by operator, instead of those that the search takes: it knows no delays.
    """

    name: str
    network: str
    clock_mhz: float
    published: Published | None
    objective: str = "rate"
    target_fps: float | None = None
    share: float = 0.79
    most_cycles: int | None = None
    least_top1: float | None = None
    memory: Mapping[str, str] = field(default_factory=dict)


_RESNET8 = Published(2431, "fpgaConvNet, INT9, 86.0 %, closed on this silicon")
_KWS = Published(57268, "FINN, W3A3, MLPerf Tiny v0.7, closed on a PYNQ-Z2")
_MLP = Published(57268, "FINN, W3A3, keyword spotting: another network of this kind")

DESIGNS = {
    wanted.name: wanted
    for wanted in (
        Wanted(
            "resnet8",
            "resnet8",
            142.857,
            _RESNET8,
            most_cycles=12_987,
            least_top1=86.6,
            memory={"block2_conv2": "block"},
            share=0.74,  # of LUTs by the estimate, which Yosys exceeded by 5 % here: 80 % are to be kept
        ),
        Wanted("resnet8_latency", "resnet8", 142.857, _RESNET8, "latency", least_top1=86.6),
        Wanted("kws", "kws", 142.857, _KWS, most_cycles=256),
        Wanted("kws_latency", "kws", 142.857, _KWS, "latency"),
        Wanted("palquant", "palquant", 142.857, None, least_top1=97.5, share=0.7),
        Wanted("mlp", "mlp", 100.0, _MLP, target_fps=100_000, least_top1=86.0),
    )
}
