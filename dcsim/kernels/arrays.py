"""Arrays of rows seen as rows with names, so that kernels read `plan.tp` where the caller gave a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def named(rows: NDArray[np.float64], kind: Any) -> NDArray[np.void]:
    """Rows of shape (n, fields) as n records with the fields of the NamedTuple `kind`; ValueError for another width."""
    width = len(kind._fields)
    table = np.ascontiguousarray(rows, dtype=np.float64).reshape(-1, np.shape(rows)[-1])
    if table.shape[1] != width:
        raise ValueError(f"{kind.__name__} has {width} columns, not {table.shape[1]}")
    return table.view(np.dtype([(name, np.float64) for name in kind._fields]))[:, 0]
