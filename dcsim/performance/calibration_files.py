"""A fit as preset files: one for each scope, every constant with its value, grade, fit error, rows and sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np

from dcsim.performance.calibrate import Bench, Fitted
from dcsim.performance.constants import Constant
from dcsim.performance.devices import Calibration, families, shipped
from dcsim.scenario.spec import Accelerator

WRITTEN = ".4g"
CLASSES = get_args(Accelerator.model_fields["device_class"].annotation)


@dataclass(frozen=True)
class Entry:
    """One constant as it is written. A starting value that stays, for want of rows or of a second source, says so."""

    constant: Constant
    value: float
    rows: int
    sources: int
    error: float
    devices: tuple[str, ...] = ()  # accelerators of the rows

    @property
    def fitted(self) -> bool:
        """Whether rows moved it. Constants of a user's folder that none did leave those that ship in place."""
        return bool(self.rows) and self.value != self.constant.start

    @property
    def grade(self) -> str:
        """`measured` where two sources or other measurements speak, `weak` where one source does, else `assumed`."""
        if self.sources > 1 or self.constant.basis:
            return "measured"
        return "weak" if self.rows else "assumed"

    @property
    def source(self) -> str:
        """What the value rests on, in words."""
        if not self.rows:
            return f"no rows; {self._start}"
        if not self.fitted:
            return f"not fitted, since {self.rows} rows of {self.sources} source use it; {self._start}"
        return (
            f"fitted with all others to {self.rows} rows of {self.sources} sources, from a start of "
            f"{self.constant.start:g} ({self._start})"
        )

    @property
    def _start(self) -> str:
        return "; ".join(text for text in (self.constant.source, self.constant.basis) if text)


def entries(fitted: Fitted) -> list[Entry]:
    """All constants of a fit."""
    devices = _devices(fitted.bench)
    columns = (fitted.bench.constants, fitted.values, fitted.rows, fitted.sources, fitted.errors, devices)
    return [Entry(c, float(v), int(n), int(s), float(e), d) for c, v, n, s, e, d in zip(*columns, strict=True)]


def in_place(found: Iterable[Entry]) -> Calibration:
    """The constants that a folder of these gives: those that were fitted, as written, in place of those that ship."""
    told = {(one.constant.scope, one.constant.field): float(f"{one.value:{WRITTEN}}") for one in found if one.fitted}
    return {**shipped(), **told}


def _devices(bench: Bench) -> list[tuple[str, ...]]:
    """Accelerators of the rows that use each constant."""
    names = np.array([row.accelerator.name for row in bench.rows])
    used: list[set[str]] = [set() for _ in bench.constants]
    for _, rows, numbers in bench.cells:
        for name, number in zip(names[rows].tolist(), numbers.tolist(), strict=True):
            used[number].add(name)
    return [tuple(sorted(devices)) for devices in used]


def preset_texts(found: list[Entry]) -> dict[str, str]:
    """File name -> TOML text, one file a scope; families keep their lists of accelerators, and so do classes whose
    share of peak is fitted to accelerators without a family."""
    texts = {}
    for scope in dict.fromkeys(entry.constant.scope for entry in found):
        blocks = [f"# Constants of the step-time model for '{scope}'; written by `python -m dcsim calibrate`."]
        of_scope = [entry for entry in found if entry.constant.scope == scope]
        header = _header(scope, of_scope)
        blocks += [header] if header else []
        blocks += [_block(entry) for entry in of_scope]
        texts[f"{scope}.toml"] = "\n\n".join(blocks) + "\n"
    return texts


def _header(scope: str, found: list[Entry]) -> str:
    family = next((f for f in families() if f.name == scope), None)
    shares = [one for one in found if one.constant.field == "product_efficiency"]
    names = {name for entry in (shares if family is None else found) for name in entry.devices}
    fitted = f"fitted_to = [{_quoted(sorted(names))}]"
    if family is None:
        return fitted if scope in CLASSES and shares else ""
    lines = [f"accelerators = [{_quoted(family.prefixes)}]", fitted]
    counts = "\n".join(f'"{name}" = {count:g}' for name, count in family.multiprocessors.items())
    return "\n".join(lines) + (f"\n\n[multiprocessors]\n{counts}" if counts else "")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _block(entry: Entry) -> str:
    lines = [
        f"[{entry.constant.field}]  # {entry.constant.meaning}",
        f"value = {entry.value:{WRITTEN}}",
        f'grade = "{entry.grade}"',
        f'source = "{entry.source}"',
        f"rows = {entry.rows}",
        f"sources = {entry.sources}",
    ]
    if not entry.fitted:
        lines.append("fitted = false")
    if entry.rows:
        lines.append(f"error = {entry.error:.3f}  # median, sources left out, of the rows that use it")
    return "\n".join(lines)
