"""How near the roofline comes to timed matrix products: `python -m benchmarks.accuracy products --rows FILE.csv`.

Constants are fitted to all products in 16 bits; each table (a device with a library) is also predicted by constants
fitted without it, except that a family's own share needs one of its tables.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.performance.products import Products, fit, in_sixteen_bits, read
from dcsim.performance.scores import score

LEAST_SIDE = 1024.0  # of products as large as those of training


def without_each_table(found: Products) -> NDArray[np.float64]:
    """Seconds of every product, by constants fitted without its table, where its family has another, shape (n,)."""
    whole, out = fit(found), np.empty(len(found.measured_s))
    for table in np.unique(found.tables):
        held = found.tables == table
        values = whole | fit(found.select(~held))
        out[held] = found.select(held).predict(values)
    return out


def report(path: Path) -> None:
    """Print constants and errors by table; the last line is one JSON object."""
    found = in_sixteen_bits(read(path))
    values = fit(found)
    print("constants fitted to products:")
    for name, value in values.items():
        print(f"  {name:20}{value:.4g}")
    inside, outside = found.predict(values), without_each_table(found)
    large = found.sides.min(axis=1) >= LEAST_SIDE
    head = "seconds of products, error, %"
    print(f"{head:60}{'rows':>6}{'median':>9}{'p90':>9}{'bias':>9}{'left out: median':>18}{'sides >= 1,024':>16}")
    for table in np.unique(found.tables):
        part = found.tables == table
        one, left = score(inside[part], found.measured_s[part]), score(outside[part], found.measured_s[part])
        big = score(inside[part & large], found.measured_s[part & large])
        print(
            f"{table[:58]:60}{one.rows:>6}{100 * one.median:>9.1f}{100 * one.p90:>9.1f}{100 * one.bias:>+9.1f}"
            f"{100 * left.median:>18.1f}{100 * big.median:>16.1f}"
        )
    all_rows, left = score(inside, found.measured_s), score(outside, found.measured_s)
    big = score(inside[large], found.measured_s[large])
    figures = {
        "rows": all_rows.rows,
        "median_ape": all_rows.median,
        "p90_ape": all_rows.p90,
        "bias": all_rows.bias,
        "left_out_median_ape": left.median,
        "large_rows": big.rows,
        "large_median_ape": big.median,
        "large_p90_ape": big.p90,
    }
    print(json.dumps({name: round(value, 5) for name, value in figures.items()}))
