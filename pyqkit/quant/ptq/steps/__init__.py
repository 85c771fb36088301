"""Steps of post-training quantisation, one a file: each registers itself by the name that recipes call it."""
