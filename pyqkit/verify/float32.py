"""How often float32 execution of the QONNX model gives other codes than exact arithmetic, and why.

The model is executed twice by qonnx: as it is, and cut behind every quantiser, so that each layer starts from
exact inputs. A code that differs in the cut copy is made by its own layer, and has to be explained there:

ties
    Its exact value lies on a boundary between two codes (rational arithmetic), and float32 arithmetic was not
    exact.
float32_bound
    A boundary that lies between the two codes is within the computed bound of float32's error of the exact
    value (`pyqkit.verify.float_error`): float32's code is one that some value within the bound is rounded to.
log_table
    Logarithmic Posits pass a log-to-linear table, by a written convention that float32 arithmetic does not
    have. The layer is computed again in exact arithmetic without the table, and float32's code is one within
    the bound of *that* value.

In each case float32's own quantiser has to give the engine's code for the exact value, so that rounding read
wrongly is not taken for error. A code that differs in the whole run alone follows from ``earlier_layers``:
one that feeds it has a differing code in the same frame. Every other difference is ``unexplained``: a fault
of the accelerator, of the reading of the file or of the reference.

Ties and bounds are excuses, and excuses are rationed, because a bound so wide that it excuses everything is
none. A layer, or the network, of which more than one code in a thousand and more than one code at all is
excused is *over-excused*: float32 execution does not confirm it. Networks of up to 8 bits need one in 100,000
or fewer; one code alone can happen to a layer that has less than a thousand. The error of a sum is a share of
its size and does not know the format, so the share that a right layer needs doubles with every bit of its
codes; above 12 bits the limit does too (16 bits: 16 in a thousand).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.compiled import encode
from pyqkit.emulate.exact import ExactEngine
from pyqkit.formats import Integer
from pyqkit.graph.graph import decode_output
from pyqkit.graph.model import MAKERS, attribute_values
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.quantised import Quantised, Turned, Value, plain_of, real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify.execution import CUT, Execution
from pyqkit.verify.float_error import ErrorBounds

if TYPE_CHECKING:
    from onnx import ModelProto

REASONS = ("ties", "float32_bound", "log_table", "earlier_layers", "unexplained")
EXCUSED_SHARE, SHARE_BITS = 1e-3, 12  # of a layer's codes; twice as many for each bit more
CODES, FRAMES, MOST_FRAMES = 1000, 2, 20  # frames: two, and up to twenty until that many codes are compared


@dataclass
class Counts:
    """Codes of a layer, and those that float32 execution gives otherwise by why.

    A linear output has no codes: `unexplained` of its values are farther from float32's than the bound.
    `allowed` is how many codes may be excused, unless it is one.
    """

    codes: int = 0
    differing: int = 0
    ties: int = 0
    float32_bound: int = 0
    log_table: int = 0
    earlier_layers: int = 0
    unexplained: int = 0
    allowed: float = 0.0

    @property
    def excused(self) -> int:
        """Codes that only the error of float32 explains."""
        return self.ties + self.float32_bound

    @property
    def over_excused(self) -> bool:
        """Whether so many codes are excused that float32 execution confirms nothing."""
        return self.excused > max(1.0, self.allowed)


def enough(x: np.ndarray, codes_of_a_frame: int) -> np.ndarray:
    """The first frames, as many as float32 execution needs to say something.

    It takes seconds for each in a large network.
    """
    return x[: min(MOST_FRAMES, max(FRAMES, -(-CODES // max(1, codes_of_a_frame))))]


def compare(exact: ExactEngine, model: ModelProto, x: np.ndarray) -> dict[str, Any]:
    """Compare the codes of engine exact with float32 execution.

    Parameters
    ----------
    exact : ExactEngine
    model : onnx.ModelProto
    x : numpy.ndarray, shape (frames, *input shape)
        `enough` of them are taken.

    Returns
    -------
    dict
        frames, codes, codes_differing, codes_excused, codes_unexplained, layers (codes and differing codes of
        each, split into `REASONS`; the outputs of linear layers are among them), unexplained_layers and
        over_excused_layers (names; "all layers" for the sum). The engine is confirmed if both are empty.

    Raises
    ------
    MissingToolError
        Without qonnx.
    """
    frames = enough(x, sum(int(np.prod(exact.graph.tensors[name].shape)) for name in exact.graph.sources))
    comparison = _Comparison(exact, model, frames)
    for frame in range(len(frames)):
        comparison.add(frame)
    layers = comparison.layers
    total = Counts(**{key: sum(asdict(entry)[key] for entry in layers.values()) for key in asdict(Counts())})
    over = [name for name, entry in layers.items() if entry.over_excused]
    return {
        "frames": len(frames),
        "codes": total.codes,
        "codes_differing": total.differing,
        "codes_excused": total.excused,
        "codes_unexplained": total.unexplained,
        "unexplained_layers": [name for name, entry in layers.items() if entry.unexplained],
        "over_excused_layers": over or (["all layers"] if total.over_excused else []),
        "layers": {name: asdict(entry) for name, entry in layers.items()},
    }


class _Comparison:
    """Exact values and engine's codes of frames, and the float32 executions that they are compared with."""

    def __init__(self, engine: ExactEngine, model: ModelProto, x: np.ndarray) -> None:
        graph, self.x, self.input = engine.graph, x, engine.graph.inputs[0].onnx_name
        reference = Reference(model)
        found = reference.run(x, keep=True)
        self.exact = {name: plain_of(value) for name, value in found.items()}
        self.turned = {name: (1, *v.value.shape[1:]) for name, v in found.items() if isinstance(v, Turned)}
        shapes = {name: _of_one(found[name]) for name in self.turned}
        self.before = _earlier(model, self.input)
        made = {k: v for k, v in self.exact.items() if isinstance(v, Quantised)}
        quantisers = [node.output[0] for node in model.graph.node if node.op_type in MAKERS]
        self.batch = reference.batch  # a file for several frames is given the same one several times
        apart = self.turned if self.batch > 1 else {}  # whose frames do not follow each other
        live = [name for name in quantisers if name in self.before and name in made and name not in apart]
        self.cut = {name: made[name] for name in live}
        self.without_table = self.exact
        if any(v.format.is_logarithmic for v in made.values()):
            self.without_table = reference.run(x, keep=True, seen=self._without_table)
        constants = [name for name in quantisers if name not in self.before and name in made]
        self.weights = {name: real_of(self.without_table[name]).high for name in constants}
        self.shapes = {
            name: shapes.get(name, (self.batch, *v.content.shape[1:])) for name, v in self.cut.items()
        }
        self.execution = Execution(model, self.shapes)
        self.nodes = {node.output[0]: node for node in self.execution.nodes}
        tensors = engine.run(encode(graph, x), keep=True)
        self.names = {source: name for name, source in graph.sources.items()}
        self.found = {source: graph.as_source(name, tensors[name]) for name, source in graph.sources.items()}
        self.real = {
            port.onnx_name: decode_output(port, graph.tensors[port.tensor], tensors[port.tensor]).astype(
                np.float64
            )
            for port in graph.results
        }
        self.layers = {
            self.names.get(name, name): Counts()
            for name in [*self.cut, *(n for n in self.real if n not in self.cut)]
        }

    def _without_table(self, name: str, value: Value) -> Value:
        """What a node reads without the log-to-linear table.

        The exact inputs of its layer, logarithmic ones as real numbers.
        """
        if isinstance(value, Turned):
            return replace(value, value=self._without_table(name, value.value))  # type: ignore[arg-type]
        value = self.exact[name] if name in self.cut else value
        if not isinstance(value, Quantised) or not value.format.is_logarithmic:
            return value
        return Quantised(value.format.decode(value.codes()), Integer(53), value.scale)

    def add(self, frame: int) -> None:
        """Count the codes of one frame."""
        given = {self.input: np.repeat(self.x[frame : frame + 1], self.batch, axis=0)}
        values = {
            name + CUT: np.repeat(self._at(name, frame)[1].high, self.batch, axis=0).reshape(shape)
            for name, shape in self.shapes.items()
        }
        whole, cut = self.execution.whole(given), self.execution.cut({**given, **values})
        bounds = ErrorBounds(self.execution, cut, values, self.weights)
        differing: set[str] = set()
        for name, made in self.cut.items():
            found = (self.found[name][frame] if name in self.found else made.codes()[frame]).ravel()
            differs, local = (
                _codes(self.first(name, tensors[name]), made, frame) != found for tensors in (whole, cut)
            )
            why = _Why(self, bounds, name, frame)
            why.count(
                self.layers[self.names.get(name, name)],
                differs,
                local,
                found,
                bool(self.before[name] & differing),
            )
            if differs.any():
                differing.add(name)
        for name, real in self.real.items():
            if name not in self.cut:
                _count_output(
                    self.layers[name], bounds.of(name)[:1], cut[name][:1], real[frame], *self._at(name, frame)
                )

    def first(self, name: str, array: np.ndarray) -> np.ndarray:
        """Of an array in the file's layout the first frame, with the batch in front."""
        shape = self.turned.get(name.removesuffix(CUT))
        return array[:1] if shape is None else array.reshape(shape)

    def _at(self, name: str, frame: int) -> tuple[DoubleDouble, DoubleDouble]:
        """Exact values of a tensor in one frame, with and without the log-to-linear table."""
        name = name.removesuffix(CUT)
        exact, real = (
            real_of(plain_of(values[name])).map(lambda a: a[frame : frame + 1])
            for values in (self.exact, self.without_table)
        )
        return exact, real


