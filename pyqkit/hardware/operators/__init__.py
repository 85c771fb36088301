"""What each operator costs, mirroring `pyqkit.hls.operators`; a new file here is found by its ``@estimates`` decorator."""
