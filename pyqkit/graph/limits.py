"""How large what comes from outside may be, checked before anything is computed or allocated.

The limits are far above what fits a board of today. They are there so that a file of a few bytes cannot ask
for gigabytes or for hours, and so that every size fits the 32 bits that the compiled kernels count in.
"""

from __future__ import annotations

NODES = 2**16  # of an ONNX graph
AXES = 8  # of an ONNX tensor
TENSOR_ELEMENTS = 2**24  # of a tensor of the dataflow graph, padding included
CHANNELS = 2**18  # lowering keeps an exact fraction for each
CONSTANT_ELEMENTS = 2**27  # of an initialiser, or of what constant nodes compute
FOLDED_ELEMENTS = 2**24  # of all constants that nodes compute
MODEL_BYTES = 2**31 - 1  # of an ONNX file: protobuf reads no more
EXTERNAL_BYTES = 2**32  # of a file of tensors beside it, of which a model may use a part
CONSTANT_BYTES = 2**31 - 2**20  # of all of them: a build folder keeps the model in one protobuf message
WINDOW = 2**16  # rows or columns of a kernel, its stride, its dilation
PADDING = 2**16  # rows, columns or channels on one side
