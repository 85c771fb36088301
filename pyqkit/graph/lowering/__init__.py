"""From ONNX nodes to dataflow operators, with every scale kept as an exact fraction until a requantiser
absorbs it.
"""
