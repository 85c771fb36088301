"""Layers are called as the user's module calls them, whatever wrote the file."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper

from pyqkit.graph.importer import import_qonnx, network_name
from pyqkit.graph.layer_names import layer_names, layer_of, layer_path, module_path
from tests.graph.qonnx_builder import Builder

SCOPES = "pkg.torch.onnx.name_scopes"


def named(*nodes: onnx.NodeProto, parameters: tuple[str, ...] = ()) -> dict[str, str]:
    """Names of layers of a graph of these nodes, by tensor."""
    held = [helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0]) for name in parameters]
    return layer_names(helper.make_graph(nodes, "main_graph", [], [], held))


def node(kind: str, name: str, *inputs: str, scopes: str = "") -> onnx.NodeProto:
    made = helper.make_node(kind, list(inputs), [f"{name}>"], name=name)
    if scopes:
        made.metadata_props.add(key=SCOPES, value=scopes)
    return made


@pytest.mark.parametrize(
    ("name", "path", "layer"),
    [
        ("/conv1/Conv", "conv1", "conv1"),
        ("/features/features.0/Conv", "features.0", "features.0"),
        ("/body/body.0/act_quant/export_handler/Quant", "body.0.act_quant", "body.0"),
        ("/block2/branch/act_quant/export_handler_1/Quant", "block2.branch.act_quant", "block2.branch"),
        ("/3/act_quant/activation_impl/Relu", "3.act_quant.activation_impl", "3"),
        ("/a/relu/act_quant/activation_impl_1/Relu", "a.relu.act_quant.activation_impl_1", "a.relu"),
        ("/input_quant/act_quant/export_handler/Quant", "input_quant.act_quant", "input_quant"),
        ("/Add", "", "the module"),
        ("StatefulPartitionedCall/model/dense/MatMul", "model.dense", "model.dense"),
    ],
)
def test_paths_of_tracers(name: str, path: str, layer: str) -> None:
    assert module_path(name) == path
    assert layer_of(path) == layer


def test_torchscript() -> None:
    found = named(
        node("Quant", "/0/act_quant/export_handler/Quant", "x"),
        node("Conv", "/1/Conv", "/0/act_quant/export_handler/Quant>"),
        node("Relu", "/3/act_quant/activation_impl/Relu", "/1/Conv>"),
        node("Quant", "/3/act_quant/export_handler/Quant", "/3/act_quant/activation_impl/Relu>"),
        node("Conv", "/layer1/layer1.0/conv1/Conv", "/3/act_quant/export_handler/Quant>"),
        node("Add", "/layer1/layer1.0/Add", "/layer1/layer1.0/conv1/Conv>"),
        node("Gemm", "/head/Gemm", "/layer1/layer1.0/Add>"),
        node("Mul", "/Mul_1", "/head/Gemm>"),
    )
    assert list(found.values()) == [
        "quant_0",
        "conv_1",
        "relu_3",
        "relu_3",
        "layer1.0.conv1",
        "layer1.0.Add",
        "head",
        "Mul_1",
    ]


def test_dynamo_and_added_quantisers() -> None:
    scopes = "['', '3', '3.conv', 'conv2d_1']"
    found = named(
        node("QuantizeLinear", "x_QuantizeLinear", "x"),
        node("DequantizeLinear", "x_DequantizeLinear", "x_QuantizeLinear>"),
        node("Conv", "node_Conv_12", "x_DequantizeLinear>", "0.weight", scopes="['', '1', 'batch_norm']"),
        node("QuantizeLinear", "relu_QuantizeLinear", "node_Conv_12>"),
        node("Conv", "node_conv2d_1", "node_Conv_12>", "w", scopes=scopes),
        node("Add", "node_add", "node_conv2d_1>", scopes="['', '3', 'add']"),
        node("QuantizeLinear", "/3/Add_output_0_QuantizeLinear", "node_add>"),
        parameters=("0.weight",),
    )
    assert found["node_Conv_12>"] == found["relu_QuantizeLinear>"] == "conv_0"
    assert found["node_conv2d_1>"] == "conv_3.conv"
    assert found["node_add>"] == found["/3/Add_output_0_QuantizeLinear>"] == "add_3"


def test_parameters_say_what_nodes_do_not() -> None:
    found = named(
        node("Quant", "Quant_0", "features.2.weight"),
        node("Transpose", "Transpose_1", "Quant_0>"),
        node("MatMul", "MatMul_2", "x", "Transpose_1>"),
        node("Quant", "Quant_3", "MatMul_2>"),
        node("MatMul", "MatMul_4", "Quant_3>", "w"),
        helper.make_node("Conv", ["x", "w"], ["y"]),
        parameters=("features.2.weight",),
    )
    assert found["MatMul_2>"] == found["Quant_3>"] == "features.2"
    assert (found["MatMul_4>"], found["y"]) == ("MatMul_4", "Conv_5")


def test_the_transposition_of_a_weight_is_no_kind_of_layer() -> None:
    found = named(
        node("Quant", "/1/weight_quant/export_handler/Quant", "1.weight"),
        node("Transpose", "/1/Transpose", "/1/weight_quant/export_handler/Quant>"),
        node("MatMul", "/1/MatMul", "x", "/1/Transpose>"),
        node("Transpose", "/2/Transpose", "/1/MatMul>"),
        parameters=("1.weight",),
    )
    assert found["/1/MatMul>"] == "linear_1"
    assert found["/2/Transpose>"] == "transpose_2"


def test_problems_name_the_layer() -> None:
    b = Builder(2, 4, 4)
    model = b.model(b.quantise(b.node("Cos", b.quantise("x", "int4", 0.25)), "int4", 0.25))
    next(n for n in model.graph.node if n.op_type == "Cos").name = "/stem/stem.1/Cos"
    with pytest.raises(ValueError, match=r"/stem/stem.1/Cos.* \(Cos\) in layer stem.1: "):
        import_qonnx(model)
    assert layer_path(node("Conv", "Conv_0", "x", "features.0.weight")) == ""


def test_names_without_end_are_not_looked_at() -> None:
    long = "a." * 500_000
    found = named(node("Conv", f"/{long}/Conv", "x", f"{long}.weight"), parameters=(f"{long}.weight",))
    assert next(iter(found.values())).endswith("/Conv")
    assert len(layer_path(node("Conv", "c", "x", scopes=f"['{long}', 'c']"))) == 500


@pytest.mark.parametrize(
    ("graph", "source", "name"),
    [
        ("main_graph", Path("nets/mnist small.onnx"), "mnist small"),
        ("Net", "net.onnx", "net"),
        ("Net", None, "Net"),
        ("torch-jit-export", None, "network"),
        ("", None, "network"),
    ],
)
def test_networks_are_called_as_their_file(graph: str, source: object, name: str) -> None:
    assert network_name(graph, source) == name


def test_operators_and_network_of_a_module(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("brevitas")
    import brevitas.nn as qnn

    import pyqkit
    from pyqkit.quant import act_quantizer, weight_quantizer

    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_quant = qnn.QuantIdentity(act_quant=act_quantizer("int8"))
            self.body = torch.nn.Sequential(
                qnn.QuantLinear(4, 4, bias=False, weight_quant=weight_quantizer("int4")),
                qnn.QuantReLU(act_quant=act_quantizer("uint4")),
            )
            self.head = qnn.QuantLinear(4, 2, bias=False, weight_quant=weight_quantizer("int4"))

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.head(self.body(self.input_quant(x)))

    graph = pyqkit.compile(Tiny(), torch.ones(1, 4), board="PYNQ-Z2").graph
    assert graph.name == "Tiny"
    assert [operator.name for operator in graph.operators] == ["body_0", "body_1", "head"]
