"""The graph's operators as FINN's hardware nodes, one for one; the only part that imports ``finn``.

See docs/finn.md. `convert.to_finn` makes a model of a graph, `passes.Fold` gives its nodes their parallelism,
and FINN's own transformations do the rest. Nothing is computed here: a node's numbers come from its
operator's `execute`, its C++ from `pyqkit.hls`, its cycles and resources from `pyqkit.hardware`.
"""
