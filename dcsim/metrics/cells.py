"""Means over slots of time of what begins and ends at any time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def held_in_cells(
    start_s: Floats, end_s: Floats, weight: Floats, row: NDArray[np.integer], rows: int, slots: Floats
) -> Floats:
    """Mean weight held in each row and slot, exact; shape (rows, slots).

    start_s, end_s, weight, row: shape (pieces,): each piece adds its weight to its row from start to end.
    slots: edges, s, rising, shape (slots + 1,). Sum of weight x time up to an edge e is e x (sum of weights begun)
    minus (sum of weight x begin), and the same for ends; no loop over pieces.
    """
    count = len(slots) - 1
    time_s = np.concatenate([start_s, end_s])
    change = np.concatenate([weight, -weight])
    slot = np.clip(np.searchsorted(slots, time_s, side="left"), 0, count)  # counts at the edge behind it
    cell = np.concatenate([row, row]) * (count + 1) + slot
    size = rows * (count + 1)
    level = np.bincount(cell, change, size).reshape(rows, -1).cumsum(axis=1)
    moment = np.bincount(cell, change * time_s, size).reshape(rows, -1).cumsum(axis=1)
    held: Floats = np.diff(level * slots - moment, axis=1) / np.diff(slots)
    return held
