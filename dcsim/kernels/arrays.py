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


def together(*given: tuple[NDArray[np.float64], Any]) -> list[NDArray[np.void]]:
    """Tables of a batch as records, given with their kinds.

    Raises ValueError unless each has one row, which serves all, or as many as the longest.
    """
    tables = [named(rows, kind) for rows, kind in given]
    if not {len(table) for table in tables} <= {1, max(map(len, tables))}:
        names = ", ".join(kind.__name__ for _, kind in given)
        raise ValueError(f"{names} must have one row or the same number of rows")
    return tables
