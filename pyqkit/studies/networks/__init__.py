"""Networks that studies, benchmarks and the demo train: one definition for float and quantised layers."""
