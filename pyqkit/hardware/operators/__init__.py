"""What operators cost that have no SystemVerilog block.

A new file here is found by its ``@estimates`` decorator.

For all others, `pyqkit.hardware.estimator` asks the rules that emit them.
"""
