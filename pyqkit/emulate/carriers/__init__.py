"""What convolutions of engine `exact` are summed in; a new file here is found by its ``@carries`` decorator.

The fastest that provably holds every partial sum of a layer runs it, else the operator's own definition.
"""
