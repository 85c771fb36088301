"""Engines against each other, against the reference, and against float32 execution."""
