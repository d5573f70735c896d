"""How far predictions are from measurements: median and 90th percentile of the error, and bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Score:
    """Absolute errors as shares of the measured value; `bias` is the median of predicted over measured less 1."""

    rows: int
    median: float
    p90: float
    bias: float

    def __str__(self) -> str:
        return (
            f"{self.rows} rows, median error {100 * self.median:.1f} %, 90th percentile {100 * self.p90:.1f} %, "
            f"bias {100 * self.bias:+.1f} %"
        )


def score(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> Score:
    """The score of predictions, shape (n,) each; NaN where there are none."""
    if not len(measured):
        return Score(0, np.nan, np.nan, np.nan)
    ratio = predicted / measured
    errors = np.abs(ratio - 1.0)
    return Score(len(ratio), float(np.median(errors)), float(np.quantile(errors, 0.9)), float(np.median(ratio) - 1.0))
