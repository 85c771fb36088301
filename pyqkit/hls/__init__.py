"""C++ of a network: templates of ``hls/`` instantiated with what formats and foldings give."""
