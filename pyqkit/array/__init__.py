"""The array: one matrix engine that is programmed, instead of a network that is built.

`machine` says what an array is, `isa` what it is told, `families` what its elements multiply, `execute` what
a program computes, `timing` in how many cycles. `docs/array.md` is the whole on one page.
"""
