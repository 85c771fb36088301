"""How each operator runs in engine `exact`; a new file here is found by its ``@runs`` decorator.

An operator without a file here runs by its definition.
"""
