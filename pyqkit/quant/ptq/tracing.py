"""A float module as a graph in which every layer, activation function and pool has a name and one place.

`torch.fx` records what the module's forward does. Then the graph is made regular: a function such as
``torch.relu`` becomes a module, a module that is called twice becomes two, dropouts and identities go, and
batch norms are merged into the layers before them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import fusion

from pyqkit.errors import UserError, listed, shortened
from pyqkit.quant.ptq.attention import write_out_attention
from pyqkit.quant.ptq.constants import fold_constants
from pyqkit.quant.ptq.encoders import open_encoders
from pyqkit.quant.ptq.following import followed
from pyqkit.quant.ptq.gates import write_out_gates
from pyqkit.quant.ptq.layers import WEIGHT_LAYERS
from pyqkit.quant.ptq.letters import stacks_as_sums, sums_as_products
from pyqkit.quant.ptq.masks import keep_causal_masks
from pyqkit.quant.ptq.maxima import maxima_alone
from pyqkit.quant.ptq.multihead import split_attention
from pyqkit.quant.ptq.norms import norms_as_modules
from pyqkit.quant.ptq.parts import MATRIX_PRODUCTS, RISING, is_call, max_pools
from pyqkit.quant.ptq.paths import free_path, place, put_module
from pyqkit.quant.ptq.weights import LIKE_LINEAR, weights_as_layers
from pyqkit.quant.ptq.written_norms import norms_as_functions

# Functions and methods of tensors: the module that computes the same
_MODULES: dict[Any, Callable[..., nn.Module]] = {
    **dict.fromkeys((functional.relu, torch.relu, torch.relu_, "relu", "relu_"), nn.ReLU),
    **dict.fromkeys((torch.sigmoid, functional.sigmoid, "sigmoid", "sigmoid_"), nn.Sigmoid),
    **dict.fromkeys((torch.tanh, functional.tanh, "tanh", "tanh_"), nn.Tanh),
    **dict.fromkeys((torch.softmax, functional.softmax, "softmax"), nn.Softmax),
    functional.relu6: nn.ReLU6,
    functional.hardtanh: nn.Hardtanh,
    functional.hardswish: nn.Hardswish,
    functional.hardsigmoid: nn.Hardsigmoid,
    functional.silu: nn.SiLU,
    functional.mish: nn.Mish,
    functional.gelu: nn.GELU,
    functional.leaky_relu: nn.LeakyReLU,
    functional.elu: nn.ELU,
    functional.selu: nn.SELU,
    functional.celu: nn.CELU,
    functional.softplus: nn.Softplus,
}
_OF_FUNCTIONS = ("input", "inplace", "_stacklevel")  # arguments that no module has
_DROPPED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Identity)
_DROPOUTS = (functional.dropout, functional.dropout2d, torch.dropout, functional.alpha_dropout)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_MATRIX_PRODUCTS = (*MATRIX_PRODUCTS, torch.einsum)
_UNSUPPORTED: dict[type[nn.Module], str] = {
    nn.RNNBase: "it feeds back what it computes; use convolutions over time",
    nn.Bilinear: "both its factors depend on the input; use nn.Linear",
    nn.Conv3d: "only one and two dimensions are quantised; use nn.Conv2d",
    nn.modules.conv._ConvTransposeNd: "it is not quantised after training; use nn.Upsample and nn.Conv2d",
    nn.Embedding: "it reads a table by numbers; start behind it",
}
# Their parameters stay float, as constants of an activation function or of a norm
_KEPT = (nn.PReLU, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


def traced(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """The graph of a module in eval mode, regular as above; the module itself is left as it is.

    Parameters
    ----------
    model : torch.nn.Module
        Of PyTorch's layers, with one tensor in and one or several out.
    example : Tensor
        Frames, on which the graph computes what the module does.

    Raises
    ------
    UserError
        If the module trains, cannot be traced, or has layers that cannot be rewritten; all are named.
    """
    _check_mode(model)
    with torch.no_grad():
        before = _outputs(_run(model, example))
        graph = _recorded(model, example)
        fold_constants(graph, example)
        stacks_as_sums(graph)
        maxima_alone(graph)
        sums_as_products(graph, example)
        write_out_attention(graph, example, of_weights=True)
        weights_as_layers(graph, example)
        split_attention(graph, example)
        _refuse_unsupported(graph)
        _drop(graph)
        norms_as_functions(graph, example)
        norms_as_modules(graph, example)
        write_out_gates(graph)
        _as_modules(graph)
        keep_causal_masks(graph, example)
        _one_place_each(graph)
        merge_batch_norms(graph)
        _activations_before_pools(graph)
        graph.graph.lint()
        graph.recompile()
        _Finite(graph).run(example)
        _check_same(before, _outputs(graph(example)))
    return graph


def _check_mode(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"a torch.nn.Module was expected, but {type(model).__name__} came; pass the network")
    if any(module.training for module in model.modules()):
        raise UserError(
            "a network in evaluation mode was expected, but it is in training mode, where dropout and batch "
            "norms depend on the batch; call model.eval() first"
        )
    if any(type(module).__module__.startswith("brevitas") for module in model.modules()):
        raise UserError(
            "a float network was expected, but it has Brevitas layers; pass the network before quantisation, "
            "or use pyqkit.quant.calibrate and gptq on this one"
        )


def _run(model: nn.Module, example: Tensor) -> Any:
    try:
        return model(example)
    except Exception as error:  # whatever the user's forward raises
        raise UserError(
            f"a network that runs on a frame of shape {tuple(example.shape[1:])} was expected, but it raises "
            f"{type(error).__name__} ({_first_line(error)}); check the shape of the calibration frames, and "
            "sizes inside the network (heads have to divide channels)"
        ) from error


def _outputs(made: Any) -> list[Tensor]:
    outputs = list(made) if isinstance(made, (tuple, list)) else [made]
    if not outputs or not all(isinstance(output, Tensor) for output in outputs):
        raise UserError(
            f"a network that returns a tensor or several was expected, but {type(made).__name__} came; "
            "return its tensors"
        )
    return outputs


def _recorded(model: nn.Module, example: Tensor) -> fx.GraphModule:
    root = copy.deepcopy(model)
    open_encoders(root)
    parameters = list(inspect.signature(model.forward).parameters.values())
    optional = {p.name: p.default for p in parameters if p.default is not p.empty}
    try:
        graph = followed(root, optional, example)
    except Exception as error:  # the tracer lets through what the forward does with its proxies
        raise UserError(
            "a network whose way does not depend on its numbers was expected, but torch.fx cannot follow it "
            f"({_first_line(error)}); move tests of values out of forward"
        ) from error
    _drop_assertions(graph)
    _turn_matrices(graph)
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise UserError(f"a network with one input was expected, but it has {len(inputs)}; join them to one")
    return fx.GraphModule(root, graph, type(model).__name__)


def _turn_matrices(graph: fx.Graph) -> None:
    """``x.mT`` becomes a transpose, which exporters know."""
    for node in graph.nodes:
        if node.op == "call_function" and node.target is getattr and node.args[1] == "mT":
            node.target, node.args = torch.transpose, (node.args[0], -2, -1)


def _drop_assertions(graph: fx.Graph) -> None:
    """Inputs that have a default go: `torch.fx` asserts what they are, and takes them as constants."""
    for node in reversed(graph.nodes):
        name = getattr(node.target, "__name__", "")
        asserts = name in ("_assert", "_assert_is_none") or (name == "eq" and not node.users)
        further = node.op == "placeholder" and node.prev.op != "root" and not node.users
        if asserts or further:
            graph.erase_node(node)


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return shortened(line.rstrip("."))


def _calls(graph: fx.GraphModule) -> Iterator[tuple[fx.Node, nn.Module]]:
    """Modules that are called, with their nodes, in order."""
    for node in list(graph.graph.nodes):
        if node.op == "call_module":
            yield node, graph.get_submodule(str(node.target))


def _refuse_unsupported(graph: fx.GraphModule) -> None:
    found = [(str(node.target), _reason(module)) for node, module in _calls(graph)]
    for node in graph.graph.nodes:
        own = any(given.op == "get_attr" for given in node.all_input_nodes)
        if is_call(node, LIKE_LINEAR) or (own and is_call(node, _MATRIX_PRODUCTS)):
            found.append((place(node), "its weights are no layer's; use nn.Conv2d or nn.Linear"))
        if is_call(node, _DROPOUTS) and _trains(node):
            found.append((place(node), "it drops values in evaluation, too; pass training=self.training"))
        if node.target is functional.scaled_dot_product_attention and node.kwargs.get("dropout_p", 0):
            raise UserError(
                f"attention without dropout was expected, but {place(node)} drops shares in evaluation, too; "
                "pass dropout_p=self.dropout if self.training else 0.0"
            )
    refused = [f"{name} ({reason})" for name, reason in found if reason]
    if refused:
        raise UserError(
            "layers that can be quantised after training were expected, but these cannot be rewritten: "
            + listed(refused, 8)
        )


def _reason(module: nn.Module) -> str:
    """Why a layer is refused; empty if it is not."""
    found = next((reason for kind, reason in _UNSUPPORTED.items() if isinstance(module, kind)), "")
    known = (
        isinstance(module, (*WEIGHT_LAYERS, *_BATCH_NORMS, *_KEPT)) or next(module.parameters(), None) is None
    )
    return found or ("" if known else "its weights would stay float; use nn.Conv2d and nn.Linear")


def _trains(node: fx.Node) -> bool:
    """Whether a functional dropout drops; its third argument says so."""
    return bool(node.kwargs.get("training", node.args[2] if len(node.args) > 2 else True))


def _drop(graph: fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, _DROPPED) or is_call(node, _DROPOUTS):
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.graph.erase_node(node)


def _as_modules(graph: fx.GraphModule) -> None:
    """Activation functions become modules."""
    for node in list(graph.graph.nodes):
        make = _MODULES.get(node.target) if node.op in ("call_function", "call_method") else None
        if make is None:
            continue
        given = {key: value for key, value in node.kwargs.items() if key not in _OF_FUNCTIONS}
        if given.get("dtype", 0) is None:
            del given["dtype"]
        x = node.kwargs.get("input", node.args[0] if node.args else None)
        made = make(*(a for a in node.args[1:] if not isinstance(a, bool)), **given)
        put_module(graph, node, x, made.eval())


def _one_place_each(graph: fx.GraphModule) -> None:
    """A module that is called twice becomes two, so that a name is one place; nothing happens in place."""
    seen: set[str] = set()
    for node, module in _calls(graph):
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # what is read twice must stay
        path = str(node.target)
        if path in seen:
            path = free_path(graph, path)
            graph.add_submodule(path, copy.deepcopy(module))
            node.target = path
        seen.add(path)


def merge_batch_norms(graph: fx.GraphModule) -> None:
    """Batch norms go into the weights and biases of layers that nobody else reads."""
    modules = dict(graph.named_modules())
    for node, norm in _calls(graph):
        before = node.all_input_nodes[0]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        if (
            not isinstance(norm, _BATCH_NORMS)
            or not isinstance(layer, WEIGHT_LAYERS)
            or len(before.users) > 1
        ):
            continue
        if isinstance(layer, nn.Linear):
            merged: nn.Module = fusion.fuse_linear_bn_eval(layer, norm)
        else:
            merged = fusion.fuse_conv_bn_eval(layer, norm)  # type: ignore[type-var]
        graph.set_submodule(str(before.target), merged)
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()


def _activations_before_pools(graph: fx.GraphModule) -> None:
    """A rising function behind a max pool goes before it: no result changes, and sums are rounded once."""
    for node, module in _calls(graph):
        pool = node.all_input_nodes[0]
        if not isinstance(module, RISING) or pool not in max_pools(graph) or len(pool.users) > 1:
            continue
        x = pool.all_input_nodes[0]
        node.replace_all_uses_with(pool)
        pool.replace_input_with(x, node)
        node.args = (x,)
        pool.prepend(node)
    graph.graph.lint()


class Interpreter(fx.Interpreter):
    """Runs a graph; an error stays the one sentence that it is."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.extra_traceback = False  # which fx writes behind the message


class _Finite(Interpreter):
    """Runs a graph as far as its layers give finite numbers."""

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if n.op == "call_module" and isinstance(made, Tensor):
            check_finite(n, made)
        return made


def check_finite(node: fx.Node, made: Tensor) -> None:
    """Refuse what a node gives unless it is finite."""
    if not bool(torch.isfinite(made).all()):
        raise UserError(
            f"a network with finite activations was expected, but NaN or infinity leaves {node.target}; "
            "check its weights and statistics, and the calibration frames"
        )


def _check_same(before: list[Tensor], after: list[Tensor]) -> None:
    """Merged batch norms round otherwise than alone: by less than a ten-thousandth of the largest output."""
    for x, y in zip(before, after):
        if x.shape != y.shape or float((x - y).abs().max()) > 1e-4 * float(x.abs().max()):
            raise UserError(
                "a network that computes the same every time was expected, but the graph that torch.fx makes "
                "of it gives other outputs; remove what is random or depends on earlier calls"
            )
