"""The judge.

Executes a QONNX file and shares nothing with the lowering but number formats, reading and written
conventions.
"""
