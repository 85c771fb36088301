"""From ONNX nodes to dataflow operators, scales kept as exact fractions until a requantiser absorbs them."""
