"""Fit the constants of the step-time model to measured rows, and say how well rows of unseen sources come out.

A constant is a field of `Device` in a scope: all accelerators, a class, a family, or a family of frameworks; never a
source, a model or a row. Least squares on the logarithm of tokens/s with a loss that gives up on rows far off (Cauchy:
some runs are slow for reasons that no configuration tells) and a pull towards the starting value. Cross-validation
leaves whole sources out, or whole families of frameworks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.step import steps
from dcsim.performance.constants import CONSTANTS, Constant
from dcsim.performance.devices import CALIBRATED, FIELDS, Calibration, device_row, scope_of, scopes, shipped
from dcsim.performance.rows import Configuration, Configurations

SPREAD = 0.2  # error of log tokens/s from which on a row loses its say
FELT = 1e-3  # a row rests on a constant if a tenth less of it changes the prediction by this much
LEAST_SOURCES = 2
VALLEYS = {"overlap": (0.5, 0.9)}
"""Where a fit begins besides, of constants whose cost has valleys beside each other: traffic that hides less and one
that is faster look alike."""
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Bench:
    """Rows ready for fitting: kernel inputs, and which constant goes into which cell of the devices' columns."""

    rows: list[Configuration]
    constants: tuple[Constant, ...]
    models: Vector
    plans: Vector
    devices: Vector
    tokens: Vector
    measured: Vector
    cells: tuple[tuple[int, NDArray[np.intp], NDArray[np.intp]], ...]  # column, rows, number of the constant

    def predict(self, values: Vector) -> Vector:
        """Tokens/s an accelerator with these values of the constants, shape (n,)."""
        devices = self.devices.copy()
        for column, rows, numbers in self.cells:
            devices[rows, column] = values[numbers]
        return np.asarray(self.tokens / steps(self.models, self.plans, devices)[:, 0])

    @property
    def sources(self) -> NDArray[np.str_]:
        """Where each row was published, shape (n,)."""
        return np.array([row.source for row in self.rows])

    def select(self, keep: NDArray[np.bool_]) -> Bench:
        """The bench of some of its rows."""
        place = np.cumsum(keep) - 1
        rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
        cells = tuple((column, place[i[keep[i]]], k[keep[i]]) for column, i, k in self.cells)
        return Bench(
            rows,
            self.constants,
            self.models[keep],
            self.plans[keep],
            self.devices[keep],
            self.tokens[keep],
            self.measured[keep],
            cells,
        )


@dataclass(frozen=True)
class Fitted:
    """A fit: values of the constants, the rows and sources that each rests on, and predictions of all rows.

    `inside`: tokens/s by these values; `outside`: by constants that no row of the same source had a part in.
    """

    bench: Bench
    values: Vector
    rows: NDArray[np.int64]
    sources: NDArray[np.int64]
    errors: Vector
    inside: Vector
    outside: Vector


def bench(configurations: Configurations, constants: tuple[Constant, ...] = CONSTANTS) -> Bench:
    """Resolve which constant serves which row."""
    number = {(constant.scope, constant.field): i for i, constant in enumerate(constants)}
    known: Calibration = {(constant.scope, constant.field): constant.start for constant in constants}
    devices = np.empty((len(configurations.rows), len(FIELDS)))
    cells: dict[str, list[tuple[int, int]]] = {field: [] for field in CALIBRATED}
    for i, row in enumerate(configurations.rows):
        devices[i] = device_row(
            row.accelerator, row.precision, row.framework, row.domain, row.nic_b_per_s, known
        ).device
        where = scopes(row.accelerator, row.framework)
        for field in CALIBRATED:
            scope = scope_of(field, where, known)
            if scope is not None:
                cells[field].append((i, number[scope, field]))
    packed = tuple(
        (FIELDS[field], np.array([i for i, _ in pairs]), np.array([k for _, k in pairs]))
        for field, pairs in cells.items()
        if pairs
    )
    c = configurations
    return Bench(c.rows, constants, c.models, c.plans, devices, c.tokens, c.measured, packed)


def predict(configurations: Configurations, calibration: Calibration | None = None) -> Vector:
    """Tokens/s an accelerator of each row by the constants that ship (or these), shape (n,)."""
    rows = configurations.rows
    known = shipped() if calibration is None else calibration
    devices = np.array(
        [device_row(r.accelerator, r.precision, r.framework, r.domain, r.nic_b_per_s, known).device for r in rows]
    ).reshape(-1, len(FIELDS))
    if not rows:
        return np.empty(0)
    return np.asarray(configurations.tokens / steps(configurations.models, configurations.plans, devices)[:, 0])


