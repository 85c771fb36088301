"""Why an Attention node of ONNX is refused: what goes beyond plain attention is named first.

Nothing inside the node can be quantised, so that its scores and its probabilities are real numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyqkit.graph.lowering.session import shape_of

if TYPE_CHECKING:
    from pyqkit.graph.lowering.rules import Node

Refusal = tuple[str, str]
_PIECES = "write attention out as MatMul, Softmax and MatMul"
_MASKED = f"leave the mask out, or {_PIECES} and add a finite constant to the scores before their quantiser"
_ALONE = "leave earlier keys and values out: each frame is computed by itself"
_INPUTS: dict[int, Refusal] = {
    3: ("it has a mask (attn_mask)", _MASKED),
    4: ("it reads keys of earlier frames (past_key)", _ALONE),
    5: ("it reads values of earlier frames (past_value)", _ALONE),
    6: (
        "its frames have different numbers of tokens (nonpad_kv_seqlen)",
        "give all frames as many tokens",
    ),
}
_SCORES = 3  # the place of the scores among the outputs


def refusal(node: Node) -> Refusal | None:
    """Reason and remedy for what goes beyond plain attention; None for plain attention."""
    return next(_beyond(node), None)


def _beyond(node: Node) -> Iterator[Refusal]:
    yield from (said for index, said in _INPUTS.items() if node.given(index) is not None)
    if any(node.outputs[_SCORES:]):
        yield "its scores are an output (qk_matmul_output)", f"{_PIECES}, whose scores anything may read"
    if node.attributes.get("is_causal", 0):
        yield "it has a causal mask (is_causal)", _MASKED
    softcap = node.attributes.get("softcap", 0)
    if softcap:
        remedy = f"{_PIECES}, with Tanh between two factors and a quantiser behind the first product"
        yield f"its scores are limited by a tanh (softcap={softcap:g})", remedy
    yield from _of_heads(node)


def _of_heads(node: Node) -> Iterator[Refusal]:
    """Heads that share keys, heads that do not divide channels, and tokens of two kinds."""
    query, keys = (shape_of(node.needed(index)) for index in range(2))
    if len(query) == len(keys) == 4:
        heads, others = query[1], keys[1]
    else:
        heads, others = (int(node.attributes.get(f"{side}_num_heads", 1)) for side in ("q", "kv"))
        for count, shape in ((heads, query), (others, keys)):
            if count < 1 or shape[-1] % count:
                yield (
                    f"its {count} heads do not divide {shape[-1]} channels",
                    "take a number of heads that divides them",
                )
    if heads != others:
        yield (
            f"its {heads} heads of queries share {others} of keys and values",
            "give queries, keys and values as many heads each",
        )
    if query[-2] != keys[-2]:
        yield (
            f"its {query[-2]} queries look at {keys[-2]} tokens of another sequence (cross attention)",
            f"let tokens look at their own sequence, or {_PIECES}",
        )
