"""Fit the constants of collectives to measured rows, one set a generation, and predict rows of unseen sources.

Each constant has a common value, pulled weakly to its start, and one value a generation, pulled to the common one: a
generation that few rows speak of stays near the others. Least squares on the logarithm of times with a robust loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.tuning import Tuned
from dcsim.performance.collective_rows import Measured
from dcsim.performance.collectives import enabled, generations, times_s

Floats = NDArray[np.float64]

SPREAD = 0.15
"""Error of log time at which the loss turns from squares to absolute values."""


@dataclass(frozen=True)
class Constant:
    """A fitted field of `Tuned`: where it starts and why, how far (in logarithms) generations and all may lie apart.

    `own`: starts of generations that are known to differ; they are pulled there and not to the common value.
    """

    name: str
    start: float
    spread: float
    source: str
    most: float
    own: Mapping[str, float] = field(default_factory=dict)


CONSTANTS = (
    Constant("link_efficiency", 0.8, 0.1, "rings reach 0.75 to 0.82 of NVLink 3 to 5 (ml-engineering, network)", 1.0),
    Constant(
        "switch_efficiency",
        0.65,
        0.2,
        "NVLS exceeds rings by 1.2 to 1.3 on 8 GPUs, and 0.9 of NVLink 5 (ml-engineering, network)",
        1.0,
        {"blackwell": 0.58},
    ),
    Constant("pair_efficiency", 0.94, 0.05, "16 bytes of header for 256 of data on NVLink", 1.0),
    Constant("nic_efficiency", 0.92, 0.05, "46 to 48 of 50 GB/s a port (nccl-tests #290)", 1.0),
    Constant("fill_s", 3e-6, 0.5, "latency of a step under Simple (NCCL)", 1e-4),
    Constant("call_s", 5e-6, 0.3, "a kernel launch; what is longer belongs to the network", 3e-5),
)


@dataclass(frozen=True)
class Bench:
    """Rows ready for fitting."""

    rows: list[Measured]
    generation: NDArray[np.intp]
    ways: NDArray[np.bool_]

    @property
    def sources(self) -> NDArray[np.str_]:
        """Where each row was published, shape (n,)."""
        return np.array([row.source for row in self.rows])

    @property
    def measured_s(self) -> Floats:
        """Shape (n,)."""
        return np.array([row.time_s for row in self.rows])

    def select(self, keep: NDArray[np.bool_]) -> Bench:
        """The bench of some of its rows."""
        rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
        return Bench(rows, self.generation[keep], self.ways[keep])

    def predict(self, values: Floats) -> Floats:
        """Times, s, shape (n,); values: shape (generations, constants), inf where no way is enabled."""
        tuned = np.array([generation.tuned for generation in generations()])[self.generation]
        for number, constant in enumerate(CONSTANTS):
            tuned[:, Tuned._fields.index(constant.name)] = values[self.generation, number]
        rows = self.rows
        times = times_s(
            [r.collective for r in rows], np.array([r.size_b for r in rows]), [r.group for r in rows], tuned
        )
        best = np.where(self.ways, times, np.inf).min(axis=1)
        call_s = tuned[:, Tuned._fields.index("call_s")]
        own_s = np.array([np.nan if row.call_s is None else row.call_s for row in rows])
        return np.asarray(best + np.where(np.isnan(own_s), 0.0, own_s - call_s))


def bench(rows: list[Measured]) -> Bench:
    """The rows that some enabled way serves, in order."""
    names = [generation.name for generation in generations()]
    numbers = np.array([names.index(row.generation) for row in rows], dtype=np.intp)
    made = Bench(rows, numbers, np.array([enabled(row.algorithms) for row in rows]))
    return made.select(np.isfinite(made.predict(shipped())))


def shipped() -> Floats:
    """The constants that ship, shape (generations, constants)."""
    return np.array([[getattr(g.tuned, constant.name) for constant in CONSTANTS] for g in generations()])


def starts() -> Floats:
    """Where every fit starts, shape (generations, constants)."""
    names = [generation.name for generation in generations()]
    return np.array([[constant.own.get(name, constant.start) for constant in CONSTANTS] for name in names])


def fit(at: Bench) -> Floats:
    """Values of the constants by these rows, shape (generations, constants); `all`, the last row, is the common one."""
    from scipy.optimize import least_squares

    start = np.log(starts())
    centre = np.array([[g.name in constant.own for constant in CONSTANTS] for g in generations()[:-1]])
    pull = 1.0 / np.array([constant.spread for constant in CONSTANTS])
    most = np.log([constant.most for constant in CONSTANTS])
    measured = np.log(at.measured_s)
    _, inverse, counts = np.unique(at.sources, return_inverse=True, return_counts=True)
    weight = (counts[inverse] / counts.mean()) ** -0.25  # a source of n rows counts as sqrt(n)

    def residuals(x: Floats) -> Floats:
        """Weighted errors of times in logarithms, softened where they are large."""
        values = np.minimum(x.reshape(start.shape), most)
        errors = (np.log(at.predict(np.exp(values))) - measured) / SPREAD
        soft = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        pulled = np.where(centre, start[:-1], values[-1])
        apart = np.vstack([(values[:-1] - pulled) * pull, (values[-1:] - start[-1:]) * pull])
        return np.concatenate([weight * soft, apart.ravel()])

    found = least_squares(residuals, start.ravel(), diff_step=1e-3, max_nfev=40, ftol=1e-4)
    return np.asarray(np.exp(np.minimum(found.x.reshape(start.shape), most)))


def cross_validated_s(at: Bench) -> Floats:
    """Times of every row by constants fitted without any row of its source, s, shape (n,)."""
    out = np.empty(len(at.rows))
    for source in np.unique(at.sources):
        held = at.sources == source
        out[held] = at.select(held).predict(starts() if held.all() else fit(at.select(~held)))
    return out
