"""Engines: a compiled network run on this computer, with every bit that the hardware computes."""
