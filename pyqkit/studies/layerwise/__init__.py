"""Networks whose layers each have formats of their own, evaluated fast: what searches for formats share.

`coding`     a format with a scale; rounding, and the error of a rounding
`network`    a traced network: its weight layers, the tensors that they read, its blocks
`evaluator`  the network with given codings, run on calibration images; what did not change is not run again
`objective`  how far what a network sees in images is from what its float original sees
`sums`       how wide exact sums of products become
"""
