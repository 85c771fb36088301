"""The host's part of a network: what stands behind the accelerator's outputs, computed with numpy alone."""
