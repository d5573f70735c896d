"""Named random streams: one seed, one stream a purpose; a new stream never shifts the others."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The stream of one purpose, such as "workload.arrivals" or "placement".

    The name's SHA-256 goes into the spawn key of numpy's SeedSequence, so streams of different names are
    independent and none depends on which others were asked for, or in which order.
    """
    words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=tuple(words.tolist()))))
