"""Rules of ONNX nodes; a new file here is found by its ``@handles`` decorator."""
