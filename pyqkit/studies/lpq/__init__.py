"""LPQ: a genetic search for the Logarithmic Posit of every layer (after Ramachandran et al., DAC 2024).

`gene`        what is searched for in a layer
`space`       genomes whose exact sums fit, and what they mean: codings of weights, activations derived
`problem`     network, images, fitness
`methods`     the genetic search, and what it is compared with
`study`       searches as a study, which checkpoints and resumes them
`result`      what was found, layer by layer
`comparison`  LPQ beside the others, and without its parts
"""
