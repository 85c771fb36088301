"""QONNX operators of pyqkit; the domain string of a node is the module's name."""
