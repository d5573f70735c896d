"""The roofline of single matrix products against timed ones: what a family sustains, and how near the form comes.

Shares of peak, waste of tiles and sustained memory bandwidth are fitted to products in 16 bits and then stand as the
starts, with narrow spreads, of the same constants in the fit of whole steps (performance/constants.py): steps alone
cannot tell a slow product from all else that is slow. A table of one device from one library counts as one.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.arrays import named
from dcsim.kernels.facts import Device
from dcsim.kernels.roofline import products_s
from dcsim.performance.devices import FIELDS, device_row, family_of
from dcsim.performance.measured_csv import text_of
from dcsim.performance.precisions import ELEMENT_B
from dcsim.performance.row_text import accelerator_preset
from dcsim.scenario import presets

Floats = NDArray[np.float64]
SHARED = {"wave_share": 0.1, "tile_latency_s": 1e-6, "memory_efficiency": 0.8, "launch_s": 3e-6}
"""Constants that all devices share, and where their fit begins; a product alone also waits for its launch."""

FIRST_SHARE = 0.7  # of peak, where a fit begins
SPREAD = 0.15  # error of the logarithm at which the loss turns from squares to absolute values


@dataclass(frozen=True)
class Products:
    """Timed products: sides and seconds, the table (device and library) and family of each, and its device."""

    sides: Floats  # (n, 3): rows, columns, depth
    measured_s: Floats
    element_b: Floats
    tables: NDArray[np.str_]
    families: NDArray[np.str_]
    devices: Floats

    def select(self, keep: NDArray[np.bool_]) -> Products:
        """Some of them."""
        return Products(
            self.sides[keep],
            self.measured_s[keep],
            self.element_b[keep],
            self.tables[keep],
            self.families[keep],
            self.devices[keep],
        )

    def predict(self, values: dict[str, float]) -> Floats:
        """Seconds by shares of families (`ampere`, ...) and shared constants (`wave_share`, ...), shape (n,)."""
        devices = self.devices.copy()
        for field in SHARED:
            devices[:, FIELDS[field]] = values[field]
        devices[:, FIELDS["product_efficiency"]] = [values[family] for family in self.families]
        return np.asarray(products_s(self.sides, self.element_b, named(devices, Device)))


def read(path: Path) -> Products:
    """Products of a CSV file with the columns `device, dtype, m, n, k, time_us, kernel`; others are not looked at."""
    rows = list(csv.DictReader(io.StringIO(text_of(path), newline="")))
    missing = {"device", "dtype", "m", "n", "k", "time_us"} - set(rows[0] if rows else ())
    if missing:
        raise ScenarioError(Problem(str(path), "", f"no rows with column {', '.join(sorted(missing))}"))
    known = {(row["device"], row["dtype"]) for row in rows}
    told = {key: _device(*key) for key in sorted(known)}
    rows = [row for row in rows if told[row["device"], row["dtype"]] is not None]
    found = [told[row["device"], row["dtype"]] for row in rows]
    return Products(
        np.array([[float(row[side]) for side in ("m", "n", "k")] for row in rows]),
        np.array([1e-6 * float(row["time_us"]) for row in rows]),
        np.array([ELEMENT_B[row["dtype"]] for row in rows]),
        np.array([f"{row['device']} {row['dtype']} {(row.get('kernel') or '').split(' ')[0]}" for row in rows]),
        np.array([one[0] for one in found if one]),
        np.array([one[1] for one in found if one]),
    )


def _device(name: str, precision: str) -> tuple[str, Device] | None:
    preset = accelerator_preset(name)
    if preset is None or precision not in ELEMENT_B:
        return None
    accelerator = presets.accelerator(preset)
    family = family_of(accelerator)
    return (family.name if family else accelerator.device_class), device_row(accelerator, precision).device


def fit(found: Products) -> dict[str, float]:
    """Shares of families and shared constants by least squares on log seconds (soft L1), tables counting alike."""
    from scipy.optimize import least_squares

    families = sorted(set(found.families.tolist()))
    names = [*families, *SHARED]
    start = np.log([FIRST_SHARE] * len(families) + list(SHARED.values()))
    _, inverse, counts = np.unique(found.tables, return_inverse=True, return_counts=True)
    weight = np.sqrt(len(inverse) / len(counts) / counts[inverse])

    def residuals(x: Floats) -> Floats:
        """Weighted errors of times in logarithms, softened where they are large."""
        values = dict(zip(names, np.exp(x).tolist(), strict=True))
        errors = (np.log(found.predict(values)) - np.log(found.measured_s)) / SPREAD
        return np.asarray(weight * np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0)))

    solved = least_squares(residuals, start, bounds=(start - 4.0, start + 2.0), x_scale=0.1)
    return dict(zip(names, np.exp(solved.x).tolist(), strict=True))


def in_sixteen_bits(found: Products) -> Products:
    """Products of 16-bit operands, which the fit rests on."""
    return found.select(found.element_b == ELEMENT_B["bf16"])
