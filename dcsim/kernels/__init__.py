"""Numba kernels: arrays in, arrays out. Pure, batched, without objects, randomness or time."""
