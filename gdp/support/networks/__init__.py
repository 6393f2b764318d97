"""Layers that are computed fast on a CPU: convolutions by matrix products and by Winograd, norms, resampling."""