def weights(sources: NDArray[np.str_]) -> Vector:
    """Each source counts the same, since what is asked for is a source that was not seen. Mean 1."""
    _, inverse, counts = np.unique(sources, return_inverse=True, return_counts=True)
    each = 1.0 / counts[inverse]
    return np.asarray(each / each.mean())


def from_shipped(constants: tuple[Constant, ...] = CONSTANTS) -> tuple[Constant, ...]:
    """The same constants, which start from and are held to the values that ship: for a user's own few rows."""
    known = shipped()
    return tuple(replace(c, start=known[c.scope, c.field], source="the value that ships") for c in constants)


def spoken_of(at: Bench) -> NDArray[np.bool_]:
    """Which constants rows of two sources or more use, shape (constants,): what one of several sources alone says is
    no constant. All that are used, if there is but one source: then they are those of a user's own machine."""
    heard = [set[str]() for _ in at.constants]
    for _, rows, numbers in at.cells:
        for source, number in zip(at.sources[rows], numbers, strict=True):
            heard[number].add(str(source))
    least = min(LEAST_SOURCES, len(set().union(*heard)))
    return np.array([len(sources) >= max(least, 1) for sources in heard])


def fit(at: Bench) -> Vector:
    """Values of the constants by these rows, the best of what is found from their starts and from VALLEYS; those that
    one source alone uses keep their starts."""
    from scipy.optimize import least_squares

    start = np.log([constant.start for constant in at.constants])
    low, high = (np.log([getattr(c, end) for c in at.constants]) for end in ("low", "high"))
    pull = 1.0 / np.array([constant.spread for constant in at.constants])
    weight = np.sqrt(weights(at.sources))
    measured = np.log(at.measured)
    free = spoken_of(at)
    if not free.any():
        return np.asarray(np.exp(start))

    def whole(x: Vector) -> Vector:
        """All constants, of those that are free."""
        values = start.copy()
        values[free] = x
        return values

    def residuals(x: Vector) -> Vector:
        """What least squares makes small: errors with a soft loss, and the pull towards the start."""
        errors = (np.log(at.predict(np.exp(whole(x)))) - measured) / SPREAD
        soft = np.sign(errors) * np.sqrt(np.log1p(errors**2))
        return np.concatenate([weight * soft, (x - start[free]) * pull[free]])

    begins = [start, *_other_starts(at.constants, start)]
    firsts = (np.clip(one, low + 1e-6, high - 1e-6)[free] for one in begins)
    options = {"x_scale": 0.1, "diff_step": 1e-3, "max_nfev": 40, "ftol": 1e-4}
    tries = [least_squares(residuals, one, bounds=(low[free], high[free]), **options) for one in firsts]
    return np.asarray(np.exp(whole(min(tries, key=lambda found: float(found.cost)).x)))


def _other_starts(constants: tuple[Constant, ...], start: Vector) -> list[Vector]:
    """The logarithms of all starts with one of them elsewhere, by VALLEYS."""
    numbers = np.arange(len(start))
    return [
        np.where(numbers == number, np.log(value), start)
        for number, constant in enumerate(constants)
        for value in VALLEYS.get(constant.field, ())
    ]


def cross_validate(at: Bench, groups: NDArray[np.str_] | None = None) -> Vector:
    """Tokens/s of every row, by constants fitted without any row of its group (its source), shape (n,)."""
    out = np.empty(len(at.rows))
    names = at.sources if groups is None else groups
    for name in np.unique(names):
        held = names == name
        values = fit(at.select(~held)) if not held.all() else np.array([c.start for c in at.constants])
        out[held] = at.select(held).predict(values)
    return out


def _nudged(values: Vector, number: int) -> Vector:
    """The values with one of them a tenth lower."""
    return np.where(np.arange(len(values)) == number, 0.9 * values, values)


def calibrate(configurations: Configurations, constants: tuple[Constant, ...] = CONSTANTS) -> Fitted:
    """Fit all rows, cross-validate by source, and count what each constant rests on."""
    at = bench(configurations, constants)
    values = fit(at)
    inside, outside = at.predict(values), cross_validate(at)
    rows, sources = np.zeros(len(constants), np.int64), np.zeros(len(constants), np.int64)
    errors = np.full(len(constants), np.nan)
    for number in range(len(constants)):
        touched = np.flatnonzero(np.abs(np.log(at.predict(_nudged(values, number)) / inside)) > FELT)
        rows[number], sources[number] = len(touched), len(np.unique(at.sources[touched]))
        if len(touched):
            errors[number] = np.median(np.abs(outside[touched] / at.measured[touched] - 1.0))
    return Fitted(at, values, rows, sources, errors, inside, outside)
