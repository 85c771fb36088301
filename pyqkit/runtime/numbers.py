"""Real numbers to the codes that a device takes, and the codes that it gives to real numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from pyqkit.formats.input_frames import InputRange, InputWarning, Seen, encode_input
from pyqkit.formats.port import Codes, Port, decode_output, order_codes
from pyqkit.host.part import HostPart

Results = np.ndarray | dict[str, np.ndarray]  # of one output, or of several by name


class Numbers:
    """Both ends of a network.

    Parameters
    ----------
    given : (Port, Codes)
    outputs : sequence of (Port, Codes)
    host : HostPart or None

    Attributes
    ----------
    seen : Seen or None
        What the last array of frames held beside what the input holds.
    """

    def __init__(
        self, given: tuple[Port, Codes], outputs: Sequence[tuple[Port, Codes]], host: HostPart | None
    ) -> None:
        self._given, self._outputs, self._host = given, outputs, host
        self._range = InputRange(*given)
        self._warned = False
        self.seen: Seen | None = None

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes (frames, height, width, channels); the first array with strange numbers is warned of."""
        codes = self.codes(x)
        self.seen = self._range.look(np.asarray(x), rounded=False)
        if self.seen.is_strange and not self._warned:
            self._warned = True
            warnings.warn(str(self.seen), InputWarning, stacklevel=3)
        return codes

    def codes(self, x: np.ndarray) -> np.ndarray:
        """The same without a look at what the numbers are."""
        return encode_input(*self._given, x)

    def decode(self, found: Sequence[np.ndarray], codes: bool) -> Results:
        """What a user gets of the codes of all outputs."""
        named = {
            port.onnx_name: order_codes(port, values) if codes else decode_output(port, tensor, values)
            for (port, tensor), values in zip(self._outputs, found)
            if not port.probe
        }
        if self._host is not None and not codes:
            named = self._host.execute(named)
        return named if len(named) > 1 else next(iter(named.values()))

    def drawn(self, frames: int) -> np.ndarray:
        """Frames of random numbers that the input holds."""
        port = self._given[0]
        x = np.random.default_rng(0).standard_normal((frames, *port.onnx_shape), np.float32)
        if port.limits is not None and len(port.limits):
            x *= np.abs(port.limits[np.isfinite(port.limits)]).max() or 1
        return x
