"""The QONNX file itself, executed exactly: what every engine is compared with.

It shares nothing with the lowering but number formats, reading and written conventions.
"""