class _Why:
    """Why codes of one quantiser in one frame differ."""

    def __init__(self, comparison: _Comparison, bounds: ErrorBounds, name: str, frame: int) -> None:
        self.bounds, self.made, self.frame, self.node = (
            bounds,
            comparison.cut[name],
            frame,
            comparison.nodes[name],
        )
        self.comparison = comparison

    def count(
        self, entry: Counts, differs: np.ndarray, local: np.ndarray, found: np.ndarray, earlier: bool
    ) -> None:
        """Add to the counts of the layer."""
        entry.codes += differs.size
        entry.allowed += EXCUSED_SHARE * differs.size * 2.0 ** max(0, self.made.format.bits - SHARE_BITS)
        entry.differing += int((differs | local).sum())
        follows = int((differs & ~local).sum())
        if earlier:
            entry.earlier_layers += follows
        else:
            entry.unexplained += follows
        if local.any():
            self._count_local(entry, np.flatnonzero(local), found)

    def _count_local(self, entry: Counts, at: np.ndarray, found: np.ndarray) -> None:
        source = self.bounds.rounded_by(self.node)[0].input[0]
        exact, real = self.comparison._at(source, self.frame)
        given = self.comparison.first(source, self.bounds.tensor(source)).astype(np.float64)
        limit = self.comparison.first(source, self.bounds.of(source))
        bound = np.where((given == real.high) & (real.low == 0), 0.0, limit)
        made = self.node.output[0]
        float32 = self._levels(self.comparison.first(made, self.bounds.tensor(made)))
        levels = self.made.format.decode(found) * self._sign()
        below, above = self._reach(exact.high, np.abs(exact.low))
        low, high = self._reach(real.high, bound)
        right = (below <= levels) & (levels <= above) & (found == self.made.codes()[self.frame].ravel())
        explained = right & (low <= float32) & (float32 <= high) & np.isfinite(bound).ravel()
        least, most = self._reach(real.high, np.abs(real.low))
        # Without it the engine's code would not be right.
        table = explained & ((levels < least) | (levels > most))
        for index in at:
            if not explained[index]:
                entry.unexplained += 1
            elif table[index]:
                entry.log_table += 1
            elif self._is_tie(exact, int(index)):
                entry.ties += 1
            else:
                entry.float32_bound += 1

    def _reach(self, centre: np.ndarray, bound: np.ndarray) -> list[np.ndarray]:
        """Levels within a bound of real numbers, computed in the file's layout."""
        made = self.node.output[0]
        shape = self.comparison.shapes[made] if made in self.comparison.turned else centre.shape
        ends = self.bounds.reach(self.node, centre.reshape(shape), bound.reshape(shape))
        return [self._levels(end) for end in ends]

    def _levels(self, values: np.ndarray) -> np.ndarray:
        """Values that the quantiser gave as numbers of the format, flat, in the order of the real values."""
        return self.made.format.decode(_codes(values, self.made, self.frame)) * self._sign()

    def _sign(self) -> np.ndarray:
        return np.sign(np.broadcast_to(self.made.scale.high, self.made.content.shape)[self.frame].ravel())

    def _is_tie(self, exact: DoubleDouble, index: int) -> bool:
        """Whether the exact input lies on a boundary between two codes."""

        def at(array: np.ndarray) -> Fraction:
            return Fraction(float(array.ravel()[index]))

        scale = self.made.scale.map(lambda a: np.broadcast_to(a, self.made.content.shape)[self.frame])
        value = (at(exact.high) + at(exact.low)) * _unit(self.made) / (at(scale.high) + at(scale.low))
        if isinstance(self.made.format, Integer):
            nearest = str(attribute_values(self.node).get("rounding_mode", "ROUND")).upper() in (
                "ROUND",
                "HALF_EVEN",
            )
            return value.denominator == (2 if nearest else 1)
        return any(boundary.position == value for boundary in self.made.format.boundaries())


