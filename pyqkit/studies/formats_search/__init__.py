"""Formats for each layer of a network, with the hardware in the loop: small and accurate at a given rate."""
