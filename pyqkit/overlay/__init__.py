"""Overlays: what a board loads, made by AMD's tools, or without them for the emulated board."""
