"""Overlays that come with pyqkit, and the Tcl that builds others. PYNQ finds them here by name alone."""
