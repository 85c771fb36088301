"""The minifloat study: accuracy of networks in every small format after post-training quantisation."""