def _count_output(
    entry: Counts,
    bound: np.ndarray,
    float32: np.ndarray,
    found: np.ndarray,
    exact: DoubleDouble,
    real: DoubleDouble,
) -> None:
    """Values of an output that no quantiser made.

    Float32's within the bound of the exact ones, the engine's their rounding.
    """
    wrong = ~(np.abs(float32 - real.high) <= bound) | ~(
        np.abs(found - exact.high) <= 2.0**-23 * np.abs(exact.high) + 2.0**-149
    )
    entry.codes += wrong.size
    entry.differing += int(wrong.sum())
    entry.unexplained += int(wrong.sum())


def _earlier(model: Any, source: str) -> dict[str, frozenset[str]]:
    """For every tensor that depends on the network's input: the quantised tensors that it depends on."""
    producer = {name: node.op_type for node in model.graph.node for name in node.output}
    earlier: dict[str, frozenset[str]] = {source: frozenset()}
    for node in model.graph.node:
        live = [name for name in node.input if name in earlier]
        if live and node.op_type != "Shape":  # which the file says, whatever the input holds
            made = {name for name in live if producer.get(name) in MAKERS}
            earlier.update(
                dict.fromkeys(node.output, frozenset(made).union(*(earlier[name] for name in live)))
            )
    return earlier


def _of_one(value: Value) -> tuple[int, ...]:
    """Shape in the file of a tensor whose batch of 1 is not its first axis."""
    assert isinstance(value, Turned)
    return replace(value, value=value.value.map(lambda a: a[:1])).shape


def _unit(made: Quantised) -> Fraction:
    """What the scale of a quantised tensor is in units of: the format's integer 1, or its value 1."""
    return Fraction(1) if made.format.is_logarithmic else Fraction(made.format.unit)


def _codes(values: np.ndarray, made: Quantised, frame: int) -> np.ndarray:
    """Codes of float32 values that a quantiser gave, flat."""
    step = np.broadcast_to(made.scale.high, made.content.shape)[frame].ravel() / float(_unit(made))
    return made.format.encode(np.asarray(values, np.float64).ravel() / step)
